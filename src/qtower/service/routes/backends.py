"""The backends: configuration, properties, pulse defaults, queue, limits, reservations."""

from __future__ import annotations

import time
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from qtower.service import refusals, statuses
from qtower.service.core import Core
from qtower.service.devices import Device
from qtower.service.documents import hub_info
from qtower.service.fields import FilterError
from qtower.service.filters import read_earlier_than
from qtower.service.records import Owner
from qtower.service.reservations import Reservation
from qtower.service.routes.exchange import answer, core_of, owner_of


def configurations(request: Request) -> Response:
    """Lists the configurations of all backends."""
    owner_of(request)
    return answer([device.configuration for device in core_of(request).devices.values()])


def properties(request: Request) -> Response:
    """Calibration data, if it is older than the date that may be given; `{}` if there is none."""
    found = _device(request).properties
    try:
        before = read_earlier_than(request.query_params.get("filter"), "last_update_date")
    except FilterError as error:
        raise refusals.bad_request(str(error)) from None
    if found is None or (
        before is not None and statuses.from_date(found["last_update_date"]) >= before
    ):
        return answer({})
    return answer(found)


def defaults(request: Request) -> Response:
    """Pulse defaults; `{}` if the backend takes no pulses."""
    return answer(_device(request).defaults or {})


def queue_status(request: Request) -> Response:
    """Says that the backend works, and how many jobs wait for it."""
    device = _device(request)
    return answer(
        {
            "state": True,
            "status": "active",
            "message": "",
            "lengthQueue": core_of(request).dispatcher.queue_length(device.name),
            "backend_version": device.configuration["backend_version"],
        }
    )


def jobs_limit(request: Request) -> Response:
    """Says how many unfinished jobs the user has and may have on the backend; -1 is no limit."""
    core, device = core_of(request), _device(request)
    owner = owner_of(request)
    running = core.store.unfinished_count(owner, device.name)
    limit = job_limit(core, owner, device.name)
    return answer({"maximumJobs": -1 if limit is None else limit, "runningJobs": running})


def job_limit(core: Core, owner: Owner, backend: str) -> int | None:
    """Returns how many unfinished jobs the owner may have on a backend; None for no limit."""
    return core.settings.job_limit(owner.hub, owner.group, owner.project, backend)


def reservations(request: Request) -> Response:
    """The backend's reservations in a time; whose they are is told only to those they are of."""
    core, device = core_of(request), _named_device(request)
    start, end = (_moment(request, name) for name in ("initialDate", "endDate"))
    mine = core.accounts.owners(request.state.user)
    found = core.reservations.of_backend(device.name, start, end)
    return answer([_reservation(r, owned=any(r.is_of(owner) for owner in mine)) for r in found])


def my_reservations(request: Request) -> Response:
    """The reservations of the user's projects, on all backends, that are not over."""
    core, now = core_of(request), time.time()
    found = core.reservations.of_owners(core.accounts.owners(request.state.user))
    return answer([_reservation(r, owned=True) for r in found if r.end > now])


def _moment(request: Request, name: str) -> float | None:
    text = request.query_params.get(name)
    if not text:
        return None
    try:
        # In a query a "+" that nobody quoted is a space.
        return statuses.from_date(text.replace(" ", "+", 1) if "T" in text else text) / 1_000_000
    except (ValueError, OverflowError):
        raise refusals.bad_request(f'"{name}" is not an ISO 8601 date') from None


def _reservation(reservation: Reservation, *, owned: bool) -> dict[str, Any]:
    document: dict[str, Any] = {
        "backendName": reservation.backend,
        "initialDate": statuses.to_date(round(reservation.start * 1_000_000)),
        "endDate": statuses.to_date(round(reservation.end * 1_000_000)),
    }
    if owned:
        document |= {
            "id": reservation.id,
            "mode": reservation.mode,
            "hubInfo": hub_info(reservation.hub, reservation.group, reservation.project),
        }
    return document


def _device(request: Request) -> Device:
    owner_of(request)
    return _named_device(request)


def _named_device(request: Request) -> Device:
    device = core_of(request).devices.get(request.path_params["backend"])
    if device is None:
        raise refusals.no_such_backend()
    return device


_PLACE = "/Network/{hub}/Groups/{group}/Projects/{project}"

ROUTES = [
    Route("/Network/bookings/v2", my_reservations),
    Route("/Network/devices/{backend}/bookings/v2", reservations),
    Route(_PLACE + "/devices/v/1", configurations),
    Route(_PLACE + "/devices/{backend}/properties", properties),
    Route(_PLACE + "/devices/{backend}/defaults", defaults),
    Route(_PLACE + "/devices/{backend}/queue/status", queue_status),
    Route(_PLACE + "/devices/{backend}/jobsLimit", jobs_limit),
]
