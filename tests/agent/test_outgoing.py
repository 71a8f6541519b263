"""Answers are not held up by what nobody asked for."""

from __future__ import annotations

import threading

from qtower.agent.outgoing import Outgoing
from qtower.model import Answer, Message, Notice, Rows


def an_event(number: int) -> Rows:
    return Rows(gone=[str(number)])


def taken(outgoing: Outgoing) -> list[Message]:
    found = []
    while (message := outgoing.get(0.0)) is not None:
        found.append(message)
    return found


def test_messages_come_in_order() -> None:
    outgoing = Outgoing()
    messages = [an_event(1), Answer(id=1, body=None), an_event(2), an_event(3)]
    messages += [Notice(level="info", title="", text=""), Answer(id=2, body=None)]
    for message in messages:
        outgoing.put(message)
    assert taken(outgoing) == messages
    assert outgoing.get(0.01) is None


def test_an_answer_overtakes_a_flood() -> None:
    outgoing = Outgoing()
    events = [an_event(number) for number in range(50)]
    for event in events:
        outgoing.put(event)
    first, second = Answer(id=1, body=None), Answer(id=2, body=None)
    outgoing.put(first)
    outgoing.put(second)
    found = taken(outgoing)
    assert found[:2] == [first, second]
    assert found[2:] == events


def test_who_floods_waits_until_it_is_read() -> None:
    outgoing = Outgoing()

    def flood() -> None:
        for number in range(2100):
            outgoing.put(an_event(number))

    thread = threading.Thread(target=flood, daemon=True)
    thread.start()
    thread.join(0.2)
    assert thread.is_alive()
    outgoing.put(Answer(id=1, body=None))
    assert isinstance(outgoing.get(1.0), Answer)
    found: list[Message] = []
    while len(found) < 2100 and (message := outgoing.get(5.0)) is not None:
        found.append(message)
    assert found == [an_event(number) for number in range(2100)]
