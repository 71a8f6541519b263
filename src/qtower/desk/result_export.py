"""Results as files for other programs."""

from __future__ import annotations

import contextlib
import csv
import io
import os
import stat
from collections.abc import Iterable
from pathlib import Path

import msgspec

from qtower.errors import StorageError
from qtower.text import ascii_json, inert

# A spreadsheet runs a cell that begins with one of these as a formula.
_FORMULA_STARTS = ("=", "+", "-", "@", "＝", "＋", "－", "＠")

_CELL = 32_000  # characters: what a spreadsheet takes


def as_json(raw: bytes) -> bytes:
    """Returns a result document as indented JSON; complex numbers are [re, im]."""
    return ascii_json(msgspec.json.format(raw, indent=2)) + b"\n"


def as_csv(experiments: Iterable[tuple[str, list[tuple[str, int]]]]) -> bytes:
    """Returns the outcomes of named experiments as CSV: experiment, bitstring, count, share.

    The share is of all counts of the experiment, from 0 to 1.
    """
    table = io.StringIO(newline="")
    writer = csv.writer(table)
    writer.writerow(["experiment", "bitstring", "count", "share"])
    for name, outcomes in experiments:
        total = sum(count for _, count in outcomes)
        for bits, count in outcomes:
            share = f"{count / total:.6f}" if total else ""
            writer.writerow([_cell(name), _cell(bits), count, share])
    return table.getvalue().encode()


def write(path: str, content: bytes, *, overwrite: bool) -> Path:
    """Writes `content` to `path`, all of it or nothing, and returns the path with `~` expanded.

    Raises:
        StorageError: The file is there and `overwrite` is false, or it cannot be written.
    """
    try:
        target = Path(path).expanduser().absolute()
        _refuse_unless_writable(target, overwrite)
        _write_whole(target, content, overwrite)
    except RuntimeError:
        raise StorageError(f"{path}: there is no such home directory.") from None
    except ValueError:
        raise StorageError("The path holds a null character.", "Write it again.") from None
    except FileExistsError:
        raise _exists(target) from None
    except OSError as error:
        raise StorageError(
            f"{target} cannot be written: {error.strerror or error}.", "Choose another place."
        ) from error
    return target


def _refuse_unless_writable(target: Path, overwrite: bool) -> None:
    if not target.parent.is_dir():
        raise StorageError(
            f"There is no directory {target.parent}.", "Make it, or choose another place."
        )
    try:
        mode = target.stat().st_mode
    except FileNotFoundError:
        return
    if stat.S_ISDIR(mode):
        raise StorageError(f"{target} is a directory.", "Add a file name to it.")
    if not stat.S_ISREG(mode):
        raise StorageError(f"{target} is not a file.", "Choose another place.")
    if not overwrite:
        raise _exists(target)


def _write_whole(target: Path, content: bytes, overwrite: bool) -> None:
    partial = target.with_name(f".{target.name[:200]}.{os.getpid()}.part")
    partial.unlink(missing_ok=True)
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if overwrite:
            partial.replace(target)
        else:
            _place_new(partial, target)
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)


def _place_new(partial: Path, target: Path) -> None:
    try:
        os.link(partial, target)  # fails if somebody made the file in the meantime
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links
        if target.exists():
            raise FileExistsError from None
        partial.replace(target)


def _exists(target: Path) -> StorageError:
    return StorageError(
        f"{target} exists already and was left alone.", "Choose another name, or overwrite it."
    )


def _cell(text: str) -> str:
    """A cell that neither a spreadsheet nor a terminal obeys; exact names are in the JSON."""
    text = inert(text, _CELL)
    return f"'{text}" if text.startswith(_FORMULA_STARTS) else text
