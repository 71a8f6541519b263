"""A stored job, and who owns it, as plain data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec

from qtower.service import statuses


@dataclass(frozen=True)
class Owner:
    """A user and the hub, group and project in which the user works."""

    user: str
    hub: str
    group: str
    project: str


@dataclass(frozen=True)
class NewJob:
    """What a client says of a job when it creates it."""

    owner: Owner
    backend: str
    name: str | None = None
    tags: tuple[str, ...] = ()
    experiment_tag: str | None = None
    live_data_enabled: bool = False
    client_name: str | None = None
    client_version: str | None = None


class StoredJob(msgspec.Struct, frozen=True):
    """A job as the store has it; times are microseconds since 1970 UTC."""

    id: str
    owner: Owner
    backend: str
    name: str | None
    tags: tuple[str, ...]
    experiment_tag: str | None
    live_data_enabled: bool
    client_name: str | None
    client_version: str | None
    status: str
    created: int
    updated: int
    place_in_line: int | None  # its place in the order of the queue, once its qobj has come
    attempts: int
    qobj_bytes: int | None
    has_result: bool
    result_read: int | None  # when its result was given out, if that is done only once
    payloads_removed: int | None  # when its qobj and result were removed, for their age
    shots: int | None
    summary: dict[str, Any] | None
    steps: dict[str, int] = {}  # when it last entered each status
    error_message: str | None = None
    error_code: int | None = None

    @property
    def final(self) -> bool:
        """True if the status can never change again."""
        return self.status in statuses.FINAL


@dataclass(frozen=True)
class Run:
    """A run that has ended; `ended` is microseconds since 1970 UTC."""

    owner: Owner
    seconds: float
    ended: int


@dataclass(frozen=True)
class Change:
    """A status that a job has entered; `updated` orders the changes of one job."""

    job_id: str
    status: str
    updated: int
    place_in_line: int | None = None


def read_steps(text: str) -> dict[str, int]:
    """Returns the stored steps, the last time of each; a job may run twice."""
    pairs = (line.split(" ") for line in text.splitlines())
    return {status: int(time) for status, time in pairs}


def step(status: str, time: int) -> str:
    """Returns one step as the store keeps it."""
    return f"{status} {time}\n"
