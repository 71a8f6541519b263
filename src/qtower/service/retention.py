"""Removes the qobjs and results of jobs that ended long ago; the jobs stay in listings.

And what a service that was killed had half written.
"""

from __future__ import annotations

import logging
import threading
import time

from sqlalchemy.exc import SQLAlchemyError

from qtower.service.payloads import Payloads
from qtower.service.settings import RetentionSettings
from qtower.service.statuses import to_date
from qtower.service.store import Store

_CLOCKS_DIFFER = 60.0  # seconds, that of a file server from ours
_AT_ONCE = 200  # jobs of one look into the store, so that other writers get their turn

logger = logging.getLogger(__name__)


class Retention:
    """A thread that looks for old jobs every so often, if there is a limit of age, and once for
    files that a service was writing when it was killed."""

    def __init__(self, store: Store, payloads: Payloads, settings: RetentionSettings) -> None:
        self._store = store
        self._payloads = payloads
        self._settings = settings
        self._began = time.time() - _CLOCKS_DIFFER
        self._looked_until = 0  # no job with payloads was changed last before that
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._work, name="retention", daemon=True)

    def start(self) -> None:
        """Begins to look, at once for the first time."""
        self._thread.start()

    def close(self) -> None:
        """Ends; what is half removed is removed at the next start."""
        self._closing.set()
        if self._thread.is_alive():
            self._thread.join()

    def remove_old(self, now: float) -> int:
        """Removes what is too old at `now`, in seconds since 1970 UTC; returns how many jobs'."""
        if self._settings.payload_seconds is None:
            return 0
        moment = round((now - self._settings.payload_seconds) * 1_000_000)
        removed = 0
        while not self._closing.is_set():
            found = self._store.ended_before(moment, self._looked_until, _AT_ONCE)
            for job_id, changed in found:
                removed += self._remove(job_id)
                self._looked_until = changed
            if len(found) < _AT_ONCE:
                break
        if removed:
            date = to_date(moment)
            logger.info("payloads of jobs that ended before %s removed: %d", date, removed)
        return removed

    def _remove_leftovers(self) -> None:
        try:
            removed = self._payloads.remove_leftovers(self._began)
        except OSError:
            logger.exception("what an earlier service left behind could not be removed")
            return
        if removed:
            logger.info("unfinished files of an earlier service removed: %d", removed)

    def _remove(self, job_id: str) -> bool:
        # Files first: if the service dies between the two, the next look finds the job again.
        self._payloads.remove(job_id)
        noted = self._store.note_removal(job_id)
        if noted:
            logger.info("payloads removed", extra={"job": job_id})
        return noted

    def _work(self) -> None:
        self._remove_leftovers()
        while self._settings.payload_seconds is not None and not self._closing.is_set():
            try:
                self.remove_old(time.time())
            except (OSError, SQLAlchemyError):
                logger.exception("old payloads could not be removed; tries again")
            self._closing.wait(self._settings.check_seconds)
