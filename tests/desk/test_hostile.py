"""Endpoints that redirect, stall, flood and lie: tokens stay here, and the rows go on."""

from __future__ import annotations

import itertools
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from qtower.desk import sessions
from qtower.desk.account import log_in
from qtower.desk.journal import Journal
from qtower.errors import AccountError, NetworkError
from qtower.model import Backends, GetBackends, GetDetails, Link
from tests.desk.accounts import open_desk
from tests.desk.hostile import (
    ACCESS_TOKEN,
    HostileEndpoint,
    Mode,
    Reply,
    Request,
    always,
    hostile,
    is_list,
    job,
    jobs,
    redirecting,
)


@pytest.fixture
def thief() -> Iterator[HostileEndpoint]:
    """An endpoint to which nobody should take a token."""
    with hostile(lambda request: None) as server:
        yield server


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("part", ["version", "loginWithToken", "users/me", "Network", "devices"])
def test_no_login_follows_a_redirect(part: str, status: int, thief: HostileEndpoint) -> None:
    there = f"{thief.url}/steal?with=query"
    with (
        hostile(redirecting(part, status, there)) as server,
        pytest.raises(AccountError, match="Tokens are not taken there") as caught,
    ):
        log_in(server.account)
    assert f"redirects to {thief.url}/steal." in caught.value.what
    assert "query" not in str(caught.value)
    assert thief.requests == []


def test_the_list_of_jobs_follows_no_redirect(tmp_path: Path, thief: HostileEndpoint) -> None:
    there = thief.url.replace("127.0.0.1", "localhost") + "/steal"
    with (
        hostile(redirecting("/Jobs", 302, there)) as server,
        open_desk(lambda: server.account, tmp_path) as (_, ear),
    ):
        ear.until(lambda: ear.links and ear.link is Link.REFUSED)
        assert f"redirects to {there}" in ear.links[-1].detail
    assert thief.requests == []


def test_the_api_of_another_place_gets_no_token(thief: HostileEndpoint) -> None:
    def elsewhere(request: Request) -> Reply | None:
        urls = {"urls": {"http": thief.url, "ws": "ws://x"}}
        return Reply(urls) if request.path.endswith("users/me") else None

    with (
        hostile(elsewhere) as server,
        pytest.raises(AccountError, match=f"says that its API is at {re.escape(thief.url)}"),
    ):
        log_in(server.account)
    assert thief.requests == []


@pytest.mark.parametrize(
    ("account", "api", "allowed"),
    [
        ("https://auth.lab.org/api", "https://api.lab.org/api", True),
        ("https://auth.lab.org/api", "http://auth.lab.org/api", False),
        ("http://lab.org/api", "https://other.org/api", False),
        ("http://lab.org/api", "http://lab.org:80/v2", True),
        ("http://localhost:8000/api", "http://127.0.0.1:8000/api", True),
        ("http://localhost:8000/api", "http://127.0.0.1:8001/api", False),
        ("https://lab.org/api", None, False),
        ("https://lab.org/api", "https://[broken", False),
    ],
)
def test_where_an_access_token_may_go(account: str, api: Any, allowed: bool) -> None:
    if allowed:
        sessions.check_service_url(account, api)
    else:
        with pytest.raises(AccountError):
            sessions.check_service_url(account, api)


def test_object_storage_elsewhere_gets_no_token(thief: HostileEndpoint) -> None:
    with hostile(lambda request: None) as server:
        provider = log_in(server.account)
        storage = provider._api_client.account_api.job("1")
        storage.get_object_storage(f"{thief.url}/result")
        storage.get_object_storage(f"{server.url}/result")
    assert [request.shows_a_token for request in thief.requests] == [False]
    assert [request.shows_a_token for request in server.asked("/result")] == [True]


def test_bad_documents_hide_no_good_ones(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    documents: list[Any] = [
        job(6),
        *(5, None, "x", [], True),
        job(5, infoQueue="q"),
        job(4, infoQueue=None, status=["x"]),
        job(3, name="n_" + "9" * 5000 + "_", tags=["ibmq_jobset_q_"]),
        job(2, name=5, tags="x", backend=[], summaryData=[1]),
        job(1, summaryData={"summary": {"num_circuits": 10**25}}),
    ]
    with (
        hostile(jobs(documents)) as server,
        open_desk(lambda: server.account, tmp_path) as (d, ear),
    ):
        d.wait_ready(30)
        assert set(ear.rows) == {job(number)["id"] for number in (1, 2, 3, 5, 6)}
    assert "5 of 11 jobs of a page are no job documents" in caplog.text


@pytest.mark.parametrize(
    "body", [{"a": 1}, None, b"{[[", b"<html>", b"[" * 200_000 + b"]" * 200_000]
)
def test_no_list_at_all_is_not_an_empty_one(body: Any, tmp_path: Path) -> None:
    with (
        hostile(always(Reply(body))) as server,
        open_desk(lambda: server.account, tmp_path) as (
            desk,
            ear,
        ),
    ):
        with pytest.raises(NetworkError, match="not of this API"):
            desk.wait_ready(30)
        assert Link.LIVE not in [connection.link for connection in ear.links]


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (
            Reply(status=429, headers={"Retry-After": "100000"}),
            "fewer requests. Trying again in 300",
        ),
        (Reply(status=429, headers={"Retry-After": "77"}), "fewer requests. Trying again in 77 s"),
        (Reply(status=429), "fewer requests. Trying again in 1 s"),
        (Reply(status=500), "failed with status 500. Trying again in 1 s"),
        (Reply(status=503, headers={"Retry-After": "9"}), "status 503. Trying again in 9 s"),
    ],
)
def test_an_endpoint_that_wants_to_be_left_alone(reply: Reply, words: str, tmp_path: Path) -> None:
    with hostile(always(reply)) as server, open_desk(lambda: server.account, tmp_path) as (_, ear):
        ear.until(lambda: ear.links and ear.link is Link.OFFLINE)
        offline = [each for each in ear.links if each.link is Link.OFFLINE]
        assert words in offline[0].detail


@pytest.mark.usefixtures("hasty")
def test_the_same_page_for_ever_is_read_twice(tmp_path: Path) -> None:
    page = [job(number) for number in range(50)]
    with (
        hostile(always(Reply(page))) as server,
        open_desk(lambda: server.account, tmp_path) as (
            desk,
            ear,
        ),
    ):
        desk.wait_ready(30)
        told = len(ear.links)
        ear.until(lambda: len(ear.links) >= told + 3)
        assert len(ear.rows) == 50
        queries = [request.query for request in server.requests if is_list(request)]
        # By what they ask for; whether it is the first page, or what follows it.
        readings: dict[str, list[bool]] = {"%22status%22": [], "%22gt%22": [], "": []}
        for query in queries:
            asked = next(each for each in readings if each in query)
            readings[asked].append("%22lte%22" not in query)
        assert readings[""] == [True, False], "the history"
        for firsts in readings.values():
            assert all(first != second for first, second in itertools.pairwise(firsts))
        assert server.asked("/Jobs/v/1") == [], "the history was a census"


@pytest.mark.parametrize(
    "reply", [Reply([], delay=60), Reply(b" " * 10_000, drip=0.05)], ids=["silent", "slow"]
)
def test_a_silence_is_told_as_one(
    reply: Reply, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "_READ_LOCAL_SECONDS", 0.4)
    with hostile(always(reply)) as server, open_desk(lambda: server.account, tmp_path) as (_, ear):
        ear.until(lambda: ear.links and ear.link is Link.OFFLINE)
        assert "did not answer in time" in ear.links[-1].detail
        stages = [each.detail for each in ear.links if each.link is Link.STARTING]
        assert stages[-1] == f"waiting for 127.0.0.1:{server.server_port}"


def test_an_answer_without_end_is_not_read(tmp_path: Path) -> None:
    modes = [always(Reply(b" " * 50_000_000)), jobs([job(1)])]
    with (
        hostile(live(modes)) as server,
        open_desk(lambda: server.account, tmp_path) as (desk, ear),
    ):
        with pytest.raises(NetworkError, match="not of this API"):
            desk.wait_ready(30)
        modes.pop(0)
        ear.until(lambda: len(ear.rows) == 1)


def test_jobs_with_a_megabyte_of_text_each_are_read_in_shorter_pages(tmp_path: Path) -> None:
    documents = [job(number, name="n" * 1_000_000) for number in range(40)]

    def mode(request: Request) -> Reply | None:
        long = is_list(request) and "limit%22%3A+500" in request.query
        return Reply(documents) if long else jobs(documents[:20])(request)

    with (
        hostile(mode) as server,
        open_desk(lambda: server.account, tmp_path) as (desk, ear),
    ):
        desk.wait_ready(60)
        assert len(ear.rows) == 20


def test_an_answer_that_is_packed_into_little_is_read_no_further(tmp_path: Path) -> None:
    # 60 KB on the way, which would become 60 MB of JSON, and 1.3 GB of lists.
    packing = zlib.compressobj(9, wbits=31)
    packed = [packing.compress(b"[]," * 1_000_000) for _ in range(20)]
    bomb = b"".join([*packed, packing.flush()])
    with (
        hostile(always(Reply(bomb, headers={"Content-Encoding": "gzip"}))) as server,
        open_desk(lambda: server.account, tmp_path) as (desk, _),
        pytest.raises(NetworkError, match="not of this API"),
    ):
        desk.wait_ready(30)


def test_dates_that_no_calendar_has_lock_nobody_out(tmp_path: Path) -> None:
    odd = ["9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59", "99999-01-01T00:00:00Z"]
    documents = [
        job(number, creationDate=date, updatedDate=date, timePerStep={"COMPLETED": date})
        for number, date in enumerate(odd)
    ]
    with hostile(jobs([*documents, job(9)])) as server:
        for _ in range(2):  # the second time from the journal
            with open_desk(lambda: server.account, tmp_path) as (desk, ear):
                desk.wait_ready(30)
                assert len(ear.rows) == len(odd) + 1
                for row in list(ear.rows.values()):
                    desk.details(GetDetails(key=row.key))
                    if row.job_id != job(9)["id"]:
                        assert (row.created, row.since) == (None, None)


def test_a_journal_with_such_a_date_is_opened(tmp_path: Path) -> None:
    with hostile(jobs([job(1)])) as server:
        with open_desk(lambda: server.account, tmp_path) as (desk, ear):
            desk.wait_ready(30)
            (row,) = ear.rows.values()
        journal = Journal("test", tmp_path, lambda *words: None)
        journal.save([msgspec.structs.replace(row, since=253402387139.0, created=253402387139.0)])
        assert journal.flush(10)
        with open_desk(lambda: server.account, tmp_path) as (desk, _):
            desk.wait_ready(30)
            assert desk.details(GetDetails(key=row.key)).row.job_id == row.job_id


def test_ids_that_are_none_are_passed_over(tmp_path: Path) -> None:
    def mode(request: Request) -> Reply | None:
        if request.path.endswith("/Jobs/v/1"):
            return Reply(["id", 5, None, {"id": 7}, {"id": job(1)["id"]}])
        return jobs([job(1)])(request)

    with hostile(mode) as server:
        for _ in range(2):  # ids are read where the journal has jobs
            with open_desk(lambda: server.account, tmp_path) as (desk, ear):
                desk.wait_ready(30)
                assert set(ear.rows) == {job(1)["id"]}
                assert not [link for link in ear.links if "fault of qtower" in link.detail]


def test_a_failure_in_the_history_is_made_good(tmp_path: Path) -> None:
    modes = [always(Reply(status=500)), jobs([job(1)])]
    with (
        hostile(lambda request: modes[0](request)) as server,
        open_desk(lambda: server.account, tmp_path) as (
            desk,
            ear,
        ),
    ):
        ear.until(lambda: ear.links and ear.link is Link.OFFLINE)
        modes.pop(0)
        ear.until(lambda: ear.link is Link.LIVE and len(ear.rows) == 1)
        desk.wait_ready(10)
        assert ACCESS_TOKEN not in str(ear.events)


def live(modes: list[Mode]) -> Mode:
    """The first of these modes, which the test takes away."""
    return lambda request: modes[0](request)


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (Reply(status=429, headers={"Retry-After": "1"}), "fewer requests. Trying again in"),
        (Reply(status=429), "fewer requests. Trying again in"),
        (Reply(status=503, headers={"Retry-After": "2"}), "status 503. Trying again in"),
        (Reply(status=500), "status 500. Trying again in"),
    ],
)
def test_an_endpoint_that_was_live_slows_us_down_and_we_recover(
    reply: Reply, words: str, tmp_path: Path
) -> None:
    modes = [jobs([job(1)]), always(reply), jobs([job(1), job(2)])]
    with (
        hostile(live(modes)) as server,
        open_desk(lambda: server.account, tmp_path) as (desk, ear),
    ):
        desk.wait_ready(20)
        modes.pop(0)
        ear.until(lambda: any(words in each.slowed for each in ear.links))
        slowed = next(each for each in ear.links if words in each.slowed)
        assert (slowed.link, slowed.detail) == (Link.LIVE, "")
        modes.pop(0)
        ear.until(lambda: not ear.links[-1].slowed and len(ear.rows) == 2)
        assert (ear.links[-1].confirmed or 0.0) > (slowed.confirmed or 0.0)
        assert Link.OFFLINE not in {connection.link for connection in ear.links}


@pytest.mark.usefixtures("hasty")
def test_an_endpoint_that_goes_on_failing_is_offline_in_the_end(tmp_path: Path) -> None:
    modes = [jobs([job(1)]), always(Reply(status=500)), jobs([job(1)])]
    with (
        hostile(live(modes)) as server,
        open_desk(lambda: server.account, tmp_path) as (desk, ear),
    ):
        desk.wait_ready(20)
        modes.pop(0)
        ear.until(lambda: ear.link is Link.OFFLINE)
        assert any(connection.slowed for connection in ear.links)
        assert not ear.links[-1].slowed
        modes.pop(0)
        ear.until(lambda: ear.link is Link.LIVE)


@pytest.mark.usefixtures("hasty")
def test_a_page_of_the_history_that_keeps_failing_is_no_outage(tmp_path: Path) -> None:
    first = [job(number) for number in reversed(range(50, 100))]
    broken = [True]

    def mode(request: Request) -> Reply | None:
        if not is_list(request) or "inq" in request.query:
            return None
        if "%22lte%22" in request.query:  # a later page
            return Reply(status=500) if broken else Reply([job(1)])
        return Reply([] if "nin" in request.query or "%22gt%22" in request.query else first)

    with (
        hostile(mode) as server,
        open_desk(lambda: server.account, tmp_path) as (desk, ear),
    ):
        ear.until(lambda: ear.links and "reading earlier jobs" in ear.links[-1].slowed)
        ear.until(lambda: len(server.asked("/Jobs/status/v/1")) > 12)
        assert {connection.link for connection in ear.links} == {Link.STARTING, Link.LIVE}
        assert len(ear.rows) == 50
        broken.clear()
        desk.wait_ready(60)
        assert len(ear.rows) == 51
        ear.until(lambda: not ear.links[-1].slowed)


def backend(name: Any, **changes: Any) -> dict[str, Any]:
    """A backend's configuration as the API has it."""
    return {
        "backend_name": name,
        "backend_version": "1.0.0",
        "n_qubits": 5,
        "basis_gates": ["u"],
        "gates": [],
        "local": False,
        "simulator": False,
        "conditional": True,
        "open_pulse": False,
        "memory": True,
        "max_shots": 1000,
        "max_experiments": 10,
        "coupling_map": None,
        "online_date": "2026-01-01T00:00:00Z",
        **changes,
    }


def test_backends_without_a_configuration_hide_no_others(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    odd: list[Any] = [
        *(backend(7), backend(None), backend("backends"), backend("retrieve_job")),
        *(backend("no number", n_qubits="five"), backend("too many", n_qubits=10**30)),
        *(backend("no shots", max_shots="many"), backend("no text", description=5)),
        *(backend("no gates", basis_gates=[None]), None, []),
    ]
    queues = {"state": True, "status": "active", "message": "", "lengthQueue": 3}

    def mode(request: Request) -> Reply | None:
        if request.path.endswith("/devices/v/1"):
            return Reply([*odd, backend("good"), backend("silent")])
        if request.path.endswith("/queue/status"):
            odd_message = {"message": 5, "lengthQueue": "long"} if "silent" in request.path else {}
            return Reply({**queues, "backend_version": "1", **odd_message})
        if request.path.endswith("/jobsLimit"):
            return Reply({"maximumJobs": 5, "runningJobs": 0})
        return None

    with hostile(mode) as server, open_desk(lambda: server.account, tmp_path) as (desk, _):
        answer = desk.backends(GetBackends())
    told = msgspec.json.decode(msgspec.json.encode(answer), type=Backends)
    assert [(each.name, each.queue_length) for each in told.backends] == [
        ("good", 3),
        ("silent", None),
    ]
    assert "11 of 13 backends have no configuration" in caplog.text
