"""What the routes work with."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from qtower.service.access import Accounts
from qtower.service.devices import Device
from qtower.service.dispatcher import Dispatcher
from qtower.service.metrics import Metrics
from qtower.service.payloads import Payloads
from qtower.service.records import Owner
from qtower.service.reservations import Reservations
from qtower.service.settings import ServiceSettings
from qtower.service.signing import Signer
from qtower.service.store import Store
from qtower.service.watchers import Watchers


class Activity:
    """How long ago the last request was; one that is still being answered is now."""

    def __init__(self) -> None:
        self.followed: Counter[str] = Counter()  # open websockets of each user
        self.owners: dict[str, asyncio.Future[Owner | None]] = {}  # of jobs, asked or known
        self._open = 0
        self._last = time.monotonic()

    def begin(self) -> None:
        """A request or a websocket has come."""
        self._open += 1

    def end(self) -> None:
        """It is over."""
        self._open -= 1
        self._last = time.monotonic()

    @property
    def idle_seconds(self) -> float:
        """Seconds since the last request ended; 0 while there is one."""
        return 0.0 if self._open else time.monotonic() - self._last


@dataclass(frozen=True)
class Site:
    """Where the service stands, and who may look at its metrics."""

    public_url: str | None = None  # of the API, behind a proxy; else as the client spells it
    data_dir: Path | None = None
    since: float = field(default_factory=time.time)
    engine: str = "processes on this machine"
    database: str = "SQLite"
    shared: bool = False  # by named users
    retention_seconds: float | None = None
    metrics_open: bool = True  # whoever reaches the service may read its metrics
    metrics_digest: str | None = None  # SHA-256 of the token that opens them
    log_requests: bool = False


@dataclass(frozen=True)
class Core:
    """The parts of the service, made once and shared by all requests."""

    store: Store
    payloads: Payloads
    devices: Mapping[str, Device]
    dispatcher: Dispatcher
    watchers: Watchers
    accounts: Accounts
    signer: Signer
    settings: ServiceSettings
    reservations: Reservations
    metrics: Metrics = field(default_factory=Metrics)
    activity: Activity = field(default_factory=Activity)
    site: Site = field(default_factory=Site)
