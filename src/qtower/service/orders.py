"""What goes between an engine and the children that simulate: orders one way, reports the other."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import msgspec

from qtower.service.limits import Limits

NOT_RUN = 5203
"""Code of the IBM API: "Failed to run job."."""


class Outcome(msgspec.Struct, frozen=True, kw_only=True, tag="outcome"):
    """How a job ended. Times are seconds since 1970-01-01 UTC.

    `completed` has a result; `failed` has one if some experiments can be read all the same;
    `lost` means that the process which ran the job died, not that the job was wrong; `blameless`,
    that this was not the job's own process: it is no attempt of the job. The message has no full
    stop at its end: the provider writes "MESSAGE. Error code: CODE.".
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
