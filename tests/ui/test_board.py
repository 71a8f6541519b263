"""The board: what is listed, in which order, and how it is counted."""

from __future__ import annotations

import os
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qtower.model import JobRow, Status
from qtower.ui.blocks import SortedBlocks
from qtower.ui.board import SMALL_SET, Board
from qtower.ui.listing import Entry
from qtower.ui.sorting import BY_ID, Sort
from tests.ui.conftest import NOW, job, job_set
from tests.ui.plain_list import COLUMNS, PlainList

# -- order and grouping ------------------------------------------------------------------------


def board_of(*parts: JobRow | list[JobRow]) -> Board:
    board = Board()
    board.apply(row for part in parts for row in (part if isinstance(part, list) else [part]))
    return board


def keys(board: Board) -> list[str]:
    return [entry.key or f"[{entry.set_id}]" for entry in board.entries]


def test_newest_first_and_a_set_stands_where_its_newest_job_would() -> None:
    early = job_set("s", Status.DONE, Status.DONE, created=NOW - 500)
    late = job("s/2", set_id="s", index=2, created=NOW - 10)
    board = board_of(job("old", created=NOW - 400), job("new", created=NOW - 5), early, late)
    assert keys(board) == ["new", "[s]", "s/0", "s/1", "s/2", "old"]


def test_jobs_of_a_set_stand_by_index_whenever_they_were_made() -> None:
    members = job_set("s", *[Status.DONE] * 3)
    swapped = [
        JobRow(key=m.key, set_id="s", index=m.index, created=NOW - (m.index or 0)) for m in members
    ]
    assert keys(board_of(swapped)) == ["[s]", "s/0", "s/1", "s/2"]


def test_a_job_that_was_not_made_yet_is_the_newest() -> None:
    waiting = JobRow(key="waiting", status=Status.INITIALIZING)
    assert keys(board_of(job("made", created=NOW), waiting)) == ["waiting", "made"]


def test_a_job_that_turns_out_to_belong_to_a_set_moves_there() -> None:
    board = board_of(job("a"), job("b", created=NOW - 100))
    board.apply([job("a", set_id="s", index=0), job("c", set_id="s", index=1)])
    assert keys(board) == ["[s]", "a", "c", "b"]
    assert sum(board.counts.values()) == 3


def test_the_only_job_of_a_set_stands_for_itself() -> None:
    board = board_of(job("new"), job_set("s", Status.DONE, created=NOW - 10), job("old"))
    assert "[s]" not in keys(board)
    lone = next(entry for entry in board.entries if entry.set_id == "s")
    board.fold_all(True)
    assert lone in board.entries
    board.fold_all(False)
    board.apply([job("s/1", set_id="s", index=1, created=NOW - 10)])
    assert board.position(lone) == board.position(Entry("s", "")) + 1  # type: ignore[operator]
    board.apply([], gone=["s/1"])
    assert "[s]" not in keys(board)


def test_large_sets_start_folded_and_small_ones_unfolded() -> None:
    board = board_of(
        job_set("large", *[Status.DONE] * (SMALL_SET + 1)),
        job_set("small", Status.DONE, Status.DONE),
    )
    assert board.folded("large")
    assert not board.folded("small")
    board.fold("large", False)
    assert len(board.entries) == SMALL_SET + 1 + 1 + 3
    board.fold_all(True)
    assert keys(board) == ["[large]", "[small]"]


def test_a_set_that_has_lost_all_its_jobs_is_gone() -> None:
    board = board_of(job_set("s", Status.DONE, Status.DONE))
    assert board.apply([], gone=["s/0", "s/1", "never was"]) == {"s/0", "s/1"}
    assert not board.entries
    assert board.group("s") is None
    assert board.row("s/0") is None


@pytest.mark.parametrize(
    ("statuses", "shown"),
    [
        ([Status.DONE, Status.RUNNING, Status.ERROR], Status.RUNNING),
        ([Status.DONE, Status.QUEUED, Status.ERROR], Status.QUEUED),
        ([Status.DONE, Status.ERROR, Status.CANCELLED], Status.ERROR),
        ([Status.DONE, Status.SUBMIT_FAILED], Status.SUBMIT_FAILED),
        ([Status.DONE, Status.CANCELLED], Status.CANCELLED),
        ([Status.DONE, Status.DONE], Status.DONE),
    ],
)
def test_a_set_shows_what_goes_on_in_it_else_its_worst_end(
    statuses: list[Status], shown: Status
) -> None:
    group = board_of(job_set("s", *statuses)).group("s")
    assert group is not None
    assert group.status is shown


def test_a_set_knows_its_best_queue_position() -> None:
    board = board_of(job_set("s", Status.QUEUED, queue_position=7))
    board.apply([job("s/1", Status.QUEUED, set_id="s", index=1, queue_position=3)])
    group = board.group("s")
    assert group is not None
    assert group.first_in_queue == 3
    board.apply([job("s/1", Status.RUNNING, set_id="s", index=1)])
    assert group.first_in_queue == 7


# -- filter ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("bell", ["a"]),
        ("BELL", ["a"]),
        ("lima", ["b"]),
        ("fake error", ["b"]),
        ("error fake", ["b"]),
        ("bell error", []),
        ("night", ["a"]),
        ("0123", ["b"]),
        ("straße", ["b"]),
        ("  ", ["a", "b"]),
        ("set s", ["[s]", "s/0", "s/1"]),
        ("[/b]", []),
    ],
)
def test_a_filter_lists_jobs_that_hold_all_its_words(words: str, found: list[str]) -> None:
    board = board_of(
        job("a", label="Bell", tags=("night run",), created=NOW),
        job("b", Status.ERROR, name="STRASSE", backend="fake_lima", job_id="id0123"),
        job_set("s", Status.DONE, Status.DONE, created=NOW - 100),
    )
    board.filter_text = words
    listed = keys(board)
    assert listed == ([*found, "[s]", "s/0", "s/1"] if not words.strip() else found)
    assert board.shown.matching == sum(not key.startswith("[") for key in listed)
    assert sum(board.counts.values()) == 4


def test_a_filter_finds_jobs_in_sets_that_nobody_folded() -> None:
    board = board_of(job_set("large", *[Status.DONE] * 50))
    board.filter_text = "circuit 49"
    assert keys(board) == ["[large]", "large/49"]
    board.fold("large", True)
    assert keys(board) == ["[large]"]
    assert board.shown.matching == 1


def test_a_job_that_changes_enters_and_leaves_the_filter() -> None:
    board = board_of(job("a", Status.RUNNING))
    board.filter_text = "done"
    assert not board.entries
    board.apply([job("a", Status.DONE)])
    assert keys(board) == ["a"]


# -- whatever comes ----------------------------------------------------------------------------

ROWS = st.builds(
    lambda number, set_number, **fields: JobRow(
        key=f"{set_number}/{number}" if set_number else str(number),
        set_id=str(set_number) if set_number else "",
        set_name=f"set {9 - set_number}" if set_number else "",
        index=number if set_number else None,
        **fields,
    ),
    st.integers(0, 8),
    st.integers(0, 3),
    status=st.sampled_from(list(Status)),
    created=st.none() | st.floats(0, 2e9),
    since=st.none() | st.floats(0, 2e9),
    name=st.sampled_from(["", "a", "aa", "B", "zz top", "\u0130"]),
    queue_position=st.none() | st.integers(1, 9),
    shots=st.none() | st.integers(1, 3),
)
KEYS = st.sampled_from(["1", "2", "1/1", "1/2", "2/0", "3/3", "3/4"])
NEWS = st.tuples(st.lists(ROWS, max_size=6), st.lists(KEYS, max_size=3))
_STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("news"), NEWS),
        st.tuples(st.just("filter"), st.sampled_from(["", "done", "a", "aa", "zz top"])),
        st.tuples(st.just("fold"), st.tuples(st.sampled_from("123"), st.booleans())),
        st.tuples(st.just("fold_all"), st.booleans()),
        st.tuples(st.just("sort"), st.tuples(st.sampled_from(COLUMNS), st.booleans())),
        st.tuples(st.just("mark"), st.lists(KEYS, max_size=3)),
        st.tuples(st.just("mark_all"), st.none()),
        st.tuples(st.just("work"), st.none()),
    ),
    max_size=40,
)


def play(board: Board, plain: PlainList, kind: str, what: Any) -> None:
    if kind == "news":
        board.apply(*what)
        plain.apply(*what)
    elif kind == "filter":
        board.filter_text = what
        plain.words = what.split()
    elif kind == "fold":
        board.fold(*what)
        plain.folds[what[0]] = what[1]
    elif kind == "fold_all":
        plain.folds = {row.set_id: what for row in plain.rows.values() if row.set_id}
        board.fold_all(what)
    elif kind == "sort":
        board.sort = Sort(BY_ID[what[0]], what[1])
        plain.column, plain.descending = what
    elif kind == "mark":
        board.marks.toggle([board.rows[key] for key in what if key in board.rows])
        known = {key for key in what if key in plain.rows}
        plain.marks = plain.marks - known if known <= plain.marks else plain.marks | known
    elif kind == "mark_all":
        assert board.work(60)
        board.marks.mark(board.listed_jobs())
        plain.marks |= {row.key for row in plain.rows.values() if plain.matches(row)}


def check_lines(board: Board, plain: PlainList) -> None:
    lines = plain.lines()
    assert list(board.entries) == lines
    assert board.shown.matching == sum(plain.matches(row) for row in plain.rows.values())
    for line, entry in enumerate(lines):
        assert board.position(entry) == line
        assert board.marked(entry).name.lower() == plain.marked(entry)
        assert {row.key for row in board.jobs_on(entry)} == {r.key for r in plain.jobs_on(entry)}


def check_counts(board: Board, plain: PlainList) -> None:
    assert dict(board.rows) == plain.rows
    assert board.counts == dict(Counter(row.status for row in plain.rows.values()))
    assert set(board.marks) == plain.marks
    hidden = [key for key in plain.marks if not plain.matches(plain.rows[key])]
    assert board.doing or board.hidden_marks == len(hidden)
    for set_id in "123":
        group = board.group(set_id)
        rows = plain.set_rows(set_id)
        assert (group is None) == (not rows)
        if group is not None:
            queued = [row.queue_position for row in rows if row.queue_position is not None]
            assert group.first_in_queue == min(queued, default=None)
            assert +group.counts == Counter(row.status for row in rows)


@settings(max_examples=200 if not os.environ.get("QTOWER_SOAK") else 20_000, deadline=None)
@given(_STEPS)
def test_after_any_news_the_board_is_what_a_plain_list_says(
    steps: list[tuple[str, Any]],
) -> None:
    board, plain = Board(), PlainList()
    with pytest.MonkeyPatch.context() as patch:
        # Sorting and filtering of these few rows is interrupted by news as that of many would be.
        patch.setattr("qtower.ui.arranging.AT_ONCE", 2)
        for kind, what in steps:
            play(board, plain, kind, what)
            check_counts(board, plain)
            if not board.doing or kind == "work":
                assert board.work(60)
                check_lines(board, plain)
        assert board.work(60)
        check_lines(board, plain)


@given(
    st.lists(
        st.tuples(st.integers(0, 400), st.integers(1, 5)), max_size=300, unique_by=lambda k: k[0]
    ),
    st.booleans(),
)
@settings(max_examples=50, deadline=None)
def test_blocks_find_lines_and_keys(items: list[tuple[int, int]], descending: bool) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("qtower.ui.blocks._LARGEST", 8)
        blocks = SortedBlocks(descending)
        heights: dict[tuple[int], int] = {}
        for number, height in items:
            blocks.add((number,), 1)
            blocks.resize((number,), height)
            heights[number,] = height
            if number % 3 == 0:
                blocks.remove((number,))
                del heights[number,]
        keys = sorted(heights, reverse=descending)
        assert list(blocks) == keys
        lines = [(key, place) for key in keys for place in range(heights[key])]
        assert blocks.height == len(lines)
        assert [blocks.at(line) for line in range(len(lines))] == lines
        assert all(blocks.line_of(key) == lines.index((key, 0)) for key in keys)


def test_a_set_and_a_job_of_one_name_are_different_lines() -> None:
    assert Entry("x", "") != Entry("", "x")


@pytest.mark.parametrize("marked", [10, 1500])
def test_how_many_marks_a_filter_hides(marked: int) -> None:
    board = Board()
    rows = [job(f"k{n:04}", name="odd" if n % 2 else "even", created=NOW - n) for n in range(2000)]
    board.apply([*rows, *job_set("s", *[Status.DONE] * 5)])
    board.marks.mark([*rows[:marked], *board.jobs_of("s")])
    assert board.hidden_marks == 0
    board.filter_text = "odd"
    assert board.work(60)
    assert board.hidden_marks == marked // 2 + 5
