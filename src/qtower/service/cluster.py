"""The engine that runs jobs on a Dask cluster: `--scheduler tcp://HOST:PORT`.

It is one client of the cluster, in a thread with an event loop of its own. A job is one Dask task;
what it needs goes with it, and its result comes back, through the scheduler: neither the workers
nor the scheduler see the service's files, nor does the service need a way to the workers. What
happens on a worker is in `cluster_worker`.

The engine has as many workers as the cluster has threads, and none while the scheduler cannot be
reached. A run whose Dask worker is lost, or whose scheduler is, ends as "lost": the queue counts
attempts, on disk, and starts it again. Dask's own repetition of it is called off.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import logging
import secrets
import threading
import time
import warnings
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any

import dask
import msgspec
from distributed import Client, Future, KilledWorker
from distributed.comm import parse_host_port

from qtower.errors import ServiceError
from qtower.service.children import NOT_RUN
from qtower.service.cluster_worker import JobRunner, run_job
from qtower.service.engine import Setups
from qtower.service.limits import Limits
from qtower.service.payloads import write_compressed
from qtower.service.worker import Order, Outcome

_CONNECT_SECONDS = 5.0
_RETRY_SECONDS = 1.0
_LOOK_SECONDS = 2.0  # at the workers, beside what the scheduler tells of them
_CLOSE_SECONDS = 2.0
_LARGE_QOBJ = "1GB"  # beyond which Dask would warn; a qobj is part of its task for a reason

_Listener = Callable[[int], None]

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


class _OneConnection(Client):  # type: ignore[misc]  # Dask has no types
    """A client that ends with its scheduler, and tells `on_lost`.

    Dask's own goes on with a scheduler that comes back at the same address in time. That one knows
    neither our plugin nor our topics: its workers cannot run our jobs, nor say that they began.
    """

    on_lost: Callable[[], None]

    async def _reconnect(self) -> None:
        self.on_lost()
        self._timeout = 0  # no time to look for another: futures are called off, and it closes
        await super()._reconnect()


class ClusterEngine:
    """Simulates as many jobs at once as the cluster has threads.

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
        self._address = _checked(address)
        self._limits = limits or Limits()
        self._setups = setups or {}
        self._topic = f"qtower-{secrets.token_hex(8)}"
        self._runs: dict[str, _Run] = {}  # by key
        self._workers = 0
        self._trouble: str | None = None
        self._listener: _Listener = _nobody
        self._client: Client | None = None  # while the scheduler is there
        self._door = threading.Lock()
        self._closed = False  # behind the door
        self._closing = asyncio.Event()
        self._news = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._work, name="cluster engine", daemon=True)
        self._thread.start()

    @property
    def workers(self) -> int:
        """How many threads the cluster has now."""
        return self._workers

    @property
    def trouble(self) -> str | None:
        """Why jobs wait: no scheduler, or no workers."""
        return self._trouble

    def follow_workers(self, listener: _Listener) -> None:
        """Has `listener` called on the engine's thread whenever `workers` has changed, and now."""
        self._listener = listener
        self._on_loop(lambda: listener(self._workers))

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
        """Has the job simulated; see `LocalEngine.start`.

        Raises:
            RuntimeError: The engine is closed.
        """
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
        """Ends the job now; its outcome is "cancelled" unless it had already ended."""
        self._on_loop(lambda: self._cancel(job_id))

    def close(self) -> None:
        """Calls all jobs off; those without an outcome end as "lost". Returns within 2 s."""
        with self._door:
            self._closed = True
        self._on_loop(self._closing.set)
        self._on_loop(self._news.set)
        if threading.current_thread() is not self._thread:
            self._thread.join(_CLOSE_SECONDS)

    def _on_loop(self, step: Callable[[], object]) -> None:
        with contextlib.suppress(RuntimeError):  # closed before
            self._loop.call_soon_threadsafe(step)

    # -- everything below runs on the engine's thread --------------------------------------------

    def _work(self) -> None:
        _let_dask_be_silent()
        with warnings.catch_warnings(), contextlib.closing(self._loop):
            warnings.simplefilter("ignore")
            self._loop.run_until_complete(self._stay_connected())
            self._loop.run_until_complete(_end_all_tasks())

    async def _stay_connected(self) -> None:
        while not self._closing.is_set():
            client = await self._connect()
            if client is not None:
                try:
                    await self._serve(client)
                finally:
                    await self._leave(client)
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._closing.wait(), _RETRY_SECONDS)
        self._lose_all(Outcome(kind="lost", message="The service ended before the job did"))

    async def _connect(self) -> Client | None:
        try:
            with dask.config.set({"distributed.admin.large-graph-warning-threshold": _LARGE_QOBJ}):
                client = _OneConnection(
                    self._address,
                    asynchronous=True,
                    timeout=_CONNECT_SECONDS,
                    set_as_default=False,
                    name="qtower",
                )
                client.on_lost = self._news.set
                return await client
        except (OSError, asyncio.TimeoutError):
            self._be_in_trouble(
                f"The Dask scheduler at {self._address} cannot be reached; jobs wait"
            )
            return None

    async def _serve(self, client: Client) -> None:
        """Runs jobs until the scheduler is lost, or the service ends."""
        await self._bring_runner(client)
        client.subscribe_topic(self._topic, self._hear_of_run)
        client.subscribe_topic("all", self._hear_of_worker)
        self._client = client
        while client.status == "running" and not self._closing.is_set():
            self._news.clear()
            try:
                threads = await client.scheduler.ncores()
            except OSError:
                return
            self._have_workers(sum(threads.values()), len(threads))
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._news.wait(), _LOOK_SECONDS)

    async def _bring_runner(self, client: Client) -> None:
        try:
            await client.register_plugin(JobRunner())
        except OSError:
            return  # the scheduler went again, as will be noticed
        except Exception:
            # Whatever it is, it happened on a worker, and others may do.
            logger.exception("a Dask worker cannot run jobs; has it the same qtower?")

    async def _leave(self, client: Client) -> None:
        self._client = None
        self._workers = 0
        if not self._closing.is_set():
            self._be_in_trouble(f"The Dask scheduler at {self._address} was lost; jobs wait")
        self._listener(0)
        futures = [run.future for run in self._runs.values() if run.future is not None]
        message = "The service ended before the job did"
        if not self._closing.is_set():
            message = f"The Dask scheduler at {self._address} was lost"
        self._lose_all(Outcome(kind="lost", message=message, blameless=True))
        if client.status == "running":
            await _in_time(client.cancel(futures))
        await _in_time(client.close())

    def _have_workers(self, threads: int, workers: int) -> None:
        if not threads:
            self._be_in_trouble(f"The Dask cluster at {self._address} has no workers; jobs wait")
        elif self._trouble is not None or self._workers != threads:
            self._trouble = None
            logger.info("the Dask cluster has %d workers with %d threads", workers, threads)
        if self._workers != threads:
            self._workers = threads
            self._listener(threads)

    def _be_in_trouble(self, trouble: str) -> None:
        if self._trouble != trouble:
            self._trouble = trouble
            logger.warning(trouble)

    def _hear_of_worker(self, event: tuple[float, Any]) -> None:
        """Something happened in the cluster: a worker that went takes its runs with it."""
        news = event[1]
        if not isinstance(news, dict) or news.get("action") not in ("add-worker", "remove-worker"):
            return
        self._news.set()
        if news["action"] == "remove-worker":
            for run in [r for r in self._runs.values() if r.worker == news["worker"]]:
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
        _call(run.on_running, run.started)

    # -- the jobs --------------------------------------------------------------------------------

    def _begin(self, run: _Run) -> None:
        self._runs[run.key] = run
        self._soon(self._carry_out(run))

    def _cancel(self, job_id: str) -> None:
        for run in self._runs.values():
            if run.order.job_id == job_id:
                self._call_off(run, Outcome(kind="cancelled"))

    def _lose(self, run: _Run) -> None:
        message = f"The Dask worker at {run.worker} that ran the job was lost"
        self._call_off(run, Outcome(kind="lost", message=message, code=NOT_RUN))

    def _lose_all(self, outcome: Outcome) -> None:
        for run in list(self._runs.values()):
            self._finish(run, outcome)

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
            return Outcome(kind="lost", blameless=True)
        try:
            run.future = self._client.submit(
                run_job, bare, qobj, self._topic, key=run.key, pure=False
            )
            found, result = await run.future
        except (concurrent.futures.CancelledError, asyncio.CancelledError, OSError):
            # Called off by us; or the scheduler is gone, and the job is none the worse for it.
            return Outcome(kind="lost", message="The Dask scheduler was lost", blameless=True)
        except KilledWorker as error:
            return Outcome(kind="lost", message=f"{error.last_worker} was lost", code=NOT_RUN)
        try:
            if result is not None and run.called_off is None:
                await asyncio.to_thread(write_compressed, result_file, result)
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
        _call(run.on_outcome, outcome)


async def _end_all_tasks() -> None:
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks, timeout=_CLOSE_SECONDS / 4)


async def _in_time(step: Awaitable[Any]) -> None:
    """Waits for a step of Dask, but not long: without its scheduler it may never be done."""
    task = asyncio.ensure_future(step)
    task.add_done_callback(lambda done: done.cancelled() or done.exception())
    await asyncio.wait({task}, timeout=_CLOSE_SECONDS / 4)
    task.cancel()


async def _cancel_future(future: Future) -> None:
    with contextlib.suppress(OSError):  # the scheduler is gone
        await future.cancel()


def _call(callback: Callable[[Any], None], argument: Any) -> None:
    try:
        callback(argument)
    except Exception:
        # A fault of the listener must not end the thread that serves all others.
        logger.exception("a listener of the engine failed")


def _nobody(_workers: int) -> None:
    """Listens until somebody does."""


def _checked(address: str) -> str:
    try:
        host, port = parse_host_port(address.partition("://")[2])
    except ValueError:
        host, port = "", 0
    if not address.startswith(("tcp://", "tls://")) or not host or not port:
        raise ServiceError(
            f"{address} is not the address of a Dask scheduler.",
            "Give it as tcp://HOST:PORT, as the scheduler says when it starts.",
        )
    return address


def _let_dask_be_silent() -> None:
    """Importing it gave its loggers handlers of their own. What matters to us of a connection that
    breaks, and of a task that fails, we say ourselves."""
    for name in ("distributed", "distributed.client", "distributed.core"):
        dask_logger = logging.getLogger(name)
        dask_logger.handlers.clear()
        dask_logger.propagate = True
        dask_logger.setLevel(logging.CRITICAL)
