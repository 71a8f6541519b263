"""What every test may ask for: a private home, and a real service on loopback."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.leftovers import Watcher
from tests.service.postgres import NOT_INSTALLED, find_binaries

# Before NumPy is loaded: its threads would wait for each other's turn on processors that the tests
# share, which costs several times what they compute. A service's children are told their own.
for _library in ("OPENBLAS", "OMP"):
    os.environ.setdefault(f"{_library}_NUM_THREADS", "1")

READY_LINE = "qtower service listening on "


@dataclass(frozen=True)
class Endpoint:
    """A running service."""

    url: str
    token: str
    process: subprocess.Popen[str]
    data_dir: Path


def home_environment(home: Path) -> dict[str, str]:
    """The environment of a user whose whole world is `home`, which is made if missing."""
    # Only a private one is taken: with any other, platformdirs falls back to one that tests share.
    (home / "run").mkdir(mode=0o700, parents=True, exist_ok=True)
    keep = {
        name: value
        for name, value in os.environ.items()
        # Sizes: readline exports those of the terminal that runs the tests.
        if not name.startswith(("QTOWER_", "QE_", "XDG_", "TMUX", "COLUMNS", "LINES"))
    }
    return {
        **keep,
        "HOME": str(home),
        "XDG_CONFIG_HOME": str(home / "config"),
        "XDG_STATE_HOME": str(home / "state"),
        "XDG_DATA_HOME": str(home / "data"),
        "XDG_RUNTIME_DIR": str(home / "run"),
        "XDG_CACHE_HOME": str(home / "cache"),
        # The keyring of who runs the tests is his own.
        "PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring",
    }


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fresh home directory; this process and its children live in it."""
    directory = tmp_path / "home"
    directory.mkdir(mode=0o700)
    for name in list(os.environ):
        if name.startswith(("QTOWER_", "QE_", "XDG_")):
            monkeypatch.delenv(name)
    for name, value in home_environment(directory).items():
        monkeypatch.setenv(name, value)
    return directory


def start_service(
    directory: Path, *options: str, environment: dict[str, str] | None = None
) -> Endpoint:
    """Starts `qtower serve` on a free loopback port with its data in `directory`."""
    directory.mkdir(parents=True, exist_ok=True)
    token_file = directory / "token"
    with (directory / "service.log").open("a") as log:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "qtower", "serve", "--port", "0"),
                *("--data-dir", str(directory / "data"), "--token-file", str(token_file)),
                *options,
            ],
            stdout=subprocess.PIPE,
            stderr=log,
            stdin=subprocess.DEVNULL,
            text=True,
            env=environment,
            start_new_session=True,
        )
    line = _first_line(process, seconds=30)
    if not line.startswith(READY_LINE):
        process.kill()
        log_text = (directory / "service.log").read_text()
        raise RuntimeError(f"the service said {line!r} and logged:\n{log_text}")
    # With named users there is no token file: each has a token of his own.
    token = token_file.read_text().strip() if token_file.exists() else ""
    return Endpoint(line.removeprefix(READY_LINE).strip(), token, process, directory)


def stop_service(endpoint: Endpoint) -> None:
    """Ends the service as a user would, and makes sure of it."""
    endpoint.process.terminate()
    try:
        endpoint.process.wait(10)
    except subprocess.TimeoutExpired:
        endpoint.process.kill()
        endpoint.process.wait()
    if endpoint.process.stdout:
        endpoint.process.stdout.close()


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    """One real service for all tests of this process that do not harm it."""
    endpoint = start_service(tmp_path_factory.mktemp("service"), "--workers", "2")
    yield endpoint
    stop_service(endpoint)


def _first_line(process: subprocess.Popen[str], seconds: float) -> str:
    assert process.stdout is not None
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        if not selector.select(seconds):
            return ""
    return process.stdout.readline()


def pytest_configure(config: pytest.Config) -> None:
    """Nothing that is started in this process outlives it, or is deaf to signals.

    In the background of a script, or under nohup, some are ignored: by this process, and not by
    what it starts, as if a person had.
    """
    config.add_cleanup(Watcher().close)
    for number in (signal.SIGINT, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, lambda *_: None)


@pytest.hookimpl(tryfirst=True)  # before xdist reads the marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keeps tests that share something of their module on one worker: it is made once."""
    for item in items:
        if not isinstance(item, pytest.Function) or item.get_closest_marker("xdist_group"):
            continue
        fixtures = item._fixtureinfo.name2fixturedefs.values()
        if any(definitions[-1].scope == "module" for definitions in fixtures):
            item.add_marker(pytest.mark.xdist_group(item.module.__name__))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Says when the store was tested on SQLite alone."""
    if find_binaries() is None:
        terminalreporter.write_line(f"Skipped what needs PostgreSQL: {NOT_INSTALLED}.")
