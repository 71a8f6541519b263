"""What `qtower service status` says."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import msgspec
import pytest
import trustme
from click.testing import CliRunner, Result

from qtower import paths
from qtower.cli import commands
from qtower.service import asking, local
from qtower.service.report import Report, in_words, read_report
from qtower.service.tokens import TokenFile
from tests.conftest import start_service, stop_service
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
        free_bytes=5_000_000_000,
        retention_seconds=86400 * 30,
    )
    lines = in_words(report)
    assert f"Data: {words}, jobs in SQLite" in lines
    assert "Jobs: 1 COMPLETED, 12,345 QUEUED" in lines
    assert "In line: 2 for ibmq_lima" in lines
    assert "Free on that disk: 5.0 GB" in lines
    assert "Trouble: The Dask cluster has no workers; jobs wait" in lines
    assert "Retention: qobjs and results go 30 days after the end of a job" in lines


def test_it_says_which_jobs_wait_for_the_end_of_a_reservation() -> None:
    report = msgspec.structs.replace(PLAIN, queue={"a": 2}, reserved={"a": "2030-01-01T12:00:00Z"})
    assert in_words(report)[-1] == (
        "Reserved: a, until 2030-01-01T12:00:00Z; other projects' jobs wait for that"
    )


def test_the_command_line_loads_nothing_heavy_to_ask() -> None:
    script = "import sys, qtower.cli.service; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert {"sqlalchemy", "starlette", "prometheus_client"}.isdisjoint(run.stdout.split())


def test_it_is_asked_of_the_service_itself() -> None:
    service = local.ensure_running()
    api = Api(service.url, service.token)
    api.wait(api.submit(bell_qobj()))
    api.close()
    note = local.running()
    assert note is not None
    report = read_report(note, paths.data_dir())
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
    local.ensure_running()
    note = local.running()
    assert note is not None
    local.stop()
    assert read_report(note, paths.data_dir()) is None


CONFIG = """
[users.ada]
projects = ["lab/physics/main"]
[users.ben]
projects = ["lab/teaching/main"]
"""


def test_a_service_of_a_lab_tells_who_can_read_its_data_directory(
    tmp_path: Path, files: tuple[Path, Path]
) -> None:
    config = tmp_path / "service.toml"
    config.write_text(CONFIG)
    data_dir = paths.private_dir(tmp_path / "data")
    TokenFile(data_dir / "tokens.json").add("ada")
    certificate, key = map(str, files)
    endpoint = start_service(
        tmp_path,
        *("--config", str(config), "--workers", "1"),
        *("--tls-cert", certificate, "--tls-key", key),
    )
    try:
        said = status(data_dir)
        assert said.exit_code == 0
        assert f"is running at {endpoint.url} (process {endpoint.process.pid}, " in said.output
        assert "Without a token: ben" in said.output
        assert "Token:" not in said.output
        document = json.loads(status(data_dir, "--json").output)
        assert (document["running"], document["url"]) == (True, endpoint.url)
        assert document["without_token"] == ["ben"]
        assert "token_file" not in document
        root = endpoint.url.removesuffix("/api")
        forged = httpx.get(
            f"{root}/status", params={"expires": "9999999999", "signature": "0"}, verify=False
        )
        assert forged.status_code == httpx.get(f"{root}/status", verify=False).status_code == 403
        # Of another certificate than its own nothing is believed.
        note = local.running(data_dir)
        assert note is not None
        other = msgspec.structs.replace(note, certificate="0" * 64)
        assert read_report(other, data_dir) is None
        assert read_report(note, tmp_path / "elsewhere") is None
    finally:
        stop_service(endpoint)
    assert "is not running" in status(data_dir).output
    assert not (tmp_path / "elsewhere").exists()


def status(data_dir: Path, *options: str) -> Result:
    asked = ["service", "status", "--data-dir", str(data_dir), *options]
    return CliRunner().invoke(commands, asked)


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    issued = trustme.CA().issue_cert("localhost", "127.0.0.1")
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    certificate.write_bytes(b"".join(part.bytes() for part in issued.cert_chain_pems))
    key.write_bytes(issued.private_key_pem.bytes())
    return certificate, key
