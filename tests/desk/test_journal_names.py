"""An account whose url is changed does not show the jobs of the old place."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

import pytest

from qtower.desk.desk import Desk
from qtower.desk.journal_names import journal_name
from tests.conftest import Endpoint
from tests.desk.accounts import Ear, account_of, bells, provider_of


def test_every_endpoint_of_an_account_has_a_journal(tmp_path: Path) -> None:
    first = journal_name("lab", "https://a.example/api", tmp_path)
    assert first == "lab"
    other = journal_name("lab", "https://b.example/api", tmp_path)
    assert other not in ("lab", journal_name("lab", "https://c.example/api", tmp_path))
    assert journal_name("lab", "https://b.example/api/", tmp_path) == other
    assert journal_name("lab", "https://a.example/api/", tmp_path) == first
    assert journal_name("home", "https://b.example/api", tmp_path) == "home"


@pytest.mark.parametrize("directory", [True, False])
def test_the_local_service_has_one_journal(directory: bool, tmp_path: Path) -> None:
    assert journal_name("local", "", tmp_path if directory else None) == "local"
    assert list(tmp_path.iterdir()) == []


def test_a_note_that_cannot_be_read_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "journal-lab.endpoint").write_bytes(b"\xff")
    assert journal_name("lab", "https://b.example/api", tmp_path) == "lab"


def test_a_pipe_in_place_of_a_note_keeps_nobody_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "journal-lab.endpoint")
    assert journal_name("lab", "https://b.example/api", tmp_path) == "lab"


def has_ended(ear: Ear, job: str) -> bool:
    return job in ear.rows and ear.rows[job].status.final


def test_the_jobs_of_another_place_are_not_shown(service: Endpoint, tmp_path: Path) -> None:
    job = provider_of(service).get_backend("ibmq_qasm_simulator").run(bells()).job_id()
    ears = []
    for endpoint in (service.url, "https://elsewhere.example/api", service.url):
        ear = Ear()
        ears.append(ear)
        desk = Desk("lab", lambda: account_of(service), ear, state_dir=tmp_path, endpoint=endpoint)
        desk.open()
        if len(ears) == 1:
            ear.until(partial(has_ended, ear, job))
        at_once = set(ear.rows)
        desk.close()
        assert (job in at_once) is (endpoint == service.url)
