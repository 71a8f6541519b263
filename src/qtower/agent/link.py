"""The client's end of the agent's pipe: starts it, asks, hears its events, starts it again.

    link = AgentLink(["qtower", "agent"], on_event, on_state)
    await link.start()
    details = await link.ask(model.GetDetails(key=key))

The agent may be any program that speaks docs/protocol.md, for example one behind ssh.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import subprocess
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from qtower import model
from qtower.agent.greeting import HELLO, RefusedError, read_greeting
from qtower.agent.process import end, kill, launch, open_reader
from qtower.agent.questions import Questions
from qtower.errors import AgentError
from qtower.sharing import Shared

_log = logging.getLogger(__name__)

_FIRST_BACKOFF, _LAST_BACKOFF = 0.2, 5.0
_STEADY_SECONDS = 10.0  # an agent that lived so long is started again without delay
_UP_SECONDS = 30.0  # how long a question waits for an agent that is being started
_CLOSE_SECONDS = 0.3
_TICK_SECONDS = 0.5
_MOST_MISSED = 3.0  # heartbeats before an agent counts as silent
_GIVE_UP_SECONDS = 30.0  # of silence, before it is ended and started again

SILENT = "the agent does not answer"
"""The detail of a link whose agent runs and says nothing."""


class LinkState(msgspec.Struct, frozen=True, kw_only=True):
    """Whether the agent answers; `detail` says what happened if it does not."""

    up: bool
    detail: str = ""
    restarts: int = 0


class AgentLink:
    """A running agent, started again when it dies. All calls on one event loop."""

    def __init__(
        self,
        command: Sequence[str],
        on_event: Callable[[model.Event], None],
        on_state: Callable[[LinkState], None],
        *,
        process: subprocess.Popen[bytes] | None = None,
    ) -> None:
        """`process` is one that `launch` started from the same command before the loop ran."""
        self.skipped = 0  # lines that were no message
        self._command = list(command)
        self._on_event = on_event
        self._on_state = on_state
        self._process = process
        self._questions = Questions(HELLO + 1)
        self._decoder = msgspec.json.Decoder(model.AnyMessage)
        self._encoder = msgspec.json.Encoder()
        self._shared = Shared()
        self._up = asyncio.Event()
        self._refused: AgentError | None = None
        self._restarts = 0
        self._heartbeat = 0.0  # seconds, as the agent promised; 0: it did not
        self._silence = 0.0  # seconds that this loop lived through without hearing a word
        self._last_words: deque[str] = deque(maxlen=5)
        self._writer: asyncio.WriteTransport | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._closed = False

    @staticmethod
    def launch(command: Sequence[str]) -> subprocess.Popen[bytes]:
        """Starts an agent and greets it, without an event loop: its work begins at once.

        Raises:
            AgentError: The program cannot be started.
        """
        return launch(command, model.Hello(id=HELLO))

    async def start(self) -> None:
        """Begins to keep an agent running; returns at once. `on_state` tells when it is up."""
        if self._keeper is None:
            self._keeper = asyncio.create_task(self._keep_running())

    async def ask(self, request: model.Request, timeout: float | None = None) -> Any:
        """Sends `request` (its id is set here) and returns the record of `model.ANSWERS`.

        Raises:
            QtowerError: What the agent answered, by its own class.
            AgentError: The agent died before it answered, or `timeout` seconds passed.
        """
        number = self._questions.number()
        try:
            return await asyncio.wait_for(self._exchange(number, request), timeout)
        except asyncio.TimeoutError:
            raise AgentError(
                f"The agent did not answer within {timeout:.0f} s.", "Try again."
            ) from None
        finally:
            self._questions.forget(number)

    async def close(self) -> None:
        """Ends the agent, kindly if it goes at once; takes half a second at the most."""
        self._closed = True
        if self._keeper is not None:
            self._keeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._keeper
        self._questions.fail(AgentError("The agent was closed."))
        process, self._process = self._process, None
        if process is None:
            return
        self._hang_up(process)
        for _ in range(int(_CLOSE_SECONDS / 0.01)):
            if process.poll() is not None:
                break
            await asyncio.sleep(0.01)
        end(process)

    def kill(self) -> None:
        """Ends the agent at once; may be called from any thread, when this loop is stuck."""
        self._closed = True
        if self._process is not None:
            kill(self._process)

    # -- asking ---------------------------------------------------------------------------------

    async def _exchange(self, number: int, request: model.Request) -> Any:
        if self._closed:
            raise AgentError("The agent was closed.")
        if not self._up.is_set() and self._refused is None:
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._up.wait(), _UP_SECONDS)
        if self._refused is not None:
            raise self._refused
        if not self._up.is_set() or self._writer is None:
            raise AgentError("The agent does not run.", "It is being started again.")
        answer = self._questions.ask(number, type(request))
        self._send(msgspec.structs.replace(request, id=number))
        return await answer

    def _send(self, request: model.Request) -> None:
        assert self._writer is not None
        self._writer.write(self._encoder.encode(request) + b"\n")

    # -- keeping it running ---------------------------------------------------------------------

    async def _keep_running(self) -> None:
        loop = asyncio.get_running_loop()
        backoff = _FIRST_BACKOFF
        while True:
            started = loop.time()
            try:
                await self._run_once()
                detail = self._epitaph()
            except RefusedError as error:
                self._refused = error
                break
            except AgentError as error:
                detail = str(error)
            self._up.clear()
            self._questions.fail(AgentError(detail, "It is being started again; try once more."))
            if loop.time() - started > _STEADY_SECONDS:
                backoff = _FIRST_BACKOFF
            self._tell(up=False, detail=detail)
            await asyncio.sleep(backoff)
            backoff = min(backoff * 2, _LAST_BACKOFF)
            self._restarts += 1
        self._up.set()  # nothing to wait for any more: questions get the refusal
        self._tell(up=False, detail=str(self._refused))

    async def _run_once(self) -> None:
        """Lives through one agent, from its start to its end."""
        loop = asyncio.get_running_loop()
        self._last_words.clear()
        self._heartbeat = self._silence = 0.0
        process = self._process or self.launch(self._command)
        self._process = process
        assert process.stdin and process.stdout and process.stderr
        self._writer, _ = await loop.connect_write_pipe(asyncio.Protocol, process.stdin)
        said, speech = await open_reader(process.stdout)
        complained, complaints = await open_reader(process.stderr)
        listening = asyncio.create_task(self._listen(complained, self._hear_complaint))
        watching = asyncio.create_task(self._watch(process))
        try:
            await self._listen(said, self._hear)
            await asyncio.wait({listening}, timeout=0.1)  # its last words
        finally:
            listening.cancel()
            watching.cancel()
            speech.close()
            complaints.close()
            if not self._closed:
                self._hang_up(process)
                end(process)
                self._process = None

    async def _watch(self, process: subprocess.Popen[bytes]) -> None:
        """Tells of an agent that is not heard any more, and ends it if that lasts.

        Silence is counted while this loop runs: when the screen itself was stopped, or the
        machine slept, what the agent said meanwhile is heard before it counts as silent.
        """
        while True:
            await asyncio.sleep(_TICK_SECONDS)
            if not self._heartbeat:
                continue
            was_silent = self._is_silent
            self._silence += _TICK_SECONDS
            if self._is_silent and not was_silent:
                self._tell(up=False, detail=SILENT)
            if self._silence > _GIVE_UP_SECONDS:
                self._last_words.append("it did not answer")
                process.kill()
                return

    @property
    def _is_silent(self) -> bool:
        return 0.0 < self._heartbeat * _MOST_MISSED < self._silence

    def _hang_up(self, process: subprocess.Popen[bytes]) -> None:
        writer, self._writer = self._writer, None
        if writer is not None:
            if not writer.is_closing():  # a pipe whose reader died has closed by itself
                writer.abort()
        elif process.stdin is not None:
            process.stdin.close()

    async def _listen(self, stream: asyncio.StreamReader, hear: Callable[[bytes], None]) -> None:
        while True:
            try:
                line = await stream.readline()
            except ValueError:  # longer than MAX_LINE; the stream goes on after it
                line = b"a line of more than 64 MB\n"
            if not line:
                return
            hear(line)

    def _tell(self, *, up: bool, detail: str) -> None:
        self._on_state(LinkState(up=up, detail=detail, restarts=self._restarts))

    def _epitaph(self) -> str:
        if not self._last_words:
            return "The agent ended without a word."
        return f"The agent ended: {self._last_words[-1].rstrip('.')}."

    # -- hearing --------------------------------------------------------------------------------

    def _hear_complaint(self, line: bytes) -> None:
        text = line.decode(errors="replace").strip()
        if text:
            _log.info("the agent wrote to stderr: %s", text)
            self._last_words.append(text.removeprefix("qtower: "))

    def _hear(self, line: bytes) -> None:
        if not line.endswith(b"\n"):
            return  # torn off by the end of the agent, which is heard next
        was_silent, self._silence = self._is_silent, 0.0
        if was_silent:
            self._tell(up=True, detail="it answers again")
        try:
            message = self._decoder.decode(line)
        except msgspec.DecodeError as error:
            self._skip(str(error))
            if self._up.is_set():
                # What it replaced, or stands in the middle of, may have been rows or an answer:
                # another agent tells all of them again.
                raise AgentError("The agent said what is no message.") from None
            return  # a greeting of the machine that it runs on, for example
        if isinstance(message, model.Answer | model.Failure):
            if message.id == HELLO:
                welcome = read_greeting(message)
                self._heartbeat = welcome.heartbeat
                self._up.set()
                self._tell(up=True, detail=f"agent {welcome.pid}")
            self._questions.hear(message)
        else:
            if isinstance(message, model.Rows):
                self._shared.share(message.rows)
            # By way of the loop, so that a fault in the listener is the listener's.
            asyncio.get_running_loop().call_soon(self._on_event, message)

    def _skip(self, why: str) -> None:
        self.skipped += 1
        _log.warning("a line of the agent was no message: %s", why)
