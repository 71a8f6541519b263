"""The columns and the text in them, as tables."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from rich.cells import cell_len

from qtower.fitting import fit
from qtower.model import JobRow, Status
from qtower.ui import times
from qtower.ui.board import Board
from qtower.ui.joblist import cells
from qtower.ui.signs import ASCII, UNICODE, choose_signs
from tests.ui.conftest import NOW, job, job_set


@pytest.mark.parametrize("width", [*range(1, 260), 500])
def test_columns_stand_in_order_and_within_the_width(width: int) -> None:
    end = 1
    for slot in cells.lay_out(width):
        assert slot.x > end or slot.width == 0
        end = slot.x + slot.width
        assert slot.width == 0 or end <= width


@pytest.mark.parametrize(
    ("width", "shown"),
    [
        (40, {"status", "age", "name"}),
        (79, {"status", "queue", "age", "index", "name", "backend", "id"}),
        (119, {"state", "run", "experiments"}),
        (159, {column.id for column in cells.COLUMNS}),
    ],
)
def test_which_columns_appear(width: int, shown: set[str]) -> None:
    assert shown <= {slot.column.id for slot in cells.lay_out(width)}


@pytest.mark.parametrize("width", [110, 119, 159, 220])
def test_where_experiments_have_a_column_four_figures_of_both_ends_are_read(width: int) -> None:
    slot = next(slot for slot in cells.lay_out(width) if slot.column.id == "experiments")
    row = job("k", start_index=1050, end_index=1124)
    text = cells.job_cell("experiments", row, NOW, slot.width, UNICODE)
    assert fit(text, slot.width) == "1050-1124"


def test_at_eighty_columns_a_name_and_a_backend_can_be_told() -> None:
    widths = {slot.column.id: slot.width for slot in cells.lay_out(79)}
    assert widths["name"] >= 14
    assert widths["backend"] >= 15
    assert widths["status"] == len("! SUBMIT_FAILED")


@pytest.mark.parametrize(
    ("column", "fields", "text"),
    [
        ("status", {"status": Status.RUNNING}, "► RUNNING"),
        ("queue", {"queue_position": 12}, "12"),
        ("queue", {}, ""),
        ("state", {"since": NOW - 90}, "1m"),
        ("start", {"estimated_start": NOW + 3700}, "1h01"),
        ("start", {"estimated_start": NOW}, ""),
        ("start", {"estimated_start": NOW - 5, "status": Status.QUEUED}, ""),
        ("run", {"run_seconds": 0.42}, "0.42s"),
        ("run", {"status": Status.RUNNING, "since": NOW - 42}, "40s"),
        ("run", {"status": Status.QUEUED, "since": NOW - 42}, ""),
        ("age", {"created": NOW - 3 * 3600 - 300}, "3h05"),
        ("age", {"created": None}, ""),
        ("index", {"index": 3}, "3"),
        ("index", {}, ""),
        ("name", {"label": "Bell", "name": "s_0_"}, "Bell"),
        ("name", {"name": "s_0_"}, "s_0_"),
        ("name", {"name": "", "job_id": ""}, "k"),
        ("experiments", {"start_index": 0, "end_index": 299}, "0-299"),
        ("experiments", {"start_index": 4, "end_index": 4}, "4"),
        ("experiments", {}, ""),
        ("shots", {"shots": 8192}, "8192"),
        ("shots", {"shots": None}, ""),
        ("tags", {"tags": ("a", "b c")}, "a b c"),
        ("id", {"job_id": "6562a0c1"}, "6562a0c1"),
        ("id", {"job_id": "6562a0c1d2"}, "…2a0c1d2"),
    ],
)
def test_what_a_job_shows(column: str, fields: dict[str, Any], text: str) -> None:
    status = fields.pop("status", Status.DONE)
    row = job("k", status, **fields)
    assert cells.job_cell(column, row, NOW, 8, UNICODE) == text


@given(st.text(), st.integers(0, 40), st.booleans())
def test_any_text_fills_its_cells_exactly_and_is_inert(text: str, width: int, right: bool) -> None:
    fitted = fit(text, width, right)
    assert cell_len(fitted) == width
    assert "\x1b" not in fitted
    assert "\n" not in fitted


@pytest.mark.parametrize(
    ("text", "fitted"),
    [
        ("宽字符", "宽字符"),
        ("宽字符宽", "宽字 …"),
        ("a\x1b[31mb", "a␛[31…"),
        ("é́é", None),
        ("[b]x[/b]", "[b]x[…"),
    ],
)
def test_wide_combining_and_hostile_text(text: str, fitted: str | None) -> None:
    result = fit(text, 6)
    assert cell_len(result) == 6
    assert fitted is None or result == fitted


def test_the_signs_differ_and_are_one_cell_wide() -> None:
    for signs in (UNICODE, ASCII):
        assert len(set(signs.status.values())) == len(Status)
        assert all(cell_len(sign) == 1 for sign in signs.status.values())
    assert all(sign.isascii() for sign in ASCII.status.values())


@pytest.mark.parametrize(
    ("encoding", "terminal", "ascii_only"),
    [("utf-8", "xterm", False), ("UTF8", "tmux-256color", False), ("ascii", "xterm", True),
     ("ISO-8859-1", "xterm", True), ("utf-8", "linux", True)],
)  # fmt: skip
def test_signs_follow_the_terminal(encoding: str, terminal: str, ascii_only: bool) -> None:
    assert (choose_signs(encoding, terminal) is ASCII) is ascii_only


@pytest.mark.parametrize(
    ("column", "width", "listed", "name", "summary"),
    [
        (40, 120, 12, "▾ set s", "12 jobs: 2 running 9 done 1 error"),
        (18, 43, 12, "▾ set s", "2 running 9 done 1 error"),
        (18, 36, 12, "▾ set s", "2 running 9 done 1 e…"),
        (12, 12, 12, "▾ set s", ""),
        (40, 120, 3, "▾ set s", "3 of 12 jobs: 2 running 9 done 1 error"),
        (18, 51, 3, "▾ set s", "3 of 12: 2 running 9 done 1 error"),
        (18, 36, 3, "▾ set s", "3 of 12: 2 running 9…"),
    ],
)
def test_a_set_shows_its_name_and_counts(
    column: int, width: int, listed: int, name: str, summary: str
) -> None:
    statuses = [Status.DONE] * 9 + [Status.ERROR] + [Status.RUNNING] * 2
    board = Board()
    board.apply(job_set("s", *statuses))
    group = board.group("s")
    assert group is not None
    shown = cells.set_texts(group, listed, False, UNICODE, column, width)
    assert (shown[0].rstrip(), shown[1].rstrip()) == (name, summary)
    assert cell_len(shown[0]) + 1 + cell_len(shown[1]) <= max(width, column + 1)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-5, "0s"), (0, "0s"), (9.9, "9s"), (19.9, "10s"), (59.9, "50s"), (60, "1m"),
     (3599, "59m"), (3600, "1h00"),
     (86399, "23h59"), (86400, "1d00"), (99 * 86400, "99d00"), (400 * 86400, "400d")],
)  # fmt: skip
def test_ages(seconds: float, text: str) -> None:
    assert times.age(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-1, "0s"), (0.001, "0.00s"), (9.99, "9.99s"), (12.34, "12.3s"), (59.97, "1m00s"),
     (245, "4m05s"), (3599.9, "1h00"), (7300, "2h01")],
)  # fmt: skip
def test_measured_durations(seconds: float, text: str) -> None:
    assert times.span(seconds) == text


@given(st.floats(0, 1e9))
def test_durations_fit_their_columns(seconds: float) -> None:
    assert len(times.age(seconds)) <= 6
    assert len(times.span(seconds)) <= 6


def test_a_row_without_anything_has_a_line() -> None:
    row = JobRow(key="k")
    texts = [cells.job_cell(column.id, row, NOW, 8, UNICODE) for column in cells.COLUMNS]
    assert [text for text in texts if text] == ["? UNKNOWN", "k"]


@pytest.mark.parametrize("status", [Status.QUEUED, Status.RUNNING, Status.DONE])
@given(st.floats(0, 400_000), st.floats(0, 5_000))
@example(age=60.0, later=899.5)
@example(age=60.0, later=900.0)
def test_a_line_is_kept_only_while_time_changes_no_cell_of_it(
    status: Status, age: float, later: float
) -> None:
    row = job("k", status, created=NOW - age, since=NOW - age / 2, estimated_start=NOW + 900)

    def drawn(now: float) -> list[str]:
        columns = [column.id for column in cells.COLUMNS]
        return [cells.job_cell(column, row, now, 24, UNICODE) for column in columns]

    same = cells.job_ages(row, NOW) == cells.job_ages(row, NOW + later)
    assert same is (drawn(NOW) == drawn(NOW + later))
