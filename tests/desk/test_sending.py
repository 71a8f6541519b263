"""A set is sent at the pace of its backend, through faults, as a person wants it, and once."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from qtower.desk.account import log_in
from qtower.desk.arrivals import Arrivals
from qtower.desk.intents import PartState, Wish
from qtower.desk.journal import Journal
from qtower.desk.submission import Submission
from qtower.errors import JobStateError
from qtower.model import Status
from tests.conftest import Endpoint, start_service, stop_service
from tests.desk.accounts import account_of, open_desk
from tests.desk.conftest import wait_until
from tests.desk.killing_proxy import KillingProxy
from tests.desk.submitting import AdoptingRegistry
from tests.desk.test_submission import prepare

_SHELL = {"CREATING", "CANCELLED"}


@pytest.fixture(scope="module")
def limited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    """A service that takes two unfinished jobs at a time."""
    endpoint = start_service(
        tmp_path_factory.mktemp("limited"), "--workers", "1", "--job-limit", "2"
    )
    yield endpoint
    stop_service(endpoint)


@pytest.fixture
def proxy(limited: Endpoint) -> Iterator[KillingProxy]:
    made = KillingProxy(limited.url)
    yield made
    made.shutdown()
    made.server_close()


@pytest.fixture
def backend(limited: Endpoint, proxy: KillingProxy) -> Any:
    """The simulator of the limited service, by way of the proxy."""
    account = account_of(Endpoint(proxy.url, limited.token, limited.process, limited.data_dir))
    return log_in(account).get_backend("ibmq_qasm_simulator")


class Sender:
    """A submission, and what it was heard to wait for."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self.registry = AdoptingRegistry(retrieve=lambda job_id: None)
        self.heard: list[str] = []
        self.submission = Submission(
            self.registry,
            journal.intents,
            announce=lambda changes: None,
            progress=lambda set_id, words: self.heard.append(words),
        )

    def states(self, set_id: str) -> list[PartState]:
        return [part.state for part in self.journal.intents.parts(set_id)]

    def wait_for_end(self, set_id: str) -> None:
        wait_until(lambda: set_id not in self.journal.intents.mine())


@contextlib.contextmanager
def full(backend: Any) -> Iterator[None]:
    """Jobs take up all the room that there is, until the end of the `with`.

    Jobs whose qobj is still to come do so at no cost.
    """
    client = backend.provider()._api_client
    create = client.account_api.create_remote_job
    jobs = [create(backend.name())["id"] for _ in range(2)]
    try:
        yield
    finally:
        for job_id in jobs:
            assert client.job_cancel(job_id)["cancelled"]


def accepted(backend: Any, set_id: str) -> list[int]:
    """How many jobs with a qobj each part of a set has on the server."""
    client = backend.provider()._api_client
    found = Arrivals(backend.provider(), set_id).read()
    return [
        sum(
            not set(client.job_get(document["job_id"])["time_per_step"]) <= _SHELL
            for document in found[index]
        )
        for index in sorted(found)
    ]


def test_a_full_backend_is_waited_for(backend: Any, journal: Journal) -> None:
    sender = Sender(journal)
    with full(backend):
        sent = sender.submission.send(prepare(backend, count=6), backend)
        wait_until(lambda: "waiting: ibmq_qasm_simulator takes 2 jobs at a time" in sender.heard)
        assert sender.states(sent.set_id) == [PartState.OPEN] * 6
    sender.wait_for_end(sent.set_id)
    assert sender.states(sent.set_id) == [PartState.SENT] * 6
    assert accepted(backend, sent.set_id) == [1] * 6
    assert journal.intents.unfinished() == []
    assert not any(journal.intents.qobjs.has(sent.set_id, index) for index in range(6))


def test_the_answer_that_there_are_too_many_is_no_failure(
    backend: Any, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, asked = backend.job_limit, []

    def wrong_at_first() -> Any:
        asked.append(1)
        limit = real()
        limit.maximum_jobs = 100
        return limit if len(asked) == 1 else real()

    monkeypatch.setattr(backend, "job_limit", wrong_at_first)
    sender = Sender(journal)
    with full(backend):
        sent = sender.submission.send(prepare(backend, count=2), backend)
        wait_until(lambda: len(asked) > 2)
        assert sender.states(sent.set_id) == [PartState.OPEN] * 2
    sender.wait_for_end(sent.set_id)
    assert sender.states(sent.set_id) == [PartState.SENT] * 2
    assert accepted(backend, sent.set_id) == [1] * 2


@pytest.mark.parametrize("moment", ["failed", "asked"])
@pytest.mark.parametrize("request_number", [1, 2, 3])
def test_a_request_that_fails_is_made_again_and_leaves_no_twin(
    backend: Any, proxy: KillingProxy, journal: Journal, moment: str, request_number: int
) -> None:
    # 1 makes the job, 2 uploads its qobj, 3 says so. Nobody dies here: the line is cut.
    sender = Sender(journal)
    proxy.arm(request_number, moment, lambda: None)
    sent = sender.submission.send(prepare(backend, count=1), backend)
    sender.wait_for_end(sent.set_id)
    assert sender.states(sent.set_id) == [PartState.SENT]
    assert accepted(backend, sent.set_id) == [1]
    row = sender.registry.row(sent.keys[0])
    assert row.job_id == journal.intents.parts(sent.set_id)[0].job_id


def test_a_second_upload_that_is_refused_leaves_the_job_running(
    backend: Any, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when the answer to the first upload is lost, and the session repeats it."""
    from qiskit.providers.ibmq.api.rest.job import Job

    real = Job.put_object_storage

    def twice(self: Any, *args: Any, **options: Any) -> Any:
        real(self, *args, **options)
        self.callback_upload()
        return real(self, *args, **options)

    monkeypatch.setattr(Job, "put_object_storage", twice)
    sender = Sender(journal)
    sent = sender.submission.send(prepare(backend, count=1), backend)
    sender.wait_for_end(sent.set_id)
    assert sender.states(sent.set_id) == [PartState.SENT]
    assert accepted(backend, sent.set_id) == [1]
    job_id = journal.intents.parts(sent.set_id)[0].job_id
    steps = backend.provider()._api_client.job_get(job_id)["time_per_step"]
    assert "CANCELLED" not in steps


def test_pause_go_on_stop_and_resume(backend: Any, journal: Journal) -> None:
    sender = Sender(journal)
    with full(backend):
        sent = sender.submission.send(prepare(backend, count=4), backend)
        journal.intents.set_wish(sent.set_id, Wish.PAUSE)
        wait_until(lambda: "paused" in sender.heard)
        journal.intents.set_wish(sent.set_id, Wish.STOP)
        sender.wait_for_end(sent.set_id)
        assert sender.states(sent.set_id) == [PartState.OPEN] * 4
        assert {row.status for row in sender.registry.rows()} == {Status.SUBMIT_FAILED}
    sender.submission.resume(sent.set_id, backend)
    with pytest.raises(JobStateError, match="being sent already"):
        sender.submission.resume(sent.set_id, backend)
    sender.wait_for_end(sent.set_id)
    assert accepted(backend, sent.set_id) == [1] * 4
    assert sender.states(sent.set_id) == [PartState.SENT] * 4
    with pytest.raises(JobStateError, match="nothing left"):
        sender.submission.resume(sent.set_id, backend)


def test_a_late_arrival_is_found_before_anything_is_sent_again(
    backend: Any, journal: Journal
) -> None:
    sender = Sender(journal)
    sent = sender.submission.send(prepare(backend, count=2), backend)
    sender.wait_for_end(sent.set_id)
    parts = journal.intents.parts(sent.set_id)
    # As if their sender had died between the service's answer and writing it down.
    journal.intents.begun(sent.set_id, 0)
    journal.intents.not_begun(sent.set_id, 1)
    sender.submission.resume(sent.set_id, backend)
    sender.wait_for_end(sent.set_id)
    assert [part.job_id for part in journal.intents.parts(sent.set_id)] == [
        part.job_id for part in parts
    ]
    assert accepted(backend, sent.set_id) == [1, 1]


def test_a_shell_of_a_sender_that_died_is_removed(backend: Any, journal: Journal) -> None:
    sender = Sender(journal)
    intents = journal.intents
    sent = sender.submission.send(prepare(backend, count=1), backend)
    sender.wait_for_end(sent.set_id)
    client = backend.provider()._api_client
    first = intents.parts(sent.set_id)[0].job_id
    client.job_delete(first)
    tag = f"ibmq_jobset_{sent.set_id}_"
    name = sender.registry.row(sent.keys[0]).name
    shell = client.account_api.create_remote_job(backend.name(), job_name=name, job_tags=[tag])
    intents.qobjs.keep(sent.set_id, [b'{"type": "QASM", "config": {}}'])
    intents.begun(sent.set_id, 0)
    intents.leave(sent.set_id)
    assert Arrivals(backend.provider(), sent.set_id).read()[0][0]["job_id"] == shell["id"]
    found = Arrivals(backend.provider(), sent.set_id)
    assert found.accepted(found.read()[0]) == ""
    assert found.read() == {}


def test_a_part_whose_qobj_is_gone_fails_and_says_so(
    backend: Any, journal: Journal, tmp_path: Path
) -> None:
    sender = Sender(journal)
    with full(backend):
        sent = sender.submission.send(prepare(backend, count=4), backend)
        journal.intents.set_wish(sent.set_id, Wish.STOP)
        sender.wait_for_end(sent.set_id)
    (last,) = [part for part in journal.intents.parts(sent.set_id) if part.intent.index == 3]
    assert last.state is PartState.OPEN
    folder = tmp_path / "unsent-test"
    (folder / f"{sent.set_id}-3").write_bytes(b"ruined")
    sender.submission.resume(sent.set_id, backend)
    sender.wait_for_end(sent.set_id)
    assert sender.states(sent.set_id) == [*[PartState.SENT] * 3, PartState.FAILED]
    assert "not kept any more" in journal.intents.parts(sent.set_id)[3].error
    assert journal.intents.leave(sent.set_id) == [3]
    assert list(folder.iterdir()) == []


def test_one_process_sends_a_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.desk.test_journal import a_part

    journals = [Journal("lab", tmp_path, lambda *_: None) for _ in range(8)]
    monkeypatch.setattr("qtower.desk.intents.process_name", lambda: "1:0.00")
    journals[0].intents.record("s1", "sweep", "sim", [a_part(0)], [b"{}"])
    journals[0].intents.release("s1")
    names = {threading.current_thread(): "none"}
    monkeypatch.setattr(
        "qtower.desk.intents.process_name", lambda: names[threading.current_thread()]
    )
    monkeypatch.setattr("qtower.desk.intents.process_lives", lambda name: name.startswith("p"))
    won: list[str] = []

    def claim(journal: Journal, name: str) -> None:
        names[threading.current_thread()] = name
        if journal.intents.claim("s1"):
            won.append(name)

    threads = [
        threading.Thread(target=claim, args=(journal, f"p{number}"))
        for number, journal in enumerate(journals)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(won) == 1
    assert not journals[3].intents.claim("s1")


def test_another_desk_offers_what_a_dead_sender_left(
    service: Endpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.desk.test_journal import a_part

    with open_desk(lambda: account_of(service), tmp_path) as (desk, ear):
        desk.wait_ready(60)
        journal = Journal("test", tmp_path, lambda *_: None)
        monkeypatch.setattr("qtower.desk.intents.process_name", lambda: "1:0.00")
        journal.intents.record("s1", "sweep", "sim", [a_part(0)], [b"{}"])
        ear.until(lambda: ear.sending)
        assert [(each.set_id, each.state) for each in ear.sending] == [("s1", "offered")]
        ear.until(lambda: "s1/0" in ear.rows)
        assert ear.rows["s1/0"].status is Status.SUBMIT_FAILED


def test_what_no_part_needs_is_removed_in_time(tmp_path: Path) -> None:
    from tests.desk.test_journal import a_part

    now = [0.0]
    journal = Journal("lab", tmp_path, lambda *_: None, clock=lambda: now[0])
    journal.intents.record("s1", "sweep", "sim", [a_part(0)], [b"{}"])
    journal.intents.qobjs.keep("orphan", [b"{}", b"{}"])
    folder = tmp_path / "unsent-lab"
    now[0] = (folder / "orphan-0").stat().st_mtime + 60
    journal.intents.tidy()
    assert len(list(folder.iterdir())) == 3
    now[0] += 7 * 86_400
    journal.intents.tidy()
    assert [file.name for file in folder.iterdir()] == ["s1-0"]
    assert (folder / "s1-0").stat().st_mode & 0o777 == 0o600
