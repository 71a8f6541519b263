"""Sets that are not wholly sent, or have holes, and what can be done about them."""

from __future__ import annotations

from enum import Enum

from qtower.model.base import Struct


class UnsentSet(Struct, frozen=True, kw_only=True):
    """A set of which some jobs are not on the server, and nobody gave them up.

    `state`: "sending", "paused", "background" (another process sends it) or "offered" (nobody
    does: a person decides).
    """

    set_id: str
    name: str
    backend: str
    jobs: int
    sent: int
    refused: int = 0  # of those that are not sent
    state: str = "offered"
    waits_for: str = ""  # why nothing is sent at the moment; "" if it goes on
    always: bool = False  # it goes on by itself after a restart
    created: float = 0.0

    @property
    def unsent(self) -> int:
        """How many jobs are not on the server; those that were given up are not in `jobs`."""
        return self.jobs - self.sent

    @property
    def offer(self) -> str:
        """For example: "7 of 12 jobs reached the server"."""
        jobs = "1 job" if self.jobs == 1 else f"{self.jobs} jobs"
        return f"{self.sent or 'none'} of {jobs} reached the server"


class Unsent(Struct, frozen=True, kw_only=True):
    """All sets that are not wholly sent, oldest first."""

    sets: list[UnsentSet]


class Steer(str, Enum):
    """What a person wants of a set that is not wholly sent."""

    SEND = "send"
    ALWAYS = "always"  # send, and go on by itself after a restart
    PAUSE = "pause"
    STOP = "stop"  # keep the rest, as an offer
    LEAVE = "leave"  # give the rest up
    BACKGROUND = "background"  # send by a process that goes on when this one ends


class Hole(Struct, frozen=True, kw_only=True):
    """A job of a set that has no result to give, and where its qobj is."""

    index: int
    first: int | None  # experiment of the set
    last: int | None
    why: str  # "not sent", "deleted", "ERROR", ...
    source: str  # "kept here", "on the server", or "" if it is nowhere


class Coverage(Struct, frozen=True, kw_only=True):
    """Which experiments of a set are there."""

    set_id: str
    name: str
    jobs: int
    experiments: int | None  # of the whole set, as far as known
    line: str  # "experiments 0-899, missing 75-149"
    with_result: str  # the experiments that have a result: "0-74, 150-899"
    holes: list[Hole] = []
