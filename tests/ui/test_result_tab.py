"""The result tab: experiments, counts, memory, header, and saving."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from qtower import model
from qtower.errors import StorageError
from qtower.model import (
    Count,
    Counts,
    ExperimentHead,
    GetCounts,
    GetMemory,
    GetResult,
    Memory,
    ResultHead,
    Saved,
    SaveResult,
    Status,
)
from qtower.ui.app import TowerApp
from qtower.ui.screens.details import DetailsScreen
from qtower.ui.screens.details.save import file_name
from qtower.ui.widgets.experiment_list import Entry, matching
from qtower.ui.widgets.outcomes import CountsTable
from tests.ui.conftest import TestLink, Told, job, rows, screen_text, until

KEY = "many"
OUTCOMES = 100_000


def head_of(request: GetResult) -> ResultHead:
    return ResultHead(
        key=KEY,
        success=False,
        status="COMPLETED",
        backend="ibmq_qasm_simulator",
        date="2026-11-23 00:53:23",
        seconds=0.5,
        experiments=[
            ExperimentHead(index=0, name="bell", success=True, status="DONE", outcomes=2, memory=2),
            ExperimentHead(index=1, name="bad [/b]", success=False, status="ERROR: no gate"),
            ExperimentHead(index=2, name="wide", success=True, status="DONE", outcomes=OUTCOMES),
        ],
    )


def counts_of(request: GetCounts) -> Counts:
    fields: dict[str, Any] = {"key": KEY, "experiment": request.experiment}
    fields |= {"offset": request.offset, "header": '{\n  "name": "it"\n}'}
    if request.experiment == 1:
        return Counts(total=0, outcomes=0, rows=[], note="The experiment failed.", **fields)
    if request.experiment == 0:
        two = [Count(bits="11", count=600), Count(bits="00", count=400)]
        if request.order == "bits":
            two.reverse()
        return Counts(total=1000, outcomes=2, rows=two, **fields)
    places = range(request.offset, min(request.offset + request.limit, OUTCOMES))
    some = [Count(bits=f"{place:017b}", count=1) for place in places]
    return Counts(total=OUTCOMES, outcomes=OUTCOMES, rows=some, **fields)


@pytest.fixture
def answering(link: TestLink) -> TestLink:
    link.answers[GetResult] = head_of
    link.answers[GetCounts] = counts_of
    link.answers[GetMemory] = lambda request: Memory(
        key=KEY, experiment=request.experiment, total=2, offset=0, shots=["10", "01"]
    )
    return link


async def opened(pilot: Any, tell: Told) -> None:
    await tell(pilot, rows(job(KEY, Status.ERROR)))
    await pilot.app.push_screen(DetailsScreen(KEY, "result"))
    await until(pilot, lambda: "60.00%" in screen_text(pilot))


def test_an_experiment_is_found_by_index_first_then_by_name() -> None:
    entries = [Entry(index, name) for index, name in enumerate(["a1", "b", "c1"])]
    assert [entry.index for entry in matching(entries, "1")] == [1, 0, 2]
    assert [entry.index for entry in matching(entries, "C")] == [2]
    assert matching(entries, " ") == entries


def test_a_file_is_named_after_its_job_without_odd_characters() -> None:
    assert file_name("my job/../[x]") == "my-job-..-x.json"
    assert file_name("\x1b\n") == "result.json"


@pytest.mark.parametrize("size", [(80, 24), (160, 48)])
async def test_counts_with_shares_and_bars(
    size: tuple[int, int], tower: TowerApp, answering: TestLink, tell: Told
) -> None:
    async with tower.run_test(size=size) as pilot:
        await opened(pilot, tell)
        lines = screen_text(pilot).splitlines()
        eleven = next(line for line in lines if "60.00%" in line)
        zeros = next(line for line in lines if "40.00%" in line)
        assert "11  600" in eleven
        assert "00  400" in zeros
        assert 0 < zeros.count("█") < eleven.count("█")
        assert "partial: 1 of 3 experiments failed" in screen_text(pilot)


async def test_sorting_memory_and_header_and_back(
    tower: TowerApp, answering: TestLink, tell: Told
) -> None:
    async with tower.run_test(size=(80, 24)) as pilot:
        await opened(pilot, tell)
        await pilot.press("s")
        await until(pilot, lambda: "by bitstring" in screen_text(pilot))
        text = screen_text(pilot)
        assert text.index("40.00%") < text.index("60.00%")
        await pilot.press("m")
        await until(pilot, lambda: "0  10" in screen_text(pilot))
        await pilot.press("h")
        await until(pilot, lambda: '"name": "it"' in screen_text(pilot))
        await pilot.press("h")
        await until(pilot, lambda: "60.00%" in screen_text(pilot))


async def test_a_failed_experiment_says_why(
    tower: TowerApp, answering: TestLink, tell: Told
) -> None:
    async with tower.run_test(size=(80, 24)) as pilot:
        await opened(pilot, tell)
        await pilot.press("right_square_bracket")
        await until(pilot, lambda: "ERROR: no gate" in screen_text(pilot))
        assert "bad [/b]" in screen_text(pilot)


async def test_a_hundred_thousand_outcomes_come_in_pages(
    tower: TowerApp, answering: TestLink, tell: Told
) -> None:
    async with tower.run_test(size=(80, 24)) as pilot:
        await opened(pilot, tell)
        await pilot.press("slash", "w", "i", "d", "enter")
        await until(pilot, lambda: "100,000 outcomes" in screen_text(pilot))
        before = len(answering.asked)
        await pilot.press("G")
        last = f"{OUTCOMES - 1:017b}"
        await until(pilot, lambda: last in screen_text(pilot))
        pages = [request for request in answering.asked[before:] if isinstance(request, GetCounts)]
        assert len(pages) <= 4, "only what is seen on the way is asked for"
        assert len(tower.screen.query_one(CountsTable).known()) <= 6000


async def test_an_answer_for_an_experiment_left_behind_is_dropped(
    tower: TowerApp, answering: TestLink, tell: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = asyncio.Event()
    ask = answering.ask

    async def slow_for_the_wide(request: model.Request, timeout: float | None = None) -> Any:
        if isinstance(request, GetCounts) and request.experiment == 2:
            await held.wait()
        return await ask(request)

    monkeypatch.setattr(answering, "ask", slow_for_the_wide)
    async with tower.run_test(size=(80, 24)) as pilot:
        await opened(pilot, tell)
        await pilot.press("n", "n", "p")
        await until(pilot, lambda: "ERROR: no gate" in screen_text(pilot))
        held.set()
        await pilot.pause(0.05)
        assert "ERROR: no gate" in screen_text(pilot)
        await pilot.press("escape")
        await pilot.press("q")


async def test_saving_asks_before_it_replaces_and_keeps_what_was_typed(
    tower: TowerApp, answering: TestLink, tell: Told, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[SaveResult] = []

    def save(request: SaveResult) -> Saved:
        written.append(request)
        if "locked" in request.path:
            raise StorageError(f"{request.path} cannot be written: Permission denied.")
        return Saved(path=request.path, size=4_400)

    answering.answers[SaveResult] = save
    monkeypatch.chdir(home)
    (home / "name-of-many.json").write_text("mine")
    async with tower.run_test(size=(80, 24), notifications=True) as pilot:
        await opened(pilot, tell)
        await pilot.press("w")
        await until(pilot, lambda: "name-of-many.json" in screen_text(pilot))
        await pilot.press("enter")
        await until(pilot, lambda: "Press Enter again" in screen_text(pilot).replace("\n", " "))
        assert not written
        await pilot.press("enter")
        await until(pilot, lambda: "Saved" in screen_text(pilot))
        assert written[-1].overwrite
        assert written[-1].format == "json"

        await pilot.press("w", "ctrl+u", *"locked")
        await pilot.press("enter")
        await until(pilot, lambda: "End the name with" in screen_text(pilot))
        await pilot.press("full_stop", *"csv", "enter")
        await until(pilot, lambda: "denied." in screen_text(pilot))
        assert "locked.csv" in screen_text(pilot)
        assert written[-1].format == "csv"
        assert not written[-1].overwrite


@pytest.mark.parametrize("size", [(80, 24), (160, 48)])
def test_picture(
    size: tuple[int, int],
    tower: TowerApp,
    answering: TestLink,
    tell: Told,
    snap_compare: Callable[..., bool],
) -> None:
    async def before(pilot: Pilot[None]) -> None:
        await opened(pilot, tell)
        await pilot.pause()

    assert snap_compare(tower, terminal_size=size, run_before=before)
