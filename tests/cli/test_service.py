"""`qtower serve` and `qtower service`, as a person types them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from qtower.cli import commands
from qtower.service import local, local_files
from tests.conftest import start_service, stop_service

pytestmark = pytest.mark.usefixtures("home")


def qtower(*arguments: str) -> Result:
    return CliRunner().invoke(commands, arguments)


def program(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "qtower", *arguments], capture_output=True, text=True, check=False
    )


@pytest.fixture(autouse=True)
def nothing_left(home: Path) -> Iterator[None]:
    yield
    local.stop()


def test_when_nothing_runs() -> None:
    status = qtower("service", "status")
    assert (status.exit_code, status.output) == (1, "The local service is not running.\n")
    stop = qtower("service", "stop")
    assert (stop.exit_code, stop.output) == (0, "The local service was not running.\n")
    as_json = qtower("service", "status", "--json")
    assert as_json.exit_code == 1
    assert json.loads(as_json.output) == {"running": False, "log": str(local_files.log_file())}


def test_when_it_runs() -> None:
    service = local.ensure_running()
    status = qtower("service", "status")
    assert status.exit_code == 0
    assert f"is running at {service.url} (process {service.pid}, since " in status.output

    as_json = qtower("service", "status", "--json")
    assert as_json.exit_code == 0
    document = json.loads(as_json.output)
    assert (document["running"], document["url"], document["pid"]) == (
        True,
        service.url,
        service.pid,
    )
    assert service.token not in status.output + as_json.output

    logs = qtower("service", "logs")
    assert f"qtower service listening on {service.url}" in logs.output
    assert service.token not in logs.output

    assert qtower("service", "stop").output == "The local service has ended.\n"
    assert qtower("service", "status").exit_code == 1


def test_the_last_lines_of_the_log_made_inert() -> None:
    local_files.log_file().write_bytes(b"first\nsecond\nred \x1b[31m \xff\n")
    assert qtower("service", "logs", "-n", "2").output == "second\nred ␛[31m \ufffd\n"
    assert qtower("service", "logs", "-n", "0").output == ""
    assert qtower("service", "logs", "-n", "-1").exit_code == 2


def test_following_the_log() -> None:
    local_files.log_file().write_text("old\n")
    follower = subprocess.Popen(
        [sys.executable, "-m", "qtower", "service", "logs", "-n", "1", "--follow"],
        stdout=subprocess.PIPE,
        text=True,
    )
    with follower:
        assert follower.stdout is not None
        assert follower.stdout.readline() == "old\n"
        with local_files.log_file().open("a") as log:
            log.write("half a li")
            log.flush()
            log.write("ne\n")
        assert follower.stdout.readline() == "half a line\n"
        follower.kill()


def test_no_log_yet_is_said_in_a_sentence() -> None:
    done = program("service", "logs")
    assert done.returncode == 1
    assert done.stderr.startswith("qtower: There is no log yet")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.4", "::", "example.org", ""])
def test_it_listens_on_loopback_only(host: str) -> None:
    done = qtower("serve", "--host", host)
    assert done.exit_code == 2
    assert "loopback only" in done.output


@pytest.mark.parametrize(
    "options",
    [
        ("--port", "65536"),
        ("--port", "x"),
        ("--workers", "0"),
        ("--idle-seconds", "0"),
        ("--data-dir", __file__),
        ("extra",),
    ],
)
def test_wrong_usage_is_exit_code_2(options: tuple[str, ...]) -> None:
    assert qtower("serve", *options).exit_code == 2


def test_a_configuration_is_checked_without_a_start(tmp_path: Path) -> None:
    file = tmp_path / "service.toml"
    file.write_text('[users.ada]\n[backends.big]\ndevice = "simulator"\n')
    done = qtower("serve", "--config", str(file), "--check", "--data-dir", str(tmp_path / "data"))
    said = "The configuration is in order: 1 user, 1 backend, 0 reservations.\n"
    assert (done.exit_code, done.output) == (0, said)
    assert not (tmp_path / "data").exists()
    file.write_text("[users.ada]\nweight = 0\n")
    wrong = program("serve", "--config", str(file), "--check")
    assert (wrong.returncode, wrong.stdout) == (1, "")
    assert "line 2: users.ada.weight" in wrong.stderr


def test_help_shows_what_a_person_needs() -> None:
    output = qtower("serve", "--help").output
    for option in ("--host", "--port", "--data-dir", "--token-file", "--workers"):
        assert option in output
    assert "--idle-seconds" not in output
    assert {"status", "stop", "logs"} <= set(qtower("service", "--help").output.split())


def test_a_service_of_one_s_own_choosing(tmp_path: Path) -> None:
    endpoint = start_service(tmp_path / "mine", "--workers", "1", "--host", "localhost")
    try:
        assert endpoint.token
        # It is not the local service, which is another.
        assert qtower("service", "status").exit_code == 1
    finally:
        stop_service(endpoint)
    assert endpoint.process.returncode == 0
