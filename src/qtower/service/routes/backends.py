"""The backends: configuration, properties, pulse defaults, queue, limits, reservations."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from qtower.service import refusals, statuses
from qtower.service.conditions import FilterError
from qtower.service.devices import Device
from qtower.service.filters import read_earlier_than
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
    running = core.store.unfinished_count(owner_of(request), device.name)
    limit = -1 if core.job_limit is None else core.job_limit
    return answer({"maximumJobs": limit, "runningJobs": running})


def reservations(request: Request) -> Response:
    """The backend's reservations: nobody can reserve a simulator for himself."""
    _named_device(request)
    return answer([])


def my_reservations(_request: Request) -> Response:
    """The user's reservations: there are none, as above."""
    return answer([])


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
