"""Start: the agent's first rows against a bare import of the provider."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from qtower.desk.journal import Journal
from qtower.model import JobRow, Status

TITLE = "start: agent's last of 10,000 journaled rows vs. `import qiskit.providers.ibmq`"
ROWS = 10_000
RUNS = 5


def run() -> Iterator[str]:
    """Times both, in turn, in processes of their own with compiled bytecode."""
    with tempfile.TemporaryDirectory() as directory:
        environment = _surroundings(Path(directory))
        _fill(Path(directory) / "state" / "qtower")
        ours, theirs = [], []
        for _ in range(RUNS):
            ours.append(_first_rows(environment))
            theirs.append(_import_provider(environment))
    yield f"qtower   {statistics.median(ours):.2f} s (median of {RUNS})"
    yield f"rival    {statistics.median(theirs):.2f} s"
    yield f"ratio    {statistics.median(a / b for a, b in zip(ours, theirs, strict=True)):.2f}"


def _surroundings(home: Path) -> dict[str, str]:
    (home / "run").mkdir(mode=0o700)
    (home / "config" / "qtower").mkdir(parents=True)
    # Nobody listens there: what is measured is what the journal alone can show.
    (home / "config" / "qtower" / "config.toml").write_text(
        '[accounts.bench]\nurl = "http://127.0.0.1:9/api"\n'
    )
    return {
        **os.environ,
        "HOME": str(home),
        "XDG_CONFIG_HOME": str(home / "config"),
        "XDG_STATE_HOME": str(home / "state"),
        "XDG_RUNTIME_DIR": str(home / "run"),
        "QTOWER_TOKEN": "of-the-benchmark",
    }


def _fill(directory: Path) -> None:
    directory.mkdir(parents=True, mode=0o700)
    journal = Journal("bench", directory, print)
    journal.save(
        [
            JobRow(
                key=f"{number:024x}",
                job_id=f"{number:024x}",
                status=Status.DONE,
                name=f"job {number}",
                backend="ibmq_qasm_simulator",
                shots=1024,
                created=1.6e9 + number,
            )
            for number in range(ROWS)
        ]
    )
    journal.flush(60)


def _first_rows(environment: dict[str, str]) -> float:
    began = time.perf_counter()
    with subprocess.Popen(
        [sys.executable, "-m", "qtower", "agent"],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as agent:
        assert agent.stdin and agent.stdout
        agent.stdin.write(b'{"type":"hello","version":1}\n')
        agent.stdin.flush()
        rows = 0
        while rows < ROWS:
            rows += agent.stdout.readline().count(b'"key":')
        seconds = time.perf_counter() - began
        agent.stdin.close()
    return seconds


def _import_provider(environment: dict[str, str]) -> float:
    began = time.perf_counter()
    subprocess.run(
        [sys.executable, "-W", "ignore", "-c", "import qiskit.providers.ibmq"],
        env=environment,
        check=True,
    )
    return time.perf_counter() - began
