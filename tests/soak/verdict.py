"""What the service has, compared with what the journal says: lost, doubled, wrong."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from qtower.desk.intents import PartState
from qtower.desk.journal import Journal
from qtower.model import JobRow, Status
from tests.service.raw import Api
from tests.soak.house import House

_PAGE = 50
_SHELL = {"CREATING", "CANCELLED"}
_SET_TAG = re.compile(r"ibmq_jobset_(.+)_$")


@dataclass
class Verdict:
    """Each problem in words; none of them if nothing was lost, doubled or wrong."""

    jobs: int = 0  # that the service has acknowledged
    results: int = 0  # that are kept, and are the service's
    by_status: dict[str, int] = field(default_factory=dict)
    sets: int = 0
    problems: list[str] = field(default_factory=list)


def settled(house: House) -> bool:
    """Whether the service has ended all jobs, and the journal knows that and has the results."""
    with house.api() as api:
        documents = _documents(api)
    journal = house.journal()
    rows = {row.job_id: row for row in journal.rows()}
    return all(
        _is_told(document, rows.get(document["id"]), journal) for document in documents.values()
    )


def compare(house: House) -> Verdict:
    """Looks at every job of the service, of the journal, and of who submitted."""
    verdict = Verdict()
    journal = house.journal()
    rows = {row.job_id: row for row in journal.rows()}
    with house.api() as api:
        documents = _documents(api)
        verdict.jobs = len(documents)
        for job_id, document in documents.items():
            _compare_job(api, document, rows.get(job_id), journal, verdict)
    _find_doubles(documents, verdict)
    _find_inventions(documents, rows, verdict)
    _compare_intents(journal, documents, verdict)
    for job_id in house.file.read_text().split() if house.file.exists() else []:
        if job_id not in documents:
            verdict.problems.append(f"lost: job {job_id} was acknowledged to the program")
    return verdict


def _documents(api: Api) -> dict[str, dict[str, Any]]:
    """All jobs that have their qobj, by id."""
    found: dict[str, dict[str, Any]] = {}
    while True:
        asked = {"order": "creationDate ASC", "limit": _PAGE, "skip": len(found)}
        page = api.get("/Jobs/status/v/1", params={"filter": json.dumps(asked)}).json()
        found.update((document["id"], document) for document in page)
        if len(page) < _PAGE:
            break
    return {
        job_id: document
        for job_id, document in found.items()
        if document["status"] not in ("CREATING", "CANCELLED") or not _is_shell(api, job_id)
    }


def _is_shell(api: Api, job_id: str) -> bool:
    """Whether it was created, and its qobj never came."""
    return set(api.job(job_id)["timePerStep"]) <= _SHELL


def _status(document: dict[str, Any]) -> Status | None:
    word = str(document["status"])
    if word.startswith("ERROR"):
        return Status.ERROR
    return {"COMPLETED": Status.DONE, "CANCELLED": Status.CANCELLED}.get(word)


def _is_told(document: dict[str, Any], row: JobRow | None, journal: Journal) -> bool:
    status = _status(document)
    if status is None or row is None or row.status is not status:
        return False
    return status is not Status.DONE or journal.results.has(row.job_id)


def _compare_job(
    api: Api, document: dict[str, Any], row: JobRow | None, journal: Journal, verdict: Verdict
) -> None:
    job_id, status = document["id"], _status(document)
    name = f"{job_id} ({document.get('name', '')})"
    verdict.by_status[document["status"]] = verdict.by_status.get(document["status"], 0) + 1
    if status is None:
        verdict.problems.append(f"not ended: job {name} is {document['status']}")
    if row is None:
        verdict.problems.append(f"lost: job {name} is not in the journal")
    elif row.status is not status:
        verdict.problems.append(
            f"wrong: job {name} is {document['status']}, the journal says {row.status.value}"
        )
    elif status is Status.DONE:
        kept = journal.results.read(job_id)
        if kept is None:
            verdict.problems.append(f"lost: the result of job {name} is not kept")
        elif _is_cut_off(kept):
            verdict.problems.append(f"wrong: the kept result of job {name} is cut off")
        elif json.loads(kept) != api.result(job_id):
            verdict.problems.append(f"wrong: the kept result of job {name} is another")
        else:
            verdict.results += 1


def _is_cut_off(document: bytes) -> bool:
    try:
        json.loads(document)
    except ValueError:
        return True
    return False


def _find_doubles(documents: dict[str, dict[str, Any]], verdict: Verdict) -> None:
    places: dict[tuple[str, str], list[str]] = defaultdict(list)
    for job_id, document in documents.items():
        tags = [found[1] for tag in document.get("tags") or [] if (found := _SET_TAG.match(tag))]
        # The name of a job in a set ends with its index and a random part.
        place = document["name"].rsplit("_", 2)[1] if tags else document["name"]
        places[tags[0] if tags else "", place].append(job_id)
    verdict.sets = len({set_id for set_id, _ in places if set_id})
    for (set_id, place), ids in places.items():
        if len(ids) > 1:
            verdict.problems.append(f"doubled: {place} of set {set_id or '-'}: {', '.join(ids)}")


def _find_inventions(
    documents: dict[str, dict[str, Any]], rows: dict[str, JobRow], verdict: Verdict
) -> None:
    for job_id, row in rows.items():
        if job_id and job_id not in documents and row.status is Status.DONE:
            verdict.problems.append(f"invented: the journal has job {job_id} as done")


def _compare_intents(
    journal: Journal, documents: dict[str, dict[str, Any]], verdict: Verdict
) -> None:
    for sending in journal.intents.unfinished():
        name = sending.intent.set_name
        why = "; ".join(
            f"{part.intent.index} {part.state.value} {part.error}".rstrip()
            for part in journal.intents.parts(sending.intent.set_id)
            if part.unsent
        )
        verdict.problems.append(
            f"unsent: {sending.unsent} jobs of set {name} ({why}), which "
            f"{'is' if sending.owned else 'was'} sent by {sending.owner or 'nobody'}, "
            f"to {sending.wish.value}"
        )
    sets = {row.set_id for row in journal.rows() if row.set_id}
    for set_id in sets:
        for part in journal.intents.parts(set_id):
            if part.state is PartState.SENT and part.job_id not in documents:
                verdict.problems.append(f"lost: job {part.job_id} of set {set_id} was sent")
