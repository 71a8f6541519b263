"""The background reading of an account: round after round, and the history in between."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from qtower.desk.account_session import AccountSession
from qtower.desk.budget import Urgency, asking_as
from qtower.desk.cadence import LOCAL, Cadence, Schedule, cadence_for
from qtower.desk.endings import Endings
from qtower.desk.faults import AccessExpiredError, BusyError, endpoint_errors
from qtower.desk.following import Following
from qtower.desk.history import History
from qtower.desk.intake import Intake, Watch
from qtower.desk.pages import JobPages
from qtower.desk.reading_back import ReadingBack
from qtower.desk.registry import Registry
from qtower.desk.scrubbing import scrub
from qtower.desk.setbacks import Setback, Setbacks, trying_again
from qtower.desk.sweep import Sweep
from qtower.errors import QtowerError
from qtower.model import Link

logger = logging.getLogger(__name__)

_TOLD_SECONDS = 3.0  # of leaving the endpoint alone, before it is said
_TICK = 1.0  # s between looks at what to follow and what to tell
_ROUNDS_FRESH = 3.0  # rounds that may be missed before what is known counts as stale


class Poller:
    """A daemon thread that reads the endpoint round after round until it is closed."""

    def __init__(
        self,
        session: AccountSession,
        registry: Registry,
        watch: Watch,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._session = session
        self._registry = registry
        self._watch = watch
        self._clock = clock
        self._wake = threading.Condition()
        self._asked = 0  # refreshes asked for,
        self._done = 0  # and how many of them are done
        self._first = True  # round: a person has just started this process,
        self._awaited = 0  # or somebody waits until all has been read
        self._hurry = False  # the next round is to come now,
        self._told = False  # because something has changed
        self._closed = False
        self._endings = Endings()
        self._intake = Intake(registry, watch, self._endings.note, clock=clock)
        self._schedule = Schedule(LOCAL, self._intake.usual)
        self._following = Following(session, registry, watch, self.nudge, clock=clock)
        self._rounds = Setbacks()
        self._setback: Setback | None = None  # of the last round
        self._pages: JobPages | None = None
        self._caught_up = False
        self._live = False

    def start(self) -> None:
        """Begins."""
        rows = self._registry.rows()
        self._endings.recall(rows)
        self._intake.resume(rows)
        threading.Thread(target=self._run, name="poller", daemon=True).start()

    def close(self) -> None:
        """Ends after the request that is under way; returns at once."""
        with self._wake:
            self._closed = True
            self._wake.notify_all()
        self._following.close()

    def nudge(self) -> None:
        """Makes the next round come now: something was submitted, cancelled, or has changed."""
        with self._wake:
            self._hurry = self._told = True
            self._wake.notify_all()

    def look(self, keys: Sequence[str], cursor: str) -> None:
        """What a person has on the screen: `cursor` and all `keys`, until the next look."""
        self._schedule.look(keys, cursor)
        self._following.look(cursor)

    def refresh(self, timeout: float) -> bool:
        """Waits for a whole round that begins now; False if it is not over after `timeout` s."""
        with self._wake:
            self._asked += 1
            asked = self._asked
            self._wake.notify_all()
            return self._wake.wait_for(lambda: self._done >= asked or self._closed, timeout)

    @contextlib.contextmanager
    def awaited(self) -> Iterator[None]:
        """Inside the `with` somebody waits for what is being read: it borrows, as a person does."""
        with self._wake:
            self._awaited += 1
            self._wake.notify_all()
        try:
            yield
        finally:
            with self._wake:
                self._awaited -= 1

    # -- the thread -----------------------------------------------------------------------------

    def _run(self) -> None:
        with asking_as(Urgency.POLLER):
            while not self._closed:
                try:
                    self._turn()
                except Exception:  # whatever it is, the next round comes
                    logger.exception("a fault between two rounds")
                    with self._wake:
                        self._wake.wait_for(lambda: self._closed, self._schedule.cadence.busy)

    def _turn(self) -> None:
        """A round, and what comes between it and the next."""
        with self._wake:
            asked, told = self._asked, self._told
            self._hurry = self._told = False
        self._tell_setback(0.0)
        pause = self._round(refreshing=asked > self._done, told=told, may_renew=True)
        with self._wake:
            self._done, self._first = asked, False
            self._wake.notify_all()
        self._wait(time.monotonic() + pause)

    def _wanted(self) -> bool:
        return self._closed or self._hurry or self._asked > self._done

    def _wait(self, end: float) -> None:
        """Until the next round: reads on through the history, and looks after what is followed."""
        while True:
            self._session.budget.give_back()
            if self._wanted():
                return
            now = time.monotonic()
            if now >= end:
                return
            pause = min(end - now, _TICK)
            self._tell_setback(end - now)
            if self._live:
                self._following.tend(self._intake.active())
                if self._back.pending:
                    pause = min(pause, self._back.read_on(now, awaited=self._is_awaited()))
            self._watch.counted()
            with self._wake:
                self._wake.wait_for(self._wanted, pause)

    def _is_awaited(self) -> bool:
        return self._first or self._awaited > 0 or self._asked > self._done

    def _breathe(self) -> None:
        """Waits until the next request may be made. Somebody who waits for it borrows."""
        budget, told = self._session.budget, False
        while not self._closed:
            urgency = Urgency.PERSON if self._is_awaited() else Urgency.POLLER
            seconds = budget.delay(urgency)
            if not seconds:
                if told:
                    self._tell_setback(0.0)
                return
            if urgency is Urgency.POLLER:
                told = self._tell_if_held(budget.held(), told)
            self._watch.counted()
            with self._wake:
                if urgency is Urgency.PERSON or not self._is_awaited():
                    self._wake.wait(min(seconds, _TICK))

    def _tell_if_held(self, seconds: float, told: bool) -> bool:
        """Tells how long it is waited because any request was told to, if that is for long."""
        if seconds < _TOLD_SECONDS and not told:
            return False
        if self._setback is not None:
            self._tell_setback(seconds)
        elif self._live:
            words = f"The endpoint is left alone for now. {trying_again(seconds)}"
            self._watch.connected(Link.LIVE, "", None, slowed=words)
        return True

    def _tell_setback(self, seconds: float) -> None:
        """Tells why the last round failed, if it did, and when the next one comes; 0: now."""
        setback = self._setback
        if setback is None:
            return
        if setback.link is Link.LIVE:
            self._watch.connected(Link.LIVE, "", None, slowed=setback.words(seconds))
        else:
            self._watch.connected(setback.link, setback.words(seconds), None)

    # -- one round ------------------------------------------------------------------------------

    def _round(self, *, refreshing: bool, told: bool, may_renew: bool) -> float:
        """Reads once, tells how that went, and returns the seconds until the next time.

        An access token that has expired is renewed silently, once a round, if that `may_renew`.
        """
        try:
            provider = self._session.ensure(self._tell_stage, self._breathe)
            return self._succeed(provider, refreshing=refreshing, told=told)
        except AccessExpiredError as error:
            if may_renew:
                self._session.doubt(error)
                return self._round(refreshing=refreshing, told=told, may_renew=False)
            return self._failed(error)
        except QtowerError as error:
            return self._failed(error)
        except Exception as error:
            logger.exception("a fault of the poller")
            words = scrub(f"{type(error).__name__}: {error}")
            return self._failed(QtowerError(f"A fault of qtower ({words})."))

    def _succeed(self, provider: Any, *, refreshing: bool, told: bool) -> float:
        began = self._clock()
        self._read(provider, refreshing=refreshing, told=told)
        self._session.settle()
        self._rounds.over()
        self._setback = None
        self._live = True
        self._following.connect(provider)
        pause = self._pause()
        self._watch.connected(
            Link.LIVE, "", began, slowed=self._back.slowed, fresh_for=self._fresh_for()
        )
        return pause

    def _tell_stage(self, stage: str) -> None:
        """What the first login waits for; later ones are told as what made them necessary."""
        if self._pages is None and not self._rounds.any:
            self._watch.connected(Link.STARTING, stage, None)

    def _failed(self, error: QtowerError) -> float:
        self._session.doubt(error)
        setback = self._setback = self._rounds.met(error, was_live=self._live)
        self._live = setback.link is Link.LIVE
        if self._live or (isinstance(error, BusyError) and error.asked):
            self._session.budget.hold(setback.pause)
        self._tell_setback(setback.pause)
        return setback.pause

    def _cadence(self) -> Cadence:
        account = self._session.account
        if account is None:
            return LOCAL
        return cadence_for(local=account.local_service, calls_per_minute=account.calls_per_minute)

    def _pause(self) -> float:
        cadence = self._schedule.cadence
        usual = cadence.busy if self._registry.live() else cadence.idle
        return max(usual, cadence.told) if self._following.told else usual

    def _fresh_for(self) -> float:
        cadence = self._schedule.cadence
        return _ROUNDS_FRESH * max(self._pause(), cadence.busy, cadence.soon)

    def _read(self, provider: Any, *, refreshing: bool, told: bool) -> None:
        with endpoint_errors():
            if self._pages is None:
                self._begin(provider)
            now = time.monotonic()
            self._sweep.round(now, everything=refreshing, told=told, complete=self._back.complete)
            assert self._pages is not None
            self._endings.read(self._pages, self._intake.documents, self._details())
            self._back.look_through(now, refreshing=refreshing, closed=lambda: self._closed)
            if self._back.complete and not self._caught_up:
                self._watch.caught_up()  # and again in the next round, if that fails
                self._caught_up = True

    def _begin(self, provider: Any) -> None:
        self._schedule.cadence = self._cadence()
        pages = JobPages(provider)
        pages.before = self._breathe
        self._sweep = Sweep(pages, self._intake, self._schedule, self._clock)
        history = History(pages, self._intake, self._registry)
        cadence = self._schedule.cadence
        self._back = ReadingBack(history, self._session.budget, cadence, self._hurry_up)
        self._back.read_page()  # nothing is live before it
        self._pages = pages

    def _hurry_up(self) -> None:
        """A round that tells what has been read is to come now."""
        self._hurry = True

    def _details(self) -> int:
        """How many details may be read now."""
        budget, most = self._session.budget, self._schedule.cadence.details
        if not self._endings or budget.delay():
            return 0
        room = budget.room()
        return most if room is None else min(most, max(1, room))
