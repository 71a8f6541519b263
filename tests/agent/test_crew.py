"""Calls that hang hold up nobody."""

from __future__ import annotations

import functools
import queue
import threading

import pytest

from qtower.agent.crew import Crew


def test_a_hung_call_does_not_hold_up_the_next() -> None:
    crew, forever, done = Crew("test"), threading.Event(), queue.SimpleQueue[int]()

    def hang() -> None:
        forever.wait(60)

    for _ in range(5):
        crew.run(hang)
    crew.run(lambda: done.put(1))
    assert done.get(timeout=20) == 1
    forever.set()


def test_idle_threads_are_used_again() -> None:
    crew, done = Crew("reuse"), queue.SimpleQueue[int]()
    for number in range(200):
        crew.run(functools.partial(done.put, number))
        assert done.get(timeout=20) == number
    names = [thread.name for thread in threading.enumerate()]
    assert sum(name.startswith("reuse-") for name in names) <= 3


def test_more_calls_than_threads_wait_their_turn() -> None:
    crew, gate, done = Crew("many"), threading.Event(), queue.SimpleQueue[int]()

    def call() -> None:
        gate.wait(60)
        done.put(1)

    for _ in range(100):
        crew.run(call)
    names = [thread.name for thread in threading.enumerate()]
    assert sum(name.startswith("many-") for name in names) == 32
    gate.set()
    assert sum(done.get(timeout=20) for _ in range(100)) == 100


def test_where_no_thread_can_be_started_calls_wait_for_those_there_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    crew, gate, done = Crew("few"), threading.Event(), queue.SimpleQueue[int]()

    def too_many(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", too_many)
        with pytest.raises(RuntimeError, match="new thread"):
            crew.run(lambda: done.put(0))
    crew.run(lambda: done.put(int(gate.wait(60))))
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", too_many)
        crew.run(lambda: done.put(2))
    gate.set()
    assert [done.get(timeout=20) for _ in range(2)] == [1, 2]
    crew.run(lambda: done.put(3))
    assert done.get(timeout=20) == 3
