"""Times in which a backend runs the jobs of one project only."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable
from dataclasses import dataclass

from qtower.errors import ConfigError
from qtower.service.records import Owner
from qtower.service.settings import ReservationSettings, ServiceSettings


@dataclass(frozen=True)
class Reservation:
    """A time that is one project's; in seconds since 1970 UTC, the end not included."""

    id: str
    backend: str
    hub: str
    group: str
    project: str
    start: float
    end: float
    mode: str

    def is_of(self, owner: Owner) -> bool:
        """Whether the owner works in the project that has it."""
        return (self.hub, self.group, self.project) == (owner.hub, owner.group, owner.project)


class Reservations:
    """All reservations of the settings."""

    def __init__(self, settings: ServiceSettings) -> None:
        found = sorted((_read(r) for r in settings.reservations), key=lambda r: (r.start, r.id))
        self._by_backend: dict[str, list[Reservation]] = {}
        for reservation in found:
            self._by_backend.setdefault(reservation.backend, []).append(reservation)
        self._all = found

    def check(self, backends: Iterable[str]) -> None:
        """Raises ConfigError if a reservation is of a backend that there is not."""
        unknown = self._by_backend.keys() - set(backends)
        if unknown:
            raise ConfigError(
                f'A reservation names the backend "{min(unknown)}", which there is not.',
                "Correct its backend.",
            )

    def runnable(self, owner: Owner, backend: str, now: float | None = None) -> bool:
        """Whether a job of the owner may begin on the backend: nobody else has it now."""
        now = time.time() if now is None else now
        holding = [r for r in self._by_backend.get(backend, ()) if r.start <= now < r.end]
        return not holding or any(r.is_of(owner) for r in holding)

    def held_until(self, backend: str, now: float) -> float | None:
        """Returns when the reservations that hold now are over; None if the backend is free."""
        ends = (r.end for r in self._by_backend.get(backend, ()) if r.start <= now < r.end)
        return max(ends, default=None)

    def next_change(self, now: float) -> float | None:
        """Returns when a reservation next begins or ends; None if none does."""
        moments = (moment for r in self._all for moment in (r.start, r.end))
        return min((moment for moment in moments if moment > now), default=None)

    def free_at(self, owner: Owner, backend: str, moment: float) -> float:
        """Returns the first time from `moment` on at which a job of the owner may begin."""
        while not self.runnable(owner, backend, moment):
            moment = max(r.end for r in self._by_backend[backend] if r.start <= moment < r.end)
        return moment

    def of_backend(
        self, backend: str, start: float | None = None, end: float | None = None
    ) -> list[Reservation]:
        """Returns the reservations of a backend that touch the time from `start` to `end`."""
        return [r for r in self._by_backend.get(backend, ()) if _touches(r, start, end)]

    def of_owners(self, owners: Iterable[Owner]) -> list[Reservation]:
        """Returns the reservations of the projects in which a user works."""
        places = list(owners)
        return [r for r in self._all if any(r.is_of(owner) for owner in places)]


def _touches(reservation: Reservation, start: float | None, end: float | None) -> bool:
    return (start is None or reservation.end > start) and (end is None or reservation.start < end)


def _read(settings: ReservationSettings) -> Reservation:
    hub, group, project = settings.project.split("/")
    start, end = settings.start.timestamp(), settings.end.timestamp()
    # The same reservation keeps its name when the service restarts or others are written above it.
    text = "\n".join((settings.backend, settings.project, repr(start), repr(end)))
    name = hashlib.sha256(text.encode()).hexdigest()[:24]
    return Reservation(name, settings.backend, hub, group, project, start, end, settings.mode)
