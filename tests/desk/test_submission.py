"""A plan becomes a real job set: journaled first, in order, with every end written down."""

from __future__ import annotations

import threading
import uuid
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from qiskit.providers.ibmq.managed import IBMQJobManager
from qiskit.providers.ibmq.managed.managedjob import ManagedJob

from qtower.desk.journal import Journal
from qtower.desk.pages import JobPages
from qtower.desk.planning import PreparedPlan, plan
from qtower.desk.registry import Changes
from qtower.desk.sealed_qobjs import seal
from qtower.desk.submission import SerialExecutor, Submission
from qtower.errors import StorageError, SubmissionError
from qtower.model import JobRow, Order, Status, Submitted
from tests.desk.conftest import CIRCUITS, wait_for_end, wait_until
from tests.desk.submitting import AdoptingRegistry, open_parts
from tests.desk.test_journal import a_part

BELL = str(CIRCUITS / "bell.qasm")


class Desk:
    """A registry, a submission, and all that was announced."""

    def __init__(self, journal: Any) -> None:
        self.registry = AdoptingRegistry(retrieve=lambda job_id: None)
        self.announced: list[Changes] = []
        self.submission = Submission(
            self.registry, journal.intents, lambda: 1000.0, announce=self.announced.append
        )

    def job_set(self, sent: Submitted) -> Any:
        return self.registry.adopted[sent.set_id]

    def statuses(self) -> list[Status]:
        return [row.status for row in self.registry.rows()]


def prepare(backend: Any, count: int = 3, **choices: Any) -> PreparedPlan:
    order = Order(files=[BELL] * count, experiments_per_job=1, shots=100, **choices)
    prepared = plan(order, backend)
    assert prepared.plan.problems == []
    return prepared


def test_a_set_is_sent_in_order_and_found_by_the_job_manager(
    provider: Any, simulator: Any, journal: Journal
) -> None:
    desk = Desk(journal)
    sent = desk.submission.send(prepare(simulator, name="found again", tags=["mine"]), simulator)
    assert sent.keys == [f"{sent.set_id}/{index}" for index in range(3)]
    assert [row.status for row in desk.announced[0].rows] == [Status.INITIALIZING] * 3

    job_set = desk.job_set(sent)
    assert wait_for_end(job_set.managed_jobs()) == ["DONE"] * 3
    wait_until(lambda: open_parts(journal) == [])

    # The real set works as one that IBMQJobManager made.
    assert sum(job_set.results().get_counts(2).values()) == 100
    assert job_set.error_messages() is None
    assert (job_set.name(), job_set.tags()) == ("found again", ["mine"])
    created = [managed.job.creation_date() for managed in job_set.managed_jobs()]
    assert created == sorted(created)

    retrieved = IBMQJobManager().retrieve_job_set(sent.set_id, provider)
    assert retrieved.name() == "found again"
    assert retrieved.tags() == ["mine"]
    ids = [managed.job.job_id() for managed in job_set.managed_jobs()]
    assert [managed.job.job_id() for managed in retrieved.managed_jobs()] == ids
    assert [row.job_id for row in desk.registry.rows()] == ids
    first = desk.registry.row(sent.keys[0])
    assert (first.name, first.set_name, first.tags) == ("found again_0_", "found again", ("mine",))
    assert (first.start_index, first.end_index, first.shots) == (0, 0, 100)


def test_a_qobj_file_is_sent_as_it_is(simulator: Any, journal: Journal) -> None:
    desk = Desk(journal)
    prepared = plan(Order(files=[str(CIRCUITS / "bell.json")]), simulator)
    sent = desk.submission.send(prepared, simulator)
    (managed,) = desk.job_set(sent).managed_jobs()
    assert wait_for_end([managed]) == ["DONE"]
    assert managed.job.qobj().qobj_id == "bell-example"
    counts = managed.result().get_counts()
    assert set(counts) == {"00", "11"} and sum(counts.values()) == 2048


def test_the_journal_has_the_intent_before_the_first_request(
    simulator: Any, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    go = threading.Event()

    def watch(*_: Any, **__: Any) -> Any:
        seen.append(len(open_parts(journal)))
        go.wait(20)
        raise RuntimeError("not sent")

    monkeypatch.setattr(simulator, "run", watch)
    desk = Desk(journal)
    sent = desk.submission.send(prepare(simulator), simulator)
    # It returned while the first request is still under way.
    wait_until(lambda: seen == [3])
    parts = open_parts(journal)
    assert [part.intent.index for part in parts] == [0, 1, 2]
    assert [each.intent.set_id for each in journal.intents.unfinished()] == [sent.set_id]
    assert all(journal.intents.qobjs.has(sent.set_id, index) for index in range(3))
    go.set()
    wait_until(lambda: desk.statuses() == [Status.SUBMIT_FAILED] * 3)
    wait_until(lambda: open_parts(journal) == [])


def test_a_part_that_is_refused_says_why_and_the_others_go_on(
    simulator: Any, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = simulator.run

    def refuse_second(circuits: Any, job_name: str, **options: Any) -> Any:
        if job_name.endswith("_1_"):
            raise SubmissionRefusedError("'the backend is\nfull'")
        return real(circuits, job_name=job_name, **options)

    monkeypatch.setattr(simulator, "run", refuse_second)
    desk = Desk(journal)
    sent = desk.submission.send(prepare(simulator), simulator)
    job_set = desk.job_set(sent)
    assert wait_for_end(job_set.managed_jobs()) == ["DONE", "DONE"]
    wait_until(lambda: desk.registry.row(sent.keys[1]).status is Status.SUBMIT_FAILED)
    row = desk.registry.row(sent.keys[1])
    assert "the backend is\nfull" in row.error
    assert row.job_id == "" and row.since == 1000.0
    wait_until(lambda: open_parts(journal) == [])


class SubmissionRefusedError(Exception):
    """What a backend might raise."""


def test_what_a_sweep_saw_first_is_not_overwritten(
    simulator: Any, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = Desk(journal)
    real = simulator.run

    def seen_at_once(circuits: Any, **options: Any) -> Any:
        job = real(circuits, **options)
        document = {
            "job_id": job.job_id(),
            "status": "RUNNING",
            "name": options["job_name"],
            "tags": options["job_tags"],
        }
        desk.registry.absorb([document], now=2000.0)
        return job

    monkeypatch.setattr(simulator, "run", seen_at_once)
    sent = desk.submission.send(prepare(simulator, count=1), simulator)
    managed_jobs = desk.job_set(sent).managed_jobs()
    wait_for_end(managed_jobs)
    wait_until(lambda: open_parts(journal) == [])
    assert desk.registry.row(sent.keys[0]).status is Status.RUNNING


def test_a_plan_with_problems_is_not_sent(simulator: Any, journal: Journal) -> None:
    desk = Desk(journal)
    with pytest.raises(SubmissionError, match="No file is chosen"):
        desk.submission.send(plan(Order(files=[]), simulator), simulator)
    assert desk.registry.rows() == [] and open_parts(journal) == []


def test_nothing_is_sent_if_the_intent_cannot_be_written(
    simulator: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise StorageError("The disk is full.")

    monkeypatch.setattr(simulator, "run", lambda *_, **__: pytest.fail("it was sent"))
    desk = Desk(SimpleNamespace(intents=SimpleNamespace(record=full)))
    with pytest.raises(StorageError, match="disk is full"):
        desk.submission.send(prepare(simulator), simulator)
    assert desk.registry.rows() == []


def test_the_executor_keeps_order_and_ends_with_its_last_call(tmp_path: Path) -> None:
    executor = SerialExecutor("test executor")
    calls: list[int] = []
    futures = [executor.submit(calls.append, number) for number in range(20)]
    failing = executor.submit(int, "x")
    cancelled = executor.submit(calls.append, 99)
    cancelled.cancel()
    executor.close()
    for future in futures:
        future.result(10)
    assert isinstance(failing.exception(10), ValueError)
    wait_until(lambda: not any(t.name == "test executor" for t in threading.enumerate()))
    assert calls in (list(range(20)), [*range(20), 99])
    assert all(thread.daemon for thread in threading.enumerate() if "submit" in thread.name)


def test_a_set_is_let_go_once_all_its_jobs_have_ended(
    provider: Any, simulator: Any, journal: Journal
) -> None:
    desk = Desk(journal)
    sent = desk.submission.send(prepare(simulator), simulator)
    managed_jobs = desk.job_set(sent).managed_jobs()
    wait_for_end(managed_jobs)
    wait_until(lambda: open_parts(journal) == [])
    assert [managed.job._qobj for managed in managed_jobs] == [None] * 3
    first, *others = [managed.job.job_id() for managed in managed_jobs]
    (page,) = JobPages(provider).by_id([first])
    desk.registry.absorb(page, now=2000.0)
    assert desk.registry.managed_job(sent.keys[0]) is managed_jobs[0]
    assert desk.registry._managed.adopted() == {sent.set_id}
    (page,) = JobPages(provider).by_id(others)
    desk.registry.absorb(page, now=2000.0)
    assert desk.registry._managed.adopted() == set()


class SweptRegistry(AdoptingRegistry):
    """A registry that a sweep would like to change while a row of it is looked at."""

    sweep: threading.Thread | None = None

    def row(self, key: str) -> JobRow:
        row = super().row(key)
        if self.sweep is not None and self.sweep.ident is None:
            self.sweep.start()
            self.sweep.join(0.3)  # it is done by then, or waits for us
        return row


@pytest.mark.parametrize("sent", [True, False])
def test_a_sweep_between_two_looks_makes_no_twin(sent: bool, journal: Journal) -> None:
    registry = SweptRegistry(retrieve=lambda job_id: None)
    submission = Submission(registry, journal.intents, lambda: 1.0, announce=lambda changes: None)
    row = JobRow(key="s1/0", set_id="s1", index=0, status=Status.INITIALIZING)
    registry.put([row])
    document = {"job_id": "real", "status": "RUNNING", "name": "n_0_", "tags": ["ibmq_jobset_s1_"]}
    registry.sweep = threading.Thread(target=registry.absorb, args=([document], 2.0))
    managed_job = ManagedJob(0, 1)
    managed_job.submit_error = None if sent else RuntimeError("the line was cut")
    managed_job.job = SimpleNamespace(job_id=lambda: "real") if sent else None
    submission._part_ended(row, managed_job)
    registry.sweep.join(20)
    assert [(each.key, each.job_id, each.status) for each in registry.rows()] == [
        ("s1/0", "real", Status.RUNNING)
    ]


def test_a_set_for_which_no_thread_can_be_started_is_nobody_s(
    simulator: Any, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    def too_many(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    desk = Desk(journal)
    prepared = prepare(simulator, count=1)
    with monkeypatch.context() as patch, pytest.raises(RuntimeError, match="new thread"):
        patch.setattr(threading.Thread, "start", too_many)
        desk.submission.send(prepared, simulator)
    (sending,) = journal.intents.unfinished()
    assert not sending.owned and not journal.intents.mine()
    sent = desk.submission.resume(sending.intent.set_id, simulator)
    assert wait_for_end(desk.job_set(sent).managed_jobs()) == ["DONE"]


def test_a_part_that_cannot_be_read_any_more_keeps_no_other_from_being_sent(
    simulator: Any, journal: Journal
) -> None:
    set_id = uuid.uuid4().hex  # others may have sent one to this service
    qobjs = [seal(part, simulator) for part in prepare(simulator, count=3).parts]
    parts = [a_part(index) for index in range(3)]
    journal.intents.record(set_id, "sweep", simulator.name(), parts, qobjs)
    journal.intents.release(set_id)
    journal._store.write([("UPDATE intents SET intent = ? WHERE part = 1", [(b"{",)])], True)
    desk = Desk(journal)
    sent = desk.submission.resume(set_id, simulator)
    assert sent.keys == [f"{set_id}/0", f"{set_id}/2"]
    wait_until(lambda: not journal.intents.mine())
    assert [row.key for row in desk.registry.rows() if row.job_id] == sent.keys
    (offered,) = journal.intents.unfinished()
    assert (offered.owned, offered.unsent) == (False, 1)
