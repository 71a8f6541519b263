"""While results cannot be kept they stay at the endpoint, and are read when there is room."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from qtower.config import Keeping
from qtower.desk import kept_results, result_room
from qtower.desk.kept_results import KeptResults
from qtower.desk.result_room import ResultRoom
from qtower.model import GetCounts
from tests.conftest import Endpoint, start_service, stop_service
from tests.desk.accounts import account_of, bells, open_desk, provider_of
from tests.desk.test_journal import Told
from tests.desk.test_result_fetching import READ_ONCE

NOT_KEPT, KEPT = "Results not kept", "Results kept again"
RESULT = b'{"results": []}'


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Endpoint]]:
    """Starts a service that has no other jobs."""
    started: list[Endpoint] = []

    def start(*options: str) -> Endpoint:
        started.append(start_service(tmp_path / "own", "--workers", "1", *options))
        return started[0]

    yield start
    for each in started:
        stop_service(each)


def test_it_is_looked_for_now_and_then_and_said_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "results"
    kept, told = KeptResults(folder), Told()
    now = 0.0
    room = ResultRoom(kept, told, told, ticks=lambda: now)
    assert room.there_is() and not list(folder.iterdir())
    folder.rmdir()
    folder.write_text("in the way")
    assert room.there_is(), "it was looked at a moment ago"
    for _ in range(5):
        now += 10.0
        assert not room.there_is()
    assert [title for title, _ in told] == [NOT_KEPT] and "stay at the endpoint" in told[0][1]
    folder.unlink()
    now += 10.0
    assert room.there_is()
    monkeypatch.setattr(kept_results, "_LEAST_FREE", 1 << 62)
    now += 10.0
    assert not room.there_is()
    assert [title for title, _ in told] == [NOT_KEPT, KEPT, NOT_KEPT]
    assert "almost full" in told[2][1]


def test_after_one_that_did_not_fit_it_rests(tmp_path: Path) -> None:
    told = Told()
    now = 0.0
    room = ResultRoom(KeptResults(tmp_path), told, told, ticks=lambda: now)
    problem = KeptResults(None).obtain("1", lambda: [RESULT]).problem
    assert problem is not None
    room.missed(problem)
    room.missed(problem)
    for _ in range(5):
        now += 10.0
        assert not room.there_is()
    now += 10.0
    assert room.there_is()
    assert [title for title, _ in told] == [NOT_KEPT, KEPT]


def test_a_result_that_can_be_read_once_waits_for_room(
    start: Callable[..., Endpoint], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(result_room, "_LOOK_SECONDS", 0.0)
    monkeypatch.setattr(kept_results, "_LEAST_FREE", 1 << 62)
    settings = tmp_path / "service.toml"
    settings.write_text(READ_ONCE)
    service = start("--config", str(settings))
    backend = provider_of(service).get_backend("ibmq_qasm_simulator")
    with open_desk(lambda: account_of(service), tmp_path, Keeping()) as (desk, ear):
        desk.wait_ready(60)
        key = backend.run(bells(), shots=300).job_id()
        ear.until(lambda: key in ear.rows and ear.rows[key].status.final)
        ear.until(lambda: [notice.title for notice in ear.notices] == [NOT_KEPT])
        assert not ear.rows[key].saved
        monkeypatch.setattr(kept_results, "_LEAST_FREE", 0)
        ear.until(lambda: ear.rows[key].saved)
        assert [notice.title for notice in ear.notices] == [NOT_KEPT, KEPT]
        assert desk.answer(GetCounts(key=key, experiment=0)).total == 300


def test_a_result_that_did_not_fit_is_read_once_more(
    start: Callable[..., Endpoint], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = start()
    monkeypatch.setattr(result_room, "_LOOK_SECONDS", 0.0)
    monkeypatch.setattr(result_room, "_REST_SECONDS", 0.0)
    obstacles = iter(["", "The disk is full."])  # it seems to have room, until it is written to
    obstacle = KeptResults.obstacle
    monkeypatch.setattr(KeptResults, "obstacle", lambda kept: next(obstacles, obstacle(kept)))
    folder = tmp_path / "results-test"
    folder.write_text("in the way")
    backend = provider_of(service).get_backend("ibmq_qasm_simulator")
    with open_desk(lambda: account_of(service), tmp_path, Keeping()) as (desk, ear):
        desk.wait_ready(60)
        key = backend.run(bells(), shots=300).job_id()
        ear.until(lambda: ear.notices)
        folder.unlink()
        ear.until(lambda: key in ear.rows and ear.rows[key].saved)
        assert [notice.title for notice in ear.notices] == [NOT_KEPT, KEPT]
