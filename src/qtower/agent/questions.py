"""The questions that an agent has been asked and has not answered yet."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

import msgspec

from qtower import errors, model
from qtower.agent.greeting import SAME_VERSION
from qtower.errors import AgentError, QtowerError

_ERRORS = {
    cls.__name__: cls
    for cls in vars(errors).values()
    if isinstance(cls, type) and issubclass(cls, QtowerError)
}


class Questions:
    """Each has a number and a future. All calls on one event loop."""

    def __init__(self, first: int) -> None:
        """`first` is the first number."""
        self._numbers = itertools.count(first)
        self._open: dict[int, tuple[type[model.Request], asyncio.Future[Any]]] = {}

    def number(self) -> int:
        """The number of a question that is about to be asked."""
        return next(self._numbers)

    def ask(self, number: int, kind: type[model.Request]) -> asyncio.Future[Any]:
        """The future of the record of `model.ANSWERS`, or of a `QtowerError`."""
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._open[number] = (kind, answer)
        return answer

    def forget(self, number: int) -> None:
        """Nobody waits for the answer any more."""
        self._open.pop(number, None)

    def hear(self, message: model.Answer | model.Failure) -> None:
        """Gives an answer to who waits for it, if anybody does."""
        kind, answer = self._open.pop(message.id, (None, None))
        if kind is None or answer is None or answer.done():
            return
        if isinstance(message, model.Failure):
            cls = _ERRORS.get(message.error, AgentError)
            answer.set_exception(cls(message.what, message.next_step))
            return
        try:
            answer.set_result(msgspec.convert(message.body, model.ANSWERS[kind]))
        except msgspec.ValidationError as error:
            words = f"The agent's answer is not as agreed: {error}."
            answer.set_exception(AgentError(words, SAME_VERSION))

    def fail(self, error: AgentError) -> None:
        """There will be no answer to any of them."""
        for _, answer in self._open.values():
            if not answer.done():
                answer.set_exception(error)
        self._open.clear()
