"""Intents: what is to be sent, by whom, and what became of each part; in the journal's file.

A part of a set is `open` until its first request, `begun` from just before it, then `sent`,
`failed` (refused), or `left` (given up by a person). At most one living process is the owner of a
set, and only its owner sends.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from enum import Enum
from typing import Any

import msgspec

from qtower.desk.unsent_qobjs import UnsentQobjs
from qtower.processes import process_lives, process_name

_UNSENT = "('open', 'begun', 'failed')"


class PartState(str, Enum):
    """How far a part of a set has come."""

    OPEN = "open"
    BEGUN = "begun"
    SENT = "sent"
    FAILED = "failed"
    LEFT = "left"


UNSENT = (PartState.OPEN, PartState.BEGUN, PartState.FAILED)


class Wish(str, Enum):
    """What a person wants of a set that is not wholly sent."""

    GO = "go"
    ALWAYS = "always"  # and go on by itself after a restart
    PAUSE = "pause"
    STOP = "stop"  # keep the rest, for later
    HAND_OVER = "hand over"  # to a process in the background


class IntentPart(msgspec.Struct, frozen=True, kw_only=True):
    """One job of a set that is about to be sent."""

    index: int
    start_index: int
    experiments: int
    shots: int | None
    label: str
    tags: tuple[str, ...]


class SetIntent(msgspec.Struct, frozen=True, kw_only=True):
    """A set that is about to be sent."""

    set_id: str
    set_name: str
    backend: str
    tags: tuple[str, ...]
    at: float


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """A part as it stands."""

    intent: IntentPart
    state: PartState
    job_id: str = ""
    error: str = ""

    @property
    def unsent(self) -> bool:
        """True if it is not known to be on the server, and nobody gave it up."""
        return self.state in UNSENT


class Sending(msgspec.Struct, frozen=True, kw_only=True):
    """A set that was submitted here, and how far it has come."""

    intent: SetIntent
    owner: str  # "" if nobody sends it
    wish: Wish
    counts: dict[PartState, int]  # parts by state

    @property
    def owned(self) -> bool:
        """True if a living process sends it."""
        return process_lives(self.owner)

    @property
    def doubtful(self) -> bool:
        """True if it may be that a part is on the server, and this was not seen yet."""
        return bool(self.counts.get(PartState.BEGUN))

    @property
    def unsent(self) -> int:
        """How many parts are not known to be on the server, and nobody gave up."""
        return sum(self.counts.get(state, 0) for state in UNSENT)


class Intents:
    """The intents of one account. Every method may be called from any thread.

    What is decided of a set that others know raises StorageError where they would not know of it,
    because the journal cannot be written: `claim`, `leave`, `set_wish`.
    """

    def __init__(
        self,
        read: Callable[..., list[tuple[Any, ...]]],
        write: Callable[..., None],
        qobjs: UnsentQobjs,
        clock: Callable[[], float],
        hidden: Callable[[], bool] = lambda: False,
    ) -> None:
        """`read`, `write` and `hidden` are those of `JournalStore`."""
        self._read = read
        self._write = write
        self._clock = clock
        self._hidden = hidden
        self._claiming = threading.Lock()
        # Sets that a thread of this process sends. Each change of it is one step, and whoever looks
        # waits for nobody: a write that fails is told to those who ask `mine`.
        self._mine: set[str] = set()
        self.qobjs = qobjs

    # -- before the first request -----------------------------------------------------------------

    def record(
        self,
        set_id: str,
        set_name: str,
        backend: str,
        parts: Sequence[IntentPart],
        qobjs: list[bytes],
        wish: Wish = Wish.GO,
    ) -> None:
        """Writes down, durably, what is about to be sent, and makes this process its owner.

        Raises:
            StorageError: It could not be written: nothing may be sent.
        """
        self.qobjs.keep(set_id, qobjs)
        tags = parts[0].tags if parts else ()
        whole = SetIntent(
            set_id=set_id, set_name=set_name, backend=backend, tags=tags, at=self._clock()
        )
        submission = (set_id, msgspec.json.encode(whole), process_name(), wish.value)
        records = [(set_id, part.index, msgspec.json.encode(part)) for part in parts]
        self._mine.add(set_id)
        try:
            self._write(
                [
                    ("INSERT OR REPLACE INTO submissions VALUES (?, ?, ?, ?)", [submission]),
                    (
                        "INSERT OR REPLACE INTO intents (set_id, part, intent) VALUES (?, ?, ?)",
                        records,
                    ),
                ],
                True,
            )
        except BaseException:
            self._mine.discard(set_id)
            self.qobjs.remove(set_id, [part.index for part in parts])
            raise

    # -- what becomes of the parts ----------------------------------------------------------------

    def begun(self, set_id: str, index: int) -> None:
        """A request for part `index` is about to be made."""
        self._move(set_id, index, PartState.BEGUN)

    def not_begun(self, set_id: str, index: int) -> None:
        """The endpoint has nothing of part `index`, and no request is under way."""
        self._move(set_id, index, PartState.OPEN)

    def sent(self, set_id: str, index: int, job_id: str) -> None:
        """Part `index` is on the server as job `job_id`: its qobj is not needed any more."""
        self._move(set_id, index, PartState.SENT, job_id=job_id)
        self.qobjs.remove(set_id, [index])

    def failed(self, set_id: str, index: int, error: str) -> None:
        """Part `index` was refused. Its qobj is kept until a person gives it up."""
        self._move(set_id, index, PartState.FAILED, error=error)

    def leave(self, set_id: str) -> list[int]:
        """A person gives up what was not sent; returns the indexes of these parts."""
        query = f"SELECT part FROM intents WHERE set_id = ? AND state IN {_UNSENT}"
        indexes = [index for (index,) in self._read(query, set_id)]
        given_up = f"UPDATE intents SET state = 'left' WHERE set_id = ? AND state IN {_UNSENT}"
        self._write([(given_up, [(set_id,)])], True, set_id)
        self.qobjs.remove(set_id, indexes)
        return indexes

    def tidy(self) -> None:
        """Removes qobjs that no part needs any more."""
        if self._hidden():
            return  # others may need what is not known here
        query = f"SELECT set_id, part FROM intents WHERE state IN {_UNSENT}"
        with contextlib.suppress(OSError):  # it is tried again at the next start
            self.qobjs.tidy(lambda: set(self._read(query)), self._clock())

    # -- who sends --------------------------------------------------------------------------------

    def claim(self, set_id: str) -> bool:
        """Makes this process the owner of a set that has no living one; False if it has."""
        with self._claiming:
            if set_id in self._mine:
                return False
            found = self._read("SELECT owner FROM submissions WHERE set_id = ?", set_id)
            if not found or (found[0][0] and process_lives(found[0][0])):
                return False
            me = process_name()
            # Another process may be as quick: only one of them finds the owner that both read.
            query = "UPDATE submissions SET owner = ? WHERE set_id = ? AND owner = ?"
            self._write([(query, [(me, set_id, found[0][0])])], True, set_id)
            if self._read("SELECT owner FROM submissions WHERE set_id = ?", set_id) != [(me,)]:
                return False
            self._mine.add(set_id)
            return True

    def release(self, set_id: str) -> None:
        """This process does not send the set any more."""
        with self._claiming:
            self._mine.discard(set_id)
            query = "UPDATE submissions SET owner = '' WHERE set_id = ? AND owner = ?"
            self._write([(query, [(set_id, process_name())])], False)

    def mine(self) -> set[str]:
        """The sets that this process sends."""
        return self._mine.copy()

    def wish(self, set_id: str) -> Wish:
        """What a person wants of the set now."""
        found = self._read("SELECT wish FROM submissions WHERE set_id = ?", set_id)
        return _wish(found[0][0]) if found else Wish.STOP

    def set_wish(self, set_id: str, wish: Wish) -> None:
        """A person wants something else of the set: its owner, wherever it runs, reads it."""
        query = "UPDATE submissions SET wish = ? WHERE set_id = ?"
        known_to = "" if set_id in self.mine() else set_id
        self._write([(query, [(wish.value, set_id)])], False, known_to)

    # -- what there is ----------------------------------------------------------------------------

    def unfinished(self) -> list[Sending]:
        """All sets of which something was not sent, oldest first."""
        query = f"SELECT DISTINCT set_id FROM intents WHERE state IN {_UNSENT}"
        found = [self.sending(set_id) for (set_id,) in self._read(query)]
        return sorted((each for each in found if each), key=lambda each: each.intent.at)

    def sending(self, set_id: str) -> Sending | None:
        """A set that was submitted here, sent or not; None if it is not known."""
        found = self._read("SELECT intent, owner, wish FROM submissions WHERE set_id = ?", set_id)
        try:
            (raw, owner, wish) = found[0]
            intent = msgspec.json.decode(raw, type=SetIntent)
        except (IndexError, msgspec.DecodeError):
            return None
        return Sending(intent=intent, owner=owner, wish=_wish(wish), counts=self._counts(set_id))

    def parts(self, set_id: str) -> list[Part]:
        """The parts of a set that was submitted here, by index. An unreadable one is left out."""
        return list(self._decoded(set_id))

    def _counts(self, set_id: str) -> dict[PartState, int]:
        query = "SELECT state, count(*) FROM intents WHERE set_id = ? GROUP BY state"
        counts = dict(self._read(query, set_id))
        return {state: counts[state.value] for state in PartState if state.value in counts}

    def _decoded(self, set_id: str) -> Iterator[Part]:
        query = "SELECT intent, state, job_id, error FROM intents WHERE set_id = ? ORDER BY part"
        decoder = msgspec.json.Decoder(IntentPart)
        for raw, state, job_id, error in self._read(query, set_id):
            try:
                intent, known = decoder.decode(raw), PartState(state)
            except (msgspec.DecodeError, ValueError):
                continue  # one that cannot be read is left out
            yield Part(intent=intent, state=known, job_id=job_id, error=error)

    def _move(
        self, set_id: str, index: int, state: PartState, *, job_id: str = "", error: str = ""
    ) -> None:
        query = "UPDATE intents SET state = ?, job_id = ?, error = ? WHERE set_id = ? AND part = ?"
        self._write([(query, [(state.value, job_id, error, set_id, index)])], False)


def _wish(word: str) -> Wish:
    try:
        return Wish(word)
    except ValueError:
        return Wish.STOP
