"""The board: what is listed, in which order, and how it is counted."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qtower.model import JobRow, Status
from qtower.ui.board import SMALL_SET, Board, Entry
from tests.ui.conftest import NOW, job, job_set

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
    assert board.entries == []
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
    assert board.matching == sum(not key.startswith("[") for key in listed)
    assert sum(board.counts.values()) == 4


def test_a_filter_finds_jobs_in_sets_that_nobody_folded() -> None:
    board = board_of(job_set("large", *[Status.DONE] * 50))
    board.filter_text = "circuit 49"
    assert keys(board) == ["[large]", "large/49"]
    board.fold("large", True)
    assert keys(board) == ["[large]"]
    assert board.matching == 1


def test_a_job_that_changes_enters_and_leaves_the_filter() -> None:
    board = board_of(job("a", Status.RUNNING))
    board.filter_text = "done"
    assert board.entries == []
    board.apply([job("a", Status.DONE)])
    assert keys(board) == ["a"]


# -- whatever comes ----------------------------------------------------------------------------

_ROWS = st.builds(
    lambda number, set_number, **fields: JobRow(
        key=f"{set_number}/{number}" if set_number else str(number),
        set_id=str(set_number) if set_number else "",
        index=number if set_number else None,
        **fields,
    ),
    st.integers(0, 8),
    st.integers(0, 3),
    status=st.sampled_from(list(Status)),
    created=st.none() | st.floats(0, 2e9),
    since=st.none() | st.floats(0, 2e9),
    name=st.text(max_size=5),
    queue_position=st.none() | st.integers(1, 9),
)
_STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("rows"), st.lists(_ROWS, max_size=6)),
        st.tuples(st.just("gone"), st.lists(st.sampled_from(["1", "2", "1/1", "2/0"]), max_size=3)),
        st.tuples(st.just("filter"), st.sampled_from(["", "done", "a", "zz top"])),
        st.tuples(st.just("fold"), st.tuples(st.sampled_from("123"), st.booleans())),
        st.tuples(st.just("fold_all"), st.booleans()),
    ),
    max_size=25,
)


def play(board: Board, kind: str, what: Any) -> None:
    if kind == "rows":
        board.apply(what)
    elif kind == "gone":
        board.apply([], what)
    elif kind == "filter":
        board.filter_text = what
    elif kind == "fold":
        board.fold(*what)
    else:
        board.fold_all(what)


@settings(max_examples=150, deadline=None)
@given(_STEPS)
def test_after_any_news_the_lines_and_counts_are_those_of_a_fresh_board(
    steps: list[tuple[str, Any]],
) -> None:
    board = Board()
    for kind, what in steps:
        play(board, kind, what)
        all_rows = board.rows.values()
        assert board.counts == dict(Counter(row.status for row in all_rows))
        assert sum(board.counts.values()) == len(board.rows)
        assert len(set(board.entries)) == len(board.entries)
        for line, entry in enumerate(board.entries):
            assert board.position(entry) == line
            if entry.is_set:
                group = board.group(entry.set_id)
                assert group is not None
                assert sum(group.counts.values()) == len(group.rows)
            else:
                assert board.rows[entry.key].set_id == entry.set_id
    fresh = Board()
    fresh.apply(board.rows.values())
    fresh.filter_text = board.filter_text
    for set_id in "123":
        if fresh.folded(set_id) != board.folded(set_id):
            fresh.fold(set_id, board.folded(set_id))
    assert fresh.entries == board.entries


def test_a_set_and_a_job_of_one_name_are_different_lines() -> None:
    assert Entry("x", "") != Entry("", "x")
