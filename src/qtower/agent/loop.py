"""The agent: a desk behind stdin and stdout, one JSON message a line (docs/protocol.md)."""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import BinaryIO, NoReturn

import msgspec

from qtower import __version__, model
from qtower.agent.crew import Crew
from qtower.desk.desk import Desk
from qtower.desk.scrubbing import scrub
from qtower.errors import AgentError, QtowerError

logger = logging.getLogger(__name__)

# A screen that does not read holds up the desk, not the memory of this machine.
_MOST_UNREAD = 2000

# Key presses of a waiting person are answered between the bytecodes of imports and polls.
_SWITCH_SECONDS = 0.0005


def run(
    account: str,
    open_desk: Callable[[Callable[[model.Event], None]], Desk],
    source: BinaryIO,
    sink: int,
) -> NoReturn:
    """Serves requests from `source` to the descriptor `sink`, until either ends or a signal comes.

    Ends the process, whatever its threads are doing: a request that hangs keeps nobody.
    """
    sys.setswitchinterval(_SWITCH_SECONDS)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _end_by_signal)
    loop = Loop(account, open_desk, sink)
    try:
        loop.serve(source)
    except (_EndedError, KeyboardInterrupt):
        pass
    finally:
        loop.close()
        os._exit(0)


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
        self._outgoing: queue.Queue[model.Message] = queue.Queue(_MOST_UNREAD)
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
            self._crew.run(lambda: self._answer(request))

    def _greet(self, hello: model.Hello) -> None:
        welcome = model.Welcome(
            version=model.PROTOCOL_VERSION,
            program=f"qtower {__version__}",
            account=self._account,
            pid=os.getpid(),
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
                what=scrub(error.what),
                next_step=scrub(error.next_step),
            )
        )

    def _refuse(self, line: bytes, why: str) -> None:
        """Answers a message that is not understood, if it can at least be told whose it is."""
        logger.warning("a message was not understood: %s", why)
        with contextlib.suppress(msgspec.DecodeError):
            number = msgspec.json.decode(line, type=_Numbered).id
            self._fail(number, AgentError(f"The message was not understood: {why}."))

    def _write(self) -> None:
        encode = msgspec.json.Encoder().encode
        while True:
            line = memoryview(encode(self._outgoing.get()) + b"\n")
            try:
                while line:
                    line = line[os.write(self._sink, line) :]
            except OSError:  # nobody reads any more
                self.close()
                os._exit(0)


class _Numbered(msgspec.Struct, frozen=True):
    id: int


class _EndedError(BaseException):
    """A signal asked us to end."""


def _end_by_signal(number: int, frame: FrameType | None) -> NoReturn:
    raise _EndedError
