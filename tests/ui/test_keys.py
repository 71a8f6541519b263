"""The keys of every screen, as a person meets them: help, palette, line of keys, read-only."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from textual import events
from textual.app import App
from textual.dom import DOMNode
from textual.pilot import Pilot
from textual.screen import Screen
from textual.widgets import Input

from qtower.model import (
    Backend,
    Backends,
    GetBackends,
    GetDetails,
    MakePlan,
    ReadFiles,
    Sending,
    Status,
    Steer,
    SteerSet,
    Submit,
    Unsent,
)
from qtower.ui.actions import ACTIONS, BY_ID, MOVING, Action, Scope, call_of, key_word
from qtower.ui.app import TowerApp
from qtower.ui.commands import ActionCommands, Palette
from qtower.ui.joblist import JobList
from qtower.ui.screens.acting import Acting
from qtower.ui.screens.confirm import ConfirmScreen
from qtower.ui.screens.coverage import CoverageScreen
from qtower.ui.screens.details import DetailsScreen
from qtower.ui.screens.details.json_tree import JsonTree
from qtower.ui.screens.details.save import SaveDialog
from qtower.ui.screens.help import HelpScreen
from qtower.ui.screens.leaving import LeaveScreen
from qtower.ui.screens.monitor import MonitorScreen
from qtower.ui.screens.submit import SubmitScreen
from qtower.ui.screens.submit.form import SubmitForm, Tick
from qtower.ui.screens.submit.picker import FilePicker
from qtower.ui.screens.unsent import UnsentScreen
from qtower.ui.widgets.choice_list import ChoiceList
from qtower.ui.widgets.experiment_list import ExperimentList
from qtower.ui.widgets.hints import Hints
from qtower.ui.widgets.text_lines import TextLines
from tests.ui.conftest import NOW, TestLink, Told, connected, job, rows, screen_text, until
from tests.ui.test_details import details_of
from tests.ui.test_unsent import notices, steered, unsent_set

SIZES = [(40, 12), (80, 24), (160, 48)]

SCREENS: dict[str, Callable[[], Screen[Any]] | None] = {
    "monitor": None,
    "summary": lambda: DetailsScreen("a"),
    "result": lambda: DetailsScreen("a", "result"),
    "qobj": lambda: DetailsScreen("a", "qobj"),
    "save": lambda: SaveDialog("a", "bell"),
    "submit": SubmitScreen,
    "picker": lambda: FilePicker(Path(__file__).parent),
    "unsent": UnsentScreen,
    "coverage": lambda: CoverageScreen("s"),
    "confirm": lambda: ConfirmScreen("Sure?", [], "Yes", "No"),
    "leave": lambda: LeaveScreen([unsent_set(state="sending")]),
}
"""How each screen is made."""

WIDGETS: dict[Scope, type[DOMNode]] = {
    Scope.LIST: JobList,
    Scope.MARKS: JobList,
    Scope.SORT: JobList,
    Scope.CHOICES: ChoiceList,
    Scope.TEXT: TextLines,
    Scope.TREE: JsonTree,
    Scope.FORM: SubmitForm,
    Scope.TICK: Tick,
    Scope.FINDING: ExperimentList,
}
"""Who has the keys that work only while it has the focus."""

each_screen = pytest.mark.parametrize("name", SCREENS)


async def opened(pilot: Pilot[None], tell: Told, name: str) -> Acting:
    """Shows the screen `name` of an account with a job and an unsent set."""
    await tell(pilot, connected(), rows(job("a", Status.RUNNING)), Sending(sets=[unsent_set()]))
    if (make := SCREENS[name]) is not None:
        await pilot.app.push_screen(make())
    await pilot.pause()
    screen = pilot.app.screen
    assert isinstance(screen, Acting)
    return screen


async def palette_titles(screen: Screen[Any]) -> list[str]:
    return [hit.text or "" async for hit in ActionCommands(screen).discover()]


def shows(pilot: Pilot[None]) -> type[Screen[Any]]:
    return type(pilot.app.screen)


# -- the table and the screens -----------------------------------------------------------------


@each_screen
async def test_every_action_of_a_screen_can_be_done_there(
    tower: TowerApp, tell: Told, name: str
) -> None:
    async with tower.run_test() as pilot:
        screen = await opened(pilot, tell, name)
        for action in ACTIONS:
            if action.scope in screen.scopes and action.scope not in WIDGETS:
                assert done_by(screen.target_of(action), action), action.id


def test_every_action_of_a_widget_can_be_done_there() -> None:
    for action in ACTIONS:
        if action.scope in WIDGETS:
            assert done_by(WIDGETS[action.scope], action), action.id
        elif action.scope is Scope.APP:
            assert done_by(TowerApp, action), action.id


def done_by(target: object, action: Action) -> bool:
    """True if `target` has the method that does the action."""
    name = (action.call or action.id).partition("(")[0]
    if name.startswith("app."):
        target, name = App, name.removeprefix("app.")
    return callable(getattr(target, f"action_{name}", None))


# -- help --------------------------------------------------------------------------------------


@each_screen
async def test_help_shows_the_keys_of_the_screen_first(
    tower: TowerApp, tell: Told, name: str
) -> None:
    async with tower.run_test(size=(100, 40)) as pilot:
        screen = await opened(pilot, tell, name)
        await pilot.press("f1")  # also from a field, in which ? is a letter, and from a dialog
        await until(pilot, lambda: shows(pilot) is HelpScreen)
        lines = help_lines(pilot)
        assert lines[0] == screen.scopes[0].value
        first = next(action for action in ACTIONS if action.scope is screen.scopes[0])
        keys, tooltip = " ".join(map(key_word, first.keys)), first.tooltip
        assert lines[1].startswith(f"{keys} {tooltip}"[:50])
        await pilot.press("escape")
        assert tower.screen is screen


def help_lines(pilot: Pilot[None]) -> list[str]:
    """What stands in the box of help: lines without the space between keys and words."""
    box = pilot.app.screen.query_one("#help").content_region
    lines = screen_text(pilot).splitlines()[box.y : box.bottom]
    return [" ".join(line[box.x : box.right].split()) for line in lines]


@pytest.mark.parametrize("name", ["picker", "confirm", "leave", "unsent", "summary"])
async def test_a_question_mark_asks_for_help_in_dialogs_too(
    tower: TowerApp, tell: Told, name: str
) -> None:
    async with tower.run_test() as pilot:
        screen = await opened(pilot, tell, name)
        await pilot.press("question_mark")
        await until(pilot, lambda: shows(pilot) is HelpScreen)
        await pilot.press("G", "question_mark")
        assert tower.screen is screen


async def test_help_of_a_tab_is_that_of_what_is_on_screen(tower: TowerApp, tell: Told) -> None:
    async with tower.run_test(size=(120, 60)) as pilot:
        await opened(pilot, tell, "summary")
        await pilot.press("3", "question_mark")
        await until(pilot, lambda: BY_ID["result.memory"].tooltip in screen_text(pilot))
        assert BY_ID["qobj.view"].tooltip not in screen_text(pilot)
        await pilot.press("q", "5", "question_mark")
        await until(pilot, lambda: "v Go from the drawing" in "".join(help_lines(pilot)))
        assert BY_ID["result.memory"].tooltip not in screen_text(pilot)


# -- leaving -----------------------------------------------------------------------------------


@each_screen
async def test_a_key_that_is_pressed_twice_leaves_a_screen_once(
    name: str, tower: TowerApp, tell: Told
) -> None:
    """The second one waits in line while the screen goes; found by `make soak`."""
    async with tower.run_test(size=(80, 24)) as pilot:
        await opened(pilot, tell, name)
        screen, depth = tower.screen, len(tower.screen_stack)
        if depth > 1:
            screen.dismiss(None)
            screen.dismiss(None)
            await until(pilot, lambda: tower.screen is not screen)
            assert len(tower.screen_stack) == depth - 1
        for _ in range(3):
            tower.post_message(events.Key("escape", None))
        await pilot.pause()
        assert tower.crash is None and tower.is_running


async def test_a_screen_that_ends_takes_what_lies_over_it_along(
    tower: TowerApp, tell: Told
) -> None:
    async with tower.run_test(size=(80, 24)) as pilot:
        await opened(pilot, tell, "submit")
        form = tower.screen
        await pilot.press("f1")
        await until(pilot, lambda: shows(pilot) is HelpScreen)
        form.dismiss(None)
        await until(pilot, lambda: shows(pilot) is MonitorScreen)
        assert tower.screen_stack == [tower.screen]


# -- the palette -------------------------------------------------------------------------------


@each_screen
async def test_the_palette_offers_what_the_screen_can_do(
    tower: TowerApp, tell: Told, name: str
) -> None:
    async with tower.run_test() as pilot:
        screen = await opened(pilot, tell, name)
        titles = await palette_titles(screen)
        scopes = {*screen.scopes, Scope.APP} - MOVING
        expected = [
            action
            for action in ACTIONS
            if action.scope in scopes and action.id not in ("command_palette", "samples")
        ]
        assert [title.partition(" (")[0] for title in titles] == [a.title for a in expected]
        for title, action in zip(titles, expected, strict=True):
            own = action.keys and action.scope is not Scope.APP
            assert not own or title.endswith(f" ({key_word(action.keys[0])})")
        assert ("Quit (q)" if name == "monitor" else "Quit (Ctrl+C)") in titles


async def test_what_is_chosen_in_the_palette_is_done_on_the_screen_below(
    tower: TowerApp, link: TestLink, tell: Told
) -> None:
    link.answers[GetDetails] = details_of
    link.answers[SteerSet] = lambda request: Unsent(sets=[])
    async with tower.run_test(size=(80, 24)) as pilot:
        await opened(pilot, tell, "summary")
        await by_palette(pilot, "timeline")
        await until(pilot, lambda: "CREATING" in screen_text(pilot), "the timeline")
        await by_palette(pilot, "back to the jobs")
        await until(pilot, lambda: shows(pilot) is MonitorScreen)
        await by_palette(pilot, "unsent jobs")
        await until(pilot, lambda: shows(pilot) is UnsentScreen)
        await by_palette(pilot, "pause, or")
        await until(pilot, lambda: steered(link) == [("s", Steer.PAUSE)])
        await by_palette(pilot, "give the rest")
        await until(pilot, lambda: shows(pilot) is ConfirmScreen)
        await by_palette(pilot, "yes")
        await until(pilot, lambda: steered(link)[1:] == [("s", Steer.LEAVE)])
        assert shows(pilot) is UnsentScreen


async def by_palette(pilot: Pilot[None], words: str) -> None:
    """Opens the palette, types, and takes the first that is found."""
    await pilot.press("ctrl+p")
    await until(pilot, lambda: shows(pilot) is Palette)
    pilot.app.screen.query_one(Input).value = words
    await until(pilot, lambda: words in screen_text(pilot).lower().split("\n", 6)[-1])
    await pilot.press("enter")
    await until(pilot, lambda: shows(pilot) is not Palette)


# -- the line of keys --------------------------------------------------------------------------


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("read_only", [True, False])
@each_screen
async def test_the_line_of_keys_fits_and_names_how_to_leave(
    link: TestLink, tell: Told, name: str, read_only: bool, size: tuple[int, int]
) -> None:
    tower = TowerApp(link.connect, "local", clock=lambda: NOW, read_only=read_only)
    async with tower.run_test(size=size) as pilot:
        screen = await opened(pilot, tell, name)
        for line in screen.query(Hints):
            shown = line.render().plain
            assert len(shown) <= line.content_size.width
            assert "Esc back" in shown or "Esc cancel" in shown
            changing = [a.hint for a in ACTIONS if a.scope in screen.scopes and a.changes]
            words = [hint.split(" ", 1)[1] for hint in shown.split("   ")]
            assert not read_only or not set(changing) & set(words)


async def test_a_click_on_a_hint_does_what_its_key_does(
    tower: TowerApp, link: TestLink, tell: Told
) -> None:
    link.answers[SteerSet] = lambda request: Unsent(sets=[])
    async with tower.run_test(size=(80, 24)) as pilot:
        await opened(pilot, tell, "unsent")
        shown = tower.screen.query_one(Hints).render().plain
        padding = 1
        await pilot.click(Hints, offset=(shown.index("p pause") + padding, 0))
        await until(pilot, lambda: steered(link) == [("s", Steer.PAUSE)])
        await pilot.click(Hints, offset=(shown.index("p pause") - 2 + padding, 0))  # a gap
        await pilot.click(Hints, offset=(shown.rindex("back") + padding, 0))
        await until(pilot, lambda: shows(pilot) is MonitorScreen)
        assert len(steered(link)) == 1


# -- keys --------------------------------------------------------------------------------------


async def test_a_key_can_be_mapped_anew(tower: TowerApp, link: TestLink, tell: Told) -> None:
    link.answers[GetDetails] = details_of
    async with tower.run_test(size=(80, 24)) as pilot:
        tower.set_keymap({"details.timeline": "t", "details.back": "x", "help": "f5"})
        await opened(pilot, tell, "summary")
        await pilot.press("2")
        assert "CREATING" not in screen_text(pilot)
        await pilot.press("t")
        await until(pilot, lambda: "CREATING" in screen_text(pilot), "the timeline")
        await pilot.press("escape", "f5")
        await until(pilot, lambda: shows(pilot) is HelpScreen)
        await pilot.press("escape", "x")
        await until(pilot, lambda: shows(pilot) is MonitorScreen)


async def test_what_is_not_there_is_said_and_not_done(tower: TowerApp, tell: Told) -> None:
    async with tower.run_test(size=(80, 24)) as pilot:
        await opened(pilot, tell, "result")
        await pilot.press("w")
        assert shows(pilot) is DetailsScreen
        assert "There is no result here yet." in notices(tower)
        await pilot.press("5", "v", "escape")
        assert "There is no qobj here yet." in notices(tower)
        await tell(pilot, Sending())
        await pilot.press("U")
        await until(pilot, lambda: shows(pilot) is UnsentScreen)
        await pilot.press("l")
        assert shows(pilot) is UnsentScreen
        assert "Nothing is unsent here." in notices(tower)


@pytest.mark.parametrize("size", [(40, 12), (80, 14), (160, 48)])
async def test_arrows_go_from_field_to_field_where_the_form_scrolls_too(
    tower: TowerApp, link: TestLink, tell: Told, size: tuple[int, int]
) -> None:
    backend = Backend(name="only", qubits=5, simulator=True)
    link.answers[GetBackends] = lambda request: Backends(backends=[backend])
    async with tower.run_test(size=size) as pilot:
        await opened(pilot, tell, "submit")
        backends = tower.screen.query_one("#field-backend", ChoiceList)
        await until(pilot, lambda: backends.option_count == 1)
        await pilot.press("down", "tab")  # in the list of backends an arrow moves in the list
        seen = []
        for key in ("down", "down", "down", "down", "up", "enter"):
            seen.append((tower.focused.id or "") if tower.focused else "")
            await pilot.press(key)
        assert seen == [
            "field-shots",
            "field-experiments_per_job",
            "field-name",
            "field-tags",
            "field-memory",
            "field-tags",
        ]
        assert tower.focused is not None and tower.focused.id == "field-memory"
        box = tower.focused
        assert isinstance(box, Tick)
        await pilot.press("space")
        assert box.value


@pytest.mark.parametrize("name", ["picker", "unsent"])
async def test_lists_of_lines_move_by_letters_too(tower: TowerApp, tell: Told, name: str) -> None:
    async with tower.run_test(size=(80, 24)) as pilot:
        await opened(pilot, tell, name)
        await tell(pilot, Sending(sets=[unsent_set("s"), unsent_set("t"), unsent_set("u")]))
        lines = tower.screen.query_one(ChoiceList)
        await until(pilot, lambda: lines.option_count > 2)
        await pilot.press("j", "j", "k")
        assert lines.highlighted == 1
        await pilot.press("G")
        assert lines.highlighted == lines.option_count - 1
        await pilot.press("g")
        assert lines.highlighted == 0


# -- read-only ---------------------------------------------------------------------------------


@each_screen
async def test_read_only_no_screen_has_what_changes_anything(
    link: TestLink, tell: Told, name: str
) -> None:
    tower = TowerApp(link.connect, "local", clock=lambda: NOW, read_only=True)
    async with tower.run_test(size=(120, 50)) as pilot:
        screen = await opened(pilot, tell, name)
        changing = [a for a in ACTIONS if a.scope in screen.scopes and a.changes]
        bound = {active.binding.id for active in screen.active_bindings.values()}
        assert bound & {action.id for action in ACTIONS if action.scope in screen.scopes}
        assert not bound & {action.id for action in changing}
        offered = await palette_titles(screen)
        assert not [a for a in changing if f"{a.title} ({key_word(a.keys[0])})" in offered]
        await pilot.press("f1")
        await until(pilot, lambda: shows(pilot) is HelpScreen)
        assert not [a.id for a in changing if a.tooltip in screen_text(pilot)]


async def test_what_becomes_read_only_loses_its_keys_at_once(tower: TowerApp, tell: Told) -> None:
    async with tower.run_test(size=(80, 24)) as pilot:
        await opened(pilot, tell, "unsent")
        assert "s send" in screen_text(pilot).splitlines()[-1]
        await tell(pilot, connected(read_only=True))
        assert screen_text(pilot).splitlines()[-1].split("   ") == [" Esc back", "? help"]
        await pilot.press("l")
        assert shows(pilot) is UnsentScreen


async def test_read_only_a_click_changes_nothing_either(link: TestLink, tell: Told) -> None:
    tower = TowerApp(link.connect, "local", clock=lambda: NOW, read_only=True)
    async with tower.run_test(size=(80, 24)) as pilot:
        await opened(pilot, tell, "unsent")
        await pilot.click(ChoiceList, offset=(5, 0))
        await until(pilot, lambda: "read-only here" in notices(tower))
        await opened(pilot, tell, "submit")
        await pilot.click("#submit-button")
        await pilot.pause()
        kinds = {type(request) for request in link.asked}
        assert not kinds & {SteerSet, MakePlan, ReadFiles, Submit}


def test_what_changes_something_is_done_by_screens_alone() -> None:
    """A screen looks into the table before it does an action; a widget does it at once."""
    for action in ACTIONS:
        if action.changes:
            assert call_of(action) == f"act('{action.id}')"
