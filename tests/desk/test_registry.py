"""Rows by key: sets, twins, experiments counted through, and the managed jobs behind them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from qtower.desk.registry import Changes, Registry
from qtower.desk.rows import read_document
from qtower.errors import JobStateError, NotFoundError
from qtower.model import JobRow, Status


def job(
    job_id: str,
    status: str = "QUEUED",
    *,
    place: int | None = None,
    experiments: int | None = None,
    **more: Any,
) -> dict[str, Any]:
    document: dict[str, Any] = {"job_id": job_id, "status": status, "tags": [], **more}
    if place is not None:
        document |= {"name": f"sweep_{place}_", "tags": ["ibmq_jobset_s1_"]}
    if experiments is not None:
        document["summary_data"] = {"summary": {"num_circuits": experiments}}
    return document


def never(job_id: str) -> Any:
    raise AssertionError(f"the endpoint was asked for {job_id}")


def absorb(registry: Registry, *documents: dict[str, Any], now: float = 10.0) -> Changes:
    return registry.absorb(documents, now)


def keys(changes: Changes) -> list[str]:
    return sorted(row.key for row in changes.rows)


def test_only_what_changed_is_told() -> None:
    registry = Registry(never)
    assert keys(absorb(registry, job("1"), job("2"))) == ["1", "2"]
    assert not absorb(registry, job("1"), job("2"), now=20.0)
    changes = absorb(registry, job("1", "RUNNING"), job("2"), now=30.0)
    (row,) = changes.rows
    assert (row.key, row.status, row.since, row.confirmed) == ("1", Status.RUNNING, 30.0, 30.0)
    assert changes.finished == []
    assert absorb(registry, job("1", "COMPLETED"), now=40.0).finished == ["1"]


def test_jobs_of_a_set_are_keyed_by_their_place_and_counted_through() -> None:
    registry = Registry(never)
    absorb(registry, job("c", place=2, experiments=2), job("b", place=1, experiments=5))
    assert registry.row("s1/1").start_index is None
    changes = absorb(registry, job("a", place=0, experiments=3))
    assert keys(changes) == ["s1/0", "s1/1", "s1/2"]
    spans = [
        (registry.row(f"s1/{i}").start_index, registry.row(f"s1/{i}").end_index) for i in range(3)
    ]
    assert spans == [(0, 2), (3, 7), (8, 9)]
    alone = absorb(registry, job("x", experiments=4)).rows[0]
    assert (alone.start_index, alone.end_index) == (0, 3)


def test_a_hole_in_a_set_leaves_what_follows_unknown() -> None:
    registry = Registry(never)
    absorb(registry, job("a", place=0, experiments=3), job("c", place=2, experiments=1))
    assert registry.row("s1/0").end_index == 2
    assert registry.row("s1/2").start_index is None


def test_a_twin_without_a_qobj_gives_up_its_place() -> None:
    registry = Registry(never)
    absorb(registry, job("ghost", "CREATING", place=0))
    assert registry.row("s1/0").job_id == "ghost"
    changes = absorb(registry, job("real", "QUEUED", place=0))
    assert registry.row("s1/0").job_id == "real"
    assert registry.row("ghost").job_id == "ghost"
    assert keys(changes) == ["ghost", "s1/0"]
    absorb(registry, job("ghost", "CANCELLED", place=0), job("real", "COMPLETED", place=0))
    assert registry.row("s1/0").status is Status.DONE
    assert registry.row("ghost").status is Status.CANCELLED


def test_a_twin_that_comes_second_goes_by_its_id() -> None:
    registry = Registry(never)
    absorb(registry, job("real", "RUNNING", place=0), job("ghost", "CREATING", place=0))
    absorb(registry, job("ghost", "CANCELLED", place=0), job("real", "RUNNING", place=0))
    assert {row.key: row.job_id for row in registry.rows()} == {"s1/0": "real", "ghost": "ghost"}


def submitted(status: Status = Status.INITIALIZING, **fields: Any) -> JobRow:
    base = {"key": "s1/0", "set_id": "s1", "index": 0, "label": "Bell", "shots": 7}
    return JobRow(status=status, **{**base, **fields})


def test_a_row_that_is_being_sent_becomes_the_endpoint_s() -> None:
    registry = Registry(never)
    assert keys(registry.put([submitted(start_index=0, end_index=1)])) == ["s1/0"]
    absorb(registry, job("1", "RUNNING", place=0))
    row = registry.row("s1/0")
    assert (row.job_id, row.status, row.label, row.shots) == ("1", Status.RUNNING, "Bell", 7)
    assert not registry.put([submitted(job_id="1")]), "an older word does not undo a newer one"
    assert registry.row("s1/0").status is Status.RUNNING


def test_a_twin_seen_before_our_own_job_is_known_is_moved() -> None:
    registry = Registry(never)
    registry.put([submitted()])
    absorb(registry, job("ghost", "CREATING", place=0))
    registry.put([submitted(job_id="real")])
    assert registry.row("s1/0").job_id == "real"
    assert registry.row("ghost").job_id == "ghost"


@pytest.fixture
def sending() -> Registry:
    """A registry, and a set of one job that is being sent here: nothing is acknowledged yet."""
    registry = Registry(never)
    part = SimpleNamespace(job=None, submit_error=None, future=object())
    registry.adopt(SimpleNamespace(job_set_id=lambda: "s1", managed_jobs=lambda: [part]))
    registry.put([submitted(start_index=0, end_index=1)])
    return registry


@pytest.mark.parametrize("seen", [True, False])
@pytest.mark.parametrize("end", ["CANCELLED", "ERROR_CREATING_JOB"])
def test_a_part_that_is_sent_again_is_not_the_try_that_was_cancelled(
    sending: Registry, seen: bool, end: str
) -> None:
    if seen:
        absorb(sending, job("shell", "CREATING", place=0))
        assert sending.row("s1/0").job_id == "shell"
    changes = absorb(sending, job("shell", end, place=0))
    assert changes.finished == []
    part, shell = sending.row("s1/0"), sending.row("shell")
    assert (part.status, part.job_id, part.label) == (Status.INITIALIZING, "", "Bell")
    assert (part.start_index, part.end_index, part.confirmed) == (0, 1, None)
    assert (shell.status.final, shell.job_id) == (True, "shell")
    sending.put([submitted(job_id="real")])
    absorb(sending, job("real", "COMPLETED", place=0))
    assert sending.drop(["shell"]).gone == ["shell"]
    assert [(row.key, row.job_id) for row in sending.rows()] == [("s1/0", "real")]


def test_a_part_that_is_sent_again_stays_when_the_try_before_it_is_deleted(
    sending: Registry,
) -> None:
    absorb(sending, job("shell", "CREATING", place=0))
    changes = sending.drop(["shell"])
    assert (keys(changes), changes.gone) == (["s1/0"], [])
    part = sending.row("s1/0")
    assert (part.status, part.job_id) == (Status.INITIALIZING, "")


def test_a_job_that_is_cancelled_before_it_is_acknowledged_is_cancelled(
    sending: Registry,
) -> None:
    """It has not changed since, so nobody asks for it again."""
    absorb(sending, job("real", "CANCELLED", place=0))
    changes = sending.put([submitted(job_id="real")])
    assert changes.gone == ["real"]
    (row,) = sending.rows()
    assert (row.key, row.job_id, row.status) == ("s1/0", "real", Status.CANCELLED)
    assert (row.label, row.shots) == ("Bell", 7)


def test_a_socket_that_tells_of_the_cancelled_try_does_not_speak_of_the_part(
    sending: Registry,
) -> None:
    absorb(sending, job("shell", "CREATING", place=0))
    told = read_document({"job_id": "shell", "status": "CANCELLED"}, 20.0)
    assert told is not None
    assert not sending.follow(told.row).finished
    assert sending.row("s1/0").status is Status.INITIALIZING
    assert not sending.follow(told.row)


def test_a_job_that_was_seen_while_a_shell_had_its_place_is_one_row() -> None:
    registry = Registry(never)
    registry.put([submitted()])
    absorb(registry, job("shell", "CANCELLED", place=0))
    absorb(registry, job("real", "CREATING", place=0))
    assert {row.key: row.job_id for row in registry.rows()} == {"s1/0": "shell", "real": "real"}
    changes = registry.put([submitted(job_id="real")])
    assert {row.key: row.job_id for row in registry.rows()} == {"s1/0": "real", "shell": "shell"}
    assert changes.gone == ["real"]


@pytest.mark.parametrize("status", ["QUEUED", "COMPLETED"])
@pytest.mark.parametrize("order", [1, -1])
def test_a_row_that_another_process_left_under_the_id_of_a_job_is_gone(
    order: int, status: str
) -> None:
    """It ended before the job had its place in the set."""
    left = JobRow(key="real", job_id="real", set_id="s1", index=0, status=Status.INITIALIZING)
    registry = Registry(never)
    registry.load([submitted(job_id="real"), left][::order])
    changes = absorb(registry, job("real", status, place=0))
    assert (changes.gone, keys(changes)) == (["real"], ["s1/0"])
    assert [row.key for row in registry.rows()] == ["s1/0"]
    assert registry.row("s1/0").label == "Bell"


def test_the_journal_s_rows_are_confirmed_once() -> None:
    registry = Registry(never)
    registry.load(
        [
            JobRow(key="1", job_id="1", status=Status.DONE, confirmed=1.0, run_seconds=2.0),
            JobRow(key="2", job_id="2", status=Status.QUEUED, confirmed=1.0),
        ]
    )
    assert registry.row("2").confirmed is None
    changes = absorb(registry, job("1", "COMPLETED"), job("2"))
    assert keys(changes) == ["2"]
    assert registry.row("1").run_seconds == 2.0


def test_a_job_that_is_given_to_another_set_leaves_the_others_their_places() -> None:
    registry = Registry(never)
    for place, set_id in ((0, "t"), (1, "s"), (0, "t")):  # somebody changes its tags, and back
        absorb(registry, job("b", tags=[f"ibmq_jobset_{set_id}_"], name=f"set_{place}_"))
    absorb(registry, job("a", tags=["ibmq_jobset_s_"], name="set_0_", experiments=2))
    rows = {row.job_id: row for row in registry.rows()}
    assert (rows["a"].start_index, rows["a"].end_index) == (0, 1)
    assert rows["b"].set_id == "t"


def test_an_id_with_a_slash_takes_no_place_of_a_set() -> None:
    registry = Registry(never)
    changes = absorb(registry, job("s/0"), job("a", tags=["ibmq_jobset_s_"], name="set_0_"))
    assert (changes.unreadable, keys(changes)) == (1, ["s/0"])
    assert registry.row("s/0").job_id == "a"


def test_dropped_jobs_are_gone() -> None:
    registry = Registry(never)
    absorb(registry, job("1"), job("2", place=0))
    assert sorted(registry.drop(["1", "2", "3"]).gone) == ["1", "s1/0"]
    with pytest.raises(NotFoundError):
        registry.row("1")
    absorb(registry, job("2", place=0))
    assert registry.row("s1/0").job_id == "2"


def test_strange_documents_are_counted() -> None:
    changes = absorb(Registry(never), {}, {"job_id": 3}, job("1", "NOVEL"))
    assert changes.unreadable == 2
    assert changes.rows[0].status is Status.UNKNOWN


def test_a_job_without_an_id_has_no_managed_job() -> None:
    registry = Registry(never)
    registry.put([submitted()])
    with pytest.raises(JobStateError, match="Bell"):
        registry.managed_job("s1/0")
