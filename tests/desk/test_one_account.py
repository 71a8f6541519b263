"""Two desks of one account on the real service: what one spends, or is told, the other minds."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace
from qiskit.providers.jobstatus import JOB_FINAL_STATES

from qtower import model
from qtower.config import Account, Keeping
from qtower.desk import poller as poller_module
from qtower.desk import result_fetching
from qtower.desk.kept_results import KeptResults
from qtower.model import Link
from tests.conftest import Endpoint, start_service, stop_service
from tests.desk.accounts import account_of, bells, open_desk, provider_of
from tests.desk.conftest import wait_until
from tests.faults.proxy import Answer, Exchange, Proxy, pass_on

LEFT_ALONE = "The endpoint is left alone"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    """One without the jobs of other tests: each of them costs the account of these calls."""
    endpoint = start_service(tmp_path_factory.mktemp("one-account"), "--workers", "1")
    yield endpoint
    stop_service(endpoint)


@pytest.fixture
def proxy(service: Endpoint) -> Iterator[Proxy]:
    made = Proxy(service.url)
    yield made
    made.close()


@pytest.fixture
def account(service: Endpoint, proxy: Proxy) -> Account:
    """The account as one far away, which may be asked 60 times a minute."""
    return replace(account_of(service, local=False), url=proxy.url)


def turned_away_once(path: str, seconds: int) -> Callable[[Exchange], None]:
    """The first request of `path` is answered with 429, and that one shall wait so long."""
    turn = threading.Lock()

    def fault(exchange: Exchange) -> None:
        if path in exchange.path and turn.acquire(blocking=False):
            exchange.give(Answer(429, b"{}", [("Retry-After", str(seconds))]))
        else:
            pass_on(exchange)

    return fault


def test_who_is_turned_away_makes_all_leave_the_endpoint_alone(
    account: Account, proxy: Proxy, service: Endpoint, tmp_path: Path
) -> None:
    backend = provider_of(service).get_backend("ibmq_qasm_simulator")
    known = backend.run(bells()).job_id()
    with (
        open_desk(lambda: account, tmp_path) as (one, one_ear),
        open_desk(lambda: account, tmp_path) as (two, two_ear),
    ):
        one.wait_ready(60)
        two.wait_ready(60)
        proxy.fault = turned_away_once(known, 200)
        assert "fewer requests" in one.answer(model.GetDetails(key=known)).note
        assert 0 < two._session.budget.held() <= 200
        two._poller.nudge()
        two_ear.until(lambda: LEFT_ALONE in two_ear.links[-1].slowed)
        assert two_ear.link is Link.LIVE
        job = backend.run(bells()).job_id()
        two.answer(model.Refresh())  # a person may ask all the same
        assert job in two_ear.rows
        assert job not in one_ear.rows


def test_whoever_is_turned_away_at_the_door_warns_the_others(
    account: Account, proxy: Proxy, tmp_path: Path
) -> None:
    with open_desk(lambda: account, tmp_path) as (one, one_ear):
        one.wait_ready(60)
        proxy.fault = turned_away_once("/version", 200)
        with open_desk(lambda: account, tmp_path) as (_, two_ear):
            two_ear.until(lambda: two_ear.link is Link.OFFLINE)
            assert 0 < one._session.budget.held() <= 200
            one._poller.nudge()
            one_ear.until(lambda: LEFT_ALONE in one_ear.links[-1].slowed)


def test_a_desk_that_is_opened_need_not_wait_for_what_others_have_spent(
    account: Account, tmp_path: Path
) -> None:
    """A person waits for it: `qtower list` beside nine monitors."""
    with open_desk(lambda: account, tmp_path) as (one, _):
        one.wait_ready(60)
        budget = one._session.budget
        while budget.room():
            budget.spend()
        budget.hold(200)
        before = budget.used()
        with open_desk(lambda: account, tmp_path) as (two, two_ear):
            assert two.wait_ready(30).link is Link.LIVE
            assert two_ear.links[-1].calls_allowed == 60
            assert budget.used() > before, "it has borrowed"
            assert two._session.budget.used() == budget.used()


def test_both_tell_the_same_count(account: Account, tmp_path: Path) -> None:
    with (
        open_desk(lambda: account, tmp_path) as (one, one_ear),
        open_desk(lambda: account, tmp_path) as (two, two_ear),
    ):
        one.wait_ready(60)
        two.wait_ready(60)
        one.answer(model.GetBackends())

        def agree() -> bool:
            told = {ear.links[-1].calls_used for ear in (one_ear, two_ear)}
            return told == {one._session.budget.used()}

        wait_until(agree)
        assert (two_ear.links[-1].calls_used or 0) > two._session.budget.count


def test_results_come_in_the_end_where_others_use_the_calls_up(
    account: Account, service: Endpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(result_fetching, "_SHARE", 0.0)  # always used up, by nine monitors
    monkeypatch.setattr(result_fetching, "_PAUSE_SECONDS", 0.05)
    monkeypatch.setattr(result_fetching, "_LONGEST_WAIT", 0.1)
    backend = provider_of(service).get_backend("ibmq_qasm_simulator")
    with open_desk(lambda: account, tmp_path, Keeping()) as (desk, ear):
        desk.wait_ready(60)
        jobs = [backend.run(bells()).job_id() for _ in range(2)]
        ear.until(lambda: all(job in ear.rows and ear.rows[job].saved for job in jobs))


def test_a_result_that_another_qtower_reads_is_not_asked_for(
    account: Account,
    proxy: Proxy,
    service: Endpoint,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(result_fetching, "_PAUSE_SECONDS", 0.05)
    asked: list[str] = []

    def note(exchange: Exchange) -> None:
        asked.append(exchange.path)
        pass_on(exchange)

    proxy.fault = note
    job = provider_of(service).get_backend("ibmq_qasm_simulator").run(bells())
    wait_until(lambda: job.status() in JOB_FINAL_STATES)
    folder = tmp_path / "results-test"
    coming = folder / f".{job.job_id()}.1.coming"  # as process 1 writes it
    folder.mkdir(mode=0o700)
    coming.touch()
    looked: list[str] = []
    is_coming = KeptResults.is_coming

    def look(kept: KeptResults, job_id: str) -> bool:
        looked.append(job_id)
        return is_coming(kept, job_id)

    monkeypatch.setattr(KeptResults, "is_coming", look)
    with open_desk(lambda: account, tmp_path, Keeping()) as (_, ear):
        wait_until(lambda: looked.count(job.job_id()) > 3)
        raw = json.dumps(job.result().to_dict(), default=str).encode()
        KeptResults(folder).obtain(job.job_id(), lambda: [raw])
        coming.unlink()
        ear.until(lambda: job.job_id() in ear.rows and ear.rows[job.job_id()].saved)
    assert not [path for path in asked if f"{job.job_id()}/result" in path]


def test_the_local_service_is_asked_by_each_as_it_likes(service: Endpoint, tmp_path: Path) -> None:
    with open_desk(lambda: account_of(service), tmp_path) as (desk, _):
        desk.wait_ready(60)
        assert not list(tmp_path.glob("calls-*"))


def test_a_poller_that_cannot_ask_goes_on_counting(
    account: Account, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(poller_module, "_TICK", 0.05)
    with open_desk(lambda: account, tmp_path) as (one, ear):
        one.wait_ready(60)
        one._session.budget.hold(200)
        one._poller.nudge()
        ear.until(lambda: LEFT_ALONE in ear.links[-1].slowed)
        before = ear.links[-1].calls_used or 0
        one._session.budget.spend()
        ear.until(lambda: ear.links[-1].calls_used == before + 1)
