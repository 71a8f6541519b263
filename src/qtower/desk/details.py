"""Everything known of a job that is not its payloads, as text for a person."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import datetime, timezone
from itertools import islice
from typing import Any

from qtower.desk.rows import SET_TAG, plausible, read_steps
from qtower.desk.scrubbing import scrub
from qtower.model import Details, Field, JobRow, Step
from qtower.text import encodable

_MOST_LEAVES = 1_000  # more are not shown
_DEEPEST = 20  # objects in objects; what is in these is shown as JSON
_LONGEST_LABEL, _LONGEST_VALUE = 200, 100_000  # characters


def details_of_job(row: JobRow, job: Any) -> Details:
    """Details of `row` from its `IBMQJob`, which was just read from the endpoint."""
    fields = _of_row(row)
    fields += [
        ("API status", job._api_status),
        ("Run mode", job._run_mode or ""),
        ("Client", _versions(job.client_version)),
        ("Experiment id", job.experiment_id or ""),
        ("Kind", job._kind.value if job._kind else ""),
    ]
    if job._queue_info is not None:
        fields += _of_queue(job._queue_info)
    fields += _of_data(job._data)
    # `time_per_step()` gives local times; the document's own are in UTC.
    return Details(
        key=row.key,
        row=row,
        fields=[
            Field(label=encodable(label), value=encodable(scrub(value[:_LONGEST_VALUE])))
            for label, value in fields
            if value
        ],
        steps=read_steps(job._time_per_step),
    )


def details_of_row(row: JobRow, steps: list[Step], note: str) -> Details:
    """Details from the journal alone; `note` says why there is not more."""
    fields = [
        Field(label=label, value=value[:_LONGEST_VALUE]) for label, value in _of_row(row) if value
    ]
    return Details(key=row.key, row=row, fields=fields, steps=steps, note=note)


def _of_row(row: JobRow) -> list[tuple[str, str]]:
    experiments = ""
    if row.start_index is not None and row.end_index is not None:
        count = row.end_index - row.start_index + 1
        experiments = f"{row.start_index} to {row.end_index} ({count})"
    return [
        ("Name", row.name),
        ("Job id", row.job_id),
        ("Job set", row.set_name),
        ("Set id", row.set_id),
        ("Index in set", "" if row.index is None else str(row.index)),
        ("Experiments", experiments),
        ("First circuits", row.label),
        ("Backend", row.backend),
        ("Status", row.status.value),
        ("Queue position", "" if row.queue_position is None else str(row.queue_position)),
        ("Estimated start", _date(row.estimated_start)),
        ("Shots", "" if row.shots is None else str(row.shots)),
        ("Created", _date(row.created)),
        ("In this status since", _date(row.since)),
        ("Run time", "" if row.run_seconds is None else f"{row.run_seconds:.3f} s"),
        ("Tags", ", ".join(tag for tag in row.tags if not SET_TAG.fullmatch(tag))),
        ("Result", "kept on this machine" if row.saved else ""),
        ("Error", row.error),
        ("Confirmed", _date(row.confirmed)),
    ]


def _of_queue(queue: Any) -> list[tuple[str, str]]:
    names = ("hub_priority", "group_priority", "project_priority")
    found = [(_title(name), getattr(queue, name)) for name in names]
    found.append(("Estimated completion", queue._estimated_complete_time_utc))
    return [(label, _text(value)) for label, value in found if value is not None]


def _of_data(data: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What else the document held, under the API's names; nested objects by their leaves."""
    return list(islice(_leaves_of_data(data), _MOST_LEAVES))


def _leaves_of_data(data: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in data.items():
        title = _label(_title(name.strip("_")))
        if isinstance(value, Mapping):
            yield from ((f"{title}: {path}", text) for path, text in _leaves(value))
        else:
            yield title, _text(value)


def _leaves(value: Mapping[str, Any], path: str = "", depth: int = 0) -> Iterator[tuple[str, str]]:
    for name, child in value.items():
        here = _label(f"{path}.{name}" if path else str(name))
        if isinstance(child, Mapping) and depth < _DEEPEST:
            yield from _leaves(child, here, depth + 1)
        else:
            yield here, _text(child)


def _label(text: str) -> str:
    """A path is as long as all names in it, and each of its leaves has it."""
    return text if len(text) <= _LONGEST_LABEL else f"…{text[1 - _LONGEST_LABEL :]}"


def _title(name: str) -> str:
    return name.replace("_", " ").capitalize()


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, datetime):
        return value.isoformat()
    try:
        return json.dumps(value, ensure_ascii=False, default=str)
    except RecursionError:
        return "(it nests too deeply to be shown)"


def _date(at: float | None) -> str:
    if at is None or not plausible(at):
        return ""
    return datetime.fromtimestamp(at, timezone.utc).strftime("%Y-%m-%d %H:%M:%S UTC")


def _versions(client: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {version}" for name, version in client.items())
