"""What the agent says: answers, failures, and what it tells by itself."""

from __future__ import annotations

from typing import Any, TypeAlias

import msgspec

from qtower.model.base import Struct
from qtower.model.connection import Connection
from qtower.model.rows import JobRow
from qtower.model.unsent import UnsentSet


class Message(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type"):
    """Base of all that the agent says."""


class Answer(Message, frozen=True, kw_only=True, tag="answer"):
    """The answer to request `id`; `body` is the record that the request's docstring names."""

    id: int
    body: Any


class Failure(Message, frozen=True, kw_only=True, tag="failure"):
    """Request `id` failed: an error of `qtower.errors`, by its class name and words."""

    id: int
    error: str
    title: str
    what: str
    next_step: str = ""


class Welcome(Struct, frozen=True, kw_only=True):
    """Answer to `Hello`."""

    version: int
    program: str  # "qtower 0.1.0"
    account: str
    pid: int
    heartbeat: float = 0.0  # s: something is said at least so often; 0: no such promise


class Rows(Message, frozen=True, kw_only=True, tag="rows"):
    """Rows that are new or have changed, and keys of rows that are gone, in chunks."""

    rows: list[JobRow] = []
    gone: list[str] = []


class Connected(Message, frozen=True, kw_only=True, tag="connection"):
    """The connection changed, or was confirmed again."""

    connection: Connection


class Notice(Message, frozen=True, kw_only=True, tag="notice"):
    """A sentence for the person, of level "info", "warning" or "error"."""

    level: str
    title: str
    text: str


class Sending(Message, frozen=True, kw_only=True, tag="sending"):
    """All sets that are not wholly sent, whenever that changes."""

    sets: list[UnsentSet] = []


Event: TypeAlias = Rows | Connected | Notice | Sending

AnyMessage: TypeAlias = Answer | Failure | Rows | Connected | Notice | Sending
