"""The screen as it is felt: keys, bytes, CPU and memory of a real one in a pty of 160x48."""

from __future__ import annotations

import statistics
from collections.abc import Iterator

from benchmarks import screen_agent
from benchmarks.figures import Figure
from benchmarks.screen_terminal import Terminal
from qtower.model import JobRow

TITLE = "screen: the monitor in a terminal of 160x48 vs. Textual's DataTable"

MANY, FEW, TABLE = 100_000, 100, 10_000
LIVE = 5.0  # updates a second, of 500 rows each
SLOW_LINE = 20_000  # bytes a second
KEYS = 60
STEPS_UP = 48  # steps that bring the cursor to the upper edge
UPDATES = 60
_DOWN, _UP, _END, _REFRESH, _ESCAPE = "\x1b[B", "\x1b[A", "\x1b[F", "\x12", "\x1b"
_TABLE = "DataTable, 10,000 rows"


def run() -> Iterator[Figure | str]:
    """Each figure of ours and its rival's in turn, on the same scripted agent."""
    yield from _keys_under_updates()
    yield from _cpu_of_updates()
    yield from _bytes()
    yield from _bytes_of_screens()
    yield from _thin_line()
    yield from _memory()


def _keys_under_updates() -> Iterator[Figure]:
    many = _p95(_key_times("qtower", MANY))
    few = _p95(_key_times("qtower", FEW))
    table = _p95(_key_times("table", TABLE))
    what = "key to paint, p95, 100,000 rows, 5 x 500 updates a second"
    yield Figure(
        what=what, value=many, unit="ms", rival="100 rows", rival_value=few, at_most_ratio=1.5
    )
    yield Figure(
        what=what, value=many, unit="ms", rival=_TABLE, rival_value=table, at_most_ratio=0.25
    )


def _cpu_of_updates() -> Iterator[Figure]:
    yield Figure(
        what="UI-thread CPU of a 500-row update, 100,000 rows",
        value=_update_cpu("qtower", MANY),
        unit="ms",
        rival=_TABLE,
        rival_value=_update_cpu("table", TABLE),
        at_most_ratio=1 / 20,
    )


def _update_cpu(kind: str, rows: int) -> float:
    """Milliseconds of an update, what is painted of it included.

    Each comes when the one before is done with, at most as often as qtower paints: what a processor
    does after a rest is measured by how long it rested, and a DataTable never does.
    """
    with Terminal(kind, rows, 0) as terminal:
        _begin(terminal, kind, rows)
        before = terminal.cpu_seconds
        for _ in range(UPDATES):
            terminal.have_changes()
            terminal.read_for(1 / 15)
            terminal.rest(0.01)
        return (terminal.cpu_seconds - before) / UPDATES * 1000


def _bytes() -> Iterator[Figure]:
    ours, theirs = _byte_counts("qtower", MANY), _byte_counts("table", TABLE)
    for what, most in (("one status change", 400), ("one cursor move", 800)):
        yield Figure(
            what=f"bytes to the terminal: {what}",
            value=ours[what],
            unit="bytes",
            rival=_TABLE,
            rival_value=theirs[what],
            at_most=most,
        )
    yield Figure(
        what="bytes to the terminal: 5 s in which nothing happens",
        value=ours["nothing"],
        unit="bytes",
        at_most=0,
    )


def _byte_counts(kind: str, rows: int) -> dict[str, float]:
    with Terminal(kind, rows, 0) as terminal:
        _begin(terminal, kind, rows)
        nothing = terminal.read_for(5)
        counts: dict[str, list[int]] = {"one status change": [], "one cursor move": []}
        for _ in range(5):
            terminal.press(_REFRESH)
            counts["one status change"].append(terminal.read_for(0.8))
            terminal.press(_DOWN)
            counts["one cursor move"].append(terminal.read_for(0.8))
        medians = {what: statistics.median(each) for what, each in counts.items()}
        return {"nothing": nothing, **medians}


def _bytes_of_screens() -> Iterator[Figure]:
    """What a person opens and closes, who has a thin line."""
    ours, theirs = _opened("qtower"), _opened("textual")
    for what, most in (
        ("a line scrolled", 800),
        ("the filter opened", 1_500),
        ("the help opened", 10_000),
        ("the details opened", 12_000),
    ):
        yield Figure(
            what=f"bytes to the terminal: {what}",
            value=ours[what],
            unit="bytes",
            rival="the same as Textual sends it",
            rival_value=theirs[what],
            at_most=most,
        )


def _opened(kind: str) -> dict[str, float]:
    with Terminal(kind, FEW, 0) as terminal:
        _begin(terminal, "qtower", FEW)
        terminal.press(_END)
        terminal.read_for(1.0)
        for _ in range(STEPS_UP):
            terminal.press(_UP)
            terminal.read_for(0.1)
        counts = {}
        for what, key in (
            ("a line scrolled", _UP),
            ("the filter opened", "/"),
            ("", _ESCAPE),
            ("the help opened", "?"),
            ("", _ESCAPE),
            ("the details opened", "\r"),
        ):
            terminal.press(key)
            counts[what] = float(terminal.read_for(1.5))
        return counts


def _thin_line() -> Iterator[Figure | str]:
    thin = _key_times("qtower", MANY, SLOW_LINE)
    wide = _key_times("qtower", MANY)
    yield Figure(
        what="key to paint, p50, 20 KB/s line, 5 x 500 updates a second",
        value=statistics.median(thin),
        unit="ms",
        rival="open line",
        rival_value=statistics.median(wide),
        at_most=150,
    )
    half = len(thin) // 2
    yield Figure(
        what="key to paint, p50, 20 KB/s line: the second half of the keys",
        value=statistics.median(thin[half:]),
        unit="ms",
        rival="the first half: no backlog grows",
        rival_value=statistics.median(thin[:half]),
        at_most_ratio=1.5,
        noise=30,
    )


def _key_times(kind: str, rows: int, bytes_a_second: int | None = None) -> list[float]:
    """Milliseconds from a key to the cursor's being seen elsewhere, key by key."""
    with Terminal(kind, rows, LIVE, bytes_a_second) as terminal:
        _begin(terminal, kind, rows)
        for _ in range(8):  # away from the first line, so that nothing scrolls
            terminal.press(_DOWN)
            terminal.read_for(0.2)
        times = []
        for number in range(KEYS):
            times.append(terminal.step(_DOWN if number % 2 else _UP) * 1000)
            # At no beat with the updates, which come each 200 ms.
            terminal.read_for(0.067)
        return times


def _memory() -> Iterator[Figure]:
    per_row = (_resident(MANY) - _resident(FEW)) / (MANY - FEW)
    known = screen_agent.rows(1000)
    strings = sum(_text_bytes(row) for row in known) / len(known)
    yield Figure(
        what="memory of the UI per row, beyond the raw strings",
        value=per_row - strings,
        unit="bytes",
        at_most=1024,
    )


def _resident(rows: int) -> int:
    with Terminal("qtower", rows, 0) as terminal:
        _begin(terminal, "qtower", rows)
        return terminal.memory


def _text_bytes(row: JobRow) -> int:
    texts = (row.key, row.job_id, row.name, row.backend, *row.tags)
    return sum(len(text.encode()) for text in texts)


def _begin(terminal: Terminal, kind: str, rows: int) -> None:
    """Waits until all rows are there and painted, and nothing is done but what always is."""
    terminal.wait_for(f"{rows} jobs" if kind == "qtower" else "calibration")
    terminal.rest(2.0, most=20.0)


def _p95(times: list[float]) -> float:
    return sorted(times)[int(len(times) * 0.95)]
