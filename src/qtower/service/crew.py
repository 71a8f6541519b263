"""The children of an engine: started when there is work, handed jobs, heard, killed one by one.

All of it happens on one thread, which starts every child and lives as long as the engine: on Linux
a child asks to be killed when the *thread* that made it ends (prctl PR_SET_PDEATHSIG).

Not a pool of `pebble` or `concurrent.futures`: their workers share one queue and its lock, which a
killed worker may take with it, and notice cancellation only at the next poll.
"""

from __future__ import annotations

import contextlib
import logging
import os
import selectors
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path

import msgspec

from qtower.service.children import Child, Run, death, lost, start_child, tell
from qtower.service.limits import Watch
from qtower.service.orders import NOT_RUN, Outcome, Ready, Report, Running

_logger = logging.getLogger(__name__)

_REPORT = msgspec.json.Decoder(Report)

_TAKE_UP_SECONDS = 30.0  # a warm child takes an order up within milliseconds
_LONGEST_REPORT = 10_000_000  # bytes


class _ReportError(Exception):
    """A report that does not fit what the child was told."""


class Crew:
    """Up to `most` children, and the jobs that they run or that wait for one of them.

    Args:
        most: How many children there may be.
        bell: A pipe's end that can be read when `work` is to return for something else.
    """

    def __init__(self, most: int, bell: int) -> None:
        self._most = most
        self._children: list[Child] = []
        self._waiting: deque[Run] = deque()
        self._stillborn = False  # the last child died before it was ready
        self._selector = selectors.DefaultSelector()
        self._selector.register(bell, selectors.EVENT_READ, None)

    def take(self, run: Run) -> None:
        """Has a job run when there is a child for it."""
        self._waiting.append(run)
        self._stillborn = False

    def cancel(self, run_id: str) -> None:
        """Ends a run now, if there is still such a one."""
        for run in self._waiting:
            if run.run_id == run_id:
                self._waiting.remove(run)
                _finish(run, Outcome(kind="cancelled", ended=time.time()))
                return
        for child in self._children:
            if child.run is not None and child.run.run_id == run_id:
                child.run.cancelled = True
                child.process.kill()

    def work(self) -> bool:
        """Waits until something happens, and does what follows; True if the bell was rung."""
        rung = False
        self._staff()
        self._hand_out()
        for key, _ in self._selector.select(self._seconds_to_next_look()):
            if key.data is None:
                rung = True
            else:
                self._listen(key.data)
        self._keep_limits()
        return rung

    def end(self) -> None:
        """Kills all children; jobs without an outcome end as "lost"."""
        for child in self._children:
            child.process.kill()
        unfinished = [*self._waiting, *(c.run for c in self._children if c.run is not None)]
        for child in list(self._children):
            self._dismiss(child)
        for run in unfinished:
            outcome = lost(run, "The service ended before the job did")
            _finish(run, msgspec.structs.replace(outcome, blameless=True))
        self._selector.close()

    # -- limits ----------------------------------------------------------------------------------

    def _watched(self) -> Iterator[tuple[Child, Run, Watch]]:
        for child in self._children:
            run = child.run
            if run is not None and run.watch is not None and run.breach is None:
                yield child, run, run.watch

    def _silent(self) -> Iterator[Child]:
        """Children that have an order and have not taken it up."""
        for child in self._children:
            if child.run is not None and child.run.started is None and not child.deaf:
                yield child

    def _seconds_to_next_look(self) -> float | None:
        looks = [watch.seconds_to_next_look() for _, _, watch in self._watched()]
        now = time.monotonic()
        looks += [max(child.ordered + _TAKE_UP_SECONDS - now, 0.0) for child in self._silent()]
        return min((seconds for seconds in looks if seconds is not None), default=None)

    def _keep_limits(self) -> None:
        for child, run, watch in self._watched():
            run.breach = watch.breach()
            if run.breach is not None:
                child.process.kill()
        for child in self._silent():
            if time.monotonic() >= child.ordered + _TAKE_UP_SECONDS:
                child.hangs = True
                self._give_up(child, "it does not take up its order")

    def _give_up(self, child: Child, reason: str) -> None:
        """Ends a child that does not do what it should; its job goes to another."""
        _logger.error("a simulation process is ended: %s", reason)
        child.deaf = True
        child.process.kill()

    # -- work for children, children for work ----------------------------------------------------

    def _staff(self) -> None:
        """Has as many children as there is work for, and always a warm one."""
        busy = sum(child.run is not None for child in self._children)
        wanted = min(self._most, max(busy + len(self._waiting), 0 if self._stillborn else 1))
        while len(self._children) < wanted:
            try:
                child = start_child(self._most)
            except OSError as error:
                _logger.error("a simulation process could not be started: %s", error)
                while self._waiting and not self._children:
                    self._give_up_one()
                return
            self._children.append(child)
            self._selector.register(child.reports, selectors.EVENT_READ, child)

    def _hand_out(self) -> None:
        for child in self._children:
            if not self._waiting:
                return
            if not child.ready or child.deaf or child.run is not None:
                continue
            child.run = self._waiting.popleft()
            child.ordered = time.monotonic()
            try:
                child.orders.write(msgspec.json.encode(child.run.order) + b"\n")
            except BrokenPipeError:
                # It died idle. Its reports end too, and then the job goes to another.
                child.deaf = True
                self._waiting.appendleft(child.run)
                child.run = None

    def _give_up_one(self) -> None:
        """No child can be had: the job at the head must not wait for ever."""
        if self._waiting and not any(child.ready for child in self._children):
            message = "The simulator could not be started; the service's log says why"
            outcome = Outcome(kind="failed", message=message, code=NOT_RUN, ended=time.time())
            _finish(self._waiting.popleft(), outcome)

    # -- what a child says, and its end ----------------------------------------------------------

    def _listen(self, child: Child) -> None:
        received = os.read(child.reports.fileno(), 65536)
        if not received:
            self._bury(child)
            return
        first, *others = received.split(b"\n")
        child.unread += first  # not searched once more: a line may come in many pieces
        for other in others:
            if child.deaf:
                return
            line, child.unread = child.unread, bytearray(other)
            try:
                _hear(child, _REPORT.decode(line))
            except (msgspec.MsgspecError, UnicodeDecodeError, _ReportError) as error:
                self._give_up(child, f"its report is not understood: {error}")
        if len(child.unread) > _LONGEST_REPORT and not child.deaf:
            self._give_up(child, "its report is too long")

    def _bury(self, child: Child) -> None:
        """A child has ended: by our hand, or by itself."""
        status = self._dismiss(child)
        run = child.run
        if run is None:
            if not child.ready:
                _logger.error("a simulation process ended before it was ready (status %s)", status)
                self._stillborn = True
                self._give_up_one()
            return
        if run.started is None and not run.cancelled and (child.hangs or not run.given_back):
            # It ended before it took the order up, so the job had no part in that.
            run.given_back = run.given_back or not child.hangs
            self._waiting.appendleft(run)
            return
        _finish(run, death(run, status))

    def _dismiss(self, child: Child) -> int:
        self._selector.unregister(child.reports)
        self._children.remove(child)
        child.process.kill()
        child.orders.close()
        child.reports.close()
        return child.process.wait()


def _hear(child: Child, report: Report) -> None:
    if isinstance(report, Ready):
        child.ready = True
        return
    run = child.run
    if run is None:
        raise _ReportError("it is on a job that the process was not given")
    if isinstance(report, Running):
        run.started = report.at
        run.watch = Watch(run.order.limits, child.process.pid)
        if not run.cancelled:
            tell(run.on_running, report.at)
    else:
        child.run = None
        _finish(run, report)


def _finish(run: Run, outcome: Outcome) -> None:
    if not outcome.has_result:
        with contextlib.suppress(OSError):  # it may have died just after it wrote one
            Path(run.order.result_file).unlink(missing_ok=True)
    tell(run.on_outcome, outcome)
