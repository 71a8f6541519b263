"""Jobs followed by websocket: the one under the cursor, and those that may end at any moment.

Where the endpoint tells by a socket of its own that something has changed, as our service does
(docs/api.md), that is listened to as well, and the poller reads at once what it was. All of this is
an extra: where sockets fail, the poller's readings go on as ever.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import quote

from qtower.desk.account_session import AccountSession
from qtower.desk.intake import Watch
from qtower.desk.registry import Registry
from qtower.desk.rows import read_document
from qtower.model import JobRow, Status

logger = logging.getLogger(__name__)

MOST_RUNNING = 3
"""Jobs about to finish that are followed besides the one under the cursor."""

_REST_SECONDS = 1.0  # the cursor has to stay so long on a job
_SPACING_LOCAL, _SPACING_REMOTE = 0.05, 5.0  # s between two calls that something has changed
_FIRST_PAUSE, _LONGEST_PAUSE = 2.0, 600.0  # s after a socket failed
_CHANGES = ""  # stands among the job ids for the socket that tells of all jobs


class Following:
    """Opens and closes sockets, each on a daemon thread; none of its methods waits for one."""

    def __init__(
        self,
        session: AccountSession,
        registry: Registry,
        watch: Watch,
        nudge: Callable[[], None],
        *,
        clock: Callable[[], float] = time.time,
        ticks: Callable[[], float] = time.monotonic,
    ) -> None:
        """`nudge` makes the poller read now."""
        self._session = session
        self._registry = registry
        self._watch = watch
        self._nudge = nudge
        self._clock = clock
        self._ticks = ticks
        self._lock = threading.Lock()
        self._provider: Any = None
        self._cursor, self._cursor_since = "", 0.0
        self._lines: dict[str, threading.Event] = {}  # by job id; set: not wanted any more
        self._pauses: dict[
            bool, tuple[float, float]
        ] = {}  # until when, how long; of _CHANGES: True
        self._over: set[str] = set()  # jobs of which there is nothing more to hear
        self._told = False
        self._closed = False

    @property
    def told(self) -> bool:
        """Whether the endpoint tells by itself that something has changed."""
        return self._told

    def connect(self, provider: Any) -> None:
        """There is a login; its address and token may change at any time."""
        self._provider = provider

    def look(self, cursor: str) -> None:
        """The cursor is on the row of this key."""
        with self._lock:
            if cursor != self._cursor:
                self._cursor, self._cursor_since = cursor, self._ticks()

    def close(self) -> None:
        """Lets go of all sockets; returns at once."""
        with self._lock:
            self._closed = True
            for unwanted in self._lines.values():
                unwanted.set()

    def tend(self, active: Iterable[JobRow]) -> None:
        """Opens the sockets that are worth it now, and lets go of the others."""
        if self._provider is None:
            return
        rows = list(active)
        wanted = self._wanted(rows)
        with self._lock:
            self._over &= {row.job_id for row in rows}
            for job_id, unwanted in self._lines.items():
                if job_id not in wanted:
                    unwanted.set()
            missing = [job_id for job_id in wanted if self._may_open(job_id)]
            for job_id in missing:
                unwanted = threading.Event()
                thread = threading.Thread(
                    target=self._listen, args=(job_id, unwanted), name="follow", daemon=True
                )
                try:
                    thread.start()
                except RuntimeError as error:  # there are too many threads: later, perhaps
                    logger.info("no socket is opened: %s", error)
                    return
                self._lines[job_id] = unwanted

    def _wanted(self, rows: list[JobRow]) -> list[str]:
        """Ids of the jobs to follow, and `_CHANGES`."""
        with self._lock:
            rested = self._ticks() - self._cursor_since >= _REST_SECONDS
            cursor = self._cursor if rested else ""
        wanted = [_CHANGES, *(row.job_id for row in rows if row.key == cursor)]
        if not self._told:  # else the end of a job is told by that
            running = [row for row in rows if row.status is Status.RUNNING]
            running.sort(key=lambda row: row.since or 0.0)
            wanted += [row.job_id for row in running[:MOST_RUNNING] if row.job_id not in wanted]
        return wanted

    def _may_open(self, job_id: str) -> bool:
        until, _ = self._pauses.get(job_id == _CHANGES, (0.0, 0.0))
        return (
            not self._closed
            and job_id not in self._lines
            and job_id not in self._over
            and self._ticks() >= until
        )

    # -- a thread of a socket -------------------------------------------------------------------

    def _listen(self, job_id: str, unwanted: threading.Event) -> None:
        from qtower.desk.sockets import Place, listen

        account = self._session.account
        credentials = self._provider.credentials
        place = Place(
            account_url=account.url if account is not None else "",
            url=str(credentials.websockets_url or ""),
            access_token=str(credentials.access_token or ""),
            trust=account.trust if account is not None else True,
        )
        spacing = _SPACING_LOCAL if account and account.local_service else _SPACING_REMOTE

        def hear_change(_: Any) -> None:
            self._nudge()
            unwanted.wait(spacing)

        def signed_in() -> None:
            with self._lock:
                self._pauses.pop(job_id == _CHANGES, None)
                self._told = self._told or job_id == _CHANGES

        path = f"/jobs/{quote(job_id, safe='')}/status/v/1" if job_id else "/jobs/changes/v/1"
        hear = (lambda data: self._hear_status(job_id, data)) if job_id else hear_change
        self._session.budget.spend()
        ending = listen(place, path, hear, lambda: not unwanted.is_set(), signed_in)
        with self._lock:
            self._lines.pop(job_id, None)
            if job_id == _CHANGES:
                self._told = False
            if ending.final and job_id:
                if not unwanted.is_set():
                    self._over.add(job_id)
            elif not unwanted.is_set():
                logger.info("socket %s ended: %s", path, ending.words)
                _, pause = self._pauses.get(job_id == _CHANGES, (0.0, _FIRST_PAUSE / 2))
                pause = _LONGEST_PAUSE if ending.unknown else min(_LONGEST_PAUSE, 2 * pause)
                self._pauses[job_id == _CHANGES] = (self._ticks() + pause, pause)
        if not unwanted.is_set():
            self._nudge()  # what it told until now, is read from now on

    def _hear_status(self, job_id: str, data: Any) -> None:
        if not isinstance(data, Mapping):
            return
        queue = data.get("infoQueue")
        estimated = queue.get("estimatedStartTime") if isinstance(queue, Mapping) else None
        known = {**queue, "estimated_start_time": estimated} if isinstance(queue, Mapping) else {}
        document = {"job_id": job_id, "status": data.get("status"), "info_queue": known}
        reading = read_document(document, self._clock())
        if reading is None or reading.row.status is Status.UNKNOWN:
            return
        changes = self._watch.changed(lambda: self._registry.follow(reading.row))
        if changes.finished:
            self._nudge()  # for its last details
