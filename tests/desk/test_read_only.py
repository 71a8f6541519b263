"""A read-only desk: it reads everything, and changes nothing, whoever asks."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, get_args

import pytest

from qtower import model
from qtower.config import Keeping
from qtower.desk.desk import _METHODS, Desk
from qtower.errors import ReadOnlyError
from qtower.model import CHANGES, READS, Link
from tests.conftest import Endpoint
from tests.desk.accounts import Ear, account_of, provider_of

SAMPLES: dict[type[model.Request], dict[str, Any]] = {
    model.Cancel: {"key": "k"},
    model.Submit: {"plan_id": "p"},
    model.SubmitSamples: {},
    model.SteerSet: {"set_id": "s", "steer": model.Steer.LEAVE},
    model.FillHoles: {"set_id": "s"},
}


def test_every_request_either_changes_or_reads() -> None:
    assert CHANGES.keys() | READS == set(model.ANSWERS) == set(get_args(model.AnyRequest))
    assert not CHANGES.keys() & READS
    assert SAMPLES.keys() == CHANGES.keys()


@pytest.fixture
def desk(tmp_path: Path, service: Endpoint) -> Any:
    ear = Ear()
    desk = Desk(
        "lab",
        lambda: account_of(service),
        ear,
        state_dir=tmp_path,
        goes_on=True,
        keeping=Keeping(),
        read_only=True,
    )
    desk.open()
    yield desk, ear
    desk.close()


def test_it_refuses_every_change_by_either_door(desk: tuple[Desk, Ear]) -> None:
    for kind, fields in SAMPLES.items():
        request: Any = kind(**fields)
        with pytest.raises(ReadOnlyError, match=CHANGES[kind]):
            desk[0].answer(request)
        with pytest.raises(ReadOnlyError, match='"lab" is read-only'):
            _METHODS[kind](desk[0], request)


def test_it_reads_and_says_what_it_is(desk: tuple[Desk, Ear], service: Endpoint) -> None:
    provider = provider_of(service)
    before = len(provider.backend.jobs(limit=50))
    ear = desk[1]
    ear.until(lambda: ear.link is Link.LIVE)
    assert all(connection.read_only for connection in ear.links)
    assert desk[0].backends(model.GetBackends()).backends
    assert desk[0].refresh(model.Refresh()).link is Link.LIVE
    assert len(provider.backend.jobs(limit=50)) == before
    # A result that can be read once is left to its owner.
    assert desk[0]._watching._fetching is None


def test_it_overwrites_no_file(desk: tuple[Desk, Ear], tmp_path: Path) -> None:
    save = model.SaveResult(key="k", path=str(tmp_path / "x"), format="json", overwrite=True)
    with pytest.raises(ReadOnlyError, match="no file is overwritten"):
        desk[0].answer(save)


@pytest.mark.parametrize(("options", "entry"), [(["--read-only"], ""), ([], "read-only = true\n")])
def test_the_agent_enforces_it_whatever_it_is_asked(
    home: Path, service: Endpoint, options: list[str], entry: str
) -> None:
    configure(home, service, entry)
    requests: list[model.Request] = [model.Hello(id=1)]
    requests += [
        kind(id=number, **fields) for number, (kind, fields) in enumerate(SAMPLES.items(), start=2)
    ]
    agent = subprocess.Popen(
        [sys.executable, "-m", "qtower", "agent", *options],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert agent.stdin is not None
    assert agent.stdout is not None
    for request in requests:
        agent.stdin.write(model_line(request))
    agent.stdin.flush()
    failures: dict[int, str] = {}
    for line in agent.stdout:
        message = json.loads(line)
        if message["type"] == "connection":
            assert message["connection"]["read_only"] is True
        if message["type"] == "failure":
            failures[message["id"]] = message["error"]
            if len(failures) == len(SAMPLES):
                break
    agent.stdin.close()
    agent.stdout.close()
    assert agent.wait(30) == 0
    assert set(failures.values()) == {"ReadOnlyError"}


def test_the_commands_refuse_with_a_sentence(home: Path, service: Endpoint) -> None:
    configure(home, service, "")
    qasm = home / "bell.qasm"
    qasm.write_text("OPENQASM 2.0;")
    for arguments in (
        ["--read-only", "submit", str(qasm)],
        ["submit", "--read-only", str(qasm)],
        ["cancel", "--read-only", "job"],
        ["unsent", "send", "--read-only"],
        ["unsent", "leave", "set", "--read-only"],
    ):
        refused = qtower(*arguments)
        assert refused.returncode == 1, arguments
        assert 'qtower: The account "lab" is read-only here: ' in refused.stderr
        assert "Traceback" not in refused.stderr
    assert qtower("--read-only", "list").returncode == 0
    configure(home, service, "read-only = true\n")
    assert "is read-only" in qtower("cancel", "job").stderr
    assert qtower("unsent").returncode == 0


def configure(home: Path, service: Endpoint, entry: str) -> None:
    directory = home / "config" / "qtower"
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "token").touch(0o600)
    (directory / "token").write_text(service.token)
    (directory / "config.toml").write_text(
        f'[accounts.lab]\nurl = "{service.url}"\ntoken-file = "{directory / "token"}"\n{entry}'
    )


def qtower(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "qtower", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=100)


def model_line(request: model.Request) -> bytes:
    import msgspec

    return msgspec.json.encode(request) + b"\n"
