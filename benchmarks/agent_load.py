"""The agent: keys while it loads a long result, and what a row costs it."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from benchmarks.figures import Figure
from benchmarks.fill import fill_service
from benchmarks.invented import Invented, invent
from benchmarks.screen_terminal import Terminal
from benchmarks.served import served
from benchmarks.start import surroundings
from qtower.model import JobRow, Status
from qtower.service import payloads
from qtower.service.payloads import Payloads

TITLE = "agent: keys while it loads a long result, and memory"

JOBS = 400
LONG = 12  # jobs with a long result: each is loaded once
EXPERIMENTS, SHOTS = 60, 100_000
STEPS = 120
ROWS = 100_000
_SPACING = 0.02  # s between keys, faster than a held key repeats
_OF_THE_LIST = "n submit"  # stands at the foot of the list only
_LOADED_SECONDS = 60.0
_AGE = 3 * 86_400.0  # s, of the jobs


def run() -> Iterator[Figure | str]:
    """Measures both on a service and a journal of its own."""
    with tempfile.TemporaryDirectory() as directory:
        yield from _keys(Path(directory))
        yield _memory(Path(directory) / "rows")


# -- keys ------------------------------------------------------------------------------------------


class Monitor(Terminal):
    """`qtower` in a terminal, as a person starts it."""

    def __init__(self) -> None:
        super().__init__("qtower", 0, 0)
        self._command = [sys.executable, "-m", "qtower"]


def _keys(directory: Path) -> Iterator[Figure | str]:
    data_dir = directory / "data"
    size = _fill(data_dir)
    with served(data_dir, "--config", str(data_dir / "held.toml")) as service:
        home = directory / "home"
        environment = surroundings(home, 1, service.url)
        os.environ.update(environment, QTOWER_TOKEN=service.token)
        (home / "state" / "qtower" / "journal-bench.db").unlink()
        with Monitor() as screen:
            screen.wait_for("long-0")
            screen.press("jjjj")  # below the lines whose cursor is not told from the head
            screen.settle(2.0)
            idle = _steps(screen, STEPS)
            results = home / "state" / "qtower" / "results-bench"
            busy: list[float] = []
            for number in range(LONG):
                busy += _steps_while_loading(screen, results, number)
            if len(busy) < 40:
                yield f"only {len(busy)} keys were pressed while a result was loaded"
    yield Figure(
        what=f"key to paint while the agent loads a result of {size / 1e6:.0f} MB, p95",
        value=_p95(busy) * 1000,
        unit="ms",
        rival="idle",
        rival_value=_p95(idle) * 1000,
        at_most_ratio=2.0,
    )


def _fill(data_dir: Path) -> int:
    """A service whose newest jobs have a long result each; returns how many bytes that is."""
    # None so young that the agent reads its result by itself.
    invented = invent(JOBS, 0, time.time() - _AGE)
    long = [_long(job, number) for number, job in enumerate(invented[:LONG])]
    fill_service(data_dir, [*long, *invented[LONG:]], results=LONG)
    document = _document()
    for job in long:
        payloads.write(Payloads(data_dir / "payloads").result_file(job.row.job_id), document)
    return len(document)


def _long(job: Invented, number: int) -> Invented:
    row = msgspec.structs.replace(
        job.row,
        status=Status.DONE,
        name="",
        label=f"long-{number}",
        set_id="",
        set_name="",
        index=None,
        key=job.row.job_id,
        error="",
        run_seconds=3.0,
        created=time.time() - _AGE + 100.0 - number,
        since=time.time() - _AGE + 200.0,
    )
    return msgspec.structs.replace(job, row=row, all_tags=(), experiments=(f"long-{number}",))


def _document() -> bytes:
    memory = [hex(shot % 1024) for shot in range(SHOTS)]
    experiment = {
        "shots": SHOTS,
        "success": True,
        "status": "DONE",
        "header": {"name": "bits", "memory_slots": 10, "creg_sizes": [["c", 10]]},
        "data": {"counts": {hex(bits): SHOTS // 1024 for bits in range(1024)}, "memory": memory},
    }
    return msgspec.json.encode(
        {
            "backend_name": "ibmq_qasm_simulator",
            "backend_version": "1",
            "qobj_id": "q",
            "job_id": "j",
            "success": True,
            "status": "COMPLETED",
            "results": [experiment] * EXPERIMENTS,
        }
    )


def _steps(screen: Terminal, count: int) -> list[float]:
    """Moves the cursor down and up; seconds from each key to what it paints."""
    took = []
    for number in range(count):
        took.append(screen.step("j" if number % 2 == 0 else "k"))
        screen.read_for(_SPACING)
    return took


def _steps_while_loading(screen: Terminal, results: Path, number: int) -> list[float]:
    """Asks for the result of a job, goes back to the list, and moves about until it is there."""
    kept = len(list(results.glob("*"))) if results.exists() else 0
    screen.press("g" + "j" * number)
    screen.read_for(0.3)
    screen.press("r")
    screen.wait_for("Esc back")
    screen.press("\x1b")
    screen.wait_for(_OF_THE_LIST)
    screen.press("g" + "j" * 6)
    screen.read_for(0.3)
    took: list[float] = []
    end = time.perf_counter() + _LOADED_SECONDS
    while time.perf_counter() < end and _files(results) <= kept:
        took += _steps(screen, 2)
    return took + _steps(screen, 6)  # it is decoded when it is on disk


def _files(folder: Path) -> int:
    return sum(not file.name.startswith(".") for file in folder.glob("*"))


def _p95(values: list[float]) -> float:
    return statistics.quantiles(values, n=20)[-1]


# -- memory ----------------------------------------------------------------------------------------

_MEASURE = """
import gc, sys
from pathlib import Path
import psutil
from qtower.desk.journal import Journal
from qtower.desk.registry import Registry
registry, process = Registry(lambda job_id: None), psutil.Process()
journal = Journal("bench", Path(sys.argv[1]), print)
gc.collect()
before = process.memory_full_info().uss
for rows in journal.chunks():
    registry.load(rows)
gc.collect()
print(process.memory_full_info().uss - before)
"""


def _memory(home: Path) -> Figure:
    """What the agent's process grows by, less the characters of all strings that it holds."""
    environment = surroundings(home, ROWS)
    state_dir = str(home / "state" / "qtower")
    output = subprocess.check_output(
        [sys.executable, "-c", _MEASURE, state_dir], env=environment, text=True
    )
    raw = sum(_characters(job.row) for job in invent(ROWS, 0, time.time()))
    return Figure(
        what=f"agent's memory a row, of {ROWS:,}, beyond the characters of its strings",
        value=(int(output) - raw) / ROWS,
        unit="bytes",
        rival="those characters, each row's on its own",
        rival_value=raw / ROWS,
        at_most=1024.0,
    )


def _characters(row: JobRow) -> int:
    values = msgspec.structs.astuple(row)
    texts = [value for value in values if isinstance(value, str)]
    return sum(len(text.encode()) for text in (*texts, *row.tags))
