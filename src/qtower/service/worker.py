"""The child process of the engine: takes one job after another from stdin, and simulates it.

Orders come as one JSON object a line on stdin, reports go the same way to stdout. Everything else
that is printed, by libraries too, goes to stderr, which is the service's log.
"""

from __future__ import annotations

import contextlib
import ctypes
import logging
import os
import queue
import signal
import sys
import threading
import time
import traceback
import warnings
from pathlib import Path
from typing import BinaryIO

import msgspec

from qtower.service.orders import Order, Ready, Report, Running

_PR_SET_PDEATHSIG = 1  # prctl(2)
_WATCH_SECONDS = 0.5


def main() -> None:
    """Runs until the parent closes our stdin or dies."""
    parent, threads = (int(argument) for argument in sys.argv[1:3])
    # Ctrl+C and a closed terminal reach the whole process group; the parent decides what they mean.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    _die_with(parent)
    _be_first_when_memory_runs_out()
    reports = _take_over_stdout()
    orders = _orders()
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)

    from qtower.service.simulation import Simulation

    simulation = Simulation(threads)
    _report(reports, Ready())
    while True:
        order = orders.get()
        started = time.time()
        _report(reports, Running(at=started))
        outcome = simulation.run(
            order.job_id,
            order.device,
            Path(order.qobj_file),
            Path(order.result_file),
            order.options,
            order.limits,
        )
        _report(reports, msgspec.structs.replace(outcome, started=started, ended=time.time()))
        _give_back_memory()


def _die_with(parent: int) -> None:
    """Has us killed when the parent dies, even in the middle of a long call of Aer.

    Aer holds the interpreter's lock while it runs, so no thread of ours could do that.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    else:
        _watch_from_beside(parent)
    if os.getppid() != parent:
        # It died before we could ask.
        raise SystemExit(0)


def _watch_from_beside(parent: int) -> None:
    """Forks a small process that kills us once the parent is gone."""
    worker = os.getpid()
    if os.fork():
        return
    # The pipes must close when the worker ends, not when its watcher does.
    os.close(0)
    os.close(1)
    while os.getppid() == worker:
        if not _alive(parent):
            os.kill(worker, signal.SIGKILL)
        time.sleep(_WATCH_SECONDS)
    os._exit(0)


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def _be_first_when_memory_runs_out() -> None:
    """Tells Linux to end this process, and not the service, when memory runs out."""
    with contextlib.suppress(OSError):  # no Linux, or a container without it
        Path("/proc/self/oom_score_adj").write_text("1000")


def _give_back_memory() -> None:
    """Returns freed memory to the system: glibc would keep hundreds of MB after a large result."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def _take_over_stdout() -> BinaryIO:
    reports = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    return reports


def _orders() -> queue.SimpleQueue[Order]:
    """Reads orders in a thread, which ends this process when the parent is gone."""
    orders: queue.SimpleQueue[Order] = queue.SimpleQueue()

    def read() -> None:
        try:
            for line in sys.stdin.buffer:
                orders.put(msgspec.json.decode(line, type=Order))
        except msgspec.MsgspecError:
            traceback.print_exc()  # the service is of another version than what is installed now
            os._exit(1)
        os._exit(0)

    threading.Thread(target=read, name="orders", daemon=True).start()
    return orders


def _report(reports: BinaryIO, report: Report) -> None:
    try:
        reports.write(msgspec.json.encode(report) + b"\n")
    except BrokenPipeError:
        raise SystemExit(0) from None


if __name__ == "__main__":
    main()
