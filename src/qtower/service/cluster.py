"""The engine that runs jobs on a Dask cluster: `--scheduler tcp://HOST:PORT`.

It is one client of the cluster, in a thread with an event loop of its own. A job is one Dask task;
what it needs goes with it, and its result comes back, through the scheduler: neither the workers
nor the scheduler see the service's files, nor does the service need a way to the workers. What
happens on a worker is in `cluster_worker`, how the scheduler is found again in `cluster_link`.

The engine has as many workers as the cluster has threads, and none while the scheduler cannot be
reached. A run whose Dask worker or scheduler goes away ends as "lost", blameless: the queue starts
it again, and counts only what ended the job's own process. Dask's repetition is called off.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import logging
import secrets
import threading
import time
from collections.abc import Callable, Coroutine
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
from distributed import Client, Future, KilledWorker

from qtower.service.children import tell
from qtower.service.cluster_link import ClusterLink
from qtower.service.cluster_worker import run_job
from qtower.service.engine import Setups
from qtower.service.limits import Limits
from qtower.service.orders import NOT_RUN, Order, Outcome
from qtower.service.payloads import ROOM_SECONDS, room_for, write_compressed

_CLOSE_SECONDS = 2.0

logger = logging.getLogger(__name__)


class _Run:
    """One run of a job, from its start to its outcome."""

    def __init__(
        self,
        order: Order,
        on_running: Callable[[float], None],
        on_outcome: Callable[[Outcome], None],
    ) -> None:
        self.key = f"qtower-{order.job_id}-{secrets.token_hex(4)}"
        self.order = order
        self.on_running = on_running
        self.on_outcome = on_outcome
        self.started: float | None = None  # by the service's clock
        self.worker: str | None = None  # that said it has begun
        self.future: Future | None = None
        self.called_off: Outcome | None = None  # as what it ends, whatever Dask says


class ClusterEngine:
    """Simulates as many jobs at once as the cluster has threads.

    Its methods are those of `engines.Engine`.

    Args:
        address: The scheduler's, `tcp://HOST:PORT` (or `tls://`, set up in Dask's own files).
        limits: What a job may take.
        setups: How each device is set up; see `LocalEngine`.

    Raises:
        ServiceError: It is no such address.
    """

    def __init__(
        self, address: str, limits: Limits | None = None, setups: Setups | None = None
    ) -> None:
        self._limits = limits or Limits()
        self._setups = setups or {}
        self._topic = f"qtower-{secrets.token_hex(8)}"
        self._runs: dict[str, _Run] = {}  # by key
        self._listener: Callable[[int], None] = lambda _workers: None
        self._client: Client | None = None  # while the scheduler is there
        self._link = ClusterLink(address, self)
        self._door = threading.Lock()
        self._closed = False  # behind the door
        self._closing = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._work, name="cluster engine", daemon=True)
        self._thread.start()

    @property
    def workers(self) -> int:
        return self._link.threads

    @property
    def trouble(self) -> str | None:
        return self._link.trouble

    def follow_workers(self, listener: Callable[[int], None]) -> None:
        self._listener = listener
        self._on_loop(lambda: listener(self.workers))

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
        order = Order(
            job_id=job_id,
            device=device,
            qobj_file=str(qobj_file),
            result_file=str(result_file),
            options=dict(self._setups.get(device, {})),
            limits=self._limits,
        )
        run = _Run(order, on_running, on_outcome)
        with self._door:
            if self._closed:
                raise RuntimeError("the engine is closed")
            self._on_loop(lambda: self._begin(run))

    def cancel(self, job_id: str) -> None:
        self._on_loop(lambda: self._cancel(job_id))

    def close(self) -> None:
        with self._door:
            self._closed = True
        self._on_loop(self._closing.set)
        if threading.current_thread() is not self._thread:
            self._thread.join(_CLOSE_SECONDS)

    def _on_loop(self, step: Callable[[], object]) -> None:
        with contextlib.suppress(RuntimeError):  # closed before
            self._loop.call_soon_threadsafe(step)

    # -- everything below runs on the engine's thread --------------------------------------------

    def _work(self) -> None:
        with contextlib.closing(self._loop):
            self._loop.run_until_complete(self._link.run(self._closing))
            self._lose_all("The service ended before the job did")
            self._loop.run_until_complete(_end_all_tasks())

    # -- what the link tells ---------------------------------------------------------------------

    def connected(self, client: Client) -> None:
        """Gives jobs to `client` from now on."""
        client.subscribe_topic(self._topic, self._hear_of_run)
        self._client = client

    def disconnected(self, reason: str) -> None:
        """Has the queue run again what the scheduler was given."""
        self._client = None
        self._lose_all(reason)

    def has_threads(self, threads: int) -> None:
        """Tells the queue how many jobs may run."""
        self._listener(threads)

    def lost_worker(self, address: str) -> None:
        """Has the queue run again what a Dask worker ran."""
        for run in [run for run in self._runs.values() if run.worker == address]:
            self._lose(run)

    def _hear_of_run(self, event: tuple[float, Any]) -> None:
        """A worker has begun with a run."""
        run = self._runs.get(event[1]["run"])
        if run is None or run.called_off is not None:
            return
        if run.worker is not None:
            self._lose(run)  # and begun again by Dask, elsewhere
            return
        run.worker = event[1]["worker"]
        run.started = time.time()
        tell(run.on_running, run.started)

    # -- the jobs --------------------------------------------------------------------------------

    def _begin(self, run: _Run) -> None:
        self._runs[run.key] = run
        self._soon(self._carry_out(run))

    def _cancel(self, job_id: str) -> None:
        for run in self._runs.values():
            if run.order.job_id == job_id:
                self._call_off(run, Outcome(kind="cancelled"))

    def _lose(self, run: _Run) -> None:
        self._call_off(run, _lost(f"The Dask worker at {run.worker} that ran the job was lost"))

    def _lose_all(self, reason: str) -> None:
        for run in list(self._runs.values()):
            self._finish(run, run.called_off or _lost(reason))
            if run.future is not None:
                run.future.release()

    def _call_off(self, run: _Run, outcome: Outcome) -> None:
        if run.called_off is not None:
            return
        run.called_off = outcome
        if run.future is not None:
            self._soon(_cancel_future(run.future))

    def _soon(self, step: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(step)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _carry_out(self, run: _Run) -> None:
        try:
            outcome = await self._outcome(run)
        except Exception as error:
            if run.called_off is None:
                logger.exception("a Dask worker failed", extra={"job": run.order.job_id})
            message = f"The Dask worker could not run the job ({type(error).__name__})"
            outcome = Outcome(kind="failed", message=message, code=NOT_RUN)
        self._finish(run, run.called_off or outcome)

    async def _outcome(self, run: _Run) -> Outcome:
        order, result_file = run.order, Path(run.order.result_file)
        bare = msgspec.json.encode(msgspec.structs.replace(order, qobj_file="", result_file=""))
        try:
            qobj = await asyncio.to_thread(Path(order.qobj_file).read_bytes)
        except OSError as error:
            message = f"The qobj could not be read: {error.strerror}"
            return Outcome(kind="failed", message=message, code=NOT_RUN)
        if run.called_off is not None:
            return run.called_off
        if self._client is None or self._client.status != "running":
            return _lost("There is no Dask scheduler")
        run.future = self._client.submit(run_job, bare, qobj, self._topic, key=run.key, pure=False)
        try:
            found, result = await run.future
        except (concurrent.futures.CancelledError, asyncio.CancelledError):
            return _lost("The Dask scheduler was lost")
        except KilledWorker as error:
            return _lost(f"The Dask worker at {error.last_worker.address} was lost")
        except Exception:
            if run.future.status == "error":
                raise  # by the task, on its worker
            return _lost("The Dask scheduler was lost")  # or who had the result
        try:
            while result is not None and run.called_off is None:
                write = partial(write_compressed, result_file, result)
                if await asyncio.to_thread(room_for, write):
                    break
                await asyncio.sleep(ROOM_SECONDS)
        except OSError as error:
            message = f"The result could not be stored: {error.strerror}"
            return Outcome(kind="failed", message=message, code=NOT_RUN)
        return msgspec.json.decode(found, type=Outcome)

    def _finish(self, run: _Run, outcome: Outcome) -> None:
        if self._runs.pop(run.key, None) is None:
            return  # lost with the scheduler
        ended = time.time()
        if outcome.started is not None and outcome.ended is not None and run.started is not None:
            ended = min(run.started + outcome.ended - outcome.started, ended)
        if not outcome.has_result:
            with contextlib.suppress(OSError):
                Path(run.order.result_file).unlink(missing_ok=True)
        outcome = msgspec.structs.replace(outcome, started=run.started, ended=ended)
        tell(run.on_outcome, outcome)


def _lost(reason: str) -> Outcome:
    """Nothing that the job did: it runs again, however often that happens."""
    return Outcome(kind="lost", message=reason, code=NOT_RUN, blameless=True)


async def _end_all_tasks() -> None:
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks, timeout=_CLOSE_SECONDS / 4)


async def _cancel_future(future: Future) -> None:
    with contextlib.suppress(OSError):  # the scheduler is gone
        await future.cancel()
