"""Start: jobs on the screen against a bare import of the provider; the journal behind it."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import select
import signal
import sqlite3
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from benchmarks.figures import Figure
from benchmarks.fill import fill_journal
from benchmarks.invented import Invented, invent
from qtower.desk.journal import Journal
from qtower.desk.registry import Registry

TITLE = "start: from the command to the first jobs on the screen"

ROWS, MANY = 10_000, 100_000
RUNS = 5
NEWEST = "newest"
IMPORT = "`python -c 'import qiskit.providers.ibmq'`"
_SECONDS = 20.0


def run() -> Iterator[Figure | str]:
    """Times both, in turn, in processes of their own with compiled bytecode."""
    with tempfile.TemporaryDirectory() as directory:
        homes = {count: surroundings(Path(directory) / str(count), count) for count in (ROWS, MANY)}
        yield from _painted(homes)
        yield from _loaded(Path(homes[MANY]["XDG_STATE_HOME"]) / "qtower")


def _painted(homes: dict[int, dict[str, str]]) -> Iterator[Figure]:
    theirs: list[float] = []
    ours: dict[int, list[float]] = {count: [] for count in homes}
    _import_provider(homes[ROWS])
    _first_rows(homes[ROWS])  # both have .pyc files now
    for _ in range(RUNS):
        theirs.append(_import_provider(homes[ROWS]))
        for count, environment in homes.items():
            ours[count].append(_first_rows(environment))
    for count in homes:
        yield Figure(
            what=f"start to first rows painted in a pty, {count:,} journaled jobs",
            value=statistics.median(ours[count]),
            unit="s",
            rival=IMPORT,
            rival_value=statistics.median(theirs),
            at_most_ratio=0.5 if count == ROWS else None,
        )


def _loaded(state_dir: Path) -> Iterator[Figure]:
    """Processor time for all rows of a journal, on their way to the screen or written."""
    file = state_dir / "journal-bench.db"
    began = time.process_time()
    registry = Registry(lambda job_id: None)
    journal = Journal("bench", state_dir, print)
    for rows in journal.chunks():
        registry.load(rows)
    ours = time.process_time() - began
    began = time.process_time()
    with sqlite3.connect(file) as connection:
        plain = [json.loads(raw) for (raw,) in connection.execute("SELECT row FROM jobs")]
    theirs = time.process_time() - began
    assert len(plain) == len(registry.rows()) == MANY
    yield Figure(
        what=f"processor time to load a journal of {MANY:,} jobs",
        value=ours,
        unit="s",
        rival="`json.loads` of each row",
        rival_value=theirs,
        at_most=1.0,
    )
    del plain
    rows = registry.rows()
    began = time.process_time()
    for first in range(0, 25 * 500, 500):
        journal.save(rows[first : first + 500])
        journal.flush()
    yield Figure(
        what="processor time of the journal for a second of 5 x 500 updates",
        value=(time.process_time() - began) / 5 * 1000,
        unit="ms",
        at_most=200.0,
    )


def surroundings(home: Path, count: int, url: str = "http://127.0.0.1:9/api") -> dict[str, str]:
    """Makes a home with a journal of `count` jobs, and returns the environment to live in it.

    Nobody listens at the default `url`: what is measured is what the journal alone can show.
    """
    (home / "run").mkdir(mode=0o700, parents=True)
    (home / "config" / "qtower").mkdir(parents=True)
    (home / "config" / "qtower" / "config.toml").write_text(f'[accounts.bench]\nurl = "{url}"\n')
    state_dir = home / "state" / "qtower"
    state_dir.mkdir(mode=0o700, parents=True)
    newest, *others = invent(count, 0, time.time())
    row = msgspec.structs.replace(
        newest.row, name=NEWEST, label="", set_id="", set_name="", index=None
    )
    row = msgspec.structs.replace(row, key=row.job_id)
    first = Invented(row=row, all_tags=(), experiments=newest.experiments)
    fill_journal(state_dir, "bench", [first, *others])
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in ("PYTHONDONTWRITEBYTECODE", "COLUMNS", "LINES", "NO_COLOR", "TMUX")
    }
    return {
        **kept,
        "HOME": str(home),
        "XDG_CONFIG_HOME": str(home / "config"),
        "XDG_STATE_HOME": str(home / "state"),
        "XDG_DATA_HOME": str(home / "data"),
        "XDG_RUNTIME_DIR": str(home / "run"),
        "QTOWER_TOKEN": "of-the-benchmark",
        "TERM": "xterm-256color",
    }


def _first_rows(environment: dict[str, str]) -> float:
    """Seconds from the start of `qtower` until its terminal has the newest job's name."""
    command = [sys.executable, "-m", "qtower"]
    began = time.perf_counter()
    process, terminal = pty.fork()
    if process == 0:
        os.execve(command[0], command, environment)
    try:
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 48, 160, 0, 0))
        written = b""
        while NEWEST.encode() not in written:
            left = began + _SECONDS - time.perf_counter()
            if left < 0 or not select.select([terminal], [], [], left)[0]:
                raise TimeoutError(f"no jobs on the screen, but: {written[-2000:]!r}")
            try:
                written += os.read(terminal, 65536)
            except OSError:  # so Linux says that the screen has ended
                raise RuntimeError(f"the screen ended: {written[-2000:]!r}") from None
        return time.perf_counter() - began
    finally:
        os.kill(process, signal.SIGTERM)
        _await_end(process, terminal)


def _await_end(process: int, terminal: int) -> None:
    """Reads until the screen has ended: its agent ends with it."""
    try:
        while os.read(terminal, 65536):
            pass
    except OSError:  # so Linux says that the other end is closed
        pass
    os.waitpid(process, 0)
    os.close(terminal)


def _import_provider(environment: dict[str, str]) -> float:
    began = time.perf_counter()
    subprocess.run(
        [sys.executable, "-W", "ignore", "-c", "import qiskit.providers.ibmq"],
        env=environment,
        check=True,
    )
    return time.perf_counter() - began
