"""What the app tells its screens."""

from __future__ import annotations

from collections.abc import Set

from textual.message import Message

from qtower import model


class RowsChanged(Message, bubble=False):
    """Rows of the board were added, changed or removed; `keys` are the jobs they belong to."""

    def __init__(self, keys: Set[str]) -> None:
        super().__init__()
        self.keys = keys


class ConnectionChanged(Message, bubble=False):
    """The desk stands differently to its endpoint, or confirmed once more how it stands."""

    def __init__(self, connection: model.Connection, before: model.Link | None) -> None:
        """`before` is how it stood until now; None: the desk had not told yet."""
        super().__init__()
        self.connection = connection
        self.came_back = connection.link is model.Link.LIVE and before is not model.Link.LIVE


class AgentChanged(Message, bubble=False):
    """The agent's process came up, ended, or is being started again."""

    def __init__(self, up: bool, detail: str) -> None:
        super().__init__()
        self.up = up
        self.detail = detail


class SendingChanged(Message, bubble=False):
    """Sets that are not wholly sent came, went, or moved on: see the app's `sending`."""
