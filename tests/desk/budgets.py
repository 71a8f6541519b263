"""Budgets that share a file: on a clock of the test, and in processes of their own.

As a program it asks as one of several processes does: `python -m tests.desk.budgets FILE ORDER`.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec

from qtower.desk.budget import Budget, Urgency, asking_as
from qtower.desk.tally import Tally
from qtower.desk.tally_places import SharedTally

_LOOK_SECONDS = 1.0  # after which the poller, and a submission, look again at the latest


class Clock:
    """Seconds that pass when told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What a process does: so many requests in turn, the last one never-ending with `forever`."""

    per_minute: int
    requests: int = 0
    urgency: str = "submission"
    forever: bool = False
    inside: int = 0  # the signal that it sends itself while it has the tally


def shared_budget(file: Path, per_minute: int, clock: Clock | None = None) -> Budget:
    """A budget as another process has it."""
    budget = Budget(clock=clock) if clock else Budget()
    budget.share(file)
    budget.allow(per_minute)
    return budget


class Asker:
    """A process that always wants to ask, on the clock of a test."""

    def __init__(self, file: Path, per_minute: int, urgency: Urgency, clock: Clock) -> None:
        self.urgency = urgency
        self.asked: list[float] = []
        self._budget = shared_budget(file, per_minute, clock)
        self._clock = clock
        self._next = 0.0

    def go(self) -> None:
        """Asks, if it is time to look and there is something left."""
        if self._clock.now < self._next:
            return
        seconds = self._budget.delay(self.urgency)
        if seconds:
            self._next = self._clock.now + min(seconds, _LOOK_SECONDS)
            return
        with asking_as(self.urgency):
            self._budget.take()
        self.asked.append(self._clock.now)


def let_them_ask(askers: list[Asker], clock: Clock, seconds: float, step: float = 0.05) -> None:
    """Lets all of them ask for so long, in an order that nobody chose."""
    dice = random.Random(1)
    end = clock.now + seconds
    while clock.now < end:
        dice.shuffle(askers)
        for asker in askers:
            asker.go()
        clock.now += step


def start(file: Path, **order: Any) -> subprocess.Popen[str]:
    """Starts a process that does what `Order` says; it prints how many requests it made."""
    command = [sys.executable, "-m", "tests.desk.budgets", str(file)]
    command.append(msgspec.json.encode(Order(**order)).decode())
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def _run(file: Path, order: Order) -> None:
    if order.inside:
        with SharedTally(file, Tally(order.per_minute, 0.0)) as tally:
            tally.spend()
            os.kill(os.getpid(), order.inside)
            return
    budget = shared_budget(file, order.per_minute)
    with asking_as(Urgency(order.urgency)):
        while budget.count < order.requests or order.forever:
            budget.take()
            if budget.count == order.requests:
                print(budget.count, flush=True)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    _run(Path(sys.argv[1]), msgspec.json.decode(sys.argv[2], type=Order))
