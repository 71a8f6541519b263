"""Sets that nobody sends any more: found, settled, and offered to a person."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection

from qtower.desk.intents import Intents, Wish
from qtower.desk.lost_parts import settle_lost_parts
from qtower.desk.registry import Changes, Registry
from qtower.desk.unfinished import Unfinished
from qtower.errors import QtowerError
from qtower.model import Steer, SteerSet, UnsentSet

HAND_OVER_SECONDS = 60.0
"""So long a process of its own may take until it sends what was handed over to it."""


class Offers:
    """Looks after the sets of one account that are not wholly sent, and whose sender is gone."""

    def __init__(
        self,
        unfinished: Unfinished,
        intents: Intents,
        registry: Registry,
        *,
        publish: Callable[[Callable[[], Changes]], object],
        warn: Callable[[str, str], object],
        clock: Callable[[], float] = time.time,
        ticks: Callable[[], float] = time.monotonic,
    ) -> None:
        """`publish` tells the rows that a call changes, `warn` a title and a sentence."""
        self._unfinished = unfinished
        self._intents = intents
        self._registry = registry
        self._publish = publish
        self._warn = warn
        self._clock = clock
        self._ticks = ticks
        self._alone: set[str] = set()  # sets that nobody sends
        self._handed: dict[str, float] = {}  # since when a set waits for a process of its own

    def settle(self, unsent: Collection[str] = ()) -> None:
        """What was meant to be sent and did not arrive, never will by itself: its rows say so.

        `unsent` are the keys of rows that the journal had without a job id.
        """
        self._publish(
            lambda: settle_lost_parts(self._registry, self._intents, unsent, self._clock())
        )

    def tell(self, go_on: Callable[[SteerSet], object] | None) -> None:
        """Says what nobody sends; `go_on` sends what a person wants sent whatever happens."""
        for each in self._unfinished.offers():
            if each.always and go_on is not None:
                wish = SteerSet(set_id=each.set_id, steer=Steer.ALWAYS)
                threading.Thread(target=self._go_on, args=(go_on, wish), daemon=True).start()
            else:
                self._warn(
                    "Unsent jobs",
                    f'"{each.name}": {each.offer}: {choice(each)}. '
                    "Press U in the list of jobs, or see `qtower unsent`.",
                )

    def look(self) -> None:
        """Another sender may have ended, and a job that was on its way then may have come."""
        offers = [each for each in self._intents.unfinished() if not each.owned]
        handed = {each.intent.set_id for each in offers if each.wish is Wish.HAND_OVER}
        now = self._ticks()
        self._handed = {set_id: self._handed.get(set_id, now) for set_id in handed}
        coming = {
            set_id for set_id, since in self._handed.items() if now - since < HAND_OVER_SECONDS
        }
        alone = {each.intent.set_id for each in offers} - coming
        if alone - self._alone or any(each.doubtful for each in offers):
            self.settle()
        self._alone = alone

    def _go_on(self, go_on: Callable[[SteerSet], object], wish: SteerSet) -> None:
        try:
            go_on(wish)
        except QtowerError as error:
            self._warn("Unsent jobs", str(error))


def choice(offered: UnsentSet) -> str:
    """What a person can do with a set, for example: "submit the other 5, or leave them"."""
    if offered.unsent == 1:
        return f"submit {'the other one' if offered.sent else 'it'}, or leave it"
    return f"submit {'the other' if offered.sent else 'all'} {offered.unsent}, or leave them"
