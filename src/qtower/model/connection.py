"""The account and how the desk stands to its endpoint."""

from __future__ import annotations

from enum import Enum

from qtower.model.base import Struct


class Link(str, Enum):
    """State of the connection to the endpoint."""

    STARTING = "starting"  # the provider is being loaded, or the local service started
    LIVE = "live"
    OFFLINE = "offline"  # did not answer; known rows stand with their age
    REFUSED = "refused"  # login was refused: needs a person


class Connection(Struct, frozen=True, kw_only=True):
    """How the desk stands to its endpoint, for the header."""

    account: str
    endpoint: str  # URL without credentials
    link: Link
    since: float  # when `link` last changed
    confirmed: float | None = None  # when all active jobs were last read
    detail: str = ""  # what is wrong, and what is done about it
    local_service: bool = False  # the endpoint is qtower's own service on this machine
    fresh_for: float | None = None  # s; a row or reading confirmed longer ago than this is stale
    calls_used: int | None = None  # requests of the last minute, retries included,
    calls_allowed: int | None = None  # and how many a minute the account's budget has
    slowed: str = ""  # why it is read more slowly than usual; "" if it is not
    read_only: bool = False  # nothing is submitted, cancelled or sent from here
    insecure: bool = False  # its certificate is not checked: anybody on the way can listen
    slowed_since: float | None = None  # since when; None if it is not
    unwritten: float | None = None  # since when the journal cannot be written; None: it is
