"""Whose program listens at an address of this machine: any user may take a port that was freed.

When a service of ours has ended, a server of another user may stand where it was, to be told the
token. Whoever connects looks first, where the system tells (Linux).
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

_TABLES = {socket.AF_INET: Path("/proc/net/tcp"), socket.AF_INET6: Path("/proc/net/tcp6")}
_LISTENS = "0A"
STRANGER = "has been taken by another user's program"
_ROOT = 0


class ForeignListenerError(ConnectionRefusedError):
    """Another user's program listens where ours did; nothing was sent to it."""


class _Row(NamedTuple):
    local: str  # address and port, as the kernel writes them
    state: str
    user: int


def refuse_strangers(connection: socket.socket) -> None:
    """Looks who listens where a connection on this machine leads, before anything is sent.

    Raises:
        ForeignListenerError: Nobody does any more, or another user who is not root.
    """
    table = _TABLES.get(connection.family)
    try:
        rows = list(_rows(table)) if table is not None else []
        ours, theirs = connection.getsockname(), connection.getpeername()
    except OSError:
        return  # no such table here, or no connection any more
    if all(row.local != _written(connection.family, ours) for row in rows):
        return  # a table without this connection tells nothing
    places = {_written(connection.family, theirs)}
    places.add(_written(connection.family, (_anywhere(connection.family), theirs[1])))
    users = {row.user for row in rows if row.state == _LISTENS and row.local in places}
    if not users or users - {os.geteuid(), _ROOT}:
        raise ForeignListenerError(f"port {theirs[1]} of this machine {STRANGER}")


def _rows(table: Path) -> Iterator[_Row]:
    for line in table.read_text().splitlines()[1:]:
        fields = line.split()
        yield _Row(fields[1], fields[3], int(fields[7]))


def _written(family: int, address: tuple[object, ...]) -> str:
    """An address and port as the kernel's tables have it: each word in its own order of bytes."""
    packed = socket.inet_pton(family, str(address[0]))
    words = struct.unpack(f"={len(packed) // 4}I", packed)
    return f"{''.join(f'{word:08X}' for word in words)}:{address[1]:04X}"


def _anywhere(family: int) -> str:
    return "::" if family == socket.AF_INET6 else "0.0.0.0"  # noqa: S104  # which is looked for, and not listened at
