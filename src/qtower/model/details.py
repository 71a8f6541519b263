"""What is known of one job besides its payloads, and what became of a cancel."""

from __future__ import annotations

from qtower.model.base import Struct
from qtower.model.rows import JobRow, Status


class Field(Struct, frozen=True, kw_only=True):
    """A known fact of a job: a label and its value as text."""

    label: str
    value: str


class Step(Struct, frozen=True, kw_only=True):
    """A step of `time_per_step`: the API's name of it, and when it was reached."""

    name: str
    at: float


class Details(Struct, frozen=True, kw_only=True):
    """Everything known of a job that is not its payloads."""

    key: str
    row: JobRow
    fields: list[Field]
    steps: list[Step] = []  # in order of time
    note: str = ""  # why something is missing (for example: offline, from the journal)


class CancelOutcome(Struct, frozen=True, kw_only=True):
    """What became of a cancel: `cancelled`, `too_late` (it had ended), or `refused`."""

    key: str
    outcome: str
    message: str
    status: Status
