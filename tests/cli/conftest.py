"""The command line, run in processes of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Endpoint, home_environment


class CommandLine:
    """Runs `qtower ARGUMENTS...` as a user would, in a home of its own."""

    def __init__(self, home: Path) -> None:
        self._surroundings: dict[str, Any] = {
            "cwd": home,
            "env": home_environment(home),
            "stdin": subprocess.DEVNULL,
            "text": True,
        }

    def __call__(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self._command(arguments), capture_output=True, timeout=120, **self._surroundings
        )

    def start(self, *arguments: str | Path) -> subprocess.Popen[str]:
        """As a call, but does not wait."""
        return subprocess.Popen(
            self._command(arguments),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            **self._surroundings,
        )

    @staticmethod
    def _command(arguments: tuple[str | Path, ...]) -> list[str]:
        return [sys.executable, "-m", "qtower", *map(str, arguments)]


@pytest.fixture(scope="module")
def qtower(service: Endpoint, tmp_path_factory: pytest.TempPathFactory) -> CommandLine:
    """A command line whose default account is the test's service."""
    home = tmp_path_factory.mktemp("home")
    config = home / "config" / "qtower"
    config.mkdir(parents=True)
    (config / "token").write_text(service.token)
    (config / "token").chmod(0o600)
    (config / "config.toml").write_text(
        f'[accounts.test]\nurl = "{service.url}"\ntoken-file = "{config / "token"}"\n'
        "calls-per-minute = 6000\n"
    )
    return CommandLine(home)
