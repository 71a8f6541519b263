"""SIGKILL to whoever submits, at any moment: no job is lost, none is sent twice.

What the service has is compared with what the journal says. `make test` runs a short form; with
QTOWER_SOAK=1 it is QTOWER_KILLS kills, 500 unless that says otherwise.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import sqlite3
import threading
from collections import defaultdict
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from qtower.desk.intents import PartState
from qtower.desk.journal import Journal
from qtower.desk.pages import JobPages
from tests.conftest import Endpoint, home_environment, start_service, stop_service
from tests.desk.accounts import provider_of
from tests.desk.killing_proxy import MOMENTS, KillingProxy
from tests.desk.submitters import Submitters

SOAK = bool(os.environ.get("QTOWER_SOAK"))
KILLS = int(os.environ.get("QTOWER_KILLS", "500")) if SOAK else 5
JOBS = 6
_SHELL = {"CREATING", "CANCELLED"}

pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.timeout(7200)]


@pytest.fixture(scope="module")
def limited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    """A service that takes three unfinished jobs at a time."""
    directory = tmp_path_factory.mktemp("limited")
    endpoint = start_service(directory, "--workers", "1", "--job-limit", "3")
    yield endpoint
    stop_service(endpoint)


@pytest.fixture
def submitters(tmp_path: Path) -> Iterator[Submitters]:
    made = Submitters(home_environment(tmp_path / "home"))
    yield made
    made.close()


def killed(process: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(process, signal.SIGKILL)


def jobs_by_place(endpoint: Endpoint) -> dict[tuple[str, int], list[str]]:
    """The ids of all jobs that have their qobj, by set and index."""
    provider = provider_of(endpoint)
    found: dict[tuple[str, int], list[str]] = defaultdict(list)
    for page in JobPages(provider).history():
        for listed in page:
            document = provider._api_client.job_get(listed["job_id"])
            if set(document["time_per_step"]) <= _SHELL:
                continue
            tag = next(tag for tag in document["tags"] if tag.startswith("ibmq_jobset_"))
            index = int(document["name"].rsplit("_", 2)[1])
            found[tag.removeprefix("ibmq_jobset_")[:-1], index].append(document["job_id"])
    return found


def test_no_kill_loses_a_job_or_sends_it_twice(
    limited: Endpoint, submitters: Submitters, tmp_path: Path
) -> None:
    seed = random.randrange(1 << 30)
    print(f"seed {seed}")
    chance = random.Random(seed)
    proxy = KillingProxy(limited.url)
    bell = Path(__file__).parents[1] / "circuits" / "bell.qasm"
    place = {"url": proxy.url, "token": limited.token, "state": str(tmp_path / "state")}
    kills = sets = 0
    while kills < KILLS:
        sets += 1
        order: dict[str, Any] = {"file": str(bell), "jobs": JOBS, "name": f"set {sets}"}
        outcome = "killed"
        while outcome != "done":
            process = submitters.begin(**place, **order)
            timer: threading.Timer | None = None
            if kills >= KILLS:
                proxy.disarm()
            elif chance.random() < 0.7:  # three requests for each job
                proxy.arm(
                    chance.randrange(1, 3 * JOBS), chance.choice(MOMENTS), partial(killed, process)
                )
            else:
                proxy.disarm()
                timer = threading.Timer(chance.uniform(0.0, 2.5), killed, [process])
                timer.start()
            outcome = submitters.end()
            if timer is not None:
                timer.cancel()
            assert outcome in ("done", "killed")
            kills += outcome == "killed"
            if order and outcome == "killed" and not intents_of(tmp_path).unfinished():
                break  # it was killed before it wrote anything down, or when all was sent
            order = {}
    proxy.disarm()
    submitters.begin(**place)
    assert submitters.end() == "done"
    compare(limited, tmp_path)
    proxy.shutdown()
    proxy.server_close()
    print(f"{kills} kills, {sets} sets of {JOBS} jobs")


def intents_of(tmp_path: Path) -> Any:
    return Journal("test", tmp_path / "state", lambda *_: None).intents


def compare(endpoint: Endpoint, tmp_path: Path) -> None:
    """Each part is on the server once, as the job that the journal says, and nothing else is."""
    intents = intents_of(tmp_path)
    assert intents.unfinished() == []
    there = jobs_by_place(endpoint)
    doubled = {place: ids for place, ids in there.items() if len(ids) > 1}
    assert not doubled
    with sqlite3.connect(tmp_path / "state" / "journal-test.db") as connection:
        meant = {set_id for (set_id,) in connection.execute("SELECT set_id FROM submissions")}
    sets = {set_id for set_id, _ in there}
    assert sets == meant
    parts = {(set_id, part.intent.index): part for set_id in sets for part in intents.parts(set_id)}
    assert {part.state for part in parts.values()} == {PartState.SENT}
    assert {place: part.job_id for place, part in parts.items()} == {
        place: ids[0] for place, ids in there.items()
    }
    assert list((tmp_path / "state" / "unsent-test").iterdir()) == []
