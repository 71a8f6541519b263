"""Calls that hang hold up nobody."""

from __future__ import annotations

import functools
import queue
import threading

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
