"""Every widget that shows foreign text, on a real screen: each line as wide as the screen."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterator
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from textual import events
from textual.pilot import Pilot
from textual.screen import Screen
from textual.widgets import Input

from qtower import model
from qtower.agent.link import LinkState
from qtower.errors import StorageError
from qtower.model import ANSWERS, Link, Sending, Status
from qtower.ui.app import TowerApp
from qtower.ui.screens.confirm import ConfirmScreen
from qtower.ui.screens.coverage import CoverageScreen
from qtower.ui.screens.details import DetailsScreen
from qtower.ui.screens.details.save import SaveDialog
from qtower.ui.screens.leaving import LeaveScreen
from qtower.ui.screens.submit import SubmitScreen
from qtower.ui.screens.submit.picker import FilePicker
from qtower.ui.screens.unsent import UnsentScreen
from tests.hostile.texts import EVERYTHING, PIECES, SOAK, bounded, filled, sendable, why_unsafe
from tests.ui.conftest import NOW, TestLink, connected, rows, screen_text

Texts = Iterator[str]
Visit = Callable[[Pilot[None], TestLink, Texts], Awaitable[None]]

some_texts = st.lists(sendable, min_size=3, max_size=20)
sizes = st.sampled_from([(80, 24), (132, 40), (61, 14)])


def check(pilot: Pilot[None], shown: str = "") -> None:
    """Every line of the screen is visible characters in exactly its width."""
    screen = pilot.app.screen
    width, height = screen.size
    lines = screen._compositor.render_strips(screen.size)
    for strip in lines[:height]:
        assert not why_unsafe(strip.text), repr(strip.text)
        assert cell_len(strip.text) == width, repr(strip.text)
    assert shown in screen_text(pilot)


async def settle(pilot: Pilot[None]) -> None:
    for _ in range(3):
        await pilot.pause(0.01)


def run(visit: Visit, texts: list[str], size: tuple[int, int]) -> None:
    """Visits a screen of a fresh app whose agent answers with `texts` in every field."""

    async def play() -> None:
        link, each = TestLink(), cycle(texts)
        link.answers.update(answers(each))
        app = TowerApp(link.connect, next(each), clock=lambda: NOW)
        async with app.run_test(size=size) as pilot:
            link.on_event(connected(detail=next(each), endpoint=next(each), account=next(each)))
            link.on_event(rows(*some_rows(each)))
            await settle(pilot)
            await visit(pilot, link, each)
            await settle(pilot)
            check(pilot)

    asyncio.run(play())


def answers(each: Texts) -> dict[type[model.Request], Callable[[Any], Any]]:
    """An agent that answers every request, with texts in every field."""

    def of(kind: Any) -> Callable[[Any], Any]:
        return lambda asked: filled(kind, each)

    return {request: of(answer) for request, answer in ANSWERS.items()}


def some_rows(each: Texts) -> list[model.JobRow]:
    alone = [
        filled(model.JobRow, each, key=f"k{number}", set_id="", status=status)
        for number, status in enumerate(Status)
    ]
    of_set = [
        filled(model.JobRow, each, key=f"s/{number}", set_id="s", index=number, set_name=name)
        for name in [next(each)]
        for number in range(3)
    ]
    return [*alone, *of_set]


async def the_list(pilot: Pilot[None], link: TestLink, each: Texts) -> None:
    check(pilot)
    link.on_event(Sending(sets=[filled(model.UnsentSet, each) for _ in range(3)]))
    link.on_event(model.Notice(level="error", title=next(each), text=next(each)))
    await settle(pilot)
    check(pilot)
    await pilot.press("slash")
    pilot.app.post_message(events.Paste(next(each)))
    await settle(pilot)
    check(pilot)
    pilot.app.screen.query_one("#filter", Input).value = next(each)[:5000].replace("\n", " ")


async def no_jobs(pilot: Pilot[None], link: TestLink, each: Texts) -> None:
    link.on_event(model.Rows(rows=[], gone=[row.key for row in some_rows(each)]))
    for state in Link:
        link.on_event(connected(state, detail=next(each), endpoint=next(each)))
        await settle(pilot)
        check(pilot)
    link.on_state(LinkState(up=False, detail=next(each)))


async def the_details(pilot: Pilot[None], link: TestLink, each: Texts) -> None:
    pilot.app.push_screen(DetailsScreen("k4"))
    for key in ("2", "3", "4", "5", "1"):
        await pilot.press(key)
        await settle(pilot)
        check(pilot)
    for key in ("3", "m", "h", "slash", "escape", "y"):
        await pilot.press(key)
        await settle(pilot)
        check(pilot)
    assert not why_unsafe(pilot.app.clipboard.replace("\n", " "))


async def the_questions(pilot: Pilot[None], link: TestLink, each: Texts) -> None:
    app = pilot.app
    assert isinstance(app, TowerApp)
    app.sending = [filled(model.UnsentSet, each, set_id=str(number)) for number in range(6)]
    screens: list[Screen[Any]] = [
        UnsentScreen(),
        CoverageScreen("s"),
        LeaveScreen(app.sending),
        ConfirmScreen(next(each), [next(each) for _ in range(4)], "Yes", "No"),
    ]
    for screen in screens:
        app.push_screen(screen)
        await settle(pilot)
        check(pilot)
    app.notify(next(each), title=next(each))


async def the_form(pilot: Pilot[None], link: TestLink, each: Texts) -> None:
    link.answers[model.MakePlan] = lambda asked: filled(
        model.Plan,
        each,
        problems=[
            model.Problem(field=field, message=next(each)) for field in ("files", "name", "")
        ],
    )
    pilot.app.push_screen(SubmitScreen())
    await settle(pilot)
    check(pilot)
    form = pilot.app.screen
    for field in ("files", "name", "tags"):
        form.query_one(f"#field-{field}", Input).value = next(each)
    form._check_now()  # type: ignore[attr-defined]
    await settle(pilot)
    check(pilot)
    await pilot.press("end", "left", "shift+left", "ctrl+c")
    pilot.app.push_screen(SaveDialog("k1", next(each), next(each)))
    await settle(pilot)
    check(pilot)
    link.answers[model.SaveResult] = refuse(next(each))
    await pilot.press("enter")


def refuse(words: str) -> Callable[[Any], Any]:
    def answer(asked: Any) -> Any:
        raise StorageError(words, words)

    return answer


VISITS = [the_list, no_jobs, the_details, the_questions, the_form]


@pytest.mark.parametrize("visit", VISITS)
def test_everything_at_once(visit: Visit) -> None:
    many_marks = "x" + "\u0488\u0336" * 20
    run(visit, [EVERYTHING, many_marks, *EVERYTHING.split("\x1b")], (80, 24))


@pytest.mark.parametrize("visit", VISITS)
@pytest.mark.timeout(3600 if SOAK else 180)
def test_anything(visit: Visit) -> None:
    @bounded(1, 40)
    @given(some_texts, sizes)
    def look(texts: list[str], size: tuple[int, int]) -> None:
        run(visit, texts, size)

    look()


@pytest.mark.parametrize("visit", [the_list, the_questions])
def test_a_megabyte_in_every_field(visit: Visit) -> None:
    run(visit, ["x" * 1_000_000, "\u0301\x1b[31m量" * 150_000], (80, 24))


def test_names_of_files_in_the_picker(tmp_path: Path) -> None:
    for piece in PIECES:
        raw = os.fsencode(piece.replace("/", "").replace("\0", "").replace("\ud83d", ""))[:200]
        if raw.strip(b"."):
            Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + raw + b".qasm")).touch()
    deep = tmp_path / "\x1b]0;x\x07\u202e量"
    deep.mkdir()
    (deep / "\x1b[2Jq.qasm").touch()

    async def play() -> None:
        link = TestLink()
        async with TowerApp(link.connect, "x", clock=lambda: NOW).run_test(size=(80, 60)) as pilot:
            picked: list[Any] = []
            pilot.app.push_screen(FilePicker(tmp_path), picked.append)
            for _ in range(10):
                await settle(pilot)
            check(pilot, ".qasm")
            pilot.app.push_screen(FilePicker(deep), picked.append)
            for _ in range(10):
                await settle(pilot)
            check(pilot, "␛[2Jq.qasm")
            await pilot.press("enter")
            await settle(pilot)
            assert picked[0].files == [deep / "\x1b[2Jq.qasm"], "shown inert, and taken as it is"

    asyncio.run(play())


def test_what_is_copied_is_visible_text() -> None:
    async def play() -> None:
        link = TestLink()
        app = TowerApp(link.connect, "x", clock=lambda: NOW)
        async with app.run_test():
            app.copy_to_clipboard(f"rm\n{EVERYTHING}\ud83d")
            first, *others = app.clipboard.split("\n")
            assert first == "rm"
            assert not any(map(why_unsafe, others))

    asyncio.run(play())
