"""Where jobs run: the engines behind one interface, and the choice among them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from qtower.errors import ServiceError
from qtower.service.engine import LocalEngine, Setups
from qtower.service.limits import Limits
from qtower.service.orders import Outcome


class Engine(Protocol):
    """Simulates jobs. Of every job that is started there is exactly one outcome."""

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

    def cancel(self, job_id: str) -> None:
        """Ends the job now; its outcome is "cancelled" unless it had already ended."""

    def follow_workers(self, listener: Callable[[int], None]) -> None:
        """Has `listener` called, from any thread, whenever `workers` has changed."""

    def close(self) -> None:
        """Ends all jobs; those without an outcome end as "lost". Returns within 2 s."""

    @property
    def workers(self) -> int:
        """How many jobs it can run at once, now."""

    @property
    def trouble(self) -> str | None:
        """Why no job runs although some might wait, and what to do; None if all is well."""


def open_engine(
    workers: int, limits: Limits, scheduler: str | None, setups: Setups | None = None
) -> Engine:
    """Returns the engine that runs jobs on a Dask cluster, or with `workers` processes here.

    Args:
        workers: How many processes, if there is no scheduler.
        limits: What a job may take.
        scheduler: The address of a Dask scheduler, `tcp://HOST:PORT`.
        setups: How each backend is set up, as `Simulation.run` takes it.

    Raises:
        ServiceError: The extra `cluster` is not installed.
    """
    if scheduler is None:
        return LocalEngine(workers, limits, setups)
    try:
        from qtower.service.cluster import ClusterEngine
    except ModuleNotFoundError as error:
        raise ServiceError(
            f"Jobs cannot run on {scheduler}: {error.name} is not installed.",
            'Install the extra "cluster": pip install "qtower[cluster]".',
        ) from None
    return ClusterEngine(scheduler, limits, setups)
