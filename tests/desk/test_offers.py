"""Sets whose sender is gone, on a clock that only these tests move."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from qtower.desk.intents import IntentPart, PartState, Wish
from qtower.desk.journal import Journal
from qtower.desk.lost_parts import settle_lost_parts
from qtower.desk.offers import HAND_OVER_SECONDS, Offers, choice
from qtower.desk.registry import Changes, Registry
from qtower.desk.unfinished import Unfinished
from qtower.model import JobRow, Status, Steer, UnsentSet
from tests.desk.outages import record


def test_what_was_handed_over_and_is_not_taken_up_is_offered(tmp_path: Path) -> None:
    journal = Journal("test", tmp_path, lambda title, text: None)
    part = IntentPart(index=0, start_index=0, experiments=1, shots=1, label="", tags=())
    journal.intents.record("set", "sweep", "simulator", [part], [b"qobj"])
    journal.intents.set_wish("set", Wish.HAND_OVER)
    journal.intents.release("set")
    registry = Registry(lambda job_id: None)
    now = 0.0
    told: list[Changes] = []

    def publish(take_in: Callable[[], Changes]) -> None:
        told.append(take_in())

    offers = Offers(
        Unfinished(journal.intents, "test"),
        journal.intents,
        registry,
        publish=publish,
        warn=lambda title, text: pytest.fail(text),
        ticks=lambda: now,
    )
    offers.look()
    now += HAND_OVER_SECONDS - 1
    offers.look()
    assert not told, "its process may still be starting"
    now += 2
    offers.look()
    assert [row.status for row in told[0].rows] == [Status.SUBMIT_FAILED]
    offers.look()
    assert len(told) == 1


@pytest.mark.parametrize(
    ("jobs", "sent", "words"),
    [
        (12, 7, "submit the other 5, or leave them"),
        (12, 0, "submit all 12, or leave them"),
        (2, 1, "submit the other one, or leave it"),
        (1, 0, "submit it, or leave it"),
    ],
)
def test_what_can_be_done_is_said_of_as_many_as_there_are(jobs: int, sent: int, words: str) -> None:
    offered = UnsentSet(set_id="s", name="n", backend="b", jobs=jobs, sent=sent)
    assert choice(offered) == words


def in_the_list(journal: Journal) -> Registry:
    """A set of three is being sent by another process; its rows are in the list."""
    registry = Registry(lambda job_id: None)
    record(journal, "s1")
    registry.load(
        JobRow(key=f"s1/{index}", set_id="s1", index=index, status=Status.INITIALIZING)
        for index in range(3)
    )
    return registry


def test_what_another_process_was_refused_ends_here_as_well(journal: Journal) -> None:
    registry = in_the_list(journal)
    journal.intents.failed("s1", 1, "The backend has no such gate.")
    assert not settle_lost_parts(registry, journal.intents, (), 5.0), "it goes on with the others"
    for index in (0, 2):
        journal.intents.sent("s1", index, f"job {index}")
    journal.intents.release("s1")
    (row,) = settle_lost_parts(registry, journal.intents, (), 5.0).rows
    assert (row.key, row.status, row.since) == ("s1/1", Status.SUBMIT_FAILED, 5.0)
    assert row.error == "The backend has no such gate."
    assert not settle_lost_parts(registry, journal.intents, (), 6.0)


def test_what_another_process_has_sent_since_the_jobs_were_read_is_not_called_lost(
    journal: Journal,
) -> None:
    registry = in_the_list(journal)
    unsent = [row.key for row in registry.rows()]
    journal.intents.sent("s1", 0, "job 0")
    journal.intents.sent("s1", 1, "job 1")
    journal.intents.leave("s1")
    journal.intents.release("s1")
    settle_lost_parts(registry, journal.intents, unsent, 5.0)
    # They have an id, by which they are asked for in the next round.
    assert [(row.status, row.job_id) for row in registry.rows()] == [
        (Status.INITIALIZING, "job 0"),
        (Status.INITIALIZING, "job 1"),
        (Status.SUBMIT_FAILED, ""),
    ]
    assert {row.job_id for row in registry.live()} == {"job 0", "job 1"}


@pytest.mark.parametrize(
    ("status", "state"),
    [("ERROR_CREATING_JOB", PartState.BEGUN), ("ERROR_RUNNING_JOB", PartState.SENT)],
)
def test_an_empty_job_that_the_endpoint_gave_up_is_not_the_part(
    journal: Journal, status: str, state: PartState
) -> None:
    """Its sender was killed before it could upload the qobj, which is kept."""
    record(journal, "s1", 1)
    journal.intents.begun("s1", 0)
    journal.intents.release("s1")
    registry = Registry(lambda job_id: None)
    place = {"name": "sweep_0_", "tags": ["ibmq_jobset_s1_"]}
    registry.absorb([{"job_id": "shell", "status": status, **place}], 4.0)
    settle_lost_parts(registry, journal.intents, (), 5.0)
    (part,) = journal.intents.parts("s1")
    assert part.state is state
    assert journal.intents.qobjs.has("s1", 0) is part.unsent


def test_what_is_being_given_up_nobody_begins_to_send(
    journal: Journal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two persons decide at the same moment; what the one gives up the other would miss."""
    other = Journal("test", tmp_path, lambda title, text: None)
    registry = in_the_list(journal)
    journal.intents.release("s1")
    leave, taken = journal.intents.leave, []

    def meanwhile(set_id: str) -> list[int]:
        taken.append(other.intents.claim(set_id))
        return leave(set_id)

    monkeypatch.setattr(journal.intents, "leave", meanwhile)
    Unfinished(journal.intents, "test").steer(
        "s1",
        Steer.LEAVE,
        resume=lambda sending, wish: pytest.fail(),
        publish=lambda take_in: take_in(),
        registry=registry,
        now=5.0,
    )
    assert taken == [False]
    assert {part.state for part in other.intents.parts("s1")} == {PartState.LEFT}
    assert {row.error for row in registry.rows()} == {"It was not sent, and given up."}
    assert not journal.intents.mine()
