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
import warnings
from pathlib import Path
from typing import Any, BinaryIO, Literal, TypeAlias

import msgspec

from qtower.service.limits import Limits

_PR_SET_PDEATHSIG = 1  # prctl(2)
_WATCH_SECONDS = 0.5


class Outcome(msgspec.Struct, frozen=True, kw_only=True, tag="outcome"):
    """How a job ended. Times are seconds since 1970-01-01 UTC.

    `completed` has a result; `failed` has one if some experiments can be read all the same;
    `lost` means that the process which ran the job died, not that the job was wrong; `blameless`,
    that the job cannot have had a part in that. The message has no full stop at its end: the
    provider writes "MESSAGE. Error code: CODE.".
    """

    kind: Literal["completed", "failed", "cancelled", "lost"]
    message: str = ""
    code: int = 0  # four digits, as the IBM API used them
    has_result: bool = False
    started: float | None = None
    ended: float | None = None
    blameless: bool = False

    @property
    def seconds(self) -> float | None:
        """How long the job ran; None if it did not begin."""
        if self.started is None or self.ended is None:
            return None
        return self.ended - self.started


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """A job to be simulated."""

    job_id: str
    device: str
    qobj_file: str
    result_file: str
    options: dict[str, Any] = {}  # how the device is set up; see `Simulation.run`
    limits: Limits = Limits()


class Ready(msgspec.Struct, frozen=True, kw_only=True, tag="ready"):
    """The worker has loaded Aer and waits for orders."""


class Running(msgspec.Struct, frozen=True, kw_only=True, tag="running"):
    """The order was taken up at `at`."""

    at: float


Report: TypeAlias = Ready | Running | Outcome


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
            order.limits.result_bytes,
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
        for line in sys.stdin.buffer:
            orders.put(msgspec.json.decode(line, type=Order))
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
