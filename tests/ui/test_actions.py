"""The action table, and what is made from it."""

from __future__ import annotations

import ast
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest
from textual.binding import Binding

import qtower.ui
from qtower.ui.actions import (
    ACTIONS,
    BY_ID,
    JOB_LIST,
    LACKING,
    Action,
    Needs,
    Scope,
    bindings,
    footer_hints,
    hints,
    key_word,
    refusal,
    sections,
)
from qtower.ui.hint_line import hints_that_fit
from qtower.ui.screens.acting import Acting
from qtower.ui.screens.confirm import ConfirmScreen
from qtower.ui.screens.coverage import CoverageScreen
from qtower.ui.screens.details.save import SaveDialog
from qtower.ui.screens.details.screen import TABS, DetailsScreen
from qtower.ui.screens.help import HelpScreen, help_rows
from qtower.ui.screens.leaving import LeaveScreen
from qtower.ui.screens.monitor import MonitorScreen
from qtower.ui.screens.submit import SubmitScreen
from qtower.ui.screens.submit.picker import FilePicker
from qtower.ui.screens.unsent import UnsentScreen
from qtower.ui.signs import UNICODE

SOURCES = sorted(Path(qtower.ui.__file__).parent.rglob("*.py"))

SCREENS: dict[str, tuple[type[Acting], tuple[Scope, ...]]] = {
    "monitor": (MonitorScreen, MonitorScreen.SCOPES),
    **{
        f"details, {name}": (DetailsScreen, (Scope.DETAILS, *tab.SCOPES))
        for name, tab in TABS.items()
    },
    "save": (SaveDialog, SaveDialog.SCOPES),
    "submit": (SubmitScreen, SubmitScreen.SCOPES),
    "picker": (FilePicker, FilePicker.SCOPES),
    "unsent": (UnsentScreen, UnsentScreen.SCOPES),
    "coverage": (CoverageScreen, CoverageScreen.SCOPES),
    "confirm": (ConfirmScreen, ConfirmScreen.SCOPES),
    "leave": (LeaveScreen, LeaveScreen.SCOPES),
    "help": (HelpScreen, HelpScreen.SCOPES),
}
"""Every screen, and whose keys work on it."""

each_screen = pytest.mark.parametrize("name", SCREENS)


def in_scope(*scopes: Scope) -> list[Action]:
    return [action for action in ACTIONS if action.scope in scopes]


# -- the table ---------------------------------------------------------------------------------


def test_ids_are_used_once_and_a_key_once_in_a_scope() -> None:
    assert len(BY_ID) == len(ACTIONS)
    for scope in Scope:
        keys = Counter(key for action in in_scope(scope) for key in action.keys)
        assert keys, f"{scope} has no key"
        assert [key for key, uses in keys.items() if uses > 1] == []


def test_a_key_means_one_thing_on_a_screen() -> None:
    """Of what the screen itself binds: what a field or list does with a key comes before."""
    for screen, _scopes in SCREENS.values():
        uses: dict[str, set[str | None]] = {}
        for binding in screen.BINDINGS:
            assert isinstance(binding, Binding)
            uses.setdefault(binding.key, set()).add(binding.id)
        assert {key: ids for key, ids in uses.items() if len(ids) > 1} == {}


def test_every_scope_counts_on_some_screen() -> None:
    assert {scope for _, scopes in SCREENS.values() for scope in scopes} == set(Scope) - {Scope.APP}


def test_no_keys_are_written_outside_the_table() -> None:
    """Nor are they handled past it, by a method that hears of every key."""
    for source in SOURCES:
        for node in ast.walk(ast.parse(source.read_text())):
            where = f"{source.name}:{getattr(node, 'lineno', '')}"
            if isinstance(node, ast.ClassDef):
                for value in assigned(node, "BINDINGS"):
                    made = ast.unparse(value)
                    assert made.startswith(("bindings(", "actions.bindings(")), where
            elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                heard = node.name.startswith("key_") and source.name != "actions.py"
                assert not heard and node.name not in {"on_key", "_on_key"}, where
            elif isinstance(node, ast.Call) and source.name != "actions.py":
                assert ast.unparse(node.func) not in {"Binding", "binding.Binding"}, where


def assigned(class_: ast.ClassDef, name: str) -> list[ast.expr]:
    """What the body of a class assigns to `name`."""
    found = []
    for statement in class_.body:
        if isinstance(statement, ast.Assign):
            targets = [ast.unparse(target) for target in statement.targets]
        elif isinstance(statement, ast.AnnAssign):
            targets = [ast.unparse(statement.target)]
        else:
            continue
        if name in targets and statement.value is not None:
            found.append(statement.value)
    return found


def test_every_binding_can_be_remapped_and_explains_itself() -> None:
    for scope in Scope:
        for binding in bindings(scope, dialog=True):
            assert isinstance(binding, Binding)
            assert binding.id in BY_ID
            assert binding.tooltip.endswith(".")
            assert binding.description


def test_what_is_dangerous_needs_something_to_hit_and_changes_something() -> None:
    dangerous = [action for action in ACTIONS if action.dangerous]
    assert {action.id for action in dangerous} == {"cancel", "details.cancel", "unsent.leave"}
    assert all(action.needs is not Needs.NOTHING and action.changes for action in dangerous)
    assert all("Asks." in action.tooltip for action in dangerous)


def test_what_a_screen_can_lack_is_said() -> None:
    of_monitor = {action.needs for action in in_scope(*JOB_LIST)}
    others = {action.needs for action in ACTIONS if action.scope not in JOB_LIST}
    assert others - {Needs.NOTHING, Needs.JOB} == set(LACKING) - of_monitor
    assert all(sentence.endswith(".") for sentence in LACKING.values())


# -- help --------------------------------------------------------------------------------------


@each_screen
def test_help_names_every_key_of_the_screen_and_its_own_first(name: str) -> None:
    scopes = SCREENS[name][1]
    rows = help_rows(UNICODE, scopes)
    assert rows[0] == (scopes[0].value, "")
    for action in in_scope(*scopes):
        if action.keys:
            assert (" ".join(map(key_word, action.keys)), action.tooltip) in rows
    titles = [title for title, meaning in rows if title and not meaning]
    assert titles == [*(scope.value for scope in scopes), Scope.APP.value, "Signs"]


def test_help_gives_a_key_to_the_screen_that_uses_it() -> None:
    everywhere = dict(help_rows(UNICODE))
    on_details = dict(help_rows(UNICODE, SCREENS["details, result"][1]))
    assert everywhere["q Ctrl+C Ctrl+Q"] == on_details["Ctrl+C Ctrl+Q"] == BY_ID["quit"].tooltip
    assert on_details["Esc q"] == BY_ID["details.back"].tooltip


def test_help_in_a_dialog_leaves_out_the_letters_that_it_hides() -> None:
    *_, everywhere = sections((Scope.SAVE,), dialog=True)
    assert everywhere.title == Scope.APP.value
    keys = [keys for keys, _ in everywhere.lines]
    assert keys == ["? F1", "Ctrl+P", "Ctrl+L", "Ctrl+Z", "Ctrl+C Ctrl+Q"]


# -- lines of keys -----------------------------------------------------------------------------


@pytest.mark.parametrize("width", [1, 10, 40, 79, 80, 100, 160, 300])
@pytest.mark.parametrize("empty", [True, False])
def test_the_footer_fits_and_keeps_the_most_important(width: int, empty: bool) -> None:
    check_line(footer_hints(empty), width)


@each_screen
@pytest.mark.parametrize("width", [1, 38, 78, 158])
@pytest.mark.parametrize("read_only", [True, False])
def test_the_line_of_keys_fits_and_says_how_to_leave(
    name: str, width: int, read_only: bool
) -> None:
    offered = hints(SCREENS[name][1], read_only)
    kept = check_line(offered, width)
    leaving = {action.id for action in offered if action.keys[0] == "escape"}
    assert leaving <= kept or width == 1
    assert len(kept) == len(offered) or width < 158


def check_line(offered: list[Action], width: int) -> set[str]:
    placed = hints_that_fit(offered, width)
    assert all(hint.end <= width for hint in placed)
    assert all(one.end < next_one.x for one, next_one in pairwise(placed))
    kept = {hint.action for hint in placed}
    dropped = [action.importance for action in offered if action.id not in kept]
    assert all(BY_ID[name].importance >= max(dropped, default=0) for name in kept)
    return kept


def test_a_hint_may_stand_for_the_keys_of_several_actions() -> None:
    placed = hints_that_fit(hints((Scope.DETAILS, Scope.EXPERIMENTS)), 200)
    keys = {hint.action: hint.key for hint in placed}
    assert keys["details.summary"] == "1-5"
    assert keys["experiment.next"] == "[ ]"


def test_the_samples_are_offered_only_while_the_list_is_empty() -> None:
    assert "samples" in {hint.action for hint in hints_that_fit(footer_hints(True), 80)}
    assert "samples" not in {action.id for action in footer_hints(False)}


# -- refusals and words ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "on_job", "on_set", "empty", "refused"),
    [
        ("submit", False, False, True, False),
        ("samples", False, False, True, False),
        ("samples", True, False, False, True),
        ("cancel", False, False, True, True),
        ("cancel", False, False, False, True),
        ("cancel", False, True, False, False),
        ("result", False, True, False, True),
        ("result", True, False, False, False),
        ("open", False, True, False, False),
    ],
)
def test_refusals(name: str, on_job: bool, on_set: bool, empty: bool, refused: bool) -> None:
    sentence = refusal(BY_ID[name], on_job, on_set, empty)
    assert bool(sentence) is refused
    assert not sentence or sentence.endswith(".")


@pytest.mark.parametrize(
    ("key", "word"),
    [
        ("ctrl+r", "Ctrl+R"),
        ("slash", "/"),
        ("G", "G"),
        ("n", "n"),
        ("f1", "F1"),
        ("shift+tab", "Shift+Tab"),
        ("ctrl+pageup", "Ctrl+PgUp"),
        ("right_square_bracket", "]"),
    ],
)
def test_key_words(key: str, word: str) -> None:
    assert key_word(key) == word


def test_every_key_has_a_word() -> None:
    words = {key_word(key) for action in ACTIONS for key in action.keys}
    assert not [word for word in words if "_" in word]
