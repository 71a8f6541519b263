"""Texts that mean harm, and what of them may stand on a screen."""

from __future__ import annotations

import os
import typing
import unicodedata
from enum import Enum
from types import NoneType, UnionType
from typing import Any

import msgspec
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from rich.cells import cell_len

SOAK = bool(os.environ.get("QTOWER_SOAK"))

CANARY = "7770777"
"""A parameter that no program of ours gives to a control sequence."""

SEQUENCES = [
    f"\x1b]0;{CANARY}\x07",
    f"\x1b]52;c;{CANARY}\x1b\\",
    f"\x1b]8;;file:///{CANARY}\x07link\x1b]8;;\x07",
    f"\x1b[{CANARY}m",
    f"\x1b[{CANARY}T\x1b[2J\x1b[H",
    f"\x9b{CANARY}m",
    f"\x9d0;{CANARY}\x9c",
    f"\x90{CANARY}q\x9c",
    f"\x1bP{CANARY}\x1b\\",
    f"\x1b_{CANARY}\x1b\\",
    "\x1bc",
    "\x0e\x0f",
]

PIECES = [
    *SEQUENCES,
    *("[bold red]", "[/]", "[/b]", "[@click=app.quit]x[/]", "[link=file:///x]y[/link]", "\\["),
    *("a\nb", "\r\n", "a\rb", "\t", "\0", "\x7f", "\x85", "\u2028", "\u2029", "\b\b\b", "\v", "\f"),
    *("\u202e", "\u2066", "\u2069", "\u200b", "\u200d", "\u2060", "\ufeff", "\u00ad", "\u061c"),
    *(
        "\ufe0f",
        "\ufe0e",
        "❤\ufe0f",
        "1\ufe0f\u20e3",
        "\U000e0100",
        "\U000e0041",
        "\u180e",
        "\u034f",
    ),
    *("👨\u200d👩\u200d👧", "👍🏽", "\U0001f3fd", "🇩🇪", "🇩", "🏴\U000e0067\U000e007f"),
    *(
        "e\u0301",
        "\u0301",
        "x" + "\u0336\u0488\u0301" * 400,
        "\u0915\u093f",
        "\u0e33",
        "\u0e01\u0e49",
    ),
    *(
        "量子コンピュータ",
        "\u1100\u1161\u11a8",
        "\u1161",
        "\u115f",
        "\u3164",
        "\uffa0",
        "…·α○①",
        "ｱﾞ",
    ),
    *("\ud83d", "\udcff", "\ue000", "\U0010ffff", "\u0378", "\ufffd", "שלום 123 abc", "\ufdfd"),
    *("=cmd()", "-", "'", '"', "$(reboot)", "`x`", "../../..", "/", "\\", "%s%n", "{0}", "\x1b"),
]

_CLEAN = [each for each in PIECES if each.encode("utf-8", "replace").decode() == each]

foreign = st.lists(
    st.one_of(st.sampled_from(PIECES), st.text(alphabet=st.characters(), max_size=8)), max_size=12
).map("".join)
"""Any text at all, and of what does harm more than chance would give."""

sendable = st.lists(st.one_of(st.sampled_from(_CLEAN), st.text(max_size=8)), max_size=12).map(
    "".join
)
"""The same without lone surrogates, which no JSON of ours holds."""

EVERYTHING = "".join(_CLEAN)


def bounded(examples: int, soak: int) -> settings:
    """So many examples, always the same ones; more and others in a soak."""
    return settings(
        max_examples=soak if SOAK else examples,
        derandomize=not SOAK,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )


def why_unsafe(shown: str) -> str:
    """What is wrong with a text that is shown on one line; "" if nothing is."""
    marks = 0
    for place, character in enumerate(shown):
        category = unicodedata.category(character)
        if category in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}:
            return f"U+{ord(character):04X} ({category}) at {place}"
        marks = marks + 1 if cell_len(character) == 0 else 0
        if marks > 4:
            return f"too many marks at {place}"
        if marks and category not in {"Mn", "Me", "Mc"}:
            return f"U+{ord(character):04X} takes up no cell"
    # Else it depends on the terminal whether it joins characters.
    if sum(map(cell_len, shown)) != cell_len(shown):
        return "its width is not that of its characters"
    return ""


def filled(kind: Any, texts: typing.Iterator[str], **given: Any) -> Any:
    """A struct of `qtower.model` of which every text is the next of `texts`."""
    hints = typing.get_type_hints(kind)
    values = {
        field.name: _value(hints[field.name], texts)
        for field in msgspec.structs.fields(kind)
        if field.name not in given
    }
    return kind(**values, **given)


def _value(hint: Any, texts: typing.Iterator[str]) -> Any:
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, UnionType):
        if str in inner:
            return next(texts)
        return _value(next(each for each in inner if each is not NoneType), texts)
    if origin in (list, tuple):
        return origin(_numbered(_value(inner[0], texts), number) for number in range(2))
    if isinstance(hint, type) and issubclass(hint, Enum):
        return next(iter(hint))
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        return filled(hint, texts)
    return next(texts) if hint is str else {bool: True, int: 3, float: 1.7e9}[hint]


def _numbered(value: Any, number: int) -> Any:
    """The items of a list that have an index have each their own."""
    numbered = isinstance(value, msgspec.Struct) and "index" in value.__struct_fields__
    return msgspec.structs.replace(value, index=number) if numbered else value
