"""What the desk knows, as pure data, and the messages in which the agent tells it.

Every time is a float: seconds since 1970-01-01 UTC; every duration is in seconds. `None` means
"not known". Text that came from elsewhere is kept as it came: whoever shows it makes it inert
(`qtower.text`). Messages travel as one JSON object a line, tagged by `type` (docs/protocol.md).
"""

from __future__ import annotations

from enum import Enum
from typing import Any, TypeAlias

import msgspec

PROTOCOL_VERSION = 1


class Status(str, Enum):
    """Qiskit's `JobStatus`, and the two states that `ManagedJob.status()` folds into `None`."""

    INITIALIZING = "INITIALIZING"
    QUEUED = "QUEUED"
    VALIDATING = "VALIDATING"
    RUNNING = "RUNNING"
    CANCELLED = "CANCELLED"
    DONE = "DONE"
    ERROR = "ERROR"
    SUBMIT_FAILED = "SUBMIT_FAILED"
    UNKNOWN = "UNKNOWN"

    @property
    def final(self) -> bool:
        """True if the status can never change again."""
        return self in _FINAL


_FINAL = frozenset({Status.CANCELLED, Status.DONE, Status.ERROR, Status.SUBMIT_FAILED})


class Struct(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Base of the plain records."""


class JobRow(Struct, frozen=True, kw_only=True, gc=False):  # no cycles, and 100,000 of them
    """One managed job, as it was when the endpoint last confirmed it.

    `key` never changes in the life of a job: `SET_ID/INDEX` in a set, the job id elsewhere.
    """

    key: str
    status: Status = Status.UNKNOWN
    name: str = ""  # the job's name as the endpoint has it
    label: str = ""  # names of its first experiments, where known
    job_id: str = ""  # empty until the endpoint gave one
    set_id: str = ""  # ManagedJobSet.job_set_id(); empty outside a set
    set_name: str = ""
    index: int | None = None  # its place in the set, from 0
    start_index: int | None = None  # first and last experiment of the set that it covers,
    end_index: int | None = None  # as in ManagedJob; (0, n-1) outside a set
    backend: str = ""
    shots: int | None = None
    queue_position: int | None = None  # from 1; only while QUEUED
    estimated_start: float | None = None  # only while QUEUED
    created: float | None = None
    since: float | None = None  # when it entered its status
    run_seconds: float | None = None  # time spent RUNNING, once final
    tags: tuple[str, ...] = ()  # without the set's own tag
    error: str = ""  # first line of what went wrong
    confirmed: float | None = None  # when the endpoint last said so; None: only the journal did
    saved: bool = False  # its result is kept on this machine


# -- what is asked about one job ---------------------------------------------------------------


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


class ExperimentHead(Struct, frozen=True, kw_only=True):
    """One experiment of a result, without its data."""

    index: int
    name: str
    success: bool
    status: str  # "DONE", or the server's words
    shots: int | None = None
    outcomes: int | None = None  # number of distinct bitstrings; None without counts
    memory: int | None = None  # number of memory entries; None without memory


class ResultHead(Struct, frozen=True, kw_only=True):
    """A job's result, without its data."""

    key: str
    success: bool  # False for a partial result
    status: str
    backend: str
    date: str
    seconds: float | None  # time taken by the backend
    experiments: list[ExperimentHead]
    source: str = ""  # "endpoint" or "kept" (read from the journal's folder)


class Count(Struct, frozen=True, kw_only=True, array_like=True):
    """An outcome: bitstring, most significant qubit first, and how often it was seen."""

    bits: str
    count: int


class Counts(Struct, frozen=True, kw_only=True):
    """A page of the counts of one experiment."""

    key: str
    experiment: int
    total: int  # sum of all counts
    outcomes: int  # number of distinct bitstrings
    offset: int
    rows: list[Count]
    header: str = ""  # experiment header and metadata, as indented JSON
    note: str = ""  # why there are no counts (meas_level 1, failed experiment, ...)


class Memory(Struct, frozen=True, kw_only=True):
    """A page of the per-shot outcomes of one experiment, in the order they were measured."""

    key: str
    experiment: int
    total: int
    offset: int
    shots: list[str]


class ExperimentError(Struct, frozen=True, kw_only=True):
    """What went wrong in one experiment."""

    index: int
    name: str
    message: str


class ErrorReport(Struct, frozen=True, kw_only=True):
    """Why a job failed; `message` is `ManagedJob.error_message()` in full."""

    key: str
    status: Status
    message: str = ""
    submit_error: str = ""
    experiments: list[ExperimentError] = []


class QobjHead(Struct, frozen=True, kw_only=True):
    """A job's qobj, without its experiments."""

    key: str
    qobj_id: str
    kind: str  # "QASM" or "PULSE"
    schema_version: str
    config: list[Field]
    experiments: list[str]  # names, in order
    size: int  # bytes of its JSON


class Drawing(Struct, frozen=True, kw_only=True):
    """One experiment of a qobj drawn as text, `width` columns wide where it can be folded."""

    key: str
    experiment: int
    text: str


class JsonNode(Struct, frozen=True, kw_only=True):
    """A child of a JSON value: its key or index, a one-line preview, and whether it opens."""

    name: str | int
    preview: str
    opens: bool


class JsonChildren(Struct, frozen=True, kw_only=True):
    """The children of the value at `path`, at most a page of them."""

    key: str
    path: list[str | int]
    total: int
    offset: int
    nodes: list[JsonNode]


class CancelOutcome(Struct, frozen=True, kw_only=True):
    """What became of a cancel: `cancelled`, `too_late` (it had ended), or `refused`."""

    key: str
    outcome: str
    message: str
    status: Status


class Saved(Struct, frozen=True, kw_only=True):
    """A file that was written."""

    path: str
    size: int  # bytes


# -- submission --------------------------------------------------------------------------------


class Backend(Struct, frozen=True, kw_only=True):
    """A backend, as its configuration, queue status and job limit say."""

    name: str
    qubits: int
    simulator: bool
    operational: bool | None = None
    status: str = ""  # the status message of its queue
    queue_length: int | None = None
    max_shots: int | None = None
    max_experiments: int | None = None
    job_limit: int | None = None  # None: no limit, or not known
    jobs_running: int | None = None  # of the limit
    memory: bool = False
    open_pulse: bool = False
    basis_gates: tuple[str, ...] = ()
    description: str = ""


class Backends(Struct, frozen=True, kw_only=True):
    """All backends of the account's provider."""

    backends: list[Backend]


class FileReport(Struct, frozen=True, kw_only=True):
    """What a file holds, or the sentence that says why it cannot be read."""

    path: str
    format: str = ""  # "OpenQASM 2", "OpenQASM 3", "QPY", "QASM qobj", "PULSE qobj"
    experiments: list[str] = []  # names
    qubits: int | None = None  # of its widest experiment
    shots: int | None = None  # what a qobj asks for
    problem: str = ""


class FileReports(Struct, frozen=True, kw_only=True):
    """One report a file, in the order asked."""

    files: list[FileReport]


class Order(Struct, frozen=True, kw_only=True):
    """What a person wants submitted. `None` leaves a choice to the backend or to the qobj file."""

    files: list[str]
    backend: str = ""
    shots: int | None = None
    memory: bool = False
    name: str = ""
    tags: list[str] = []
    experiments_per_job: int | None = None
    transpile: bool = True


class Problem(Struct, frozen=True, kw_only=True):
    """What is wrong with an order. `field` is a field of `Order`, or "" for the whole."""

    field: str
    message: str


class Plan(Struct, frozen=True, kw_only=True):
    """What an order would send, checked against the backend; `problems` empty: it can be sent."""

    backend: str
    name: str
    experiments: int
    jobs: int
    shots: int | None
    problems: list[Problem] = []
    plan_id: str = ""  # submit this plan, and nothing is read or transpiled again

    @property
    def summary(self) -> str:
        """For example: "12 experiments in 3 jobs on ibmq_qasm_simulator"."""
        experiments = "1 experiment" if self.experiments == 1 else f"{self.experiments} experiments"
        jobs = "1 job" if self.jobs == 1 else f"{self.jobs} jobs"
        return f"{experiments} in {jobs} on {self.backend}"


class Submitted(Struct, frozen=True, kw_only=True):
    """A set that was journaled and is being sent: watch its rows for what becomes of it."""

    set_id: str
    name: str
    keys: list[str]


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


# -- the account and its connection ------------------------------------------------------------


class Link(str, Enum):
    """State of the connection to the endpoint."""

    STARTING = "starting"  # the provider is being loaded, or the local service started
    LIVE = "live"
    OFFLINE = "offline"  # did not answer; known rows stand with their age
    REFUSED = "refused"  # login was refused: needs a person


class Connection(Struct, frozen=True, kw_only=True):
    """How the desk stands to its endpoint, for the header."""

    account: str
    endpoint: str  # URL without credentials
    link: Link
    since: float  # when `link` last changed
    confirmed: float | None = None  # when all active jobs were last read
    detail: str = ""  # what is wrong, and what is done about it
    local_service: bool = False  # the endpoint is qtower's own service on this machine
    fresh_for: float | None = None  # s; a row or reading confirmed longer ago than this is stale
    calls_used: int | None = None  # requests of the last minute, retries included,
    calls_allowed: int | None = None  # and how many a minute the account's budget has
    slowed: str = ""  # why it is read more slowly than usual; "" if it is not
    read_only: bool = False  # nothing is submitted, cancelled or sent from here
    insecure: bool = False  # its certificate is not checked: anybody on the way can listen
    slowed_since: float | None = None  # since when; None if it is not


# -- messages: requests, from the screen to the agent -------------------------------------------


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


# -- messages: from the agent to the screen -----------------------------------------------------


class Message(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type"):
    """Base of all that the agent says."""


class Answer(Message, frozen=True, kw_only=True, tag="answer"):
    """The answer to request `id`; `body` is the record that the request's docstring names."""

    id: int
    body: Any


class Failure(Message, frozen=True, kw_only=True, tag="failure"):
    """Request `id` failed: an error of `qtower.errors`, by its class name and words."""

    id: int
    error: str
    title: str
    what: str
    next_step: str = ""


class Welcome(Struct, frozen=True, kw_only=True):
    """Answer to `Hello`."""

    version: int
    program: str  # "qtower 0.1.0"
    account: str
    pid: int
    heartbeat: float = 0.0  # s: something is said at least so often; 0: no such promise


class Rows(Message, frozen=True, kw_only=True, tag="rows"):
    """Rows that are new or have changed, and keys of rows that are gone, in chunks."""

    rows: list[JobRow] = []
    gone: list[str] = []


class Connected(Message, frozen=True, kw_only=True, tag="connection"):
    """The connection changed, or was confirmed again."""

    connection: Connection


class Notice(Message, frozen=True, kw_only=True, tag="notice"):
    """A sentence for the person, of level "info", "warning" or "error"."""

    level: str
    title: str
    text: str


class Sending(Message, frozen=True, kw_only=True, tag="sending"):
    """All sets that are not wholly sent, whenever that changes."""

    sets: list[UnsentSet] = []


Event: TypeAlias = Rows | Connected | Notice | Sending
AnyMessage: TypeAlias = Answer | Failure | Rows | Connected | Notice | Sending

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
