"""The engine's children as it sees them: a process each, what it is doing, how it died."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from typing import TypeVar

from qtower.service.limits import Breach, Watch
from qtower.service.orders import NOT_RUN, Order, Outcome
from qtower.surroundings import for_strangers

_Told = TypeVar("_Told")

_logger = logging.getLogger(__name__)


class Run:
    """A job that was started and has no outcome yet; `run_id` is one run of it among others."""

    def __init__(
        self,
        run_id: str,
        order: Order,
        on_running: Callable[[float], None],
        on_outcome: Callable[[Outcome], None],
    ) -> None:
        self.run_id = run_id
        self.order = order
        self.on_running = on_running
        self.on_outcome = on_outcome
        self.started: float | None = None
        self.cancelled = False
        self.watch: Watch | None = None  # while it runs
        self.breach: Breach | None = None  # the limit for which it was ended
        self.given_back = False  # once already, by a child that died before it took the job up


class Child:
    """A child process and what it is doing."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self.process = process
        self.orders = process.stdin
        self.reports = process.stdout
        self.unread = bytearray()
        self.ready = False
        self.deaf = False  # it is given no orders: it has died or was ended, as will be noticed
        self.hangs = False  # it was ended for not taking up its order
        self.run: Run | None = None
        self.ordered = 0.0  # when it was given that, on the monotonic clock


def start_child(workers: int) -> Child:
    """Starts a child, one of `workers` that share the processors of this machine.

    Raises:
        OSError: The system has no process or memory left for it.
    """
    threads = max(1, processors() // workers)
    environment = for_strangers() | {
        "OMP_NUM_THREADS": str(threads),
        "OPENBLAS_NUM_THREADS": str(threads),
    }
    arguments = [str(number) for number in (os.getpid(), threads)]
    # Run from the root: a module of the user's working directory must not shadow a library.
    process = subprocess.Popen(
        [sys.executable, "-m", "qtower.service.worker", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        bufsize=0,
        cwd="/",
        env=environment,
    )
    return Child(process)


def tell(listener: Callable[[_Told], None], told: _Told) -> None:
    """Calls a listener of an engine; a fault of it must not end the thread that serves all."""
    try:
        listener(told)
    except Exception:
        _logger.exception("a listener of the engine failed")


def processors() -> int:
    """How many processors this process may use: on a node of a cluster, not all there are."""
    of_this_process = getattr(os, "sched_getaffinity", None)
    return len(of_this_process(0)) if of_this_process else os.cpu_count() or 1


def death(run: Run, status: int) -> Outcome:
    """The outcome of a job whose child ended with `status` (negative: by that signal)."""
    if run.cancelled:
        return Outcome(kind="cancelled", started=run.started, ended=time.time())
    if run.breach is not None:
        return Outcome(
            kind="failed",
            message=run.breach.message,
            code=run.breach.code,
            started=run.started,
            ended=time.time(),
        )
    if status == -signal.SIGKILL:
        reason = "was killed from outside, most likely because memory ran out"
    elif status < 0:
        reason = f"crashed ({signal.Signals(-status).name})"
    else:
        reason = f"ended by itself (status {status})"
    return lost(run, f"The process that simulated the job {reason}")


def lost(run: Run, message: str) -> Outcome:
    """The outcome of a job that nobody runs any more, through no fault of its own."""
    return Outcome(
        kind="lost", message=message, code=NOT_RUN, started=run.started, ended=time.time()
    )
