"""Budget: the processor's time to count a request, where all qtowers of an account share it."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.figures import Figure
from qtower.desk.budget import Budget

REQUESTS = 4_000
RUNS = 5
TITLE = "counting a request in a budget that several processes share"
_UNLIMITED = 1_000_000_000  # a minute: nobody waits
_RIVAL = "a budget of one process"


def run() -> Iterator[Figure | str]:
    """Measures both kinds of budget in turn: a request, and a look at the count."""
    with tempfile.TemporaryDirectory() as directory:
        own, shared = Budget(_UNLIMITED), Budget()
        shared.share(Path(directory) / "calls-bench")
        shared.allow(_UNLIMITED)
        asked: list[tuple[float, float]] = []
        looked: list[tuple[float, float]] = []
        for _ in range(RUNS):
            asked.append((_cost(shared.take), _cost(own.take)))
            looked.append((_cost(shared.used), _cost(own.used)))
        assert shared.used() == shared.count == RUNS * REQUESTS
        shared.close()
    for what, costs in (("a request counted", asked), ("a look at the count", looked)):
        ours, theirs = (min(each) for each in zip(*costs, strict=True))
        yield Figure(
            what=f"{what}: processor time",
            value=ours,
            unit="ms",
            rival=_RIVAL,
            rival_value=theirs,
            at_most=0.05,
        )
    yield f"The best of {RUNS} runs of {REQUESTS:,} each."


def _cost(act: Callable[[], object]) -> float:
    """Milliseconds of the processor that each of many calls takes."""
    began = time.process_time()
    for _ in range(REQUESTS):
        act()
    return (time.process_time() - began) / REQUESTS * 1000
