"""Version, login, and what the user may reach."""

from __future__ import annotations

import logging

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from qtower import __version__
from qtower.service import refusals
from qtower.service.routes.exchange import answer, base_address, core_of, read_json

# Bytes. It is read before it is known who sends it, on thousands of connections at once.
_LONGEST_LOGIN = 16_000

logger = logging.getLogger(__name__)


async def version(_request: Request) -> Response:
    """Which API this is; the client wants `api-auth` in it."""
    return answer({"new_api": True, "api-auth": __version__, "api-app": __version__})


async def log_in(request: Request) -> Response:
    """Gives an access token for an API token."""
    content = await read_json(request, _LONGEST_LOGIN)
    api_token = content.get("apiToken")
    if not isinstance(api_token, str):
        raise refusals.bad_request('"apiToken" is missing or not a text')
    signed_in = await run_in_threadpool(core_of(request).accounts.log_in, api_token)
    if signed_in is None:
        logger.warning("login refused")
        raise refusals.login_failed()
    user, access_token = signed_in
    return answer({"id": access_token, "userId": user})


async def me(request: Request) -> Response:
    """Says where the API and its websockets are."""
    http = base_address(request)
    return answer({"urls": {"http": http, "ws": "ws" + http.removeprefix("http")}})


async def network(request: Request) -> Response:
    """Lists the user's hubs with their groups and projects."""
    hubs: dict[str, dict[str, dict[str, bool]]] = {}
    places = core_of(request).accounts.places(request.state.user)
    for index, (hub, group, project) in enumerate(places):
        hubs.setdefault(hub, {}).setdefault(group, {})[project] = index == 0
    return answer(
        [
            {
                "name": hub,
                "title": hub,
                "groups": {
                    group: {
                        "name": group,
                        "title": group,
                        "projects": {
                            project: {"name": project, "title": project, "isDefault": default}
                            for project, default in projects.items()
                        },
                    }
                    for group, projects in groups.items()
                },
            }
            for hub, groups in hubs.items()
        ]
    )


ROUTES = [
    Route("/version", version),
    Route("/users/loginWithToken", log_in, methods=["POST"]),
    Route("/users/me", me),
    Route("/Network", network),
]
