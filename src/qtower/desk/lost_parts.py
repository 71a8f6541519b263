"""Parts of job sets that a process meant to send and did not live to: arrived, or to be offered."""

from __future__ import annotations

from collections.abc import Collection

from msgspec.structs import replace

from qtower.desk.intents import Intents, Part, PartState, Sending
from qtower.desk.merging import substance
from qtower.desk.registry import Changes, Registry
from qtower.errors import NotFoundError
from qtower.model import JobRow, Status

LOST_WORDS = (
    "qtower ended before this job was sent. It did not reach the endpoint. "
    "It can be sent now, or left: see the unsent jobs."
)
LEFT_WORDS = "It was not sent, and given up."
_ACCEPTED = 2  # the substance of a job that has its qobj


def settle_lost_parts(
    registry: Registry, intents: Intents, unsent: Collection[str], now: float
) -> Changes:
    """Ends what processes that are gone left open, once all jobs were read.

    A part that reached the endpoint bears the set's tag and its index, and was found by them. The
    others become SUBMIT_FAILED; they are not sent again by themselves, but offered. `unsent` are
    the keys of rows that the journal had without a job id: the process that made them may have
    written less than it did, or have sent them since the jobs were read.
    """
    lost: list[JobRow] = []
    being_sent: set[str] = set()
    for sending in intents.unfinished():
        for part in intents.parts(sending.intent.set_id):
            if sending.owned:
                being_sent.add(part_key(sending, part))
            elif part.unsent:
                lost += _settle(registry, intents, sending, part, now)
    settled = being_sent | {row.key for row in lost}
    left = [
        row
        for row in registry.rows_of(key for key in unsent if key not in settled)
        if not row.job_id and not row.status.final
    ]
    sent = _sent(intents, {row.set_id for row in left})
    lost += [
        replace(row, job_id=sent[row.key])
        if row.key in sent
        else replace(row, status=Status.SUBMIT_FAILED, error=LOST_WORDS, since=now)
        for row in left
    ]
    return registry.put(lost)


def give_up(registry: Registry, sending: Sending, indexes: Collection[int], now: float) -> Changes:
    """The rows of parts that a person has given up say so."""
    rows = []
    for index in indexes:
        try:
            row = registry.row(f"{sending.intent.set_id}/{index}")
        except NotFoundError:
            continue
        if not row.job_id:
            rows.append(replace(row, status=Status.SUBMIT_FAILED, error=LEFT_WORDS, since=now))
    return registry.put(rows)


def part_key(sending: Sending, part: Part) -> str:
    """The key of a part's row."""
    return f"{sending.intent.set_id}/{part.intent.index}"


def part_row(sending: Sending, part: Part, now: float) -> JobRow:
    """The row of a part that is to be sent."""
    intent = part.intent
    return JobRow(
        key=part_key(sending, part),
        status=Status.INITIALIZING,
        name=f"{sending.intent.set_name}_{intent.index}_",
        label=intent.label,
        set_id=sending.intent.set_id,
        set_name=sending.intent.set_name,
        index=intent.index,
        start_index=intent.start_index,
        end_index=intent.start_index + intent.experiments - 1,
        backend=sending.intent.backend,
        shots=intent.shots,
        created=sending.intent.at,
        since=now,
        tags=intent.tags,
    )


def _settle(
    registry: Registry, intents: Intents, sending: Sending, part: Part, now: float
) -> list[JobRow]:
    """Writes down that a part has arrived, or returns the row of one that has not."""
    try:
        row = registry.row(part_key(sending, part))
    except NotFoundError:
        row = replace(part_row(sending, part, now), since=None)
    if row.job_id:
        # A shell without a qobj is none; whoever sends the part again sees to it.
        if substance(row) >= _ACCEPTED:
            intents.sent(sending.intent.set_id, part.intent.index, row.job_id)
        return []
    if row.status is Status.SUBMIT_FAILED:
        return []
    # What was refused, and why, is known from whoever was told so.
    words = part.error or LOST_WORDS
    return [replace(row, status=Status.SUBMIT_FAILED, error=words, since=now)]


def _sent(intents: Intents, set_ids: Collection[str]) -> dict[str, str]:
    """The ids that the jobs of sets were given, whoever sent them, by the keys of their rows."""
    return {
        f"{set_id}/{part.intent.index}": part.job_id
        for set_id in set_ids
        for part in intents.parts(set_id)
        if part.state is PartState.SENT
    }
