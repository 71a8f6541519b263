"""Where qtower keeps its things, by the platform's own rules (platformdirs)."""

from __future__ import annotations

import errno
import os
import stat
import warnings
from pathlib import Path

import platformdirs

from qtower.errors import StorageError

APP = "qtower"


def config_file() -> Path:
    """The configuration file, which need not exist."""
    return platformdirs.user_config_path(APP, appauthor=False) / "config.toml"


def state_dir() -> Path:
    """Journals, kept results and the agent's log: a private directory, made if missing."""
    return private_dir(platformdirs.user_state_path(APP, appauthor=False))


def data_dir() -> Path:
    """The local service's store: a private directory, made if missing."""
    return private_dir(platformdirs.user_data_path(APP, appauthor=False) / "service")


def runtime_dir() -> Path:
    """Token, port and lock of the running local service: a private directory, made if missing."""
    with warnings.catch_warnings():
        # Over ssh there is often no XDG_RUNTIME_DIR; the fallback that is taken then is a good one.
        # Made by platformdirs, whose parents are private: it takes no others the next time.
        warnings.simplefilter("ignore")
        try:
            return private_dir(
                platformdirs.user_runtime_path(APP, appauthor=False, ensure_exists=True)
            )
        except PermissionError as error:
            raise StorageError(f"The runtime directory cannot be used: {error}.") from error


def private_dir(path: Path) -> Path:
    """Makes `path`, and above it what is missing, for this user alone (0700), and returns it.

    Raises:
        StorageError: It cannot be made, or belongs to somebody else, or to all.
    """
    try:
        make_private(path)
        status = path.stat()
        if hasattr(os, "getuid") and status.st_uid != os.getuid():
            raise StorageError(
                f"The directory {path} belongs to another user.",
                "Run this as that user, or choose a directory of your own: with --data-dir, or the "
                "XDG_ variables.",
            )
        mode = stat.S_IMODE(status.st_mode)
        if mode & (stat.S_IWOTH | stat.S_ISVTX):
            # Somebody made it for all users: as root, we would lock them out of it.
            raise StorageError(
                f"The directory {path} is open to all users.",
                "Choose a directory of your own, for instance a new one in it.",
            )
        if mode & 0o077:
            path.chmod(0o700)
    except OSError as error:
        raise StorageError(
            f"The directory {path} cannot be used: {error.strerror or error}.",
            "Check its permissions and the free space of the disk.",
        ) from error
    return path


def make_private(path: Path) -> None:
    """Makes a directory, and above it what is missing, 0700; one that is there stays as it is.

    `Path.mkdir` leaves those above to the umask: at 000 anybody may put a library into `~/.local`.

    Raises:
        OSError: It cannot be made, or something else has its name.
    """
    for place in (*reversed(path.parents), path):
        if not place.is_dir():
            place.mkdir(mode=0o700, exist_ok=True)


def open_plain(path: Path, flags: int = os.O_RDONLY) -> int:
    """Opens a regular file (0600 if it is made) and returns its descriptor.

    Raises:
        OSError: It cannot be opened, or is a pipe, a device or a directory, some of which would
            keep their reader waiting for ever.
    """
    strange = OSError(errno.EINVAL, "It is not a regular file", str(path))
    try:
        descriptor = os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise (strange if error.errno == errno.ENXIO else error) from None  # a pipe without reader
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise strange
    return descriptor


def read_plain(path: Path, limit: int = 1_000_000) -> bytes:
    """Returns what a regular file of at most `limit` bytes holds.

    Raises:
        OSError: It cannot be read, is no regular file, or is longer.
    """
    with os.fdopen(open_plain(path), "rb") as file:
        content = file.read(limit + 1)
    if len(content) > limit:
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), str(path))
    return content


def write_private(path: Path, content: bytes) -> None:
    """Writes `content` to `path` as a 0600 file, all of it or nothing."""
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    partial.unlink(missing_ok=True)
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def sync_directory(directory: Path) -> None:
    """Makes the names in `directory` as durable as what they name.

    Without this a file that was renamed into it may be lost when the machine loses power.

    Raises:
        OSError: The directory is gone.
    """
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
