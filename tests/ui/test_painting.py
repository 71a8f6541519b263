"""What is sent to the terminal: it shows what Textual would have it show, for far fewer bytes."""

from __future__ import annotations

import io
import random
from collections.abc import Sequence

import pyte
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.color import ColorSystem
from rich.console import Console
from rich.segment import Segment
from rich.style import Style
from textual._compositor import ChopsUpdate, LayoutUpdate
from textual.geometry import Region, Size
from textual.strip import Strip

from qtower.ui.painting import Shown, lines_of
from qtower.ui.painting.ink import change_of_ink

WIDTH, HEIGHT = 24, 10
SIZE = Size(WIDTH, HEIGHT)
STYLES = [
    Style.parse(words)
    for words in (
        "default",
        "bold red on blue",
        "red on blue",
        "#102030 on #405060",
        "underline",
        "reverse green",
        "color(200) on default",
        "on blue",
        "bright_white on bright_black",
    )
]
TEXTS = ["", " ", "    ", "ab", "job 7", "──", "●✓▌", "宽字", "x宽y", "e\u0301a", "🙂", "DONE"]

Picture = list[Strip]


def strip(pieces: Sequence[tuple[str, Style]], width: int = WIDTH) -> Strip:
    """Pieces beside each other, cut or filled to `width` cells."""
    return Strip([Segment(text, style) for text, style in pieces]).adjust_cell_length(
        width, STYLES[0]
    )


def plain(text: str, width: int = WIDTH) -> Strip:
    return strip([(text, STYLES[0])], width)


def whole(picture: Picture) -> LayoutUpdate:
    return LayoutUpdate([[line] for line in picture], Region(0, 0, WIDTH, HEIGHT))


class Terminal:
    """An emulated one."""

    def __init__(self) -> None:
        self.screen = pyte.Screen(WIDTH, HEIGHT)
        self._stream = pyte.Stream(self.screen)

    def feed(self, written: str) -> None:
        self._stream.feed(written)

    def cells(self) -> list[list[tuple[object, ...]]]:
        """Each cell as it is seen: of a blank one nobody sees the colour of letters."""
        return [[_seen(self.screen.buffer[y][x]) for x in range(WIDTH)] for y in range(HEIGHT)]


def _seen(cell: pyte.screens.Char) -> tuple[object, ...]:
    if cell.data == " " and not (cell.underscore or cell.reverse or cell.strikethrough):
        return (" ", cell.bg)
    return tuple(cell)


def as_textual_sends(picture: Picture) -> Terminal:
    terminal = Terminal()
    console = Console(file=io.StringIO(), color_system="truecolor", force_terminal=True)
    terminal.feed(whole(picture).render_segments(console))
    return terminal


def shown(known: Shown, update: object) -> str:
    lines = lines_of(update)
    assert lines is not None
    return known.show(SIZE, lines, ColorSystem.TRUECOLOR)


def some_line(chance: random.Random) -> Strip:
    pieces = [(chance.choice(TEXTS), chance.choice(STYLES)) for _ in range(chance.randrange(7))]
    return strip(pieces)


def changed(picture: Picture, chance: random.Random) -> Picture:
    """Another picture: lines that are others, or moved, or of which a part is another."""
    new = list(picture)
    match chance.randrange(4):
        case 0:
            return [some_line(chance) for _ in range(HEIGHT)]
        case 1:
            for _ in range(chance.randrange(4)):
                new[chance.randrange(HEIGHT)] = some_line(chance)
        case 2:
            top, bottom = sorted(chance.sample(range(HEIGHT + 1), 2))
            lines, count = new[top:bottom], chance.randrange(1, 4)
            fresh = [some_line(chance) for _ in range(min(count, len(lines)))]
            up = chance.random() < 0.5
            moved = [*lines[count:], *fresh] if up else [*fresh, *lines[:-count]]
            new[top:bottom] = moved[: len(lines)]
        case _:
            y = chance.randrange(HEIGHT)
            x = chance.choice([0, *places_to_cut(new[y])])
            left, right = new[y].crop(0, x), new[y].crop(x)
            middle = Strip([Segment(chance.choice(TEXTS), chance.choice(STYLES))])
            new[y] = Strip.join([left, middle, right]).crop(0, WIDTH)
            new[y] = new[y].adjust_cell_length(WIDTH, STYLES[0])
    return new


def places_to_cut(line: Strip) -> list[int]:
    """Where no wide character is cut through, and no letter from its mark."""
    return [
        cut
        for cut in range(1, WIDTH)
        if line.crop(0, cut).text + line.crop(cut).text == line.text
        and not line.crop(cut).text.startswith("\u0301")
    ]


def update_between(old: Picture, new: Picture, chance: random.Random) -> object:
    """What Textual might make of it: all of it, or the lines that differ, cut somewhere."""
    if chance.random() < 0.3:
        return whole(new)
    different = [y for y in range(HEIGHT) if old[y] != new[y]] or [0]
    chops: list[dict[int, Strip | None]] = [{} for _ in range(HEIGHT)]
    for y in different:
        cut = chance.choice(places_to_cut(new[y]))
        chops[y] = {0: new[y].crop(0, cut), cut: new[y].crop(cut)}
    return ChopsUpdate(chops, [(y, 0, 1) for y in different], [[] for _ in range(HEIGHT)])


@given(st.integers(0, 1 << 32))
@settings(max_examples=60, deadline=None, derandomize=True, database=None)
def test_whatever_changes_the_terminal_shows_what_textual_would(seed: int) -> None:
    chance = random.Random(seed)
    known, terminal = Shown(), Terminal()
    terminal.feed("left by somebody else\r\n" * 20)
    picture = [some_line(chance) for _ in range(HEIGHT)]
    terminal.feed(shown(known, whole(picture)))
    for _ in range(8):
        new = changed(picture, chance)
        terminal.feed(shown(known, update_between(picture, new, chance)))
        picture = new
        wanted = as_textual_sends(picture)
        assert terminal.screen.display == wanted.screen.display
        assert terminal.cells() == wanted.cells()


def test_what_stands_there_already_is_not_sent() -> None:
    known, picture = Shown(), [plain(f"line {y}") for y in range(HEIGHT)]
    assert shown(known, whole(picture))
    assert shown(known, whole(picture)) == ""


def test_of_a_line_only_what_differs_is_sent() -> None:
    known, picture = Shown(), [plain(f"line {y}, as before") for y in range(HEIGHT)]
    shown(known, whole(picture))
    picture[3] = plain("line 4, as before")
    written = shown(known, whole(picture))
    assert written == "\x1b[4;6H\x1b[0;39m4\x1b[0m"


@pytest.mark.parametrize("lines", [1, 3, -1, -3])
def test_lines_that_move_are_moved_by_the_terminal(lines: int) -> None:
    """A title above and a line of keys below stay, and so does a scroll bar at the right."""

    def picture(first: int) -> Picture:
        listed = [plain(f"job {first + y}", WIDTH - 1) for y in range(HEIGHT - 2)]
        bars = [Strip([Segment("│" if y != first % 8 else "┃")]) for y in range(HEIGHT - 2)]
        body = [Strip.join([*pair]) for pair in zip(listed, bars, strict=True)]
        return [plain("TITLE"), *body, plain("keys")]

    known, terminal = Shown(), Terminal()
    terminal.feed(shown(known, whole(picture(100))))
    written = shown(known, whole(picture(100 + lines)))
    terminal.feed(written)
    assert terminal.cells() == as_textual_sends(picture(100 + lines)).cells()
    words = [f"job {100 + lines + y}" for y in range(HEIGHT - 2)]
    assert sum(word in written for word in words) == abs(lines)


def test_of_two_columns_of_which_one_scrolls_the_other_stays() -> None:
    def picture(first: int) -> Picture:
        left = [plain(f"experiment {first + y}", 14) for y in range(HEIGHT)]
        right = [plain(f"{y:010b}", WIDTH - 14) for y in range(HEIGHT)]
        return [Strip.join([*pair]) for pair in zip(left, right, strict=True)]

    known, terminal = Shown(), Terminal()
    for first in (0, 1, 5):
        terminal.feed(shown(known, whole(picture(first))))
        assert terminal.cells() == as_textual_sends(picture(first)).cells()


def test_after_it_is_forgotten_or_of_another_size_all_is_sent() -> None:
    known, picture = Shown(), [plain(f"line {y}") for y in range(HEIGHT)]
    first = shown(known, whole(picture))
    known.forget()
    assert shown(known, whole(picture)) == first
    wider = known.show(
        Size(WIDTH + 1, HEIGHT), lines_of(whole(picture)) or {}, ColorSystem.STANDARD
    )
    assert all(f"line {y}" in wider for y in range(HEIGHT))


def test_what_was_laid_out_for_a_wider_terminal_is_cut_where_it_ends() -> None:
    # Textual knows the new size before it has laid out the screen anew.
    narrow, known, terminal = Size(WIDTH // 2, HEIGHT), Shown(), Terminal()
    wider = {
        0: [(0, plain("job 7", 8)), (8, plain("DONE", WIDTH - 8))],
        1: [(0, plain("job 8", 14)), (14, plain("QUEUED", 6)), (20, plain("beyond", 4))],
        2: [(0, plain("eleven cell宽字", WIDTH))],
    }
    terminal.feed(known.show(narrow, wider, ColorSystem.TRUECOLOR))

    assert [line.rstrip() for line in terminal.screen.display[:4]] == [
        "job 7   DONE",
        "job 8",
        "eleven cell",
        "",
    ]
    assert known.show(narrow, wider, ColorSystem.TRUECOLOR) == ""
    assert known.show(narrow, {1: [(0, plain("job 9", 12))]}, ColorSystem.TRUECOLOR)


def test_nothing_acts_on_the_terminal() -> None:
    """Who draws foreign text makes it inert; if one forgets to, it is made so here."""
    known, terminal = Shown(), Terminal()
    hostile = "a\x1b[2J\x9b2J\x1b]0;x\x07\u202eb\ud800"
    written = shown(known, whole([plain(hostile), *[plain("line")] * (HEIGHT - 1)]))
    assert not set(written) & {"\x07", "\x9b", "\u202e", "\ud800"}
    assert "\x1b[2J" not in written and "\x1b]" not in written
    terminal.feed(written)
    assert terminal.screen.display[1].rstrip() == "line"


def test_a_terminal_that_draws_wide_characters_narrow_has_the_rest_in_its_place(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pyte.screens, "wcwidth", lambda character: 1)
    known, terminal = Shown(), Terminal()
    terminal.feed("x" * WIDTH * HEIGHT)
    picture = [plain("a宽字b|", 12), *[plain("", 12)] * (HEIGHT - 1)]
    picture = [Strip.join([line, plain("c", WIDTH - 12)]) for line in picture]
    terminal.feed(shown(known, whole(picture)))
    assert terminal.screen.display[0].rstrip() == "a宽字  b|     c"


@pytest.mark.parametrize(
    ("before", "after", "written"),
    [
        ("", "", ""),
        (None, "", "\x1b[0m"),
        (None, "1;31", "\x1b[0;1;31m"),
        ("31;44", "32;44", "\x1b[32m"),
        ("31;44", "31", "\x1b[49m"),
        ("31", "44", "\x1b[39;44m"),
        ("1;31", "31", "\x1b[0;31m"),
        ("38;2;1;2;3;48;5;7", "38;2;1;2;3;48;5;8", "\x1b[48;5;8m"),
        ("4;90", "4;107", "\x1b[39;107m"),
        ("1", "", "\x1b[0m"),
    ],
)
def test_a_change_of_ink_says_what_differs(before: str | None, after: str, written: str) -> None:
    assert change_of_ink(before, after) == written
