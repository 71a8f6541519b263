"""A private PostgreSQL server on loopback, for as long as the tests of this process run."""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

NOT_INSTALLED = "it is neither on PATH nor under /usr/lib/postgresql"

_USER = "qtower"
_DEBIAN = Path("/usr/lib/postgresql")

# The shell ends the server when its own input ends: also when the tests were killed.
_GUARD = '"$@" & pid=$!; cat >/dev/null; kill -QUIT $pid; wait $pid'


@dataclass
class Server:
    """A running server; its one role needs a password."""

    directory: Path
    binaries: Path
    port: int
    password: str
    guard: subprocess.Popen[bytes] | None = None

    def url(self, database: str, password: bool = True) -> str:
        """Returns the URL of a database, with or without the password."""
        credentials = f"{_USER}:{self.password}" if password else _USER
        return f"postgresql+psycopg://{credentials}@127.0.0.1:{self.port}/{database}"

    def connect(self, database: str = "postgres") -> psycopg.Connection[tuple[object, ...]]:
        """Connects past qtower, to see or change what it stored."""
        return psycopg.connect(
            host="127.0.0.1",
            port=self.port,
            user=_USER,
            password=self.password,
            dbname=database,
            autocommit=True,
            connect_timeout=5,
        )

    def new_database(self, encoding: str = "UTF8") -> str:
        """Creates an empty database and returns its name."""
        name = f"test_{secrets.token_hex(6)}"
        with self.connect() as connection:
            kind = f"TEMPLATE template0 ENCODING '{encoding}' LOCALE 'C'"
            connection.execute(f"CREATE DATABASE {name} {kind}".encode())
        return name

    def start(self) -> None:
        """Starts it, and waits until it answers."""
        command = [
            *(str(self.binaries / "postgres"), "-D", str(self.directory / "data")),
            *("-h", "127.0.0.1", "-p", str(self.port), "-k", ""),
            *("-c", "fsync=off", "-c", "max_connections=60", "-c", "shared_buffers=32MB"),
        ]
        with (self.directory / "log").open("ab") as log:
            self.guard = subprocess.Popen(
                ["sh", "-c", _GUARD, "sh", *command],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                **_account(),
            )
        deadline = time.monotonic() + 30
        while True:
            try:
                self.connect().close()
                return
            except psycopg.OperationalError:
                if time.monotonic() > deadline or self.guard.poll() is not None:
                    raise RuntimeError((self.directory / "log").read_text()) from None
                time.sleep(0.05)

    def stop(self) -> None:
        """Ends it at once, as a crash would."""
        if self.guard is not None and self.guard.stdin is not None:
            self.guard.stdin.close()
            self.guard.wait(20)
        self.guard = None


@contextmanager
def running_server() -> Iterator[Server]:
    """A fresh server; the test is skipped, with the reason, where PostgreSQL is not installed."""
    binaries = find_binaries()
    if binaries is None:
        pytest.skip(f"needs PostgreSQL, and {NOT_INSTALLED}")
    account = _account()
    with tempfile.TemporaryDirectory(prefix="qtower-postgres-") as name:
        server = Server(Path(name), binaries, free_port(), secrets.token_hex(16))
        word = server.directory / "password"
        word.write_text(server.password)
        if account:
            for path in (server.directory, word):
                shutil.chown(path, account["user"], account["group"])
        subprocess.run(
            [
                *(str(binaries / "initdb"), "-D", str(server.directory / "data"), "--no-sync"),
                *("-U", _USER, "--pwfile", str(word), "--auth", "scram-sha-256"),
                *("-E", "UTF8", "--locale", "C"),
            ],
            check=True,
            stdout=subprocess.DEVNULL,
            cwd=server.directory,
            **account,
        )
        server.start()
        try:
            yield server
        finally:
            server.stop()


def find_binaries() -> Path | None:
    """Returns where PostgreSQL is installed; None if it is not."""
    on_path = shutil.which("initdb")
    found = [Path(on_path).resolve().parent] if on_path else []
    found += sorted(_DEBIAN.glob("*/bin"), key=lambda path: path.parent.name, reverse=True)
    return next((path for path in found if (path / "postgres").exists()), None)


def _account() -> dict[str, Any]:
    """Who runs it: it refuses to be run by root."""
    if os.geteuid() != 0:
        return {}
    known = {entry.pw_name: entry for entry in pwd.getpwall()}
    entry = known.get("postgres") or known["nobody"]
    return {"user": entry.pw_uid, "group": entry.pw_gid}


def free_port() -> int:
    """Returns a port on loopback that nobody had a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])
