"""The C library's heaps: one for each thread by itself, one for all when it is told."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

_PROGRAM = """
import sys, threading, zlib
from qtower.service.memory import keep_one_heap

if sys.argv[1] == "told":
    keep_one_heap()
gate = threading.Barrier(9)

def work():
    packed = zlib.compressobj()  # some hundred kilobytes, of the C library
    gate.wait()
    packed.flush()

threads = [threading.Thread(target=work) for _ in range(8)]
for thread in threads:
    thread.start()
gate.wait()
starts = [line.split("-")[0] for line in open("/proc/self/maps")]
# glibc keeps a thread's heap at a multiple of 64 MiB.
print(sum(int(start, 16) % (64 << 20) == 0 for start in starts))
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="needs glibc")
def test_all_threads_share_one_heap() -> None:
    heaps = {}
    for how in ("told", "untold"):
        command = [sys.executable, "-c", _PROGRAM, how]
        heaps[how] = int(subprocess.run(command, capture_output=True, check=True).stdout)
    assert heaps["told"] < heaps["untold"]
