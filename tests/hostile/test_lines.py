"""Foreign text in pure functions: inert, in the width it should have, and nothing of it lost."""

from __future__ import annotations

import sys
import time
from itertools import cycle
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from rich.cells import cell_len

from qtower import fitting, model
from qtower.text import encodable, inert, inert_character, inert_characters, inert_lines
from qtower.ui.header import Standing, header_lines
from qtower.ui.joblist.cells import job_cell, lay_out
from qtower.ui.screens.details.save import file_name
from qtower.ui.screens.details.summary import field_lines
from qtower.ui.screens.details.timeline import timeline_lines
from qtower.ui.screens.submit.lines import backend_line
from qtower.ui.screens.submit.picker import Entry, entry_line
from qtower.ui.signs import UNICODE
from tests.hostile.texts import SOAK, bounded, filled, foreign, why_unsafe

MEGABYTE = 1_000_000


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("⚛\ufe0f", "⚛"),
        ("👍🏽", "👍"),
        ("🇩🇪", "DE"),
        ("e" + "\u0301" * 9, "e" + "\u0301" * 4 + "\ufffd"),
        ("\u0301x", "\ufffdx"),
        ("\u1112\u1161\u11ab", "한"),
        ("\u3164\u200d", "\ufffd\ufffd"),
        ("👨\u200d👩", "👨\ufffd👩"),
    ],
)
def test_what_terminals_do_not_agree_about_is_made_plain(text: str, shown: str) -> None:
    assert inert(text) == shown


@pytest.mark.parametrize("step", [1 if SOAK else 7])
def test_every_character_takes_up_the_cells_that_are_reserved_for_it(step: int) -> None:
    for code in range(0, sys.maxunicode + 1, step):
        shown = inert(f"a{chr(code)}b")
        assert not why_unsafe(shown), f"U+{code:04X}"
        assert len(inert_character(chr(code))) == 1


@bounded(300, 20_000)
@given(foreign, st.integers(0, 60), st.booleans())
def test_cut_and_fitted(text: str, width: int, right: bool) -> None:
    fitted = fitting.fit(text, width, right)
    assert cell_len(fitted) == width
    for shown in (fitted, fitting.cut(text, width), fitting.end_of(text, width + 1)):
        assert not why_unsafe(shown)
    assert cell_len(fitting.cut(text, width)) <= width
    assert cell_len(fitting.end_of(text, width + 1)) <= width + 1


@bounded(300, 20_000)
@given(foreign)
@example("x" + "\u0301" * 9)
@example("\u0301x")
def test_what_is_edited_has_a_place_for_each_character(text: str) -> None:
    shown = inert_characters(text)
    assert len(shown) == len(text)
    assert not why_unsafe(shown)


@bounded(300, 20_000)
@given(foreign, st.integers(8, 60))
def test_lines_and_folds(text: str, width: int) -> None:
    for line in [*inert_lines(text).split("\n"), *fitting.fold(text, width)]:
        assert not why_unsafe(line)
    assert all(cell_len(line) <= width for line in fitting.fold(text, width))


@bounded(50, 10_000)
@given(st.lists(foreign, min_size=1, max_size=8), st.integers(20, 200))
@example(["a label as long as the line, or more " * 2], 43)
def test_lines_of_widgets(texts: list[str], width: int) -> None:
    each = cycle(texts)
    row = filled(model.JobRow, each)
    for slot in lay_out(width):
        cell = job_cell(slot.column.id, row, 2e9, slot.width, UNICODE)
        assert cell_len(fitting.fit(cell, slot.width)) == slot.width
    standing = Standing(next(each), filled(model.Connection, each), False, next(each))
    for height in (1, 2):
        for line in header_lines(standing, {}, 3, 2e9, width, height, next(each)):
            assert cell_len("".join(part.text for part in line)) <= width
            assert not why_unsafe("".join(part.text for part in line))
    backends = [backend_line(filled(model.Backend, each), 28).plain for _ in range(3)]
    assert all(cell_len(line) <= 28 + 37 + 40 + 20 for line in backends)
    fields = field_lines([filled(model.Field, each) for _ in range(3)], width).plain.split("\n")
    steps = timeline_lines([filled(model.Step, each) for _ in range(3)], 90, 2e9, True).plain
    for shown in [*backends, *fields, *steps.split("\n")]:
        assert not why_unsafe(shown)
    assert all(cell_len(line) <= max(width, 44) for line in fields)
    assert len(steps.split("\n")) == 3


@bounded(150, 10_000)
@given(foreign.filter(lambda name: "/" not in name and "\0" not in name))
def test_a_name_in_the_file_picker(name: str) -> None:
    line = entry_line(Entry(Path("/x") / (name or "x"), False, 512), False, 60).plain
    assert not why_unsafe(line)
    assert cell_len(line) == 2 + 46 + 10


@bounded(300, 20_000)
@given(foreign)
def test_the_name_of_a_file_to_save_is_safe(name: str) -> None:
    safe = file_name(name)
    assert safe.isascii()
    assert safe.isprintable()
    assert not set(safe) & set(" /\\\"'$`%;&|<>*?!=~(){}[]:")
    assert not safe.startswith((".", "-"))
    assert len(safe) <= 85


def test_frames_and_circuits_are_legible_in_ascii() -> None:
    circuit = "╭┬╮ ┌───┐     ┌─┐ ╔╗\n├┼┤ ┤ H ├──■──┤M├ ═╩═\n╰┴╯ └───┘┌─┴─┐└╥┘ ╚╝"
    drawn = "+++ +---+     +-+ ++\n+++ + H +--#--+M+ -+-\n+++ +---++-+-++++ ++"
    assert fitting.plain(circuit, "ascii") == drawn


@bounded(200, 10_000)
@given(foreign, st.sampled_from(["ascii", "iso-8859-1", "utf-8"]))
def test_no_encoding_fails_or_moves_what_follows(text: str, encoding: str) -> None:
    shown = inert(text)
    plain = fitting.plain(shown, encoding)
    assert cell_len(plain) == cell_len(shown)
    assert not why_unsafe(plain)
    plain.encode(encoding)
    fitting.plain(text, encoding)
    encodable(text).encode()


@pytest.mark.parametrize(
    "piece", ["x", "\u0301", "量", "\x1b[31m", "x\ufe0f", "👍🏽", "\u1100\u1161"]
)
def test_of_a_megabyte_only_what_is_seen_is_looked_at(piece: str) -> None:
    name = piece * (MEGABYTE // len(piece))
    begin = time.process_time()
    for _ in range(50):
        fitting.fit(name, 40)
        fitting.end_of(name, 40)
        fitting.fold(name, 40)
    # 50 rows with such a name: cleaning all of it would take a minute.
    assert time.process_time() - begin < 5
