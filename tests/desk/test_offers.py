"""Sets whose sender is gone, on a clock that only these tests move."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from qtower.desk.intents import IntentPart, Wish
from qtower.desk.journal import Journal
from qtower.desk.offers import HAND_OVER_SECONDS, Offers
from qtower.desk.registry import Changes, Registry
from qtower.desk.unfinished import Unfinished
from qtower.model import Status


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
