"""What the agent still has to say: in order, except that a flood of rows delays no answer."""

from __future__ import annotations

import threading
import time
from collections import deque

from qtower import model

# A screen that does not read holds up the desk, not the memory of this machine.
_MOST_UNREAD = 2000

# An answer comes after what was told before it, unless that is more than so many messages.
_FLOOD = 4


class Outgoing:
    """Messages on their way to the writer. Every method may be called from any thread."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._events: deque[model.Message] = deque()
        self._answers: deque[tuple[int, model.Message]] = deque()  # and how many events before it
        self._put = 0  # events so far,
        self._taken = 0  # and how many of them were taken

    def put(self, message: model.Message) -> None:
        """Adds a message; waits while there is too much unread."""
        with self._changed:
            if isinstance(message, model.Answer | model.Failure):
                self._answers.append((self._put, message))
            else:
                self._changed.wait_for(lambda: len(self._events) < _MOST_UNREAD)
                self._events.append(message)
                self._put += 1
            self._changed.notify_all()

    def get(self, timeout: float | None) -> model.Message | None:
        """Takes the next message; None if there is none for `timeout` seconds."""
        end = None if timeout is None else time.monotonic() + timeout
        with self._changed:
            while not (self._events or self._answers):
                left = None if end is None else end - time.monotonic()
                if left is not None and left <= 0:
                    return None
                self._changed.wait(left)
            if self._answers and not 0 < self._answers[0][0] - self._taken <= _FLOOD:
                return self._answers.popleft()[1]
            self._taken += 1
            self._changed.notify_all()
            return self._events.popleft()
