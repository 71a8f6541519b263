"""What is told of a job's document besides its row: as much as a person can look at."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import msgspec

from qtower.desk.details import details_of_job
from qtower.model import JobRow, Status

ROW = JobRow(key="a", job_id="a", status=Status.DONE, name="n" * 1_000_000)


def told(data: dict[str, Any]) -> dict[str, str]:
    """The fields of a job whose document has `data` besides."""
    job = SimpleNamespace(
        _api_status="COMPLETED",
        _run_mode="",
        client_version={},
        experiment_id="",
        _kind=None,
        _queue_info=None,
        _data=data,
        _time_per_step={},
    )
    return {field.label: field.value for field in details_of_job(ROW, job).fields}


def test_objects_in_objects_are_told_by_their_paths() -> None:
    fields = told({"summary_data": {"size": {"input": 5}, "success": True}, "_odd": [1, "x"]})
    assert fields["Summary data: size.input"] == "5"
    assert fields["Summary data: success"] == "true"
    assert fields["Odd"] == '[1, "x"]'


def test_a_document_is_not_told_at_any_length() -> None:
    deep: Any = 1
    for _ in range(300):  # written out as paths: 450 times as long
        deep = {"leaf": 1, "n" * 10_000: deep}
    wide = {str(number): 1 for number in range(100_000)}
    for data in ({"deep": deep}, {"t" * 1_000_000: wide}, {"text": "x" * 10_000_000}):
        size = sum(len(label) + len(value) for label, value in told(data).items())
        assert size < 10_000_000


def test_what_nests_too_deeply_is_said() -> None:
    lists = msgspec.json.decode(b"[" * 900 + b"]" * 900)

    def at(depth: int) -> dict[str, str]:
        return at(depth - 1) if depth else told({"lists": lists})

    assert json.loads(at(0)["Lists"]) == lists
    assert at(200)["Lists"] == "(it nests too deeply to be shown)"
