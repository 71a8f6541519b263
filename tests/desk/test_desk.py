"""The desk on a real service: what a person does, and what goes wrong meanwhile."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from qtower import model
from qtower.config import Account
from qtower.desk.bulletin import Bulletin
from qtower.desk.desk import Desk
from qtower.desk.intents import IntentPart
from qtower.desk.journal import Journal
from qtower.errors import AccountError, JobStateError, NetworkError, NotFoundError, SubmissionError
from qtower.model import Link, Order, Rows, Status
from tests.conftest import Endpoint, start_service, stop_service
from tests.desk.accounts import Ear, account_of, bells, open_desk, provider_of

BELL = """OPENQASM 2.0;
include "qelib1.inc";
qreg q[2];
creg c[2];
h q[0];
cx q[0],q[1];
measure q -> c;
"""


@pytest.fixture
def own_service(tmp_path: Path) -> Iterator[Endpoint]:
    """A service that a test may harm."""
    endpoint = start_service(tmp_path / "own", "--workers", "1")
    yield endpoint
    stop_service(endpoint)


def of_set(ear: Ear, set_id: str) -> list[model.JobRow]:
    rows = [row for row in ear.rows.values() if row.set_id == set_id]
    return sorted(rows, key=lambda row: row.index or 0)


def until_final(ear: Ear, key: str) -> None:
    ear.until(lambda: key in ear.rows and ear.rows[key].status.final)


def test_a_set_of_another_program_appears_and_is_followed(
    service: Endpoint, tmp_path: Path
) -> None:
    from qiskit.providers.ibmq.managed import IBMQJobManager

    with open_desk(lambda: account_of(service), tmp_path) as (desk, ear):
        assert desk.wait_ready(60).link is Link.LIVE
        backend = provider_of(service).get_backend("ibmq_qasm_simulator")
        job_set = IBMQJobManager().run(
            bells(5), backend, name="sweep", max_experiments_per_job=2, job_tags=["mine"]
        )
        set_id = job_set.job_set_id()
        ear.until(lambda: len(of_set(ear, set_id)) == 3)
        ear.until(lambda: all(row.run_seconds is not None for row in of_set(ear, set_id)))
        rows = of_set(ear, set_id)
        assert [row.key for row in rows] == [f"{set_id}/{index}" for index in range(3)]
        assert [row.status for row in rows] == [Status.DONE] * 3
        assert [(row.start_index, row.end_index) for row in rows] == [(0, 1), (2, 3), (4, 4)]
        assert {row.set_name for row in rows} == {"sweep"}
        assert {row.tags for row in rows} == {("mine",)}
        head = desk.answer(model.GetResult(key=rows[1].key))
        assert [each.name for each in head.experiments] == ["bell-2", "bell-3"]
        told = [row for event in ear.events if isinstance(event, Rows) for row in event.rows]
        assert len({(row.key, repr(row)) for row in told}) == len(told), "no row was told twice"


def test_from_a_file_to_counts_details_and_error(service: Endpoint, tmp_path: Path) -> None:
    file = tmp_path / "bell.qasm"
    file.write_text(BELL)
    with open_desk(lambda: account_of(service), tmp_path / "state") as (desk, ear):
        desk.wait_ready(60)
        (report,) = desk.answer(model.ReadFiles(paths=[str(file)])).files
        assert (report.format, report.problem) == ("OpenQASM 2", "")
        backends = desk.answer(model.GetBackends()).backends
        simulator = next(each for each in backends if each.name == "ibmq_qasm_simulator")
        assert simulator.operational and simulator.simulator and simulator.max_shots
        order = Order(files=[str(file)], backend=simulator.name, shots=100, name="pair")
        wrong = desk.answer(model.MakePlan(order=Order(files=[str(file)], backend="nowhere")))
        assert [problem.field for problem in wrong.problems] == ["backend"]
        plan = desk.answer(model.MakePlan(order=order))
        assert plan.problems == []
        submitted = desk.answer(model.Submit(plan_id=plan.plan_id))
        with pytest.raises(SubmissionError):
            desk.answer(model.Submit(plan_id=plan.plan_id))
        (key,) = submitted.keys
        assert key == f"{submitted.set_id}/0"
        ear.until(lambda: ear.rows[key].status.final)
        counts = desk.answer(model.GetCounts(key=key, experiment=0))
        assert counts.total == 100 and {each.bits for each in counts.rows} <= {"00", "11"}
        details = desk.answer(model.GetDetails(key=key))
        assert [step.name for step in details.steps][-2:] == ["RUNNING", "COMPLETED"]
        assert abs(details.steps[-1].at - time.time()) < 3600, "times are UTC"
        labels = {field.label: field.value for field in details.fields}
        assert labels["API status"] == "COMPLETED" and labels["Shots"] == "100"
        assert service.token not in repr(details)
        with pytest.raises(JobStateError):
            desk.answer(model.GetError(key=key))
        outcome = desk.answer(model.Cancel(key=key))
        assert (outcome.outcome, outcome.status) == ("too_late", Status.DONE)
        with pytest.raises(NotFoundError):
            desk.answer(model.GetDetails(key="nothing"))


def test_the_next_start_shows_the_journal_before_the_network(
    service: Endpoint, tmp_path: Path
) -> None:
    job = provider_of(service).get_backend("ibmq_qasm_simulator").run(bells(), job_name="kept")
    with open_desk(lambda: account_of(service), tmp_path) as (desk, ear):
        desk.wait_ready(60)
        ear.until(lambda: ear.rows[job.job_id()].status is Status.DONE)
        desk.answer(model.GetResult(key=job.job_id()))

    def nobody() -> Account:
        raise NetworkError("The network is down.")

    with open_desk(nobody, tmp_path) as (desk, ear):
        assert ear.rows[job.job_id()].status is Status.DONE, "at once, by open() itself"
        with pytest.raises(NetworkError, match="network is down"):
            desk.wait_ready(60)
        assert desk.answer(model.GetResult(key=job.job_id())).source == "kept"
        details = desk.answer(model.GetDetails(key=job.job_id()))
        assert "network is down" in details.note
        assert "DONE" in [step.name for step in details.steps]


def test_a_lost_service_leaves_the_rows_as_they_were(own_service: Endpoint, tmp_path: Path) -> None:
    job = provider_of(own_service).get_backend("ibmq_qasm_simulator").run(bells())
    started: list[Endpoint] = []

    def connect() -> Account:
        # As for the local account: when the service is lost, another may be started elsewhere.
        return account_of(started[-1] if started else own_service)

    with open_desk(connect, tmp_path / "state") as (desk, ear):
        desk.wait_ready(60)
        ear.until(lambda: ear.rows[job.job_id()].run_seconds is not None)
        before = dict(ear.rows)
        os.killpg(own_service.process.pid, signal.SIGKILL)
        own_service.process.wait()
        ear.until(lambda: ear.link is Link.OFFLINE)
        assert ear.links[-1].detail and ear.links[-1].confirmed
        assert ear.rows == before
        with pytest.raises(NetworkError):
            desk.answer(model.GetBackends())
        started.append(start_service(tmp_path / "own", "--workers", "1"))
        try:
            ear.until(lambda: ear.link is Link.LIVE)
            assert ear.rows == before
            assert desk.answer(model.GetResult(key=job.job_id())).success
            again = provider_of(started[0]).get_backend("ibmq_qasm_simulator").run(bells())
            ear.until(lambda: again.job_id() in ear.rows)
        finally:
            stop_service(started[0])


def test_a_wrong_token_needs_a_person(service: Endpoint, tmp_path: Path) -> None:
    accounts = [account_of(service), account_of(service, token="not-the-token")]
    with open_desk(lambda: accounts[-1], tmp_path) as (desk, ear):
        with pytest.raises(AccountError, match="refused the token"):
            desk.wait_ready(60)
        assert ear.link is Link.REFUSED
        with pytest.raises(AccountError):
            desk.answer(model.GetBackends())
        accounts.pop()  # the person corrects it, and refreshes
        assert desk.answer(model.Refresh()).link is Link.LIVE
        assert all("not-the-token" not in repr(event) for event in ear.events)


def test_an_expired_access_token_is_renewed_silently(service: Endpoint, tmp_path: Path) -> None:
    with open_desk(lambda: account_of(service), tmp_path) as (desk, ear):
        desk.wait_ready(60)
        provider = desk._session.provider()
        provider._api_client._session.access_token = "expired"
        assert desk.answer(model.Refresh()).link is Link.LIVE
        assert desk.answer(model.GetBackends()).backends
        assert {connection.link for connection in ear.links} == {Link.STARTING, Link.LIVE}


def test_deleted_jobs_go(own_service: Endpoint, tmp_path: Path) -> None:
    provider = provider_of(own_service)
    jobs = [provider.get_backend("ibmq_qasm_simulator").run(bells()) for _ in range(2)]
    with open_desk(lambda: account_of(own_service), tmp_path / "state") as (desk, ear):
        desk.wait_ready(60)
        ear.until(lambda: all(row.status.final for row in ear.rows.values()))
        provider._api_client.job_delete(jobs[0].job_id())
        desk.answer(model.Refresh())
        assert set(ear.rows) == {jobs[1].job_id()}


def test_two_desks_on_one_journal(service: Endpoint, tmp_path: Path) -> None:
    with (
        open_desk(lambda: account_of(service), tmp_path) as (one, first),
        open_desk(lambda: account_of(service), tmp_path) as (other, second),
    ):
        one.wait_ready(60)
        other.wait_ready(60)
        job = provider_of(service).get_backend("ibmq_qasm_simulator").run(bells())
        for ear in (first, second):
            until_final(ear, job.job_id())
        assert first.notices == second.notices == []


def test_what_a_dead_process_meant_to_send_has_arrived_or_is_lost(
    service: Endpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = [
        IntentPart(index=i, start_index=2 * i, experiments=2, shots=9, label="Bell", tags=("t",))
        for i in range(2)
    ]
    job = (
        provider_of(service)
        .get_backend("ibmq_qasm_simulator")
        .run(bells(2), job_name="sweep_0_", job_tags=["ibmq_jobset_crash_", "t"])
    )
    monkeypatch.setattr("qtower.desk.intents.process_name", lambda: "1:0.00")
    journal = Journal("test", tmp_path, lambda *_: None)
    qobjs = [b"{}"] * 2
    journal.intents.record("crash", "sweep", "ibmq_qasm_simulator", parts, qobjs)
    closed = model.JobRow(key="old/0", set_id="old", index=0, status=Status.INITIALIZING)
    journal.save([closed])
    assert journal.flush(20)
    monkeypatch.undo()
    with open_desk(lambda: account_of(service), tmp_path) as (desk, ear):
        desk.wait_ready(60)
        assert ear.rows["crash/0"].job_id == job.job_id()
        lost = ear.rows["crash/1"]
        assert lost.status is Status.SUBMIT_FAILED and "did not reach" in lost.error
        assert (lost.start_index, lost.end_index, lost.label) == (2, 3, "Bell")
        assert ear.rows["old/0"].status is Status.SUBMIT_FAILED
        assert desk.answer(model.GetError(key="crash/1")).submit_error == lost.error
        assert desk.answer(model.Cancel(key="crash/1")).outcome == "refused"
        assert desk.answer(model.GetDetails(key="crash/1")).note
        (offer,) = desk.answer(model.GetUnsent()).sets
        assert (offer.set_id, offer.state, offer.offer) == (
            "crash",
            "offered",
            "1 of 2 jobs reached the server",
        )
        assert [notice.title for notice in ear.notices] == ["Unsent jobs"]
        assert not desk.answer(model.SteerSet(set_id="crash", steer=model.Steer.LEAVE)).sets
        assert "given up" in ear.rows["crash/1"].error
        assert ear.sending == []


def test_a_damaged_journal_is_a_notice_and_no_more(service: Endpoint, tmp_path: Path) -> None:
    (tmp_path / "journal-test.db").write_bytes(b"ruined" * 1000)
    with open_desk(lambda: account_of(service), tmp_path) as (desk, ear):
        assert desk.wait_ready(60).link is Link.LIVE
        (notice,) = ear.notices
        assert notice.title == "Journal damaged"


def test_close_does_not_wait_for_a_server_that_hangs(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        url = f"http://127.0.0.1:{mute.getsockname()[1]}/api"
        account = Account(name="test", url=url, token="t" * 8)
        asked = threading.Event()

        def connect() -> Account:
            asked.set()
            return account

        with open_desk(connect, tmp_path) as (desk, ear):
            assert asked.wait(60)
            connection, _ = mute.accept()
            closing = threading.Thread(target=desk.close)
            closing.start()
            closing.join(5)
            assert not closing.is_alive()
            assert ear.link is Link.STARTING
            connection.close()


def expire(desk: Desk) -> None:
    desk._session.provider()._api_client._session.access_token = "expired"


def test_details_and_errors_are_read_after_a_new_login(service: Endpoint, tmp_path: Path) -> None:
    job = provider_of(service).get_backend("ibmq_qasm_simulator").run(bells())
    job.result()
    # An account that is not local is read twice a minute: nothing else renews the login.
    with open_desk(lambda: account_of(service, local=False), tmp_path) as (desk, ear):
        desk.wait_ready(60)
        expire(desk)
        details = desk.answer(model.GetDetails(key=job.job_id()))
        assert details.note == ""
        assert "API status" in {field.label for field in details.fields}
        expire(desk)
        assert desk._reach.managed_job_if_any(ear.rows[job.job_id()]) is not None


def test_a_damaged_kept_result_is_read_again(service: Endpoint, tmp_path: Path) -> None:
    job = provider_of(service).get_backend("ibmq_qasm_simulator").run(bells())
    job.result()
    ask = model.GetResult(key=job.job_id())
    with open_desk(lambda: account_of(service), tmp_path) as (desk, _):
        desk.wait_ready(60)
        assert desk.answer(ask).source == "endpoint"
    (file,) = (tmp_path / "results-test").iterdir()
    file.write_bytes(b"ruined")
    with open_desk(lambda: account_of(service), tmp_path) as (desk, _):
        desk.wait_ready(60)
        assert desk.answer(ask).source == "endpoint"
    with open_desk(lambda: account_of(service), tmp_path) as (desk, _):
        desk.wait_ready(60)
        assert desk.answer(ask).source == "kept"


def test_a_fault_of_ours_is_not_laid_on_the_endpoint(
    service: Endpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ours(*_: object, **__: object) -> None:
        raise TypeError("ours")

    with open_desk(lambda: account_of(service), tmp_path) as (desk, _):
        desk.wait_ready(60)
        order = model.MakePlan(order=Order(files=[], backend="ibmq_qasm_simulator"))
        assert desk.answer(order).problems
        monkeypatch.setattr("qtower.desk.planning.check_fields", ours)
        monkeypatch.setattr("qtower.desk.samples.prepared", ours)
        monkeypatch.setattr("qtower.desk.workshop._backend", ours)
        for request in (order, model.SubmitSamples(), model.GetBackends()):
            with pytest.raises(TypeError, match="ours"):
                desk.answer(request)
        monkeypatch.undo()
        monkeypatch.setattr(desk._session.provider(), "backends", ours)
        for request in (order, model.SubmitSamples(), model.GetBackends()):
            with pytest.raises(NetworkError, match="not of this API"):
                desk.answer(request)


def test_a_clock_that_is_set_back_does_not_silence_the_connection() -> None:
    ear = Ear()
    now = [5000.0]
    bulletin = Bulletin(ear, "test", lambda: now[0])
    for moment in (5000.0, 1000.0, 1002.0):
        now[0] = moment
        bulletin.connect(Link.LIVE, "", moment, None)
    assert [connection.confirmed for connection in ear.links] == [5000.0, 1000.0, 1002.0]
