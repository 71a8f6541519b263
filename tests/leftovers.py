"""Ends whatever the tests have started once their process has ended, SIGKILL included.

Services run in sessions of their own, and some are detached on purpose: no signal to the tests
reaches them. So all that is started is marked in its environment, and a watcher, which learns of
the end because its input ends, kills what has the mark. That watcher is this file, as a program.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import subprocess
import sys

import psutil

MARK = "TESTS_OF_QTOWER"

_LOOKS = 10


class Watcher:
    """Marks all that this process starts from now on, and waits for its end."""

    def __init__(self) -> None:
        os.environ[MARK] = secrets.token_hex(16)
        # Nothing else has this pipe: it ends with this process, however that ends.
        self._process = subprocess.Popen(
            [sys.executable, __file__, os.environ[MARK]],
            stdin=subprocess.PIPE,
            start_new_session=True,
        )

    def close(self) -> None:
        """Ends what is left now."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


def marked(mark: str) -> list[psutil.Process]:
    """Returns the living processes with a mark, this one left out."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.pid != os.getpid() and process.environ().get(MARK) == mark:
                found.append(process)
    return found


def _main() -> None:
    sys.stdin.buffer.read()
    for _ in range(_LOOKS):  # what is killed may just have started something
        left = marked(sys.argv[1])
        for process in left:
            with contextlib.suppress(psutil.Error):
                process.kill()
        psutil.wait_procs(left, timeout=1)
        if not left:
            return


if __name__ == "__main__":
    _main()
