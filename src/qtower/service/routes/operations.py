"""For those who look after the service: is it well, what does it count, what is it doing."""

from __future__ import annotations

import hashlib
import hmac

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from qtower import __version__
from qtower.service import metrics, refusals
from qtower.service.health import ailment, queues, size_of
from qtower.service.routes.exchange import answer, core_of


async def health(request: Request) -> Response:
    """200 if the service works; 503 and the reason if not."""
    reason = await ailment(core_of(request))
    if reason is None:
        return answer({"status": "ok"})
    return answer({"status": "failing", "reason": reason}, 503)


async def read_metrics(request: Request) -> Response:
    """The metrics, for whoever may read them."""
    core = core_of(request)
    if not _may_read_metrics(request):
        raise refusals.metrics_closed()
    return Response(await run_in_threadpool(core.metrics.text), media_type=metrics.CONTENT_TYPE)


def status(request: Request) -> Response:
    """What the service is and does. A user among several learns only of the user's own jobs."""
    core = core_of(request)
    site = core.site
    document = {
        "version": __version__,
        "since": site.since,
        "workers": core.dispatcher.workers,
        "engine": site.engine,
        "trouble": core.dispatcher.trouble,
        "queue": {name: length for name, length in queues(core).items() if length},
    }
    if site.shared:
        return answer({**document, "jobs": core.store.counts(request.state.user)})
    size = size_of(site.data_dir) if site.data_dir else 0
    return answer(
        {
            **document,
            "jobs": core.store.counts(),
            "database": site.database,
            "retention_seconds": site.retention_seconds,
            "data_bytes": size,
        }
    )


def _may_read_metrics(request: Request) -> bool:
    site = core_of(request).site
    if site.metrics_digest is None:
        return site.metrics_open
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    digest = hashlib.sha256(token.strip().encode("utf-8", "replace")).hexdigest()
    return scheme.lower() == "bearer" and hmac.compare_digest(digest, site.metrics_digest)


ROUTES = [Route("/service/status", status)]
ROOT_ROUTES = [Route("/health", health), Route("/metrics", read_metrics)]
