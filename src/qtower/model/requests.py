"""What the screen asks the agent."""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from qtower.model.base import PROTOCOL_VERSION
from qtower.model.submission import Order
from qtower.model.unsent import Steer


class Request(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type"):
    """Base of all requests. `id` is chosen by the client and comes back with the answer."""

    id: int = 0


class Hello(Request, frozen=True, kw_only=True, tag="hello"):
    """First message. Answer: `Welcome`; then `Rows` of the journal and `Connected` follow."""

    version: int = PROTOCOL_VERSION


class Refresh(Request, frozen=True, kw_only=True, tag="refresh"):
    """Read all active jobs and look for new ones now. Answer: `Connection`."""


class Look(Request, frozen=True, kw_only=True, tag="look"):
    """What is on the screen now: read before all else, and more often. Answer: `Connection`."""

    keys: list[str] = []  # of the visible rows
    cursor: str = ""  # the key of the row under the cursor; "" if there is none


class GetDetails(Request, frozen=True, kw_only=True, tag="details"):
    """Answer: `Details`."""

    key: str


class GetResult(Request, frozen=True, kw_only=True, tag="result"):
    """Answer: `ResultHead`. Errors: JobStateError if there is no result, and why."""

    key: str


class GetCounts(Request, frozen=True, kw_only=True, tag="counts"):
    """Answer: `Counts`. `order`: "count" (most frequent first) or "bits"."""

    key: str
    experiment: int
    offset: int = 0
    limit: int = 1000
    order: str = "count"


class GetMemory(Request, frozen=True, kw_only=True, tag="memory"):
    """Answer: `Memory`."""

    key: str
    experiment: int
    offset: int = 0
    limit: int = 1000


class SaveResult(Request, frozen=True, kw_only=True, tag="save_result"):
    """Write a result to `path`, as "json" (the whole result) or "csv" (counts). Answer: `Saved`.

    With `overwrite` false an existing file is left alone and the answer is an error.
    """

    key: str
    path: str
    format: str
    overwrite: bool = False


class GetError(Request, frozen=True, kw_only=True, tag="error"):
    """Answer: `ErrorReport`."""

    key: str


class GetQobj(Request, frozen=True, kw_only=True, tag="qobj"):
    """Answer: `QobjHead`."""

    key: str


class GetDrawing(Request, frozen=True, kw_only=True, tag="drawing"):
    """Answer: `Drawing`."""

    key: str
    experiment: int
    width: int = 100


class GetJson(Request, frozen=True, kw_only=True, tag="json"):
    """Children of one value in the qobj's JSON. Answer: `JsonChildren`."""

    key: str
    path: list[str | int] = []
    offset: int = 0
    limit: int = 200


class Cancel(Request, frozen=True, kw_only=True, tag="cancel"):
    """Answer: `CancelOutcome`."""

    key: str


class GetBackends(Request, frozen=True, kw_only=True, tag="backends"):
    """Answer: `Backends`."""


class ReadFiles(Request, frozen=True, kw_only=True, tag="files"):
    """Answer: `FileReports`."""

    paths: list[str]


class MakePlan(Request, frozen=True, kw_only=True, tag="plan"):
    """Read, transpile and check an order; nothing is sent. Answer: `Plan`."""

    order: Order


class Submit(Request, frozen=True, kw_only=True, tag="submit"):
    """Send a plan that has no problems. Answer: `Submitted`."""

    plan_id: str
    always: bool = False  # go on by itself after a restart


class SubmitSamples(Request, frozen=True, kw_only=True, tag="samples"):
    """Send the sample set shipped with qtower. Answer: `Submitted`."""


class GetUnsent(Request, frozen=True, kw_only=True, tag="unsent"):
    """Answer: `Unsent`."""


class SteerSet(Request, frozen=True, kw_only=True, tag="steer"):
    """Say what is to become of a set that is not wholly sent. Answer: `Unsent`.

    Errors: JobStateError if the set does not stand so that this can be.
    """

    set_id: str
    steer: Steer


class GetCoverage(Request, frozen=True, kw_only=True, tag="coverage"):
    """Which experiments of a set are there, and what its holes are. Answer: `Coverage`."""

    set_id: str


class FillHoles(Request, frozen=True, kw_only=True, tag="fill"):
    """Send the holes of a set once more. Answer: `Submitted`.

    Those without a job on the server are sent as jobs of the set; those whose job failed as a new
    set, because a set with two jobs in one place cannot be read by the provider.
    """

    set_id: str


AnyRequest: TypeAlias = (
    Hello
    | Refresh
    | Look
    | GetDetails
    | GetResult
    | GetCounts
    | GetMemory
    | SaveResult
    | GetError
    | GetQobj
    | GetDrawing
    | GetJson
    | Cancel
    | GetBackends
    | ReadFiles
    | MakePlan
    | Submit
    | SubmitSamples
    | GetUnsent
    | SteerSet
    | GetCoverage
    | FillHoles
)
