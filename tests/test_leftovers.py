"""Tests that are killed leave nothing behind that they have started."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.leftovers import MARK, marked
from tests.service.raw import until

ROOT = Path(__file__).parents[1]

A_TEST = f"""
import os, time

def test_something(service):
    print("MARK", os.environ["{MARK}"], flush=True)
    time.sleep(600)
"""


def test_a_killed_run_leaves_no_service(tmp_path: Path) -> None:
    file = tmp_path / "test_it.py"
    file.write_text(A_TEST)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    options = ["-s", "-p", "tests.conftest", "-c", str(tmp_path / "pytest.ini")]
    run = subprocess.Popen(
        [sys.executable, "-m", "pytest", *options, str(file)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    with run:
        assert run.stdout is not None
        mark = next(line.split()[-1] for line in run.stdout if "MARK" in line)
        assert mark != os.environ[MARK]
        assert any("serve" in process.cmdline() for process in marked(mark))
        run.kill()
    until(lambda: not marked(mark), seconds=60)
