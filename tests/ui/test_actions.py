"""The action table, and what is made from it."""

from __future__ import annotations

from collections import Counter

import pytest

from qtower.ui.actions import (
    ACTIONS,
    BY_ID,
    Needs,
    Scope,
    bindings,
    footer_hints,
    key_word,
    refusal,
)
from qtower.ui.footer import hints_that_fit
from qtower.ui.screens.help import help_rows
from qtower.ui.signs import UNICODE


def test_ids_and_keys_are_used_once() -> None:
    assert len(BY_ID) == len(ACTIONS)
    keys = Counter(key for action in ACTIONS for key in action.keys)
    assert [key for key, uses in keys.items() if uses > 1] == []


def test_every_binding_can_be_remapped_and_explains_itself() -> None:
    for scope in Scope:
        for binding in bindings(scope):
            assert not isinstance(binding, tuple)
            assert binding.id in BY_ID
            assert binding.tooltip.endswith(".")


def test_help_names_every_key() -> None:
    text = "\n".join(" ".join(row) for row in help_rows(UNICODE))
    for action in ACTIONS:
        for key in action.keys:
            assert key_word(key) in text
        assert not action.keys or action.tooltip in text


def test_what_is_dangerous_needs_something_to_hit() -> None:
    dangerous = [action for action in ACTIONS if action.dangerous]
    assert [action.id for action in dangerous] == ["cancel"]
    assert all(action.needs is not Needs.NOTHING for action in dangerous)


@pytest.mark.parametrize("width", [1, 10, 40, 79, 80, 100, 160, 300])
@pytest.mark.parametrize("empty", [True, False])
def test_the_footer_fits_and_keeps_the_most_important(width: int, empty: bool) -> None:
    offered = footer_hints(empty)
    hints = hints_that_fit(offered, width)
    assert all(hint.end <= width for hint in hints)
    kept = {hint.action for hint in hints}
    dropped = [action.importance for action in offered if action.id not in kept]
    assert all(BY_ID[name].importance >= max(dropped, default=0) for name in kept)


def test_the_samples_are_offered_only_while_the_list_is_empty() -> None:
    assert "samples" in {hint.action for hint in hints_that_fit(footer_hints(True), 80)}
    assert "samples" not in {action.id for action in footer_hints(False)}


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
    ("key", "word"), [("ctrl+r", "Ctrl+R"), ("slash", "/"), ("G", "G"), ("n", "n"), ("f1", "F1")]
)
def test_key_words(key: str, word: str) -> None:
    assert key_word(key) == word
