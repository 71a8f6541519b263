"""From a token that was revoked to the websockets that stay open with it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

_LOOK_SECONDS = 1.0


class SignOuts:
    """Wakes all who wait when tokens were added or revoked. Belongs to one event loop.

    One task looks for all of them, and only while somebody waits.

    Args:
        stamp: Returns what differs whenever the tokens do.
    """

    def __init__(self, stamp: Callable[[], object]) -> None:
        self._stamp = stamp
        self._seen = stamp()
        self._looking: asyncio.Task[None] | None = None

    async def wait(self, seconds: float) -> None:
        """Waits until tokens have changed, at most a second longer, or for `seconds`, or less."""
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look(seconds))
        await asyncio.shield(self._looking)

    async def _look(self, seconds: float) -> None:
        pause = min(_LOOK_SECONDS, seconds)
        for _ in range(round(seconds / pause)):
            # Since the last look, not since now: who waits again has missed nothing meanwhile.
            if self._stamp() != self._seen:
                break
            await asyncio.sleep(pause)
        self._seen = self._stamp()
