"""The agent as a process: started, read from, ended with all that it started."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from typing import IO

import msgspec

from qtower import model
from qtower.errors import AgentError

_PIPE_BYTES = 1 << 18

MAX_LINE = 1 << 26
"""Bytes of the longest line that is read."""


def launch(command: Sequence[str], greeting: model.Hello) -> subprocess.Popen[bytes]:
    """Starts an agent and greets it; needs no event loop.

    Raises:
        AgentError: The program cannot be started.
    """
    try:
        process = subprocess.Popen(
            list(command),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            start_new_session=True,  # Ctrl+C in the terminal is the screen's alone
        )
    except OSError as error:
        raise AgentError(
            f"The agent {command[0]} cannot be started: {error.strerror or error}.",
            "Check that qtower is installed there.",
        ) from error
    assert process.stdin is not None and process.stdout is not None
    _widen(process.stdout)
    with contextlib.suppress(BrokenPipeError):  # it died at once: its end is heard by reading
        process.stdin.write(msgspec.json.encode(greeting) + b"\n")
    return process


def _widen(pipe: IO[bytes]) -> None:
    """Makes room for some hundred rows, where the system can: they are read in one piece."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError):  # more than this user may have
            fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)


async def open_reader(pipe: IO[bytes]) -> tuple[asyncio.StreamReader, asyncio.ReadTransport]:
    """Reads `pipe` on the running loop."""
    reader = asyncio.StreamReader(limit=MAX_LINE)
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), pipe
    )
    return reader, transport


def kill(process: subprocess.Popen[bytes]) -> None:
    """Kills the process and what it started in its group; does not wait."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


def end(process: subprocess.Popen[bytes]) -> None:
    """Makes sure that the process, and what it started in its group, is gone."""
    kill(process)
    process.wait()
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe is not None:
            pipe.close()
