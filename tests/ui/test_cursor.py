"""The cursor when its job is not listed any more: who stands in for it, and until when."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qtower.model import JobRow, Status
from qtower.ui.board import Board
from qtower.ui.joblist.cursor import Cursor
from qtower.ui.listing import Entry
from qtower.ui.sorting import BY_ID, Sort
from tests.ui.conftest import NOW, job, job_set
from tests.ui.plain_list import PlainList
from tests.ui.test_list_soak import GONE, ROWS, Reader


class Listed:
    """A board and the cursor in it, without a screen."""

    def __init__(self, *rows: JobRow) -> None:
        self.board, self.cursor = Board(), Cursor()
        self.news(rows)

    def news(self, rows: Any = (), gone: Any = ()) -> None:
        self.board.apply(rows, gone)
        self.cursor.follow(self.board)

    def filter(self, text: str) -> None:
        self.board.filter_text = text
        self._made()

    def sort(self, column: str, descending: bool = False) -> None:
        self.board.sort = Sort(BY_ID[column], descending)
        self._made()

    def _made(self) -> None:
        assert self.board.work(60)
        self.cursor.follow(self.board)

    def go(self, set_id: str, key: str) -> None:
        line = self.board.position(Entry(set_id, key))
        assert line is not None
        self.cursor.go(self.board, line)

    @property
    def on(self) -> str:
        entry = self.cursor.entry
        return (entry.key or f"[{entry.set_id}]") if entry else ""


def hundred_thousand() -> list[JobRow]:
    return [
        job(f"j{n}", name="even" if n % 1000 == 0 else "odd", created=NOW - n, shots=n)
        for n in range(100_000)
    ]


@pytest.mark.parametrize(
    ("column", "descending", "neighbour"),
    [
        ("age", False, "j78000"),
        ("age", True, "j77000"),
        ("shots", False, "j78000"),
        ("shots", True, "j77000"),
        ("name", False, "j99000"),  # behind all that are even: the last of them
    ],
)
def test_far_down_a_long_list_a_filter_leaves_the_cursor_where_its_job_would_stand(
    column: str, descending: bool, neighbour: str
) -> None:
    listed = Listed(*hundred_thousand())
    listed.sort(column, descending)
    listed.go("", "j77123")
    listed.filter("even")
    assert listed.on == neighbour
    listed.filter("")
    assert listed.on == "j77123"


def test_each_letter_of_a_filter_is_looked_at_from_the_job_that_was_chosen() -> None:
    names = ["wz", "w", "wzy", "x", "z", "wzyv", "wz"]
    listed = Listed(*[job(f"k{n}", name=name, created=NOW - n) for n, name in enumerate(names)])
    listed.go("", "k3")
    for text, on in [("w", "k5"), ("wzyv", "k5"), ("wzy", "k5"), ("z", "k4"), ("x", "k3")]:
        listed.filter(text)
        assert listed.on == on, text


def test_news_do_not_move_the_cursor_from_who_stands_in() -> None:
    listed = Listed(*[job(f"k{n}", created=NOW - 10 * n) for n in range(4)])
    listed.go("", "k1")
    listed.filter("queued")
    assert listed.on == ""
    listed.news([job("k3", Status.QUEUED, created=NOW - 30)])
    assert listed.on == "k3"
    # Nearer ones come, and the job itself: but the person may be about to cancel what is there.
    listed.news([job(f"k{n}", Status.QUEUED, created=NOW - 10 * n) for n in (1, 2)])
    assert listed.on == "k3"
    listed.filter("")
    assert listed.on == "k1"


def test_who_moves_or_acts_on_the_neighbour_stays_with_it() -> None:
    listed = Listed(*[job(f"k{n}", name="xy"[n % 2], created=NOW - n) for n in range(9)])
    for acts in (True, False):
        listed.go("", "k3")
        listed.filter("x")
        if acts:
            listed.cursor.choose()
        else:
            listed.go("", "k4")
        listed.filter("")
        assert listed.on == "k4"


def test_in_a_set_its_neighbour_is_of_the_set() -> None:
    members = job_set("s", *[Status.DONE, Status.QUEUED, Status.ERROR, Status.DONE, Status.ERROR])
    listed = Listed(*members, job("lone", Status.QUEUED, created=NOW - 9999))
    for key, text, on in [
        ("s/1", "error", "s/2"),
        ("s/3", "error", "s/4"),
        ("s/4", "done", "s/3"),  # nothing follows in the set
        ("s/0", "lone", "lone"),  # nothing of the set is listed
    ]:
        listed.go("s", key)
        listed.filter(text)
        assert listed.on == on, (key, text)
        listed.filter("")
        assert listed.on == key
    listed.go("s", "s/3")
    listed.news(gone=["s/3"])
    assert listed.on == "s/4"
    listed.news(gone=["s/4", "s/0", "s/1"])
    assert listed.on == "s/2"


def test_a_job_that_turns_out_to_belong_to_a_set_keeps_the_cursor() -> None:
    listed = Listed(*[job(f"k{n}", created=NOW - n) for n in range(50)])
    listed.go("", "k40")
    listed.news([job("k40", set_id="s", index=0), job("new", set_id="s", index=1)])
    assert listed.on == "k40"


STEP = st.one_of(
    st.tuples(
        st.just("news"),
        st.tuples(st.lists(ROWS, max_size=20), st.lists(GONE, max_size=8)),
    ),
    st.tuples(st.just("filter"), st.sampled_from(["", "done", "bell", "g", "zz"])),
    st.tuples(
        st.just("sort"),
        st.tuples(st.sampled_from(["age", "status", "queue", "name"]), st.booleans()),
    ),
    st.tuples(st.just("go"), st.integers(0, 80)),
    st.tuples(st.just("fold"), st.tuples(st.sampled_from("123"), st.booleans())),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(STEP, max_size=30))
def test_after_any_story_the_cursor_is_where_a_plain_list_says(
    steps: list[tuple[str, Any]],
) -> None:
    listed, plain = Listed(), PlainList()
    reader = Reader(plain)
    for kind, what in steps:
        kept = reader.anchor()
        if kind == "go":
            listed.cursor.go(listed.board, what)
            reader.go(what)
            continue
        if kind == "news":
            listed.news(*what)
            plain.apply(*what)
        elif kind == "filter":
            listed.filter(what)
            plain.words = what.split()
        elif kind == "sort":
            listed.sort(*what)
            plain.column, plain.descending = what
        else:
            listed.board.fold(*what)
            listed.news()
            plain.folds[what[0]] = what[1]
        reader.changed(kept)
        assert listed.cursor.entry == reader.cursor
        assert listed.cursor.line == reader.line
