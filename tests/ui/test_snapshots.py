"""Pictures of the monitor's main states; `pytest --snapshot-update` makes them anew."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from textual.pilot import Pilot

from qtower import model
from qtower.model import Link, Status
from qtower.ui.app import TowerApp
from qtower.ui.screens.confirm import ConfirmScreen
from tests.ui.conftest import NOW, TestLink, Told, connected, job, job_set, rows, until

SIZES = [(80, 24), (160, 48)]

CIRCUITS = ["Bell", "GHZ-5", "QFT-4", "Grover-3", "角度 sweep", "T gate (fails)", "Long [/b]"]
STATUSES = [
    Status.DONE,
    Status.DONE,
    Status.CANCELLED,
    Status.VALIDATING,
    Status.QUEUED,
    Status.ERROR,
    Status.RUNNING,
]


def a_busy_day() -> model.Rows:
    """A set in which everything happens, a folded set, and jobs of no set."""
    samples = [
        model.JobRow(
            key=f"s/{index}",
            status=status,
            label=name,
            job_id=f"6562a0c1d2e3f4a5b6c7d8{index:02}",
            set_id="s",
            set_name="samples",
            index=index,
            start_index=index * 3,
            end_index=index * 3 + 2,
            backend="ibmq_qasm_simulator",
            shots=1024,
            queue_position=4 if status is Status.QUEUED else None,
            estimated_start=NOW + 200 if status is Status.QUEUED else None,
            created=NOW - 75,
            since=NOW - 5 * index,
            run_seconds=0.31 * (index + 1) if status.final else None,
            tags=("samples",),
        )
        for index, (name, status) in enumerate(zip(CIRCUITS, STATUSES, strict=True))
    ]
    sweep = [Status.DONE] * 40 + [Status.RUNNING, Status.QUEUED, Status.QUEUED]
    lone = job("6562ffff", Status.SUBMIT_FAILED, name="never sent", backend="fake_lima")
    return rows(samples, job_set("sweep", *sweep, created=NOW - 4000), lone)


@pytest.fixture
def picture(snap_compare: Callable[..., bool], tower: TowerApp, tell: Told) -> Callable[..., bool]:
    """Compares the screen after `messages` and `press` with the stored picture."""

    def compare(size: tuple[int, int], *messages: model.Event, press: list[str]) -> bool:
        async def before(pilot: Pilot[Any]) -> None:
            await tell(pilot, *messages)
            await pilot.press(*press)
            if press[-1:] == ["c"]:
                await until(pilot, lambda: isinstance(tower.screen, ConfirmScreen))
            await pilot.pause()

        return snap_compare(tower, terminal_size=size, run_before=before)

    return compare


@pytest.mark.parametrize("size", SIZES)
def test_empty(picture: Callable[..., bool], size: tuple[int, int]) -> None:
    assert picture(size, connected(), press=[])


@pytest.mark.parametrize("size", SIZES)
def test_jobs(picture: Callable[..., bool], size: tuple[int, int]) -> None:
    assert picture(size, connected(), a_busy_day(), press=["j", "j"])


@pytest.mark.parametrize("size", SIZES)
def test_cancel_question(picture: Callable[..., bool], size: tuple[int, int]) -> None:
    assert picture(size, connected(), a_busy_day(), press=["j", "c"])


@pytest.mark.parametrize("size", SIZES)
def test_help(picture: Callable[..., bool], size: tuple[int, int]) -> None:
    assert picture(size, connected(), a_busy_day(), press=["question_mark"])


def test_refused(picture: Callable[..., bool]) -> None:
    refused = connected(Link.REFUSED, detail="The endpoint does not know this token.")
    assert picture((80, 24), refused, press=[])


def test_filter(picture: Callable[..., bool], link: TestLink) -> None:
    assert picture((80, 24), connected(), a_busy_day(), press=["slash", *"done bell", "enter"])
