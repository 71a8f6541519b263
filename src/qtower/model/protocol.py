"""Which record answers each request, and which requests change something."""

from __future__ import annotations

from typing import Any

from qtower.model.connection import Connection
from qtower.model.details import CancelOutcome, Details
from qtower.model.events import Welcome
from qtower.model.qobjs import Drawing, JsonChildren, QobjHead
from qtower.model.requests import (
    Cancel,
    FillHoles,
    GetBackends,
    GetCounts,
    GetCoverage,
    GetDetails,
    GetDrawing,
    GetError,
    GetJson,
    GetMemory,
    GetQobj,
    GetResult,
    GetUnsent,
    Hello,
    Look,
    MakePlan,
    ReadFiles,
    Refresh,
    Request,
    SaveResult,
    SteerSet,
    Submit,
    SubmitSamples,
)
from qtower.model.results import Counts, ErrorReport, Memory, ResultHead, Saved
from qtower.model.submission import Backends, FileReports, Plan, Submitted
from qtower.model.unsent import Coverage, Unsent

ANSWERS: dict[type[Request], type[Any]] = {
    Hello: Welcome,
    Refresh: Connection,
    Look: Connection,
    GetDetails: Details,
    GetResult: ResultHead,
    GetCounts: Counts,
    GetMemory: Memory,
    SaveResult: Saved,
    GetError: ErrorReport,
    GetQobj: QobjHead,
    GetDrawing: Drawing,
    GetJson: JsonChildren,
    Cancel: CancelOutcome,
    GetBackends: Backends,
    ReadFiles: FileReports,
    MakePlan: Plan,
    Submit: Submitted,
    SubmitSamples: Submitted,
    GetUnsent: Unsent,
    SteerSet: Unsent,
    GetCoverage: Coverage,
    FillHoles: Submitted,
}
"""The record that answers each request."""

CHANGES: dict[type[Request], str] = {
    Cancel: "no job is cancelled",
    Submit: "nothing is submitted",
    SubmitSamples: "nothing is submitted",
    SteerSet: "what was not sent is neither sent nor given up",
    FillHoles: "no job is sent again",
}
"""The requests that change something, and what a read-only desk answers: all others only read."""

READS: frozenset[type[Request]] = frozenset(
    {
        Hello,
        Refresh,
        Look,
        GetDetails,
        GetResult,
        GetCounts,
        GetMemory,
        SaveResult,  # changes this machine alone; a read-only desk overwrites no file
        GetError,
        GetQobj,
        GetDrawing,
        GetJson,
        GetBackends,
        ReadFiles,
        MakePlan,
        GetUnsent,
        GetCoverage,
    }
)
"""The requests that a read-only desk answers."""
