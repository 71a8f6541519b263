"""Sets whose sender is gone, on a clock that only these tests move."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from qtower.desk.intents import IntentPart, Wish
from qtower.desk.journal import Journal
from qtower.desk.offers import HAND_OVER_SECONDS, Offers, choice
from qtower.desk.registry import Changes, Registry
from qtower.desk.unfinished import Unfinished
from qtower.model import Status, UnsentSet


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
