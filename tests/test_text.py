from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qtower.text import inert, inert_lines


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("bell", "bell"),
        ("job [/b] x", "job [/b] x"),
        ("量子 ψ", "量子 ψ"),
        ("red\x1b[31m", "red␛[31m"),
        ("a\nb\tc\0", "a␊b␉c␀"),
        ("del\x7f c1\x9b", "del␡ c1\ufffd"),
        ("abc\u202edef\u200b", "abc\ufffddef\ufffd"),
        ("line\u2028sep\ud800", "line\ufffdsep\ufffd"),
    ],
)
def test_inert(text: str, shown: str) -> None:
    assert inert(text) == shown


def test_cut() -> None:
    assert inert("x" * 100, 10) == "xxxxxxxxx…"


@given(st.text(alphabet=st.characters()), st.integers(1, 50))
def test_nothing_invisible_is_left(text: str, limit: int) -> None:
    shown = inert(text, limit)
    assert len(shown) <= limit
    assert not any(unicodedata.category(c) in {"Cc", "Cf", "Cs", "Zl", "Zp"} for c in shown)


@given(st.text(alphabet=st.characters()))
def test_lines_stay(text: str) -> None:
    shown = inert_lines(text)
    assert not any(unicodedata.category(c) in {"Cc", "Cf", "Cs"} for c in shown if c != "\n")


def test_message_keeps_its_lines() -> None:
    assert inert_lines("one\r\n\ttwo\x1b]0;x\x07") == "one\n    two␛]0;x␇"
