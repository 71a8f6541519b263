"""What a page of a listing costs: a store of many past jobs against one of few, both served.

Each page of the one is followed by a page of the other, so that whatever else the machine does
falls upon both. Processor time of the two services is compared, and the wall clock beside it.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psutil

from benchmarks.figures import Figure
from benchmarks.fill import fill_service
from benchmarks.invented import invent
from benchmarks.served import Client, Served, served

PAST_FEW, PAST_MANY, LIVE = 1_000, 100_000, 1_000
READ = 10_000  # jobs, by pages
PAGE = 50
_MOST = 1.15  # as much more as a measurement on a busy machine may err

_LIVE = {"status": {"inq": ["CREATING", "CREATED", "QUEUED"]}}


def compare(directory: Path) -> Iterator[Figure]:
    """Reads past jobs and live ones from both."""
    with ExitStack() as stack:
        many, few = (
            stack.enter_context(_store(directory / str(past), past))
            for past in (PAST_MANY, PAST_FEW)
        )
        yield from _figures(f"{READ:,} of {PAST_MANY:,} past jobs", many, few, {}, past=True)
        yield from _figures(f"sweep of {LIVE:,} live jobs", many, few, _LIVE, past=False)


def _store(directory: Path, past: int) -> Any:
    """A service whose queue stands still, with so many past jobs behind the live ones."""
    data_dir = directory / "data"
    fill_service(data_dir, invent(past + LIVE, LIVE, time.time()), results=0)
    return served(data_dir, "--port", "0", "--config", str(data_dir / "held.toml"))


def _figures(
    what: str, many: Served, few: Served, where: dict[str, Any], *, past: bool
) -> Iterator[Figure]:
    readers = [_Reader(service, where, past=past) for service in (many, few)]
    for _ in range(READ // PAGE):
        for reader in readers:
            reader.next()
    theirs = f"the same behind {PAST_FEW:,} past jobs"
    ours, rival = (reader.processor_ms for reader in readers)
    yield Figure(
        what=f"page of {PAGE}, {what}: processor time of the service",
        value=ours,
        unit="ms",
        rival=theirs,
        rival_value=rival,
        at_most_ratio=_MOST,
    )
    ours, rival = (reader.median_ms for reader in readers)
    yield Figure(
        what=f"page of {PAGE}, {what}: median of the time to answer",
        value=ours,
        unit="ms",
        rival=theirs,
        rival_value=rival,
    )


class _Reader:
    """Reads pages as the provider does, from the last one's date on, and begins anew at the end."""

    def __init__(self, service: Served, where: dict[str, Any], *, past: bool) -> None:
        self._client: Client = service.client()
        self._process = psutil.Process(service.pid)
        self._where = where
        self._newest = _oldest_live(self._client) if past else None
        self._before = self._newest
        self._took: list[float] = []
        self.next()  # warm
        self._took.clear()
        self._began = self._used()

    def next(self) -> None:
        """Reads a page."""
        bound = {"creationDate": {"lt": self._before}} if self._before else {}
        began = time.perf_counter()
        page = self._client.page(
            order="creationDate DESC", limit=PAGE, skip=0, where={**self._where, **bound}
        )
        self._took.append(time.perf_counter() - began)
        self._before = page[-1]["creationDate"] if len(page) == PAGE else self._newest

    @property
    def processor_ms(self) -> float:
        """Of the service, a page."""
        return (self._used() - self._began) / len(self._took) * 1000

    @property
    def median_ms(self) -> float:
        """From the question to the answer."""
        return statistics.median(self._took) * 1000

    def _used(self) -> float:
        times = self._process.cpu_times()
        return float(times.user + times.system)


def _oldest_live(client: Client) -> str:
    (oldest,) = client.page(order="creationDate ASC", limit=1, skip=0, where=_LIVE)
    return str(oldest["creationDate"])
