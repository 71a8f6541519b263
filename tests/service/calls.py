"""Every call of the service's API, as its routes have it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from starlette.routing import Route

from qtower.service.routes import auth, backends, jobs, operations, storage, websocket


@dataclass(frozen=True)
class Call:
    """A method at a path; WS for a websocket."""

    method: str
    path: str  # below the base address, with {parameters}

    @property
    def parameters(self) -> list[str]:
        """The names of the parts of the path that a request chooses."""
        return re.findall(r"{(\w+)}", self.path)

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


def served_calls() -> list[Call]:
    """All calls below the base address but websockets."""
    routes = auth.ROUTES + backends.ROUTES + jobs.ROUTES + storage.ROUTES + operations.ROUTES
    return [call for route in routes for call in _calls(route)]


def served_beside() -> list[Call]:
    """The calls at the root of the server, beside the API."""
    return [call for route in operations.ROOT_ROUTES for call in _calls(route)]


def served_websockets() -> list[Call]:
    """The paths of websockets."""
    return [Call("WS", route.path) for route in websocket.ROUTES]


def _calls(route: Route) -> list[Call]:
    return [Call(m, route.path) for m in sorted((route.methods or set()) - {"HEAD"})]
