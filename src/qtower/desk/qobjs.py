"""Qobjs of jobs as the screen shows them: heads, drawings, and their JSON as a tree."""

from __future__ import annotations

import re
import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

from qiskit.providers.exceptions import JobError
from qiskit.providers.ibmq.exceptions import IBMQError
from qiskit.providers.ibmq.managed.managedjob import ManagedJob
from qiskit.providers.jobstatus import JobStatus

from qtower.desk.faults import endpoint_errors, explain
from qtower.errors import GoneError, JobStateError, NetworkError, NotFoundError
from qtower.model import (
    Drawing,
    Field,
    GetDrawing,
    GetJson,
    JsonChildren,
    JsonNode,
    QobjHead,
)
from qtower.text import inert

from . import plain_json
from .job_results import require_sent
from .naming import experiment_name
from .qobj_drawings import draw

_MOST_IN_MEMORY = 4
_PREVIEW = 100  # characters
_SECRET = re.compile(r"token|secret|passw|credential|api_?key|auth|\burl\b|_url", re.IGNORECASE)


@dataclass(frozen=True)
class _Document:
    content: dict[str, Any]
    size: int  # bytes of JSON

    @property
    def experiments(self) -> list[dict[str, Any]]:
        return [each for each in self.content.get("experiments") or [] if isinstance(each, dict)]


class QobjBook:
    """The qobjs of an account's jobs, the last few kept in memory.

    All methods raise JobStateError if the job was never sent or has no qobj, NetworkError if the
    endpoint did not give it, NotFoundError for an unknown experiment or path.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._recent: OrderedDict[str, _Document] = OrderedDict()

    def head(self, key: str, managed_job: ManagedJob) -> QobjHead:
        """Returns a qobj without its experiments."""
        document = self._get(managed_job)
        content = document.content
        return QobjHead(
            key=key,
            qobj_id=str(content.get("qobj_id") or ""),
            kind=str(content.get("type") or ""),
            schema_version=str(content.get("schema_version") or ""),
            config=[
                Field(label=inert(name, 60), value=_preview(value))
                for name, value in (content.get("config") or {}).items()
            ],
            experiments=[experiment_name(i, each) for i, each in enumerate(document.experiments)],
            size=document.size,
        )

    def drawing(self, request: GetDrawing, managed_job: ManagedJob) -> Drawing:
        """Returns one experiment drawn as text."""
        document = self._get(managed_job)
        experiments = document.experiments
        if not 0 <= request.experiment < len(experiments):
            raise NotFoundError(
                f"The qobj has no experiment {request.experiment}.",
                f"It has {len(experiments)}, counted from 0.",
            )
        kind = str(document.content.get("type"))
        text = draw(experiments[request.experiment], kind, request.width)
        return Drawing(key=request.key, experiment=request.experiment, text=text)

    def children(self, request: GetJson, managed_job: ManagedJob) -> JsonChildren:
        """Returns a page of what is directly under one value of the qobj's JSON."""
        value: Any = self._get(managed_job).content
        for step in request.path:
            value = _step_into(value, step)
        items = list(value.items() if isinstance(value, dict) else enumerate(_as_list(value)))
        first = max(request.offset, 0)
        page = items[first : first + max(request.limit, 0)]
        return JsonChildren(
            key=request.key,
            path=request.path,
            total=len(items),
            offset=first,
            nodes=[
                JsonNode(name=name, preview=_preview(child), opens=_opens(child))
                for name, child in page
            ],
        )

    def _get(self, managed_job: ManagedJob) -> _Document:
        job_id = require_sent(managed_job).job.job_id()
        with self._lock:
            if job_id in self._recent:
                self._recent.move_to_end(job_id)
                return self._recent[job_id]
        with endpoint_errors():
            raw = plain_json.encode(_read(managed_job).to_dict())
        managed_job.job._qobj = None  # held here, among the last few; the job would for good
        document = _Document(_without_secrets(plain_json.decode(raw)), len(raw))
        with self._lock:
            self._recent[job_id] = document
            while len(self._recent) > _MOST_IN_MEMORY:
                self._recent.popitem(last=False)
        return document


def _read(managed_job: ManagedJob) -> Any:
    qobj = managed_job.qobj()
    if qobj is not None:
        return qobj
    try:
        # ManagedJob turns the reason of a failure into a warning; the job itself raises it.
        qobj = managed_job.job.qobj()
    except (JobError, IBMQError) as error:
        known = explain(error)
        if isinstance(known, NotFoundError):
            raise _none_yet(managed_job) from error
        if isinstance(known, GoneError):
            raise known from error
        raise NetworkError(f"The qobj could not be read: {known.what}") from error
    if qobj is None:
        raise JobStateError("The endpoint keeps no qobj of this job.")
    return qobj


def _none_yet(managed_job: ManagedJob) -> JobStateError:
    if managed_job.status() is JobStatus.INITIALIZING:
        return JobStateError("The job's qobj is not uploaded yet.", "Try again when it is QUEUED.")
    return JobStateError("The endpoint keeps no qobj of this job.")


def _without_secrets(document: dict[str, Any]) -> dict[str, Any]:
    """Old programs put tokens and addresses into configurations and headers: they stay unseen."""
    parts = [document, *(each for each in document.get("experiments") or [])]
    for part in parts:
        for name in ("config", "header"):
            if isinstance(part.get(name), dict):
                part[name] = _hidden(part[name])
    return document


def _hidden(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            name: "(hidden)" if _SECRET.search(name) and child else _hidden(child)
            for name, child in value.items()
        }
    if isinstance(value, list):
        return [_hidden(child) for child in value]
    return value


def _step_into(value: Any, step: str | int) -> Any:
    if isinstance(value, dict) and str(step) in value:
        return value[str(step)]
    if isinstance(value, list) and isinstance(step, int) and 0 <= step < len(value):
        return value[step]
    raise NotFoundError(f'The JSON has nothing at "{inert(str(step), 60)}".')


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _opens(value: Any) -> bool:
    return isinstance(value, (dict, list)) and bool(value)


def _preview(value: Any) -> str:
    """A value on one line."""
    if isinstance(value, dict):
        return f"{{{len(value)} fields}}" if value else "{}"
    if isinstance(value, list):
        short = len(value) <= 8 and not any(isinstance(child, (dict, list)) for child in value)
        return _as_text(value) if short else f"[{len(value)} items]"
    return _as_text(value)


def _as_text(value: Any) -> str:
    if isinstance(value, str):
        value = value[: 2 * _PREVIEW]
    return inert(plain_json.encode(value).decode(), _PREVIEW)
