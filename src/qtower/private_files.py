"""Whether a file that holds a secret, or decides where one goes, is its owner's alone."""

from __future__ import annotations

import os
import shlex
import stat
from pathlib import Path

from qtower.errors import ConfigError

_ROOT = 0


def expanded(given: str, called: str) -> Path:
    """The path that a setting names, which may begin with "~".

    Raises:
        ConfigError: It begins with a user who is not known here, or holds a null character.
    """
    try:
        if "\0" not in given:
            return Path(given).expanduser()
    except RuntimeError:  # "~name", and nobody has that name
        pass
    raise ConfigError(f"{called} is no path on this machine.", "Write it from / on.")


def refuse_if_shared(file: Path, what: str = "holds a token") -> None:
    """Refuses a file that anybody but its owner may read or write.

    Args:
        file: An existing file.
        what: What of it concerns nobody else, after its name.

    Raises:
        ConfigError: With the command that mends it.
        OSError: There is no such file.
    """
    if os.name != "posix":
        return
    status = file.stat()
    if status.st_uid == os.geteuid() and stat.S_IMODE(status.st_mode) & 0o077:
        raise ConfigError(f"{file} {what} and others can read it.", f"Run: {_chmod('600', file)}")
    refuse_if_foreign(file)
    if stat.S_IMODE(status.st_mode) & 0o077:
        raise ConfigError(
            f"{file} {what} and others can read it.",
            f"Run: sudo {_chmod('600', file)} && {_chown(file)}",
        )


def refuse_if_foreign(file: Path) -> None:
    """Refuses a file that others may write or replace: it says where tokens go.

    The directory counts, because who may write there may put another file in its place. A sticky
    one, as /tmp is, lets nobody replace what is not his.

    Raises:
        ConfigError: With the command that mends it.
        OSError: There is no such file.
    """
    if os.name != "posix":
        return
    file.stat()  # of links in a circle, `resolve` makes no OSError
    real = file.resolve(strict=True)
    status, directory = real.stat(), real.parent.stat()
    if not stat.S_ISREG(status.st_mode):
        raise ConfigError(f"{file} is not a file.", "Name a regular file.")
    if status.st_uid not in (os.geteuid(), _ROOT):
        raise ConfigError(f"{file} belongs to another user.", f"Run: {_chown(real)}")
    if stat.S_IMODE(status.st_mode) & 0o022:
        raise ConfigError(f"Others can write {file}.", f"Run: {_chmod('go-w', real)}")
    if directory.st_uid not in (os.geteuid(), _ROOT):
        raise ConfigError(
            f"{real.parent} belongs to another user, who may put another {real.name} there.",
            f"Run: {_chown(real.parent)}",
        )
    if directory.st_mode & 0o022 and not directory.st_mode & stat.S_ISVTX:
        raise ConfigError(
            f"Others can write to {real.parent} and put another {real.name} there.",
            f"Run: {_chmod('go-w', real.parent)}",
        )


def _chmod(mode: str, path: Path) -> str:
    return f"chmod {mode} {shlex.quote(str(path))}"


def _chown(path: Path) -> str:
    return f'sudo chown "$(id -un)" {shlex.quote(str(path))}'
