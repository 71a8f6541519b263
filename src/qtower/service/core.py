"""What the routes work with."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from qtower.service.access import Accounts, Signer
from qtower.service.devices import Device
from qtower.service.dispatcher import Dispatcher
from qtower.service.payloads import Payloads
from qtower.service.store import Store
from qtower.service.watchers import Watchers


class Activity:
    """How long ago the last request was; one that is still being answered is now."""

    def __init__(self) -> None:
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
class Core:
    """The parts of the service, made once and shared by all requests."""

    store: Store
    payloads: Payloads
    devices: Mapping[str, Device]
    dispatcher: Dispatcher
    watchers: Watchers
    accounts: Accounts
    signer: Signer
    job_limit: int | None = None  # unfinished jobs of one user on one backend
    activity: Activity = field(default_factory=Activity)
