"""Memory and open files of service, agent and screen, over time."""

from __future__ import annotations

import contextlib
import statistics
import threading
import time
from dataclasses import dataclass

import psutil

from tests.soak.house import House

_EVERY_SECONDS = 2.0
_SETTLED_SECONDS = 15.0
"""A process that has just started is still growing, and is left out."""


@dataclass(frozen=True)
class Sample:
    """One process at one moment."""

    part: str
    at: float
    megabytes: float  # resident
    files: int


class Gauges(threading.Thread):
    """Looks every two seconds until it is told to stop."""

    def __init__(self, house: House) -> None:
        super().__init__(daemon=True)
        self.samples: list[Sample] = []
        self._house = house
        self._stopping = threading.Event()

    def run(self) -> None:
        while not self._stopping.wait(_EVERY_SECONDS):
            found = self._house.processes()
            looked_at = [
                (part, each) for part in ("agent", "screen") for each in found.get(part, [])
            ]
            with contextlib.suppress(psutil.NoSuchProcess):
                looked_at.append(("service", psutil.Process(self._house.endpoint.process.pid)))
            for part, process in looked_at:
                self._sample(part, process)

    def _sample(self, part: str, process: psutil.Process) -> None:
        try:
            if time.time() - process.create_time() < _SETTLED_SECONDS:
                return
            megabytes = process.memory_info().rss / 1e6
            self.samples.append(Sample(part, time.time(), megabytes, process.num_fds()))
        except psutil.Error:
            return

    def stop(self) -> None:
        """Ends it."""
        self._stopping.set()
        self.join(10)

    def thirds(self) -> dict[str, dict[str, float]]:
        """Medians of the first and the last third of the time, by part."""
        found: dict[str, dict[str, float]] = {}
        if not self.samples:
            return found
        begin, end = self.samples[0].at, self.samples[-1].at
        third = (end - begin) / 3
        for part in ("service", "agent", "screen"):
            mine = [each for each in self.samples if each.part == part]
            first = [each for each in mine if each.at <= begin + third]
            last = [each for each in mine if each.at >= end - third]
            if first and last:
                found[part] = {
                    "megabytes first": round(statistics.median(s.megabytes for s in first), 1),
                    "megabytes last": round(statistics.median(s.megabytes for s in last), 1),
                    "files first": statistics.median(s.files for s in first),
                    "files last": statistics.median(s.files for s in last),
                }
        return found
