"""What was typed into the form, and the order it makes. The draft outlives the form."""

from __future__ import annotations

import glob
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from textual.app import App

from qtower.model import Order, Problem


@dataclass
class Draft:
    """The form's fields as they stand there; names as in `Order`."""

    files: str = ""
    backend: str = ""
    shots: str = ""
    memory: bool = False
    name: str = ""
    tags: str = ""
    experiments_per_job: str = ""
    transpile: bool = True
    directory: str = ""  # where the file picker was left


_DRAFTS: WeakKeyDictionary[App[Any], Draft] = WeakKeyDictionary()


def draft_of(app: App[Any]) -> Draft:
    """The draft of this session, which closing the form does not end."""
    return _DRAFTS.setdefault(app, Draft())


def forget_draft(app: App[Any]) -> None:
    """Begins a new draft at the same directory: the old one was submitted."""
    _DRAFTS[app] = Draft(directory=draft_of(app).directory)


def expand_files(typed: str) -> tuple[list[str], str]:
    """The files that `typed` names, whole and in order, each once; and what is wrong with it.

    `typed` is one path that exists as it is, or several as a shell would take them: separated by
    spaces, with quotation marks, `~`, and `*`, `?` or `[...]` in names. Reads directories.
    """
    typed = typed.strip()
    if not typed:
        return [], ""
    whole = _user_path(typed)
    if whole.is_file():
        return [str(whole.absolute())], ""
    try:
        words = shlex.split(typed)
    except ValueError:
        return [], "A quotation mark is not closed."
    found: list[str] = []
    for word in words:
        path = _user_path(word).absolute()
        matches = [path]
        if glob.has_magic(word) and not path.exists():
            pattern = str(path.relative_to(path.anchor))
            # As in a shell, * does not stand for the dot of a hidden file.
            matches = sorted(
                match
                for match in Path(path.anchor).glob(pattern)
                if match.is_file() and (path.name[0] == "." or match.name[0] != ".")
            )
            if not matches:
                return [], f"No file matches {word}."
        found += [str(match) for match in matches]
    return list(dict.fromkeys(found)), ""


def quote_files(paths: list[Path]) -> str:
    """`paths` as `expand_files` reads them."""
    return " ".join(shlex.quote(str(path)) for path in paths)


def read_order(draft: Draft, files: list[str]) -> tuple[Order, list[Problem]]:
    """The order that `draft` makes of `files`, and the fields that are no numbers."""
    problems: list[Problem] = []

    def number(field: str, text: str) -> int | None:
        text = text.strip().replace(",", "").replace("_", "")
        if not text:
            return None
        if text.isascii() and text.isdecimal() and len(text) < 10 and int(text) > 0:
            return int(text)
        problems.append(Problem(field=field, message="Give a whole number from 1 on."))
        return None

    tags = [tag.strip() for tag in draft.tags.split(",")]
    order = Order(
        files=files,
        backend=draft.backend,
        shots=number("shots", draft.shots),
        memory=draft.memory,
        name=draft.name.strip(),
        tags=list(dict.fromkeys(tag for tag in tags if tag)),
        experiments_per_job=number("experiments_per_job", draft.experiments_per_job),
        transpile=draft.transpile,
    )
    return order, problems


def _user_path(text: str) -> Path:
    try:
        return Path(text).expanduser()
    except RuntimeError:  # "~name" of a user that does not exist: no such file, then
        return Path(text)
