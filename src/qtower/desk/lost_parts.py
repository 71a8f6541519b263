"""Parts of job sets that a process meant to send and did not live to: arrived, or lost?"""

from __future__ import annotations

from collections.abc import Collection

from msgspec.structs import replace

from qtower.desk.journal import Intent, Journal
from qtower.desk.registry import Changes, Registry
from qtower.errors import NotFoundError
from qtower.model import JobRow, Status
from qtower.processes import process_lives

_WORDS = "qtower ended before this job was sent. It did not reach the endpoint."


def settle_lost_parts(
    registry: Registry, journal: Journal, unsent: Collection[str], now: float
) -> Changes:
    """Ends what processes that are gone left open, once all jobs were read.

    A part that reached the endpoint bears the set's tag and its index, and was found by them. The
    others become SUBMIT_FAILED; they are not sent again by themselves. `unsent` are the keys of
    rows that the journal had without a job id: their intents may have been closed by a process
    that ended before it wrote the row.
    """
    lost = []
    being_sent = set()
    for intent in journal.open_intents():
        if process_lives(intent.owner):
            being_sent.add(_key(intent))
            continue
        row = _row(registry, intent)
        if row.job_id:
            journal.part_sent(intent.set_id, intent.part.index, row.job_id)
        else:
            journal.part_failed(intent.set_id, intent.part.index, _WORDS)
            lost.append(row)
    known = {row.key: row for row in registry.rows()}
    left = [known[key] for key in unsent if key in known and key not in being_sent]
    lost += [row for row in left if not row.job_id and row not in lost]
    return registry.put(
        [replace(row, status=Status.SUBMIT_FAILED, error=_WORDS, since=now) for row in lost]
    )


def _key(intent: Intent) -> str:
    return f"{intent.set_id}/{intent.part.index}"


def _row(registry: Registry, intent: Intent) -> JobRow:
    part = intent.part
    key = _key(intent)
    try:
        return registry.row(key)
    except NotFoundError:
        return JobRow(
            key=key,
            name=f"{intent.set_name}_{part.index}_",
            label=part.label,
            set_id=intent.set_id,
            set_name=intent.set_name,
            index=part.index,
            start_index=part.start_index,
            end_index=part.start_index + part.experiments - 1,
            backend=intent.backend,
            shots=part.shots,
            created=intent.at,
            tags=part.tags,
        )
