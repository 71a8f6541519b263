"""Reservations: whose jobs a backend may begin, and from when on."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest

from qtower.errors import ConfigError
from qtower.service.records import Owner
from qtower.service.reservations import Reservations
from qtower.service.settings import ReservationSettings, ServiceSettings

ADA = Owner("ada", "lab", "physics", "main")
BEN = Owner("ben", "lab", "physics", "main")
CYN = Owner("cyn", "lab", "chemistry", "main")
LIMA, BOGOTA = "ibmq_lima", "ibmq_bogota"


def reserve(project: str, start: float, end: float, backend: str = LIMA) -> ReservationSettings:
    return ReservationSettings(
        backend=backend,
        project=project,
        start=datetime.fromtimestamp(start, timezone.utc),
        end=datetime.fromtimestamp(end, timezone.utc),
    )


def reservations(*entries: ReservationSettings) -> Reservations:
    return Reservations(ServiceSettings(reservations=entries))


def test_only_the_project_runs_in_its_time_and_on_its_backend() -> None:
    held = reservations(reserve("lab/physics/main", 100, 200))
    assert held.runnable(CYN, LIMA, 99.9)
    assert not held.runnable(CYN, LIMA, 100)
    assert held.runnable(ADA, LIMA, 100)
    assert held.runnable(BEN, LIMA, 100), "a reservation is a project's, not a user's"
    assert held.runnable(CYN, BOGOTA, 100)
    assert not held.runnable(CYN, LIMA, 199.9)
    assert held.runnable(CYN, LIMA, 200)


def test_two_projects_may_share_a_time() -> None:
    held = reservations(
        reserve("lab/physics/main", 100, 200), reserve("lab/chemistry/main", 150, 250)
    )
    assert held.runnable(ADA, LIMA, 160)
    assert held.runnable(CYN, LIMA, 160)
    assert not held.runnable(ADA, LIMA, 220)


def test_who_looks_after_the_service_learns_until_when() -> None:
    held = reservations(
        reserve("lab/physics/main", 100, 200), reserve("lab/chemistry/main", 150, 250)
    )
    assert [held.held_until(LIMA, now) for now in (99, 100, 160, 249)] == [None, 200, 250, 250]
    assert held.held_until(BOGOTA, 160) is None


def test_the_line_learns_when_to_look_again() -> None:
    held = reservations(
        reserve("lab/physics/main", 100, 200), reserve("lab/physics/main", 300, 400, BOGOTA)
    )
    changes = [held.next_change(now) for now in (0, 100, 250, 350, 400)]
    assert changes == [100, 200, 300, 400, None]


def test_an_estimate_leaps_over_what_is_reserved_for_others() -> None:
    held = reservations(
        reserve("lab/physics/main", 100, 200),
        reserve("lab/physics/main", 200, 300),
        reserve("lab/physics/main", 250, 350),
    )
    assert held.free_at(CYN, LIMA, 50) == 50
    assert held.free_at(CYN, LIMA, 120) == 350
    assert held.free_at(ADA, LIMA, 120) == 120


def test_a_reservation_is_found_by_time_and_by_owner() -> None:
    held = reservations(
        reserve("lab/physics/main", 300, 400), reserve("lab/chemistry/main", 100, 200)
    )
    assert [r.start for r in held.of_backend(LIMA)] == [100, 300]
    assert [r.start for r in held.of_backend(LIMA, start=200)] == [300]
    assert [r.start for r in held.of_backend(LIMA, end=300)] == [100]
    assert held.of_backend(BOGOTA) == []
    assert [r.start for r in held.of_owners([ADA])] == [300]
    assert [r.start for r in held.of_owners([ADA, CYN])] == [100, 300]


def test_its_id_stays_when_others_are_written_above_it() -> None:
    one, other = reserve("lab/physics/main", 300, 400), reserve("lab/physics/main", 100, 200)
    (alone,) = reservations(one).of_backend(LIMA)
    assert alone in reservations(other, one).of_backend(LIMA)


def test_a_backend_that_there_is_not_is_refused() -> None:
    held = reservations(reserve("lab/physics/main", 100, 200))
    held.check([LIMA, BOGOTA])
    with pytest.raises(ConfigError, match="ibmq_lima"):
        held.check([BOGOTA])
