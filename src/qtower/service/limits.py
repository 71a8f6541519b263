"""How long a job may run, how much memory its process may take, and the watch over both.

Memory is watched from outside, as what the process holds of the machine (its resident set), every
0.05 s while a job runs. The other way, RLIMIT_AS or RLIMIT_DATA, makes an allocation fail inside
the simulation, and what then happens is up to the library: Aer says "Cannot allocate memory by
posix_memalign", or aborts where that is in a parallel loop, and an abort looks like any crash. It
also counts what is only reserved: 450 MB of a warm child that holds 120 MB. The price is that a
job may take some 100 MB more than allowed before it is seen.
"""

from __future__ import annotations

import time

import msgspec
import psutil

TIMED_OUT = 5201
"""Code of the IBM API: "Job timed out"."""

TOO_LARGE = 5204
"""Code of the IBM API: "Error raised when execution on AER failed"."""

_LOOK_SECONDS = 0.05
_MEGABYTE = 1_000_000


class Limits(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one job may take; None for as much as there is."""

    seconds: float | None = None
    memory_bytes: int | None = None
    result_bytes: int | None = None


class Breach(msgspec.Struct, frozen=True):
    """A limit that a job went beyond: what its owner is told, and the code."""

    message: str
    code: int


class Watch:
    """The watch over one running job.

    Args:
        limits: What it may take.
        process_id: The process that runs it.
    """

    def __init__(self, limits: Limits, process_id: int) -> None:
        self._limits = limits
        self._process_id = process_id
        self._began = time.monotonic()

    def seconds_to_next_look(self) -> float | None:
        """Returns when `breach` is to be asked again; None for never."""
        if self._limits.memory_bytes is not None:
            return _LOOK_SECONDS
        if self._limits.seconds is None:
            return None
        return max(self._began + self._limits.seconds - time.monotonic(), 0.0)

    def breach(self) -> Breach | None:
        """Returns the limit that the job is beyond; None if there is none."""
        seconds, memory = self._limits.seconds, self._limits.memory_bytes
        if seconds is not None and time.monotonic() - self._began >= seconds:
            return Breach(f"The job timed out: it may run for {seconds:g} seconds", TIMED_OUT)
        if memory is not None and _resident_bytes(self._process_id) > memory:
            megabytes = memory / _MEGABYTE
            return Breach(f"The job needs more memory than {megabytes:,.0f} MB", TOO_LARGE)
        return None


def _resident_bytes(process_id: int) -> int:
    try:
        return int(psutil.Process(process_id).memory_info().rss)
    except psutil.Error:
        return 0  # it has just ended, as will be heard
