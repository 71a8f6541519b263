"""What `qtower service status` says."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator

import pytest
from click.testing import CliRunner

from qtower.cli import commands
from qtower.service import asking, local
from qtower.service.report import Report, in_words, read_report
from tests.service.raw import Api, bell_qobj

pytestmark = pytest.mark.usefixtures("home")

PLAIN = Report(version="1.2", workers=2, engine="processes on this machine", jobs={}, queue={})


@pytest.fixture(autouse=True)
def nothing_left(home: object) -> Iterator[None]:
    yield
    local.stop()


def test_words_for_a_service_that_does_nothing() -> None:
    assert in_words(PLAIN) == [
        "Version: 1.2",
        "Jobs: none",
        "In line: none",
        "Workers: 2 (processes on this machine)",
    ]


@pytest.mark.parametrize(
    ("size", "words"),
    [(0, "0 bytes"), (999, "999 bytes"), (1000, "1.0 kB"), (2.5e6, "2.5 MB"), (3e15, "3000.0 TB")],
)
def test_sizes(size: float, words: str) -> None:
    report = Report(
        version="1.2",
        workers=1,
        engine="the Dask cluster at tcp://lab:8786",
        trouble="The Dask cluster has no workers; jobs wait",
        jobs={"QUEUED": 12_345, "COMPLETED": 1},
        queue={"ibmq_lima": 2},
        database="SQLite",
        data_bytes=int(size),
        retention_seconds=86400 * 30,
    )
    lines = in_words(report)
    assert f"Data: {words}, jobs in SQLite" in lines
    assert "Jobs: 1 COMPLETED, 12,345 QUEUED" in lines
    assert "In line: 2 for ibmq_lima" in lines
    assert "Trouble: The Dask cluster has no workers; jobs wait" in lines
    assert "Retention: qobjs and results go 30 days after the end of a job" in lines


def test_it_is_asked_of_the_service_itself() -> None:
    service = local.ensure_running()
    api = Api(service.url, service.token)
    api.wait(api.submit(bell_qobj()))
    api.close()
    report = read_report(service)
    assert report is not None
    assert report.jobs == {"COMPLETED": 1}
    said = CliRunner().invoke(commands, ["service", "status"])
    assert said.exit_code == 0
    assert "Jobs: 1 COMPLETED" in said.output
    document = json.loads(CliRunner().invoke(commands, ["service", "status", "--json"]).output)
    assert document["jobs"] == {"COMPLETED": 1}
    assert service.token not in said.output + json.dumps(document)


def test_one_that_hangs_is_said_to_hang_and_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    service = local.ensure_running()
    monkeypatch.setattr(asking, "ASK_SECONDS", 0.3)
    os.kill(service.pid, signal.SIGSTOP)
    try:
        began = time.monotonic()
        said = CliRunner().invoke(commands, ["service", "status"])
        assert time.monotonic() - began < 5
        assert said.exit_code == 1
        assert f"process {service.pid}) is starting, or hangs" in said.output
    finally:
        os.kill(service.pid, signal.SIGCONT)


def test_a_service_that_is_gone_has_no_report() -> None:
    service = local.ensure_running()
    local.stop()
    assert read_report(service) is None
