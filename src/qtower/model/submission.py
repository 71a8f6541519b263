"""From backends and files to what is sent."""

from __future__ import annotations

from qtower.model.base import Struct


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
