"""How a service is set up: what `service.toml` may say. `settings_file` reads it.

    [users.ada]
    token-hash = "sha256:..."          # or: qtower service token add ada
    projects = ["lab/physics/main"]    # hub/group/project; the first is the default one

    [backends.ibmq_lima]
    device = "fake_lima"
    pacing = "device"

    [[reservations]]
    backend = "ibmq_lima"
    project = "lab/physics/main"
    start = 2030-01-01T09:00:00Z
    end = 2030-01-01T12:00:00Z

`ServiceSettings()` holds the defaults, with which a service without a file runs. All durations
are seconds, all sizes bytes.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal, TypeAlias

from msgspec import Meta, Struct

DEFAULT_PROJECT = "ibm-q/open/main"
"""Where an open account of the IBM Quantum Experience found itself; old programs name it."""

USER_NAME = r"[A-Za-z0-9_.\-]{1,64}"
"""Of users, hubs, groups, projects and backends: what needs no quoting in an address."""

_WORD = USER_NAME

_NAME = rf"^{_WORD}\Z"
_GROUP = rf"^{_WORD}/{_WORD}\Z"
_PROJECT = rf"^{_WORD}/{_WORD}/{_WORD}\Z"
_HASH = r"^sha256:[0-9a-f]{64}\Z"
_ADDRESS = r"^(tcp|tls)://[^\s/]+:[0-9]{1,5}\Z"

PATTERNS = {
    _NAME: "It is not a name: 1 to 64 letters, digits, dots, hyphens and underscores",
    _GROUP: 'It is not a group as "HUB/GROUP", in quotes',
    _PROJECT: 'It is not a project as "HUB/GROUP/PROJECT", in quotes',
    _HASH: 'It is not a hash; "qtower service token hash" writes one',
    _ADDRESS: "It is not an address as tcp://HOST:PORT",
}
"""What it means that a text is not of a form."""

Name: TypeAlias = Annotated[str, Meta(pattern=_NAME)]
GroupPath: TypeAlias = Annotated[str, Meta(pattern=_GROUP)]
ProjectPath: TypeAlias = Annotated[str, Meta(pattern=_PROJECT)]
Count: TypeAlias = Annotated[int, Meta(ge=1, le=2**31)]
Size: TypeAlias = Annotated[int, Meta(ge=1_000, le=2**40)]
Memory: TypeAlias = Annotated[int, Meta(ge=200_000_000, le=2**50)]
Seconds: TypeAlias = Annotated[float, Meta(gt=0, le=1e9)]
Weight: TypeAlias = Annotated[float, Meta(gt=0, le=1e6)]
Method: TypeAlias = Literal[
    "automatic",
    "statevector",
    "density_matrix",
    "stabilizer",
    "extended_stabilizer",
    "matrix_product_state",
    "unitary",
    "superop",
]
Moment: TypeAlias = Annotated[datetime, Meta(tz=True)]


class _Table(
    Struct,
    frozen=True,
    kw_only=True,
    rename="kebab",
    forbid_unknown_fields=True,
    omit_defaults=True,
):
    pass


class UserSettings(_Table, frozen=True, kw_only=True):
    """`[users.NAME]`: somebody who may use the service. Without users there is one, whose token
    is the token file's."""

    token_hash: Annotated[str, Meta(pattern=_HASH)] | None = None
    """The SHA-256 of a token, which `qtower service token hash` writes; beside it, tokens made by
    `qtower service token add` hold, which need no entry here."""
    projects: Annotated[tuple[ProjectPath, ...], Meta(min_length=1)] = (DEFAULT_PROJECT,)
    """The projects in which the user works, as `HUB/GROUP/PROJECT`; the first is the default."""
    weight: Weight = 1.0
    """The user's share of a project's time, beside the other users' of that project."""

    def __repr__(self) -> str:
        return f"UserSettings(projects={self.projects!r}, ...)"


class HubSettings(_Table, frozen=True, kw_only=True):
    """`[hubs.NAME]`: what a hub's projects share."""

    weight: Weight = 1.0
    """The hub's share of the service's time, beside the other hubs'."""


class GroupSettings(_Table, frozen=True, kw_only=True):
    """`[groups."HUB/GROUP"]`: what a group's projects share."""

    weight: Weight = 1.0
    """The group's share of its hub's time."""


class ProjectSettings(_Table, frozen=True, kw_only=True):
    """`[projects."HUB/GROUP/PROJECT"]`: what holds for the jobs of a project. A project needs no
    entry to exist: users name it. One in which no user works is refused, as a slip of the pen."""

    weight: Weight = 1.0
    """The project's share of its group's time."""
    job_limit: Count | None = None
    """Unfinished jobs that one user may have in it on one backend; none: the backend's limit."""
    read_once: bool = False
    """A result is given out once; the next read is refused with code 2801, and it is removed."""


class BackendSettings(_Table, frozen=True, kw_only=True):
    """`[backends.NAME]`: a backend as clients see it. If there is any, there are only these;
    without, the built-in ones."""

    device: str
    """`simulator`, or a fake device of Qiskit: `fake_lima`, `fake_montreal`, ..."""
    method: Method = "automatic"
    """How Aer simulates; `automatic` lets it choose for every circuit."""
    noise: bool = True
    """False: a device without its noise."""
    pacing: Literal["instant", "device"] = "instant"
    """`device`: queue and execution take as long as on the real device; not of a simulator."""
    job_limit: Count | None = None
    """Unfinished jobs that one user may have on it; none: `limits.jobs`."""
    read_once: bool = False
    """As of projects."""


class ReservationSettings(_Table, frozen=True, kw_only=True):
    """`[[reservations]]`: a time in which a backend runs the jobs of one project only."""

    backend: Name
    """Which backend."""
    project: ProjectPath
    """Whose jobs it runs in that time."""
    start: Moment
    """From when on; with an offset, as `2030-01-01T09:00:00Z`."""
    end: Moment
    """Until when."""
    mode: Annotated[str, Meta(max_length=64)] = "exclusive"
    """A word for people, shown by `backend.reservations()`."""


class LimitSettings(_Table, frozen=True, kw_only=True):
    """`[limits]`: how much one client may ask for."""

    jobs: Count | None = None
    """Unfinished jobs that one user may have on one backend; none: no limit."""
    upload_bytes: Size = 200_000_000
    """The largest qobj."""
    result_bytes: Size = 1_000_000_000
    """The largest result; a job with a larger one ends in ERROR."""
    job_seconds: Seconds = 4 * 3600.0
    """How long a job may run. Circuits with a device's noise that would take longer end in
    ERROR at once, with an estimate."""
    memory_bytes: Memory | None = None
    """How much memory a job's process may take, Aer and all: it takes 150 MB before it has done
    anything. None: what the machine has."""
    upload_seconds: Seconds = 15 * 60.0
    """How long a new job waits for its qobj before it is cancelled."""
    access_seconds: Seconds = 14 * 24 * 3600.0
    """How long an access token lasts that nobody uses; each use renews it."""


class RetentionSettings(_Table, frozen=True, kw_only=True):
    """`[retention]`: what becomes of jobs that ended long ago."""

    payload_seconds: Seconds | None = None
    """So long after a job has ended, its qobj and result are removed; the job stays in listings.
    None: never."""
    check_seconds: Seconds = 600.0
    """How often the service looks for such jobs."""


class QueueSettings(_Table, frozen=True, kw_only=True):
    """`[queue]`: how jobs come to run."""

    max_attempts: Annotated[int, Meta(ge=1, le=100)] = 3
    """How often a job runs that the service or its process did not survive."""
    share_seconds: Seconds = 3600.0
    """The half-life of what a user has used: fair share forgets half of it in this time."""


class DatabaseSettings(_Table, frozen=True, kw_only=True):
    """`[database]`: where jobs are kept."""

    url: str | None = None
    """`postgresql+psycopg://...`, without a password; none: a SQLite file in the data directory."""
    url_file: str | None = None
    """A file that only its owner can read, with the URL and its password; `url` stands before."""

    def __repr__(self) -> str:
        return "DatabaseSettings(...)"  # an address may hold a password


class SchedulerSettings(_Table, frozen=True, kw_only=True):
    """`[scheduler]`: where jobs run."""

    address: Annotated[str, Meta(pattern=_ADDRESS)] | None = None
    """A Dask scheduler, as `tcp://HOST:PORT`; none: processes on this machine."""


class ServiceSettings(_Table, frozen=True, kw_only=True):
    """The whole file."""

    users: dict[Name, UserSettings] = {}
    hubs: dict[Name, HubSettings] = {}
    groups: dict[GroupPath, GroupSettings] = {}
    projects: dict[ProjectPath, ProjectSettings] = {}
    backends: dict[Name, BackendSettings] = {}
    reservations: tuple[ReservationSettings, ...] = ()
    limits: LimitSettings = LimitSettings()
    retention: RetentionSettings = RetentionSettings()
    queue: QueueSettings = QueueSettings()
    database: DatabaseSettings = DatabaseSettings()
    scheduler: SchedulerSettings = SchedulerSettings()

    def project(self, hub: str, group: str, project: str) -> ProjectSettings:
        """Returns what holds for a project; the defaults if it has no entry."""
        return self.projects.get(f"{hub}/{group}/{project}", ProjectSettings())

    def job_limit(self, hub: str, group: str, project: str, backend: str) -> int | None:
        """Returns how many unfinished jobs a user may have there; None for no limit."""
        of_backend = self.backends.get(backend)
        limits = (
            self.project(hub, group, project).job_limit,
            of_backend.job_limit if of_backend else None,
            self.limits.jobs,
        )
        return next((limit for limit in limits if limit is not None), None)

    def read_once(self, hub: str, group: str, project: str, backend: str) -> bool:
        """Whether a result of that project and backend is given out only once."""
        of_backend = self.backends.get(backend)
        once = of_backend is not None and of_backend.read_once
        return once or self.project(hub, group, project).read_once
