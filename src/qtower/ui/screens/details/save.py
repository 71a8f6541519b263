"""Saving a result: where to, and as what."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from qtower.errors import QtowerError
from qtower.model import Saved, SaveResult
from qtower.text import inert_lines
from qtower.ui.actions import Scope, bindings
from qtower.ui.screens.acting import Acting
from qtower.ui.widgets.asking import ask
from qtower.ui.widgets.field import Field
from qtower.ui.widgets.hints import Hints

FORMATS = {".json": "json", ".csv": "csv"}


def file_name(job_name: str) -> str:
    """A file name for the result of `job_name`: letters, digits, `.`, `_` and `-` of it."""
    stem = re.sub(r"[^A-Za-z0-9._-]+", "-", job_name).strip("-.")[:80]
    return f"{stem or 'result'}.json"


def _whole_path(typed: str) -> Path:
    try:
        return Path(typed.strip()).expanduser().absolute()
    except RuntimeError:  # "~name" of a user that does not exist
        return Path(typed.strip()).absolute()


class SaveDialog(Acting, ModalScreen[Saved | None]):
    """A path; its suffix says the format. Asks before it replaces a file."""

    SCOPES = (Scope.SAVE,)
    BINDINGS = bindings(*SCOPES, dialog=True)

    def __init__(self, key: str, job_name: str, path: str = "") -> None:
        super().__init__()
        self._key = key
        self._path = path or file_name(job_name)
        self._replace = ""  # the file that may be replaced: the person was asked

    def compose(self) -> ComposeResult:
        with Vertical(id="save-box") as box:
            box.border_title = "Save the result"
            yield Static("File  (.json: the whole result,  .csv: the counts)", markup=False)
            yield Field(self._path, id="save-path", compact=True, select_on_focus=False)
            yield Static(id="save-message", markup=False)
            yield Hints()

    def on_mount(self) -> None:
        self.query_one(Input).focus()

    @on(Input.Changed)
    def _typed(self) -> None:
        self._replace = ""
        self._say("")

    def action_save(self) -> None:
        """Writes the file that the path names, or says what is wrong with that."""
        typed = self.query_one(Input).value
        self.run_worker(self._save(typed), group="save", exclusive=True)

    async def _save(self, typed: str) -> None:
        # The agent's working directory need not be ours: it gets the whole path.
        path = await asyncio.to_thread(_whole_path, typed)
        form = FORMATS.get(path.suffix.lower())
        if not typed.strip() or form is None:
            self._say("End the name with .json for the whole result, or .csv for the counts.")
            return
        agreed = self._replace == str(path)
        if not agreed and await asyncio.to_thread(path.exists):
            self._replace = str(path)
            self._say(f"{path} exists. Press Enter again to replace it.")
            return
        self._say("Saving …")
        request = SaveResult(key=self._key, path=str(path), format=form, overwrite=agreed)
        try:
            saved = await ask(self, request, Saved)
        except QtowerError as error:
            self._say(str(error))
            return
        self.dismiss(saved)

    def _say(self, words: str) -> None:
        self.query_one("#save-message", Static).update(Text(inert_lines(words, 1000)))
