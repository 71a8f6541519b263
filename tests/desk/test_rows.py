"""API documents, good and strange, as rows."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qtower.desk.rows import STATUSES, epoch, read_document, read_membership, read_steps
from qtower.model import Status, Step


def document(**changes: Any) -> dict[str, Any]:
    return {
        "job_id": "5f3c",
        "creation_date": "2026-11-22T10:00:00.500Z",
        "status": "QUEUED",
        "_backend_info": {"name": "ibmq_lima"},
        "name": "sweep_3_",
        "tags": ["ibmq_jobset_abc-12_", "mine"],
        "info_queue": {"position": 4, "estimated_start_time": "2026-11-22T10:05:00+00:00"},
        "summary_data": {
            "summary": {
                "num_circuits": 5,
                "experiment_names": ["a", "b", "c"],
                "qobj_config": {"shots": 4000},
            }
        },
        **changes,
    }


def test_a_queued_job_of_a_set() -> None:
    reading = read_document(document(), now=99.0)
    assert reading is not None
    row = reading.row
    assert (row.set_id, row.set_name, row.index) == ("abc-12", "sweep", 3)
    assert (row.status, row.queue_position, row.shots) == (Status.QUEUED, 4, 4000)
    assert (row.tags, row.label, row.backend) == (("mine",), "a, b, c, …", "ibmq_lima")
    assert row.estimated_start == epoch("2026-11-22T10:05:00Z")
    assert reading.experiments == 5
    assert row.confirmed == 99.0


def test_a_final_job_has_its_run_time_and_no_queue() -> None:
    steps = {
        "COMPLETED": "2026-11-22T10:00:03.000Z",
        "CREATING": "2026-11-22T10:00:00.000Z",
        "RUNNING": "2026-11-22T10:00:01.000Z",
    }
    reading = read_document(document(status="COMPLETED", time_per_step=steps), now=1.0)
    assert reading is not None
    assert (reading.row.status, reading.row.run_seconds) == (Status.DONE, 2.0)
    assert reading.row.since == epoch("2026-11-22T10:00:03Z")
    assert reading.row.queue_position is None
    assert [step.name for step in read_steps(steps)] == ["CREATING", "RUNNING", "COMPLETED"]


def test_an_error_has_the_provider_s_words_and_its_first_line() -> None:
    wrong = document(
        status="ERROR_VALIDATING_JOB", error={"message": "Too many shots\nreally", "code": 1102}
    )
    reading = read_document(wrong, now=1.0)
    assert reading is not None and reading.row.error == "Too many shots"
    reading = read_document(document(status="ERROR_RUNNING_JOB"), now=1.0)
    assert reading is not None and reading.row.error == "ERROR_RUNNING_JOB"


@pytest.mark.parametrize(
    ("name", "tags", "expected"),
    [
        ("n_1_", ["ibmq_jobset_x_"], ("x", "n", 1)),
        ("a_b_12_", ["t", "ibmq_jobset_x_y_"], ("x_y", "a_b", 12)),
        ("renamed", ["ibmq_jobset_x_"], ("x", "", None)),
        ("n_1_", ["mine"], ("", "", None)),
        ("", [], ("", "", None)),
        ("line\nbreak_0_", ["ibmq_jobset_x_"], ("x", "line\nbreak", 0)),
        ("n_" + "9" * 5000 + "_", ["ibmq_jobset_x_"], ("x", "", None)),
    ],
)
def test_membership(name: str, tags: list[str], expected: tuple[str, str, int | None]) -> None:
    found = read_membership(name, tags)
    assert (found.set_id, found.set_name, found.index) == expected


def test_numbers_that_count_nothing_are_not_known() -> None:
    summary = {"summary": {"num_circuits": 10**25, "qobj_config": {"shots": -1}}}
    queue = {"position": 10**400}
    reading = read_document(document(summary_data=summary, info_queue=queue), now=1.0)
    assert reading is not None and reading.experiments is None
    assert (reading.row.shots, reading.row.queue_position) == (None, None)


def test_statuses_are_the_provider_s() -> None:
    from qiskit.providers.ibmq.apiconstants import API_JOB_FINAL_STATES, ApiJobStatus
    from qiskit.providers.ibmq.utils.utils import api_status_to_job_status

    assert {api.value for api in ApiJobStatus} == set(STATUSES)
    for api in ApiJobStatus:
        assert STATUSES[api.value].value == api_status_to_job_status(api).name
        assert STATUSES[api.value].final == (api in API_JOB_FINAL_STATES)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1970-01-01T00:00:10Z", 10.0),
        ("1970-01-01T00:00:10", 10.0),
        ("1970-01-01T02:00:10+02:00", 10.0),
        ("1970-01-01T00:00:10.250Z", 10.25),
        ("1970-01-01T00:00:10.5Z", 10.5),
        ("1970-01-01T00:00:10.2500000001Z", 10.25),
        ("1970-01-01 02:00:10.25+0200", 10.25),
        ("1970-01-01T02:00:10+02", 10.0),
        ("1970-01-01", 0.0),
        ("1970-13-01T00:00:10Z", None),
        ("9999-12-31T23:59:59-23:59", None),
        ("0001-01-01T00:00:00+23:59", None),
        ("yesterday", None),
        (17, None),
        (None, None),
    ],
)
def test_dates(text: Any, seconds: float | None) -> None:
    assert epoch(text) == seconds


any_text = st.text(st.characters(), max_size=5)  # lone surrogates among them
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | any_text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(any_text, inner),
    max_leaves=5,
)


@settings(suppress_health_check=[HealthCheck.too_slow])  # of the machine, not of the reading
@given(changes=st.dictionaries(st.sampled_from(sorted(document())), anything))
def test_nothing_in_a_document_is_taken_for_granted(changes: dict[str, Any]) -> None:
    reading = read_document(document(**changes), now=1.0)
    assert reading is None or reading.row.job_id
    if reading is not None:
        msgspec.json.encode(reading.row)


def test_unreadable_steps_are_left_out() -> None:
    assert read_steps({"RUNNING": "1970-01-01T00:00:01Z", "ODD": 3}) == [
        Step(name="RUNNING", at=1.0)
    ]
    assert read_steps("no") == []


def test_a_lone_surrogate_is_a_question_mark_everywhere() -> None:
    odd = "caf\ud83d"
    wrong = document(
        name=f"{odd}_3_",
        tags=[odd, f"ibmq_jobset_{odd}_"],
        status="ERROR_RUNNING_JOB",
        error={"message": odd, "code": odd},
        _backend_info={"name": odd},
        summary_data={"summary": {"experiment_names": [odd]}},
    )
    reading = read_document(wrong, now=1.0)
    assert reading is not None
    row = reading.row
    assert (row.set_name, row.set_id, row.tags) == ("caf?", "caf?", ("caf?",))
    assert (row.label, row.backend) == ("caf?", "caf?")
    assert row.error == "caf?. Error code: caf?."
    assert read_steps({odd: "1970-01-01T00:00:01Z"}) == [Step(name="caf?", at=1.0)]
    msgspec.json.encode(row)
