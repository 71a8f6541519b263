"""How a screen asks the agent: all that it needs of the app, and no more."""

from __future__ import annotations

from typing import Any, Protocol, TypeVar, cast

from textual.dom import DOMNode

from qtower.model import JobRow, Request

Record = TypeVar("Record")


class Board(Protocol):
    """Where the rows are."""

    def row(self, key: str) -> JobRow | None:
        """The row of the job `key`, or None if there is none."""


class Tower(Protocol):
    """The app, as a details or submit screen sees it."""

    board: Board

    async def ask(self, request: Request) -> Any:
        """Returns the record that `model.ANSWERS` names for `request`, or raises QtowerError."""


async def ask(node: DOMNode, request: Request, answer: type[Record]) -> Record:
    """Asks the agent through the app of `node` and returns its answer.

    Raises:
        QtowerError: As the request's docstring says, or the agent could not be asked.
    """
    return cast("Record", await cast("Tower", node.app).ask(request))


def row_of(node: DOMNode, key: str) -> JobRow | None:
    """The row of the job `key` as the app of `node` has it now."""
    return cast("Tower", node.app).board.row(key)
