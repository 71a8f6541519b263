"""Threads for calls that may hang: as many as there are calls at once, and none keeps us alive."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable

from qtower.processes import step_back

_MOST = 32


class Crew:
    """Runs calls on daemon threads, made when no idle one is left.

    `concurrent.futures` will not do: the interpreter waits for its threads at the end, and a
    request to an endpoint that hangs would keep the process.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._calls: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._threads = 0
        self._free = 0  # idle threads, less calls that are waiting for one

    def run(self, call: Callable[[], None]) -> None:
        """Runs `call`, which must not raise, on a thread; returns at once.

        Where no more threads can be started it waits for one that there is.

        Raises:
            RuntimeError: There is none.
        """
        with self._lock:
            if self._free <= 0 and self._threads < _MOST:
                self._add_thread()
            self._free -= 1
        self._calls.put(call)

    def _add_thread(self) -> None:
        name = f"{self._name}-{self._threads + 1}"
        try:
            threading.Thread(target=self._work, name=name, daemon=True).start()
        except RuntimeError:
            if not self._threads:
                raise
            return
        self._threads += 1
        self._free += 1

    def _work(self) -> None:
        step_back()  # the screen's keys go before what was asked for
        while True:
            self._calls.get()()
            with self._lock:
                self._free += 1
