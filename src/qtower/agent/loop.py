"""The agent: a desk behind stdin and stdout, one JSON message a line (docs/protocol.md)."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import BinaryIO, NoReturn

import msgspec

from qtower import __version__, model
from qtower.agent.crew import Crew
from qtower.agent.logs import StandardDescriptors
from qtower.agent.outgoing import Outgoing
from qtower.desk.desk import Desk
from qtower.desk.scrubbing import scrub
from qtower.errors import AgentError, QtowerError
from qtower.text import encodable, inert

logger = logging.getLogger(__name__)

_encode = msgspec.json.Encoder().encode

# How often the connection is told again if there is no news: who listens knows that we live.
_HEARTBEAT_SECONDS = 2.0

# Key presses of a waiting person are answered between the bytecodes of imports and polls.
_SWITCH_SECONDS = 0.0005


def run(
    account: str,
    open_desk: Callable[[Callable[[model.Event], None]], Desk],
    source: BinaryIO,
    standard: StandardDescriptors,
) -> NoReturn:
    """Serves requests from `source` to standard output, until either ends or a signal comes.

    Ends the process, whatever its threads are doing: a request that hangs keeps nobody. A fault
    ends it with 1, after a line on standard error.
    """
    sys.setswitchinterval(_SWITCH_SECONDS)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _end_by_signal)
    code = 1
    try:
        loop = Loop(account, open_desk, standard.output)
        try:
            loop.serve(source)
        finally:
            loop.close()
        code = 0
    except (_EndedError, KeyboardInterrupt):
        code = 0
    except Exception as error:
        logger.exception("the agent ends")
        words = str(error) if isinstance(error, QtowerError) else f"{type(error).__name__}: {error}"
        with contextlib.suppress(OSError):
            os.write(standard.error, f"qtower: {inert(scrub(words))}\n".encode())
    finally:
        os._exit(code)


class Loop:
    """Reads requests, runs each on a thread of its own, and writes what the desk says."""

    def __init__(
        self,
        account: str,
        open_desk: Callable[[Callable[[model.Event], None]], Desk],
        sink: int,
    ) -> None:
        self._account = account
        self._sink = sink
        self._outgoing = Outgoing()
        self._decoder = msgspec.json.Decoder(model.AnyRequest)
        self._crew = Crew("request")
        self._desk = open_desk(self._outgoing.put)
        self._greeted = False
        threading.Thread(target=self._write, name="writer", daemon=True).start()

    def serve(self, source: BinaryIO) -> None:
        """Handles one request after the other until `source` ends."""
        for line in source:
            if line.strip():
                self._handle(line)

    def close(self) -> None:
        """Closes the desk; takes less than 0.2 s."""
        self._desk.close()

    def _handle(self, line: bytes) -> None:
        try:
            request = self._decoder.decode(line)
        except msgspec.DecodeError as error:
            self._refuse(line, str(error))
            return
        if isinstance(request, model.Hello):
            self._greet(request)
        elif not self._greeted:
            self._fail(request.id, AgentError("The first message must be a hello."))
        else:
            self._give_to_crew(request)

    def _give_to_crew(self, request: model.AnyRequest) -> None:
        try:
            self._crew.run(lambda: self._answer(request))
        except RuntimeError as error:  # what is being sent goes on all the same
            self._fail(request.id, AgentError(f"The agent cannot work: {error}.", "Try again."))

    def _greet(self, hello: model.Hello) -> None:
        welcome = model.Welcome(
            version=model.PROTOCOL_VERSION,
            program=f"qtower {__version__}",
            account=self._account,
            pid=os.getpid(),
            heartbeat=_HEARTBEAT_SECONDS,
        )
        self._outgoing.put(model.Answer(id=hello.id, body=welcome))
        if hello.version != model.PROTOCOL_VERSION:
            return  # the other side says so to its person, and hangs up
        if self._greeted:
            self._desk.tell_all()
        else:
            self._greeted = True
            self._desk.open()

    def _answer(self, request: model.AnyRequest) -> None:
        try:
            body = self._desk.answer(request)
        except QtowerError as error:
            self._fail(request.id, error)
        except Exception as error:
            logger.exception("request %s failed", type(request).__name__)
            self._fail(request.id, QtowerError(scrub(f"{type(error).__name__}: {error}")))
        else:
            self._outgoing.put(model.Answer(id=request.id, body=body))

    def _fail(self, number: int, error: QtowerError) -> None:
        self._outgoing.put(
            model.Failure(
                id=number,
                error=type(error).__name__,
                title=error.title,
                what=encodable(scrub(error.what)),
                next_step=encodable(scrub(error.next_step)),
            )
        )

    def _refuse(self, line: bytes, why: str) -> None:
        """Answers a message that is not understood, if it can at least be told whose it is."""
        logger.warning("a message was not understood: %s", why)
        with contextlib.suppress(msgspec.DecodeError):
            number = msgspec.json.decode(line, type=_Numbered).id
            self._fail(number, AgentError(f"The message was not understood: {why}."))

    def _write(self) -> None:
        standing: model.Connected | None = None
        while True:
            message = self._next_message(standing)
            if isinstance(message, model.Connected):
                standing = message
            for line in _lines(message):
                rest = memoryview(line)
                try:
                    while rest:
                        rest = rest[os.write(self._sink, rest) :]
                except OSError:  # nobody reads any more
                    self.close()
                    os._exit(0)

    def _next_message(self, standing: model.Connected | None) -> model.Message:
        """The next message; `standing`, when there is none for a while."""
        message = self._outgoing.get(_HEARTBEAT_SECONDS if standing else None)
        if message is None:
            assert standing is not None
            return standing
        return message


def _lines(message: model.Message) -> Iterator[bytes]:
    """The line of a message; of one that cannot be written, what can be said in its place."""
    try:
        yield _encode(message) + b"\n"
    except Exception as error:  # what a job holds may be anything: it silences that job alone
        logger.exception("a %s could not be written", type(message).__name__)
        for part in _in_place_of(message, scrub(f"{type(error).__name__}: {error}")):
            yield from _lines(part)


def _in_place_of(message: model.Message, why: str) -> Iterator[model.Message]:
    if isinstance(message, model.Answer):
        words = f"The answer could not be written ({encodable(why)})."
        yield model.Failure(
            id=message.id, error=QtowerError.__name__, title=QtowerError.title, what=words
        )
    elif isinstance(message, model.Rows) and len(message.rows) + len(message.gone) > 1:
        yield from (model.Rows(rows=[row]) for row in message.rows)
        yield from (model.Rows(gone=[key]) for key in message.gone)


class _Numbered(msgspec.Struct, frozen=True):
    id: int


class _EndedError(BaseException):
    """A signal asked us to end."""


def _end_by_signal(number: int, frame: FrameType | None) -> NoReturn:
    raise _EndedError
