"""Where the token of an account comes from: a file, a command, or the keyring of the desktop.

Nothing is read before a login needs it. A token is never an argument of a program, and what went
wrong is told without quoting what was read.
"""

from __future__ import annotations

import logging
import os
import queue
import select
import shlex
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import msgspec

from qtower import paths
from qtower.errors import ConfigError
from qtower.private_files import expanded, refuse_if_shared
from qtower.surroundings import for_strangers

logger = logging.getLogger(__name__)

KEYRING_SERVICE = "qtower"
"""Under this name tokens lie in a keyring; the user is `NAME@HOST`."""

_COMMAND_SECONDS = 60.0  # a person may have to unlock a store of passwords
_LOOK_SECONDS = 0.1  # between looks whether it has ended
_KEYRING_SECONDS = 60.0
_MOST_CHARACTERS = 4096

_Value = TypeVar("_Value")


class TokenSource(msgspec.Struct, frozen=True, kw_only=True):
    """Where to look for the token of `account`: in the first of these that is given."""

    account: str
    file: str = ""
    command: tuple[str, ...] = ()
    keyring: str = ""  # the name under which a keyring has it

    def __repr__(self) -> str:
        # An argument of the command may be telling.
        return f"TokenSource(account={self.account!r}, kind={self.kind!r})"

    __str__ = __repr__

    @property
    def kind(self) -> str:
        """The key of config.toml that it stands for, or "keyring"."""
        return "token-file" if self.file else "token-command" if self.command else "keyring"

    def read(self) -> str:
        """Returns the token; may take as long as a person takes to unlock it.

        Raises:
            ConfigError: There is none, or it cannot be had.
        """
        if self.file:
            return read_token_file(self._file)
        if self.command:
            return checked(_ask_command(self.account, self.command), self._called)
        token = _ask_keyring(self, lambda ring: ring.get_password(KEYRING_SERVICE, self.keyring))
        if token is None:
            raise ConfigError(
                f'The account "{self.account}" has no token: there is none in the keyring, and '
                "its entry has neither token-file nor token-command.",
                f"Run: qtower account token {shlex.quote(self.account)}, or set QTOWER_TOKEN.",
            )
        return checked(token, self._called)

    def store(self, token: str) -> str:
        """Stores `token` in the file or the keyring, and returns where, in words.

        Raises:
            ConfigError: It cannot be stored there.
        """
        if self.command:
            raise ConfigError(
                f'The token of the account "{self.account}" comes from its token-command.',
                "Store it where that command looks for it.",
            )
        if self.file:
            file = self._file
            try:
                paths.make_private(file.parent)
                paths.write_private(file.resolve(), f"{token}\n".encode())
            except OSError as error:
                raise ConfigError(f"{file} cannot be written: {error.strerror}.") from None
            return str(file)
        _ask_keyring(self, lambda ring: ring.set_password(KEYRING_SERVICE, self.keyring, token))
        return "the keyring"

    def remove(self) -> str:
        """Removes the stored token, if there is one, and returns from where, in words.

        Raises:
            ConfigError: It cannot be removed.
        """
        if self.command:
            raise ConfigError(
                f'The token of the account "{self.account}" comes from its token-command.',
                "Remove it where that command finds it.",
            )
        if self.file:
            file = self._file
            try:
                file.unlink(missing_ok=True)
            except OSError as error:
                raise ConfigError(f"{file} cannot be removed: {error.strerror}.") from None
            return str(file)

        def forget(ring: _Ring) -> None:
            if ring.get_password(KEYRING_SERVICE, self.keyring) is not None:
                ring.delete_password(KEYRING_SERVICE, self.keyring)

        _ask_keyring(self, forget)
        return "the keyring"

    @property
    def _file(self) -> Path:
        return expanded(self.file, f'The token-file of the account "{self.account}"')

    @property
    def _called(self) -> str:
        return f'The token of the account "{self.account}"'


class _Ring:
    """What is used of the library `keyring`, which is imported on the thread that waits for it."""

    def get_password(self, service: str, name: str) -> str | None:
        import keyring

        return keyring.get_password(service, name)

    def set_password(self, service: str, name: str, token: str) -> None:
        import keyring

        keyring.set_password(service, name, token)

    def delete_password(self, service: str, name: str) -> None:
        import keyring

        keyring.delete_password(service, name)


def read_token_file(file: Path) -> str:
    """Returns the token in `file`.

    Raises:
        ConfigError: It cannot be read, is empty, or others can read or replace it.
    """
    try:
        refuse_if_shared(file)
        with file.open() as opened:
            token = opened.read(_MOST_CHARACTERS + 1).strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise ConfigError(f"The token file {file} cannot be read: {reason}.") from None
    if not token:
        raise ConfigError(f"The token file {file} is empty.", "Put the token on its first line.")
    return checked(token, f"The token in {file}")


def checked(token: str, called: str) -> str:
    """Returns `token` if it can be one.

    Raises:
        ConfigError: It is empty, too long, or has characters that no token has.
    """
    plain = token.isascii() and token.isprintable() and " " not in token
    if plain and 0 < len(token) <= _MOST_CHARACTERS:
        return token
    raise ConfigError(
        f"{called} is empty, too long, or has blanks or characters that no token has.",
        "Store it again, alone on one line.",
    )


def _ask_command(account: str, command: tuple[str, ...]) -> str:
    """The first line that the command writes. It reads nothing, and what it complains is dropped.

    It stays in our process group, so that it ends with us, and so that in a terminal it may ask
    its person for the way into a store of passwords.
    """
    program, by_hand = command[0], "Run it by hand to see why."
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=for_strangers(),
        )
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no command"
        raise ConfigError(
            f'The token-command of "{account}" ({program}) cannot be started: {reason}.',
            "Correct token-command in config.toml.",
        ) from None
    try:
        written = _written_by(process, time.monotonic() + _COMMAND_SECONDS)
    except TimeoutError:
        raise ConfigError(
            f'The token-command of "{account}" ({program}) did not end in time.', by_hand
        ) from None
    if process.returncode:
        raise ConfigError(
            f'The token-command of "{account}" ({program}) failed with status '
            f"{process.returncode}.",
            by_hand,
        )
    lines = written.decode(errors="replace").splitlines()
    if not lines or not lines[0].strip():
        raise ConfigError(
            f'The token-command of "{account}" ({program}) wrote nothing on its first line.',
            by_hand,
        )
    return lines[0].strip()


def _written_by(process: subprocess.Popen[bytes], deadline: float) -> bytes:
    """The beginning of what a process writes until it ends; the rest is read and dropped.

    What it has started, as an agent for its keys, may live on and keep the pipe: nobody waits for
    that.

    Raises:
        TimeoutError: It has not ended by the `deadline`; it is killed.
    """
    assert process.stdout is not None
    written = b""
    with process.stdout as pipe:
        try:
            while time.monotonic() < deadline:
                ended = process.poll() is not None  # what it wrote before is in the pipe
                readable = select.select([pipe], [], [], 0 if ended else _LOOK_SECONDS)[0]
                piece = os.read(pipe.fileno(), 1 << 16) if readable else b""
                written += piece[: _MOST_CHARACTERS + 1 - len(written)]
                if readable and not piece:  # nobody has the pipe any more
                    process.wait(max(0.0, deadline - time.monotonic()))
                    return written
                if ended and not piece:
                    return written
            raise TimeoutError
        except BaseException as error:
            process.kill()
            process.wait()
            if isinstance(error, subprocess.TimeoutExpired):
                raise TimeoutError from None
            raise


def _ask_keyring(source: TokenSource, ask: Callable[[_Ring], _Value]) -> _Value:
    """Asks the keyring on a thread of its own: one that waits for an answer keeps nobody."""
    outcome: queue.SimpleQueue[tuple[_Value] | Exception] = queue.SimpleQueue()

    def work() -> None:
        try:
            outcome.put((ask(_Ring()),))
        except Exception as error:  # each keyring raises what it likes
            logger.warning("the keyring failed", exc_info=True)
            outcome.put(error)

    threading.Thread(target=work, name="keyring", daemon=True).start()
    otherwise = "Give it token-file or token-command in config.toml, or set QTOWER_TOKEN."
    try:
        found = outcome.get(timeout=_KEYRING_SECONDS)
    except queue.Empty:
        raise ConfigError(
            f'The keyring was asked for the account "{source.account}" and did not answer in time.',
            f"Unlock it and try again. {otherwise}",
        ) from None
    if not isinstance(found, Exception):
        return found[0]
    why = _WHY.get(type(found).__name__, f"it failed ({type(found).__name__})")
    raise ConfigError(
        f'The keyring cannot be used for the account "{source.account}": {why}.', otherwise
    ) from None


_WHY = {
    "NoKeyringError": "this machine has none",
    "KeyringLocked": "it is locked",
    "InitError": "it cannot be opened",
}
