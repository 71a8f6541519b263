"""Freshness: from a change at the local service to the painted row, with 1,000 live jobs.

All of it is real: the service, the agent and the screen in a pty. Jobs on the screen are cancelled
by another program; what counts is when the terminal shows it, from before that request was sent.
Then everything rests, and what that costs is measured as well.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

from benchmarks.figures import Figure
from benchmarks.fill import fill_service
from benchmarks.invented import invent
from benchmarks.screen_terminal import Terminal
from benchmarks.served import PLACE, Client, served

JOBS, CHANGES = 1000, 40
TITLE = f"a change at the local service to the painted row, with {JOBS:,} live jobs"
_LONGEST = 10.0  # s, that a change may take before it counts as not shown
_REST = 20.0  # s, in which nothing happens
_SETTLE = 5.0


class _Monitor(Terminal):
    """`qtower monitor` in a pty."""

    def __init__(self) -> None:
        super().__init__("qtower", 0, 0.0)
        self._command = [sys.executable, "-m", "qtower", "monitor"]

    def __enter__(self) -> _Monitor:
        super().__enter__()
        return self

    def shows(self, name: str) -> bool:
        """Whether a job is on the screen, and not cancelled."""
        lines = [line for line in self._screen.display if name in line]
        return any("cancel" not in line.lower() for line in lines)

    def until_gone(self, name: str, began: float) -> float:
        """Seconds until the job is not shown as live any more."""
        while time.perf_counter() < began + _LONGEST:
            came = self.read(0.5)
            if came is not None and not self.shows(name):
                return came - began
        return _LONGEST


def run() -> Iterator[Figure | str]:
    """Starts everything in a home of its own, changes jobs, and then does nothing."""
    with tempfile.TemporaryDirectory() as directory:
        data_dir = _home(Path(directory))
        fill_service(data_dir, invent(JOBS - CHANGES, JOBS - CHANGES, time.time()), results=0)
        held = ("--port", "0", "--config", str(data_dir / "held.toml"))
        with served(data_dir, *held) as service:
            client = service.client()
            watched = _add(client)
            with _Monitor() as monitor:
                monitor.wait_for(max(watched))
                monitor.wait_for("live")
                monitor.read_for(_SETTLE)
                seconds = list(_change(monitor, client, watched))
                yield from _figures(seconds)
                monitor.read_for(_SETTLE)
                yield from _rest(monitor, psutil.Process(service.pid))


def _home(directory: Path) -> Path:
    """Makes this process and its children use a home of their own; returns its data directory."""
    (directory / "run").mkdir(mode=0o700)
    for name in ("CONFIG", "STATE", "DATA", "CACHE"):
        os.environ[f"XDG_{name}_HOME"] = str(directory / name.lower())
    os.environ.update(HOME=str(directory), XDG_RUNTIME_DIR=str(directory / "run"))
    from qtower import paths

    return paths.data_dir()


def _add(client: Client) -> dict[str, str]:
    """Adds jobs that stand at the top of the list; returns their ids by name."""
    added = {}
    for number in range(CHANGES):
        name = f"watched-{number:03}"
        content = {"backend": {"name": "ibmq_qasm_simulator"}, "name": name}
        added[name] = str(client.ask("POST", f"{PLACE}/Jobs", content)["id"])
    return added


def _change(monitor: _Monitor, client: Client, watched: dict[str, str]) -> Iterator[float]:
    for name, job_id in watched.items():
        if not monitor.shows(name):
            continue
        began = time.perf_counter()
        client.ask("POST", f"{PLACE}/Jobs/{job_id}/cancel")
        yield monitor.until_gone(name, began)
        monitor.read_for(0.3)


def _figures(seconds: list[float]) -> Iterator[Figure | str]:
    assert len(seconds) >= CHANGES // 2, f"only {len(seconds)} of the jobs were on the screen"
    ordered = sorted(seconds)
    yield Figure(
        what=f"change at the service to painted row, {JOBS:,} live jobs, p95",
        value=ordered[int(0.95 * (len(ordered) - 1))],
        unit="s",
        at_most=0.3,
    )
    yield f"Of {len(seconds)} changes; the median is {statistics.median(seconds):.3f} s."


def _rest(monitor: _Monitor, service: psutil.Process) -> Iterator[Figure | str]:
    agents = [each for each in monitor.process.children() if "agent" in each.cmdline()]
    parts = {"agent": agents[0], "service": service, "screen": monitor.process}
    before = {name: _cpu(process) for name, process in parts.items()}
    written = monitor.read_for(_REST)
    for name, process in parts.items():
        yield Figure(
            what=f"CPU of the {name} when nothing changes",
            value=100 * (_cpu(process) - before[name]) / _REST,
            unit="% of a core",
            at_most=None if name == "screen" else 2.0,  # its young ages tick
        )
    yield f"In {_REST:.0f} s of rest the screen wrote {written} bytes."


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)
