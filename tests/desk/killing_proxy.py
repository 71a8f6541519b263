"""A proxy before a real service that kills a client at a chosen moment of a chosen request."""

from __future__ import annotations

import threading
from collections.abc import Callable

from tests.faults.proxy import Answer, Exchange, Proxy

MOMENTS = ("before", "asked", "answered")
"""Before the service hears of the request; when it has answered and the client has not heard it;
when the client has the answer. Besides these: "failed", and the client hears of a 500 instead."""


class KillingProxy(Proxy):
    """Forwards everything; `arm` says when to kill. Requests that change something are counted."""

    def __init__(self, service_url: str) -> None:
        self._lock = threading.Lock()
        self._left = 0
        self._moment = ""
        self._kill: Callable[[], object] = lambda: None
        super().__init__(service_url, self._pass_or_kill)

    def arm(self, requests: int, moment: str, kill: Callable[[], object]) -> None:
        """Calls `kill` at a moment of the `requests`-th request from now on, counted from 1."""
        with self._lock:
            self._left, self._moment, self._kill = requests, moment, kill

    def disarm(self) -> None:
        """Kills nobody any more."""
        self.arm(0, "", lambda: None)

    def _count(self, exchange: Exchange) -> str:
        """Counts a request; returns the moment at which its client is to be killed, or ""."""
        of_jobs = exchange.method != "GET" and "/Jobs" in exchange.path
        if not of_jobs and exchange.method != "PUT":
            return ""
        with self._lock:
            self._left -= 1
            return self._moment if self._left == 0 else ""

    def _pass_or_kill(self, exchange: Exchange) -> None:
        moment = self._count(exchange)
        if moment == "before":
            self._kill()
            exchange.reset()
            return
        answer = exchange.forward()
        if moment == "asked":
            self._kill()
            exchange.reset()
            return
        exchange.give(Answer(500, b"{}") if moment == "failed" else answer)
        if moment == "answered":
            self._kill()
            exchange.reset()
