"""The connection to a Dask scheduler: made, followed, and made anew when it is lost.

It belongs to one event loop. What it says of the cluster (how many threads, what is wrong) may be
read by any thread.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import warnings
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol, TypeAlias

import dask
from distributed import Client
from distributed.comm import parse_host_port

from qtower.errors import ServiceError
from qtower.service.cluster_worker import JobRunner

_CONNECT_SECONDS = 5.0
_RETRY_SECONDS = 0.5
_LOOK_SECONDS = 2.0  # at the workers, beside what the scheduler tells of them
_ANSWER_SECONDS = 10.0  # then the scheduler is called silent
_LEAVE_SECONDS = 0.5
_LARGE_QOBJ = "1GB"  # beyond which Dask would warn; a qobj is part of its task for a reason

Ends: TypeAlias = Sequence[asyncio.Future[Any]]

logger = logging.getLogger(__name__)


class Follower(Protocol):
    """Who is told what becomes of the cluster, on the thread of the loop."""

    def connected(self, client: Client) -> None:
        """There is a scheduler: jobs may be given to `client` from now on."""

    def disconnected(self, reason: str) -> None:
        """It is lost; what its client was given will not be heard of again."""

    def has_threads(self, threads: int) -> None:
        """The cluster has another number of threads now."""

    def lost_worker(self, address: str) -> None:
        """A Dask worker has gone, and its children with it."""


class _OneConnection(Client):  # type: ignore[misc]  # Dask has no types
    """A client that ends with its connection, and then calls `on_lost`, whatever ended it.

    Dask's own looks for a scheduler that comes back at the same address. That one knows neither
    our plugin nor our topics: its workers cannot run our jobs, nor say that they began. And where
    the old one took its leave in order, Dask's client waits for it for ever.
    """

    on_lost: Callable[[], None]

    async def _handle_report(self) -> None:
        try:
            await super()._handle_report()
        finally:
            self.on_lost()

    async def _reconnect(self) -> None:
        self.scheduler_comm = None  # so `_handle_report` ends


class ClusterLink:
    """Keeps a client of the scheduler at `address` for as long as it is run.

    Raises:
        ServiceError: It is no such address.
    """

    def __init__(self, address: str, follower: Follower) -> None:
        self._address = _checked(address)
        self._follower = follower
        self._threads = 0
        self._trouble: str | None = f"The Dask scheduler at {address} has not answered yet"
        self._news = asyncio.Event()

    @property
    def threads(self) -> int:
        """How many threads the cluster has now; 0 while there is no scheduler."""
        return self._threads

    @property
    def trouble(self) -> str | None:
        """Why jobs wait, and what to do; None if there is a scheduler with workers."""
        return self._trouble

    async def run(self, closing: asyncio.Event) -> None:
        """Stays connected until `closing`, through every loss of the scheduler."""
        _let_dask_be_silent()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            while not closing.is_set():
                await self._connect_once(closing)
                with contextlib.suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(closing.wait(), _RETRY_SECONDS)

    async def _connect_once(self, closing: asyncio.Event) -> None:
        over = asyncio.Event()
        client = _client(self._address, over.set)
        ends = [asyncio.ensure_future(event.wait()) for event in (over, closing)]
        try:
            if not await self._reached(client, ends):
                return
            try:
                await self._serve(client, ends)
            finally:
                self._leave(closing.is_set())
        except Exception as error:
            # Of whatever kind: without this loop, jobs would wait for ever.
            logger.exception("the connection to the Dask scheduler failed")
            self._be_in_trouble(
                f"The Dask scheduler at {self._address} cannot be used "
                f"({type(error).__name__}); jobs wait. The service's log says why"
            )
        finally:
            for end in ends:
                end.cancel()
            await _in_time(client.close())

    async def _reached(self, client: Client, ends: Ends) -> bool:
        reached = asyncio.ensure_future(client)
        await _first_of([reached, *ends])
        if not reached.done():
            reached.cancel()
            return False
        try:
            reached.result()
        except (OSError, asyncio.TimeoutError):
            self._be_in_trouble(
                f"The Dask scheduler at {self._address} cannot be reached; jobs wait. "
                "Start it there, with this port: dask scheduler; or correct the address"
            )
            return False
        return True

    async def _serve(self, client: Client, ends: Ends) -> None:
        """Follows the cluster until the scheduler is lost, or the service ends."""
        await _bring_runner(client, ends)
        client.subscribe_topic("all", self._hear)
        self._follower.connected(client)
        while not _any_done(ends):
            self._news.clear()
            question = asyncio.ensure_future(client.scheduler.ncores_running())
            await _first_of([question, *ends], _ANSWER_SECONDS)
            if not _any_done([question, *ends]):
                self._be_in_trouble(
                    f"The Dask scheduler at {self._address} does not answer; jobs wait. "
                    "Look into its log"
                )
                await _first_of([question, *ends])
            if not question.done():
                question.cancel()
                return
            try:
                threads: dict[str, int] = question.result()
            except OSError:
                return
            self._have(sum(threads.values()), len(threads))
            news = asyncio.ensure_future(self._news.wait())
            await _first_of([news, *ends], _LOOK_SECONDS)
            news.cancel()

    def _leave(self, closing: bool) -> None:
        self._threads = 0
        reason = "The service ended before the job did"
        if not closing:
            reason = f"The Dask scheduler at {self._address} was lost"
            self._be_in_trouble(f"{reason}; jobs wait until it is back under this address")
        self._follower.has_threads(0)
        self._follower.disconnected(reason)

    def _have(self, threads: int, workers: int) -> None:
        if not threads:
            self._be_in_trouble(
                f"The Dask cluster at {self._address} has no workers; jobs wait. "
                f"Start one on a machine of the cluster: dask worker {self._address}"
            )
        elif self._trouble is not None or self._threads != threads:
            self._trouble = None
            logger.info("the Dask cluster has %d workers with %d threads", workers, threads)
        if self._threads != threads:
            self._threads = threads
            self._follower.has_threads(threads)

    def _be_in_trouble(self, trouble: str) -> None:
        if self._trouble != trouble:
            self._trouble = trouble
            logger.warning(trouble)

    def _hear(self, event: tuple[float, Any]) -> None:
        """Something happened in the cluster."""
        news = event[1]
        if not isinstance(news, dict) or news.get("action") not in ("add-worker", "remove-worker"):
            return
        self._news.set()
        if news["action"] == "remove-worker":
            self._follower.lost_worker(news["worker"])


def _client(address: str, on_lost: Callable[[], None]) -> Client:
    with dask.config.set({"distributed.admin.large-graph-warning-threshold": _LARGE_QOBJ}):
        client = _OneConnection(
            address,
            asynchronous=True,
            timeout=_CONNECT_SECONDS,
            set_as_default=False,
            name="qtower",
        )
    client.on_lost = on_lost
    return client


async def _bring_runner(client: Client, ends: Ends) -> None:
    """Has every Dask worker, those to come included, made ready for jobs."""
    brought = asyncio.ensure_future(client.register_plugin(JobRunner()))
    await _first_of([brought, *ends], _ANSWER_SECONDS)
    brought.add_done_callback(_say_what_failed)  # a worker that hangs must not hold up the others


def _say_what_failed(brought: asyncio.Future[Any]) -> None:
    error = None if brought.cancelled() else brought.exception()
    if error is not None and not isinstance(error, OSError):  # that: the scheduler went again
        logger.error("a Dask worker cannot run jobs; has it the same qtower?", exc_info=error)


async def _first_of(futures: Sequence[asyncio.Future[Any]], seconds: float | None = None) -> None:
    await asyncio.wait(futures, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)


def _any_done(futures: Sequence[asyncio.Future[Any]]) -> bool:
    return any(future.done() for future in futures)


async def _in_time(step: Awaitable[Any]) -> None:
    """Waits for a step of Dask, but not long: without its scheduler it may never be done."""
    task = asyncio.ensure_future(step)
    task.add_done_callback(lambda done: done.cancelled() or done.exception())
    await asyncio.wait({task}, timeout=_LEAVE_SECONDS)
    task.cancel()


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
