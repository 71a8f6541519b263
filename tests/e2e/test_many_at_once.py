"""Several qtowers of one user at once: one service, one journal, no job twice, all see all.

Two screens and two commands; with QTOWER_SOAK=1 it is ten and ten.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest

from tests.conftest import home_environment
from tests.e2e.terminal import Terminal

QTOWER = [sys.executable, "-m", "qtower"]
BELL = Path(__file__).parents[1] / "circuits" / "bell.qasm"
MANY = 10 if os.environ.get("QTOWER_SOAK") else 2


def services_of(home: Path) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("HOME") == str(home) and "serve" in process.cmdline():
                found.append(process)
        except psutil.Error:
            continue
    return found


@pytest.mark.timeout(300)
def test_several_at_once(tmp_path: Path) -> None:
    home = tmp_path / "home"
    environment = home_environment(home)
    with ExitStack() as stack:
        stack.callback(
            subprocess.run, [*QTOWER, "service", "stop"], env=environment, capture_output=True
        )
        # Nothing runs yet: all of them want to start the service, and to make the journal.
        terminals = [
            stack.enter_context(
                Terminal(
                    QTOWER, directory=Path.cwd(), environment=environment, columns=120, rows=40
                )
            )
            for _ in range(MANY)
        ]
        commands = [
            subprocess.Popen(
                [
                    *(*QTOWER, "submit", "--wait", "--name", f"set {number}"),
                    *("--experiments-per-job", "1", str(BELL), str(BELL)),
                ],
                env=environment,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
            )
            for number in range(MANY)
        ]
        for command in commands:
            _, complaint = command.communicate(timeout=200)
            assert command.returncode == 0, complaint
        for terminal in terminals:
            for number in range(MANY):
                terminal.wait_for(f"set {number}", 60)
            terminal.wait_for("live", 60)
        assert len(services_of(home)) == 1
        listed = subprocess.run(
            [*QTOWER, "list", "--json"], env=environment, capture_output=True, text=True, check=True
        )
        rows = json.loads(listed.stdout)
        assert {row["status"] for row in rows} == {"DONE"}
        places = Counter((row["set_name"], row["index"]) for row in rows)
        assert set(places.values()) == {1}
        assert {name for name, _ in places} == {f"set {number}" for number in range(MANY)}
        for terminal in terminals:
            terminal.press("q")
            assert terminal.wait_for_end(20) == 0
            assert terminal.clean
