"""Runs jobs in child processes that are warm, can be killed one by one, and never outlive us.

One thread owns all children: it starts them, gives them orders and hears their reports. That the
same thread starts them all, and lives as long as the engine, matters on Linux: a child asks to be
killed when the *thread* that made it ends (prctl PR_SET_PDEATHSIG).

Not a pool of `pebble` or `concurrent.futures`: their workers share one queue and its lock, which a
killed worker may take with it, and notice cancellation only at the next poll.
"""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import selectors
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import msgspec

from qtower.service.children import NOT_RUN, Child, Run, death, lost, processors, start_child
from qtower.service.limits import Limits, Watch
from qtower.service.worker import Order, Outcome, Ready, Report, Running

__all__ = ["LocalEngine", "Outcome", "default_workers"]

Setups: TypeAlias = Mapping[str, Mapping[str, Any]]

_Argument = TypeVar("_Argument")

_logger = logging.getLogger(__name__)

_CLOSE_SECONDS = 2.0
_REPORT = msgspec.json.Decoder(Report)


def default_workers() -> int:
    """How many jobs this machine runs at once: a warm worker holds 150-200 MB even when idle."""
    return min(processors(), 4)


class _Cancel(msgspec.Struct, frozen=True):
    run_id: str


class _Close(msgspec.Struct, frozen=True):
    pass


_Command: TypeAlias = Run | _Cancel | _Close


class LocalEngine:
    """Simulates up to `workers` jobs at once; more wait for a worker in the order they came.

    The first worker is loaded at once, the others when there is work for them.

    Args:
        workers: How many processes there may be.
        limits: What a job may take; one that takes more ends as "failed".
        setups: How each device is set up, as `Simulation.run` takes it; those built in need none.
    """

    def __init__(
        self, workers: int, limits: Limits | None = None, setups: Setups | None = None
    ) -> None:
        if workers < 1:
            raise ValueError("an engine needs at least one worker")
        self._workers = workers
        self._limits = limits or Limits()
        self._setups = setups or {}
        self._commands: queue.SimpleQueue[_Command] = queue.SimpleQueue()
        self._wake_read, self._wake_write = os.pipe()
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._wake_read, selectors.EVENT_READ, None)
        self._crew: list[Child] = []
        self._waiting: deque[Run] = deque()
        self._stillborn = False  # the last child died before it was ready
        self._door = threading.Lock()
        self._closed = False  # behind the door: nothing is asked of a closed engine
        self._thread = threading.Thread(target=self._supervise, name="engine", daemon=True)
        self._thread.start()

    def start(
        self,
        job_id: str,
        device: str,
        qobj_file: Path,
        result_file: Path,
        *,
        on_running: Callable[[float], None],
        on_outcome: Callable[[Outcome], None],
    ) -> None:
        """Has the job simulated; returns at once.

        Args:
            job_id: Stands in the result.
            device: The name of a backend of `qtower.service.devices`.
            qobj_file: Its qobj, as `payloads.write` left it.
            result_file: Where the result goes; it is there before the outcome says so.
            on_running: Called with the time at which the simulation began.
            on_outcome: Called exactly once. Both are called on the engine's thread.

        Raises:
            RuntimeError: The engine is closed.
        """
        order = Order(
            job_id=job_id,
            device=device,
            qobj_file=str(qobj_file.resolve()),
            result_file=str(result_file.resolve()),
            options=dict(self._setups.get(device, {})),
            limits=self._limits,
        )
        self.carry_out(Run(job_id, order, on_running, on_outcome))

    def carry_out(self, run: Run) -> None:
        """Does what `start` does with an order that is made already.

        Raises:
            RuntimeError: The engine is closed.
        """
        self._tell(run)

    def cancel(self, job_id: str) -> None:
        """Ends the job now; its outcome is "cancelled" unless it had already ended."""
        with contextlib.suppress(RuntimeError):  # closed: it ends as "lost"
            self._tell(_Cancel(job_id))

    def follow_workers(self, listener: Callable[[int], None]) -> None:
        """Does nothing: there are always as many."""

    @property
    def workers(self) -> int:
        """How many jobs run at once."""
        return self._workers

    @property
    def trouble(self) -> str | None:
        """None: a process that cannot be started fails its job."""
        return None

    def close(self) -> None:
        """Kills all children; jobs without an outcome end as "lost". Returns within 2 s."""
        with contextlib.suppress(RuntimeError):  # closed before
            self._tell(_Close())
        if threading.current_thread() is not self._thread:
            self._thread.join(_CLOSE_SECONDS)

    def _tell(self, command: _Command) -> None:
        with self._door:
            if self._closed:
                raise RuntimeError("the engine is closed")
            self._closed = isinstance(command, _Close)
            self._commands.put(command)
            os.write(self._wake_write, b"\0")

    # -- everything below runs on the engine's thread --------------------------------------------

    def _supervise(self) -> None:
        open_for_work = True
        while open_for_work:
            self._staff()
            for key, _ in self._selector.select(self._seconds_to_next_look()):
                if key.data is None:
                    open_for_work = self._obey()
                else:
                    self._listen(key.data)
            self._keep_limits()
            self._hand_out()
        self._shut_down()

    def _obey(self) -> bool:
        """Carries out what was asked; False if the engine is to end."""
        os.read(self._wake_read, 65536)
        while not self._commands.empty():
            command = self._commands.get()
            if isinstance(command, _Close):
                return False
            if isinstance(command, Run):
                self._waiting.append(command)
                self._stillborn = False
            else:
                self._cancel(command.run_id)
        return True

    def _cancel(self, run_id: str) -> None:
        for run in self._waiting:
            if run.run_id == run_id:
                self._waiting.remove(run)
                self._finish(run, Outcome(kind="cancelled", ended=time.time()))
                return
        for worker in self._crew:
            if worker.run is not None and worker.run.run_id == run_id:
                worker.run.cancelled = True
                worker.process.kill()

    def _watched(self) -> Iterator[tuple[Child, Run, Watch]]:
        for worker in self._crew:
            run = worker.run
            if run is not None and run.watch is not None and run.breach is None:
                yield worker, run, run.watch

    def _seconds_to_next_look(self) -> float | None:
        looks = (watch.seconds_to_next_look() for _, _, watch in self._watched())
        return min((seconds for seconds in looks if seconds is not None), default=None)

    def _keep_limits(self) -> None:
        for worker, run, watch in self._watched():
            run.breach = watch.breach()
            if run.breach is not None:
                worker.process.kill()

    def _staff(self) -> None:
        """Has as many children as there is work for, and always a warm one."""
        busy = sum(worker.run is not None for worker in self._crew)
        wanted = min(self._workers, max(busy + len(self._waiting), 0 if self._stillborn else 1))
        while len(self._crew) < wanted:
            try:
                worker = start_child(self._workers)
            except OSError as error:
                _logger.error("a simulation process could not be started: %s", error)
                while self._waiting and not self._crew:
                    self._give_up_one()
                return
            self._crew.append(worker)
            self._selector.register(worker.reports, selectors.EVENT_READ, worker)

    def _hand_out(self) -> None:
        for worker in self._crew:
            if not self._waiting:
                return
            if not worker.ready or worker.deaf or worker.run is not None:
                continue
            worker.run = self._waiting.popleft()
            try:
                worker.orders.write(msgspec.json.encode(worker.run.order) + b"\n")
            except BrokenPipeError:
                # It died idle. Its reports end too, and then the job goes to another.
                worker.deaf = True
                self._waiting.appendleft(worker.run)
                worker.run = None

    def _listen(self, worker: Child) -> None:
        received = os.read(worker.reports.fileno(), 65536)
        if not received:
            self._bury(worker)
            return
        *lines, worker.unread = (worker.unread + received).split(b"\n")
        for line in lines:
            self._hear(worker, _REPORT.decode(line))

    def _hear(self, worker: Child, report: Report) -> None:
        if isinstance(report, Ready):
            worker.ready = True
            return
        run = worker.run
        assert run is not None, "a worker reported on a job that it was not given"
        if isinstance(report, Running):
            run.started = report.at
            run.watch = Watch(run.order.limits, worker.process.pid)
            if not run.cancelled:
                _call(run.on_running, report.at)
        else:
            worker.run = None
            self._finish(run, report)

    def _bury(self, worker: Child) -> None:
        """A child has ended: by our hand, or by itself."""
        status = self._dismiss(worker)
        run = worker.run
        if run is None:
            if not worker.ready:
                _logger.error("a simulation process ended before it was ready (status %s)", status)
                self._stillborn = True
                self._give_up_one()
            return
        if run.started is None and not run.cancelled and not run.given_back:
            # It died before it took the order up, so the job had no part in that.
            run.given_back = True
            self._waiting.appendleft(run)
            return
        self._finish(run, death(run, status))

    def _dismiss(self, worker: Child) -> int:
        self._selector.unregister(worker.reports)
        self._crew.remove(worker)
        worker.process.kill()
        worker.orders.close()
        worker.reports.close()
        return worker.process.wait()

    def _give_up_one(self) -> None:
        """No child can be had: the job at the head must not wait for ever."""
        if self._waiting and not any(worker.ready for worker in self._crew):
            message = "The simulator could not be started; the service's log says why"
            outcome = Outcome(kind="failed", message=message, code=NOT_RUN, ended=time.time())
            self._finish(self._waiting.popleft(), outcome)

    def _finish(self, run: Run, outcome: Outcome) -> None:
        if not outcome.has_result:
            with contextlib.suppress(OSError):  # it may have died just after it wrote one
                Path(run.order.result_file).unlink(missing_ok=True)
        _call(run.on_outcome, outcome)

    def _shut_down(self) -> None:
        for worker in self._crew:
            worker.process.kill()
        unfinished = [*self._waiting, *(w.run for w in self._crew if w.run is not None)]
        for worker in list(self._crew):
            self._dismiss(worker)
        for run in unfinished:
            self._finish(run, lost(run, "The service ended before the job did"))
        self._selector.close()
        os.close(self._wake_read)
        os.close(self._wake_write)


def _call(callback: Callable[[_Argument], None], argument: _Argument) -> None:
    try:
        callback(argument)
    except Exception:
        # A fault of the listener must not end the thread that serves all others.
        _logger.exception("a listener of the engine failed")
