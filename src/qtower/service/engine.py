"""The engine of one machine: jobs in children that are warm and never outlive the service.

Any thread may ask it for something; one thread of its own has the crew of children, and does it.
"""

from __future__ import annotations

import contextlib
import os
import queue
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import msgspec

from qtower.service.children import Run, processors
from qtower.service.crew import Crew
from qtower.service.limits import Limits
from qtower.service.orders import Order, Outcome

Setups: TypeAlias = Mapping[str, Mapping[str, Any]]

_CLOSE_SECONDS = 2.0


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

    The first worker is loaded at once, the others when there is work for them. Its methods are
    those of `engines.Engine`.

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
        with contextlib.suppress(RuntimeError):  # closed: it ends as "lost"
            self._tell(_Cancel(job_id))

    def follow_workers(self, listener: Callable[[int], None]) -> None:
        """Does nothing: there are always as many."""

    @property
    def workers(self) -> int:
        return self._workers

    @property
    def trouble(self) -> str | None:
        """A process that cannot be started fails its job; nothing else can be wrong but we."""
        if self._thread.is_alive() or self._closed:
            return None
        return "The engine has stopped; the service must be started again"

    def close(self) -> None:
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
        crew = Crew(self._workers, self._wake_read)
        while not crew.work() or self._obey(crew):
            pass
        crew.end()
        os.close(self._wake_read)
        os.close(self._wake_write)

    def _obey(self, crew: Crew) -> bool:
        """Carries out what was asked; False if the engine is to end."""
        os.read(self._wake_read, 65536)
        while not self._commands.empty():
            command = self._commands.get()
            if isinstance(command, _Close):
                return False
            if isinstance(command, Run):
                crew.take(command)
            else:
                crew.cancel(command.run_id)
        return True
