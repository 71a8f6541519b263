"""Submitting, reading a result, an error and a qobj on screen: with a real agent and service."""

from __future__ import annotations

import csv
import shutil
import time
from pathlib import Path

import pytest
from textual.pilot import Pilot

import qtower
from qtower.model import JobRow, Status
from qtower.ui.screens.details import DetailsScreen
from qtower.ui.screens.submit import SubmitScreen
from qtower.ui.widgets.outcomes import CountsTable
from tests.conftest import Endpoint
from tests.ui.conftest import screen_text, until
from tests.ui.test_program import configure, live, real_tower


@pytest.fixture
def desk(home: Path, service: Endpoint, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with a file that runs and one that fails; the account is the test's service."""
    configure(home, service.url, service.token)
    # By path, not as a resource: that would import the desk, and qiskit with it.
    samples = Path(qtower.__file__).parent / "desk" / "samples" / "data"
    for name in ("bell.qasm", "stabilizer-fails.json"):
        shutil.copy(samples / name, home / name)
    monkeypatch.chdir(home)
    return home


async def looked_at(pilot: Pilot[None], row: JobRow, tab: str, words: str) -> str:
    """Opens a tab of a job, waits until it holds `words`, and returns the screen's text."""
    await pilot.app.push_screen(DetailsScreen(row.key, tab))
    await until(pilot, lambda: words in screen_text(pilot), words)
    return screen_text(pilot)


async def test_from_two_files_to_a_result_an_error_and_a_drawing(desk: Path) -> None:
    app = real_tower()
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, live(app), "a live connection")
        began = time.time()
        await pilot.press("n")
        await until(pilot, lambda: isinstance(app.screen, SubmitScreen))
        await pilot.press(*"bell", "full_stop", *"qasm", "space", "s", "asterisk")
        await until(pilot, lambda: "3 experiments in 2 jobs on" in screen_text(pilot))
        await pilot.press("ctrl+s")
        await until(pilot, lambda: not isinstance(app.screen, SubmitScreen))

        def ended() -> list[JobRow]:
            # The service is shared: jobs of other tests are still being listed.
            rows = [row for row in app.board.rows.values() if (row.created or 0) > began]
            return [row for row in rows if row.status.final]

        await until(pilot, lambda: len(ended()) == 2, "two jobs that ended")
        bell = next(row for row in ended() if row.status is Status.DONE)
        failed = next(row for row in ended() if row.status is Status.ERROR)

        await looked_at(pilot, bell, "result", "2 outcomes")
        counts = {row.bits: row.count for row in app.screen.query_one(CountsTable).known()}
        assert set(counts) == {"00", "11"}
        assert min(counts.values()) > 0.4 * sum(counts.values())
        await pilot.press("w", "ctrl+u", *"bell", "full_stop", *"csv", "enter")
        await until(pilot, lambda: (desk / "bell.csv").exists())
        with (desk / "bell.csv").open() as table:
            saved = {line["bitstring"]: int(line["count"]) for line in csv.DictReader(table)}
        assert saved == counts

        await pilot.press("2")
        await until(pilot, lambda: "COMPLETED" in screen_text(pilot))
        await pilot.press("5")
        await until(pilot, lambda: "┤ H ├" in screen_text(pilot), "the drawing")
        await pilot.press("v")
        await until(pilot, lambda: "memory_slots" in screen_text(pilot), "the run configuration")
        await pilot.press("v")
        await until(pilot, lambda: "experiments  [" in screen_text(pilot), "the JSON")
        await pilot.press("escape")

        text = await looked_at(pilot, failed, "error", "Error message")
        assert "ERROR" in text.splitlines()[0]
        await pilot.press("1")
        await until(pilot, lambda: "ibmq_qasm_simulator" in screen_text(pilot))
