"""What needs Qiskit, in one place: circuit files, plans, submission, results, reports, qobjs.

Importing this package's other halves loads Qiskit, which takes seconds; the desk makes a workshop
when it is first asked for something of this kind.
"""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from msgspec.structs import replace

from qtower.desk.account import load_provider
from qtower.desk.faults import AccessExpiredError, endpoint_errors, provider_errors
from qtower.desk.intents import Wish
from qtower.desk.journal import Journal
from qtower.desk.registry import Changes, Registry
from qtower.errors import QtowerError, SubmissionError
from qtower.model import (
    Backend,
    Backends,
    ErrorReport,
    FileReports,
    JobRow,
    Order,
    Plan,
    Problem,
    Submitted,
)
from qtower.text import encodable

_log = logging.getLogger(__name__)

# Files, circuits and qobjs of a plan are in memory until it is sent or pushed out by newer ones.
_MOST_PLANS = 8
_AT_ONCE = 8


class Workshop:
    """Everything the desk does with circuits, qobjs and results."""

    def __init__(
        self,
        registry: Registry,
        journal: Journal,
        clock: Callable[[], float],
        *,
        announce: Callable[[Changes], object],
        progress: Callable[[str, str], object],
        renew: Callable[[AccessExpiredError], object],
    ) -> None:
        """As `Submission` takes them."""
        load_provider()
        from qtower.desk.qobjs import QobjBook
        from qtower.desk.results import ResultBook
        from qtower.desk.submission import Submission

        self.results = ResultBook(journal.results)
        self.qobjs = QobjBook()
        self._submission = Submission(
            registry, journal.intents, clock, announce=announce, progress=progress, renew=renew
        )
        self._clock = clock
        self._lock = threading.Lock()
        self._plans: OrderedDict[str, Any] = OrderedDict()

    def error_report(self, row: JobRow, managed_job: Any | None) -> ErrorReport:
        """Why the job of `row` failed."""
        from qtower.desk.reports import error_report

        return error_report(
            row, managed_job, lambda failed: self.results.failures(row.job_id, lambda: failed)
        )

    def read_files(self, files: list[str]) -> FileReports:
        """A report a file."""
        from qtower.desk.circuit_files import read_files

        return FileReports(files=read_files(files))

    def backends(self, provider: Any, host: str) -> Backends:
        """All backends, each asked for its queue and its job limit.

        Raises:
            QtowerError: Not one of them could be asked; it names `host`.
        """
        rows: list[Backend] = []
        silent: list[QtowerError] = []
        known = _backends(provider, host)
        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="backend") as threads:
            asked = [(each, threads.submit(_queue, each, host)) for each in known]
        for backend, answer in asked:
            row = _backend(backend)
            try:
                rows.append(replace(row, **answer.result()))
            except QtowerError as error:
                _log.info("the queue of backend %s is not known: %s", row.name, error)
                silent.append(error)
                rows.append(row)
        if silent and len(silent) == len(rows):
            raise silent[0]
        return Backends(backends=rows)

    def plan(self, order: Order, provider: Any, host: str) -> Plan:
        """Reads, transpiles and checks an order; a plan without problems is kept for `submit`.

        Raises:
            QtowerError: The endpoint, `host`, could not be asked.
        """
        from qtower.desk.planning import plan

        names = {backend.name(): backend for backend in _backends(provider, host)}
        backend = names.get(order.backend)
        if backend is None:
            known = ", ".join(sorted(names)) or "none"
            words = f'There is no backend "{order.backend}". Known: {known}.'
            problem = Problem(field="backend", message=words if order.backend else "Choose one.")
            return Plan(
                backend=order.backend,
                name=order.name,
                experiments=0,
                jobs=0,
                shots=order.shots,
                problems=[problem],
            )
        with provider_errors(host):
            prepared = plan(order, backend, self._clock)
        if not prepared.plan.problems:
            with self._lock:
                self._plans[prepared.plan.plan_id] = (prepared, backend)
                while len(self._plans) > _MOST_PLANS:
                    self._plans.popitem(last=False)
        return prepared.plan

    def submit(self, plan_id: str, wish: Wish) -> Submitted:
        """Sends a kept plan, once.

        Raises:
            SubmissionError: There is no such plan any more.
        """
        with self._lock:
            kept = self._plans.pop(plan_id, None)
        if kept is None:
            raise SubmissionError(
                "That plan was sent already, or is not kept any more.", "Plan it again."
            )
        prepared, backend = kept
        return self._submission.send(prepared, backend, wish)

    def resume(self, set_id: str, backend_name: str, wish: Wish, provider: Any, host: str) -> None:
        """Goes on with a set of which something was not sent.

        Raises:
            SubmissionError: Its backend is gone.
            JobStateError: It is being sent already, or there is nothing left of it.
        """
        names = {backend.name(): backend for backend in _backends(provider, host)}
        if backend_name not in names:
            raise SubmissionError(f'There is no backend "{backend_name}" any more.')
        with provider_errors(host):
            self._submission.resume(set_id, names[backend_name], wish)

    def submit_again(
        self, name: str, jobs: list[tuple[JobRow, Any]], provider: Any, host: str
    ) -> Submitted:
        """Sends jobs that are on the server once more, as a set of their own.

        Raises:
            JobStateError: One of them has no qobj there any more.
            SubmissionError: Their backend is gone.
        """
        from qtower.desk.planning import prepared_again

        names = {backend.name(): backend for backend in _backends(provider, host)}
        backend = names.get(jobs[0][0].backend)
        if backend is None:
            raise SubmissionError(f'There is no backend "{jobs[0][0].backend}" any more.')
        with provider_errors(host):
            plan = prepared_again(name, jobs)
        return self._submission.send(plan, backend)

    def submit_samples(self, provider: Any, host: str) -> Submitted:
        """Sends the sample set to the account's simulator.

        Raises:
            QtowerError: The endpoint, `host`, could not be asked, or has no simulator.
        """
        from qtower.desk.samples import choose_backend, prepared

        backend = choose_backend(_backends(provider, host))
        with provider_errors(host):
            plan = prepared(backend)
        return self._submission.send(plan, backend)


def when_needed(make: Callable[[], Workshop]) -> Callable[[], Workshop]:
    """Returns the workshop that `make` makes, once, when it is first asked for."""
    made: list[Workshop] = []
    making = threading.Lock()

    def workshop() -> Workshop:
        with making:
            if not made:
                made.append(make())
            return made[0]

    return workshop


def _backends(provider: Any, host: str) -> list[Any]:
    with endpoint_errors(host):
        return list(provider.backends())


def _backend(backend: Any) -> Backend:
    """What the configuration of a backend says."""
    configuration = backend.configuration()
    return Backend(
        name=encodable(backend.name()),
        qubits=configuration.n_qubits,
        simulator=bool(configuration.simulator),
        max_shots=getattr(configuration, "max_shots", None),
        max_experiments=getattr(configuration, "max_experiments", None),
        memory=bool(getattr(configuration, "memory", False)),
        open_pulse=bool(getattr(configuration, "open_pulse", False)),
        basis_gates=tuple(configuration.basis_gates),
        description=encodable(getattr(configuration, "description", None) or ""),
    )


def _queue(backend: Any, host: str) -> dict[str, Any]:
    """What the endpoint says of a backend's queue, as fields of `Backend`."""
    with endpoint_errors(host):
        status, limit = backend.status(), backend.job_limit()
        numbers = {
            "queue_length": status.pending_jobs,
            "job_limit": limit.maximum_jobs if limit else None,
            "jobs_running": limit.active_jobs if limit else None,
        }
        if not all(number is None or isinstance(number, int) for number in numbers.values()):
            raise TypeError("a number was asked for, and something else came")
        return {
            "operational": bool(status.operational),
            "status": encodable(status.status_msg or ""),
            **numbers,
        }
