"""Sets with holes: what they cover is said, and the holes alone are sent once more."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from qtower import model
from qtower.desk.coverage import coverage
from qtower.desk.intents import IntentPart, Part, PartState
from qtower.errors import JobStateError, NotFoundError
from qtower.model import JobRow, Status
from tests.conftest import Endpoint
from tests.desk.accounts import Ear, account_of, open_desk, provider_of
from tests.desk.conftest import CIRCUITS


def part(index: int, state: PartState = PartState.SENT, experiments: int = 75) -> Part:
    intent = IntentPart(
        index=index,
        start_index=index * experiments,
        experiments=experiments,
        shots=1,
        label="",
        tags=(),
    )
    return Part(intent=intent, state=state)


def row(index: int, status: Status = Status.DONE, **fields: Any) -> JobRow:
    values: dict[str, Any] = {"job_id": f"j{index}", "set_id": "s", "index": index, **fields}
    return JobRow(key=f"s/{index}", status=status, **values)


def test_the_line_names_what_is_missing() -> None:
    parts = [part(index) for index in range(12)]
    rows = [row(index) for index in range(12) if index != 1]
    found = coverage("s", "sweep", rows, parts, set())
    assert found.line == "experiments 0-899, missing 75-149"
    assert found.with_result == "0-74, 150-899"
    assert (found.jobs, found.experiments) == (12, 900)
    assert [(hole.index, hole.why, hole.source) for hole in found.holes] == [(1, "deleted", "")]
    whole = coverage("s", "sweep", [row(index) for index in range(12)], parts, set())
    assert whole.line == "experiments 0-899, all there"


def test_every_kind_of_hole_says_why_and_where_its_qobj_is() -> None:
    states = [PartState.OPEN, PartState.BEGUN, PartState.FAILED, PartState.LEFT]
    parts = [part(index, state, 1) for index, state in enumerate(states)]
    parts += [part(index, experiments=1) for index in range(4, 8)]
    rows = [row(index, Status.SUBMIT_FAILED, job_id="") for index in range(4)]
    rows += [row(4, Status.ERROR), row(5, Status.CANCELLED), row(6, Status.RUNNING), row(7)]
    found = coverage("s", "sweep", rows, parts, {0, 1, 2})
    assert [(hole.why, hole.source) for hole in found.holes] == [
        ("not sent", "kept here"),
        ("not sent", "kept here"),
        ("refused", "kept here"),
        ("given up", ""),
        ("ERROR", "on the server"),
        ("CANCELLED", "on the server"),
    ]
    assert found.line == "experiments 0-7, missing 0-5"
    assert found.with_result == "7"


def test_a_set_of_another_program_is_counted_in_jobs_where_no_more_is_known() -> None:
    rows = [row(0, start_index=0, end_index=1), row(3), row(5)]
    found = coverage("s", "sweep", rows, [], set())
    assert (found.line, found.experiments) == ("jobs 0-5, missing 1-2, 4", None)
    assert found.with_result == "0, 3, 5"
    assert {hole.why for hole in found.holes} == {"not there"}
    assert coverage("s", "sweep", [], [], set()).line == "no jobs"


def submit(desk: Any, files: list[Path]) -> model.Submitted:
    order = model.Order(
        files=[str(file) for file in files],
        backend="ibmq_qasm_simulator",
        name="holed",
        tags=["mine"],
        experiments_per_job=1,
    )
    plan = desk.answer(model.MakePlan(order=order))
    assert plan.problems == []
    sent = desk.answer(model.Submit(plan_id=plan.plan_id))
    assert isinstance(sent, model.Submitted)
    return sent


def ended(ear: Ear, keys: list[str]) -> bool:
    return all(key in ear.rows and ear.rows[key].status.final for key in keys)


def test_the_holes_alone_are_sent_once_more(service: Endpoint, tmp_path: Path) -> None:
    bell = tmp_path / "bell.qasm"
    shutil.copy(CIRCUITS / "bell.qasm", bell)
    with open_desk(lambda: account_of(service), tmp_path / "state") as (desk, ear):
        desk.wait_ready(60)
        sent = submit(desk, [bell, CIRCUITS / "one-bad.json", bell])
        ear.until(lambda: ended(ear, sent.keys))
        assert [ear.rows[key].status for key in sent.keys] == [
            Status.DONE,
            Status.ERROR,
            Status.DONE,
        ]
        provider_of(service)._api_client.job_delete(ear.rows[sent.keys[2]].job_id)
        desk.answer(model.Refresh())
        ear.until(lambda: sent.keys[2] not in ear.rows)
        found = desk.answer(model.GetCoverage(set_id=sent.set_id))
        assert [(hole.why, hole.source) for hole in found.holes] == [
            ("ERROR", "on the server"),
            ("deleted", ""),
        ]
        assert found.with_result == "0"
        # What there is of the set can be read.
        assert desk.answer(model.GetCounts(key=sent.keys[0], experiment=0)).total
        again = desk.answer(model.FillHoles(set_id=sent.set_id))
        assert again.name == "holed again" and again.set_id != sent.set_id
        ear.until(lambda: ended(ear, again.keys))
        (key,) = again.keys
        assert (ear.rows[key].status, ear.rows[key].tags) == (Status.ERROR, ("mine",))
        only_lost = submit(desk, [bell])
        ear.until(lambda: ended(ear, only_lost.keys))
        with pytest.raises(JobStateError, match="can be sent again"):
            desk.answer(model.FillHoles(set_id=only_lost.set_id))
        with pytest.raises(NotFoundError):
            desk.answer(model.GetCoverage(set_id="nothing"))
        with pytest.raises(NotFoundError):
            desk.answer(model.SteerSet(set_id=sent.set_id, steer=model.Steer.SEND))
