"""Cancelling a set of which something is still being sent."""

from __future__ import annotations

import asyncio

from qtower.model import (
    GetUnsent,
    JobRow,
    Request,
    Status,
    Steer,
    SteerSet,
    Unsent,
    UnsentSet,
)
from qtower.ui import cancelling


def test_the_question_says_that_the_sending_stops() -> None:
    rows = [
        JobRow(key="set/0", job_id="a", status=Status.RUNNING, set_id="set"),
        JobRow(key="set/1", status=Status.INITIALIZING, set_id="set"),
    ]
    question = cancelling.set_question("sweep", rows)
    assert "unsent   1 job: the sending stops, they stay listed (U)" in question.facts
    assert not [each for each in cancelling.set_question("s", rows[:1]).facts if "unsent" in each]


def test_the_sending_is_stopped_and_waited_for() -> None:
    asked: list[Request] = []

    async def ask(request: Request) -> Unsent:
        asked.append(request)
        state = "offered" if len(asked) > 2 else "sending"
        return Unsent(
            sets=[
                UnsentSet(
                    set_id="set", name="sweep", backend="simulator", jobs=2, sent=1, state=state
                )
            ]
        )

    asyncio.run(cancelling.stop_sending("set", ask))
    assert asked == [SteerSet(set_id="set", steer=Steer.STOP), GetUnsent(), GetUnsent()]
