"""For those who look after the service: is it well, what does it count, what is it doing."""

from __future__ import annotations

import hmac
import shutil
import time
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from qtower import __version__
from qtower.service import metrics, refusals
from qtower.service.core import Core
from qtower.service.health import condition, queues, size_of
from qtower.service.routes.exchange import answer, core_of
from qtower.service.signing import STATUS
from qtower.service.statuses import to_date
from qtower.service.tokens import digest


async def health(request: Request) -> Response:
    """200 if the service takes jobs, though none may run now; 503 if not; and the reason."""
    found = await condition(core_of(request))
    return answer(found, 503 if found.status == "failing" else 200)


async def read_metrics(request: Request) -> Response:
    """The metrics, for whoever may read them."""
    core = core_of(request)
    if not _may_read_metrics(request):
        raise refusals.metrics_closed()
    return Response(await run_in_threadpool(core.metrics.text), media_type=metrics.CONTENT_TYPE)


def status(request: Request) -> Response:
    """What the service is and does. A user among several learns only of the user's own jobs."""
    core = core_of(request)
    document = _document(core)
    if core.site.shared:
        return answer({**document, "jobs": core.store.counts(request.state.user)})
    return answer({**document, **_of_everybody(core)})


def _document(core: Core) -> dict[str, Any]:
    return {
        "version": __version__,
        "since": core.site.since,
        "workers": core.dispatcher.workers,
        "engine": core.site.engine,
        "trouble": core.dispatcher.trouble,
        "queue": {name: length for name, length in queues(core).items() if length},
        "reserved": _reserved(core),
    }


def _reserved(core: Core) -> dict[str, str]:
    """Until when those backends are reserved for which jobs wait; for whom is not told."""
    now = time.time()
    waiting = (name for name, length in queues(core).items() if length)
    until = {name: core.reservations.held_until(name, now) for name in waiting}
    return {name: to_date(round(moment * 1_000_000)) for name, moment in until.items() if moment}


def signed_status(request: Request) -> Response:
    """The same with everybody's jobs, for who can read the data directory and its signing key."""
    core = core_of(request)
    query = request.query_params
    if not core.signer.allows(STATUS, query.get("expires", ""), query.get("signature", "")):
        raise refusals.bad_signature()
    return answer({**_document(core), **_of_everybody(core)})


def _of_everybody(core: Core) -> dict[str, Any]:
    site = core.site
    return {
        "jobs": core.store.counts(),
        "shared": site.shared,
        "without_token": core.accounts.without_token() if site.shared else [],
        "database": site.database,
        "retention_seconds": site.retention_seconds,
        "data_bytes": size_of(site.data_dir) if site.data_dir else 0,
        "free_bytes": shutil.disk_usage(site.data_dir).free if site.data_dir else None,
    }


def _may_read_metrics(request: Request) -> bool:
    site = core_of(request).site
    if site.metrics_digest is None:
        return site.metrics_open
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    given = digest(token.strip())
    return scheme.lower() == "bearer" and hmac.compare_digest(given, site.metrics_digest)


ROUTES = [Route("/service/status", status)]
ROOT_ROUTES = [
    Route("/health", health),
    Route("/metrics", read_metrics),
    Route("/status", signed_status),
]
