"""Sets that are not wholly sent: what is told of them, and what a person may want of them."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable, Iterable

from qtower.desk.intents import Intents, PartState, Sending, Wish
from qtower.desk.lost_parts import give_up
from qtower.desk.registry import Changes, Registry
from qtower.errors import JobStateError, NotFoundError, StorageError
from qtower.model import Steer, UnsentSet
from qtower.processes import this_program

_WISHES = {
    Steer.SEND: Wish.GO,
    Steer.ALWAYS: Wish.ALWAYS,
    Steer.PAUSE: Wish.PAUSE,
    Steer.STOP: Wish.STOP,
}


class Unfinished:
    """The sets of one account that are not wholly sent. Safe for all threads."""

    def __init__(self, intents: Intents, account_name: str) -> None:
        self._intents = intents
        self._account_name = account_name
        self._lock = threading.Lock()
        self._waits_for: dict[str, str] = {}  # by set id, of those that are sent here
        self._told: list[UnsentSet] = []

    def note(self, set_id: str, waits_for: str) -> None:
        """The sending of a set, by this process, waits for something, or goes on ("")."""
        with self._lock:
            self._waits_for[set_id] = waits_for

    def sets(self) -> list[UnsentSet]:
        """All of them, oldest first."""
        mine = self._intents.mine()
        with self._lock:
            waits_for = {set_id: self._waits_for.get(set_id, "") for set_id in mine}
        return [
            _described(sending, waits_for.get(sending.intent.set_id))
            for sending in self._intents.unfinished()
        ]

    def news(self) -> list[UnsentSet] | None:
        """All of them, if anything changed since it was asked last; else None."""
        sets = self.sets()
        with self._lock:
            if sets == self._told:
                return None
            self._told = sets
        return sets

    def offers(self) -> list[UnsentSet]:
        """Those that nobody sends."""
        return [each for each in self.sets() if each.state == "offered"]

    def steer(
        self,
        set_id: str,
        steer: Steer,
        *,
        resume: Callable[[Sending, Wish], object],
        publish: Callable[[Callable[[], Changes]], object],
        registry: Registry,
        now: float,
    ) -> None:
        """Does what a person wants; `resume` sends a set here, `publish` tells changed rows.

        Raises:
            NotFoundError: There is no such set.
            JobStateError: It does not stand so that this can be.
        """
        sending = self._intents.sending(set_id)
        if sending is None or not sending.unsent:
            raise NotFoundError("There is nothing unsent of this set.", "See the unsent jobs.")
        if steer is Steer.BACKGROUND:
            self._to_background([sending])
        elif steer is Steer.LEAVE:
            indexes = self._leave(set_id)
            publish(lambda: give_up(registry, sending, indexes, now))
        elif sending.owned:
            self._intents.set_wish(set_id, _WISHES[steer])
        elif steer in (Steer.SEND, Steer.ALWAYS):
            resume(sending, _WISHES[steer])
        else:
            raise JobStateError("Nobody sends this set at the moment.")

    def _leave(self, set_id: str) -> list[int]:
        """Gives up what was not sent of a set, which nobody else takes up meanwhile."""
        if not self._intents.claim(set_id):
            raise JobStateError("This set is being sent.", "Stop it first.")
        try:
            return self._intents.leave(set_id)
        finally:
            self._intents.release(set_id)

    def _to_background(self, sendings: Iterable[Sending]) -> None:
        """Hands sets over to a process that goes on when this one ends."""
        mine = self._intents.mine()
        for sending in sendings:
            set_id = sending.intent.set_id
            if sending.owned and set_id not in mine:
                raise JobStateError("Another process sends this set already.")
            # The sender here ends with the job under way; the other one waits for that.
            self._intents.set_wish(set_id, Wish.HAND_OVER if set_id in mine else Wish.GO)
            _detach(self._account_name, set_id, always=sending.wish is Wish.ALWAYS)


def _detach(account_name: str, set_id: str, *, always: bool) -> None:
    command = this_program("unsent", "send", set_id, "--account", account_name, "--take-over")
    command += ["--always"] if always else []
    try:
        subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # neither the terminal's end nor the agent's is its own
        )
    except OSError as error:
        raise StorageError(
            f"The process could not be started: {error.strerror or error}."
        ) from error


def _described(sending: Sending, waits_for: str | None) -> UnsentSet:
    """`waits_for` is None for a set that this process does not send."""
    counts = sending.counts
    paused = sending.wish is Wish.PAUSE
    if waits_for is None and not sending.owned:
        state = "offered"
    elif paused:
        state = "paused"
    else:
        state = "background" if waits_for is None else "sending"
    given_up = counts.get(PartState.LEFT, 0)
    return UnsentSet(
        set_id=sending.intent.set_id,
        name=sending.intent.set_name,
        backend=sending.intent.backend,
        jobs=sum(counts.values()) - given_up,
        sent=counts.get(PartState.SENT, 0),
        refused=counts.get(PartState.FAILED, 0),
        state=state,
        waits_for="" if paused else waits_for or "",
        always=sending.wish is Wish.ALWAYS,
        created=sending.intent.at,
    )
