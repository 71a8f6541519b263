"""The submit screen: a form, checked by the agent while it is filled in, and then sent."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.css.query import NoMatches
from textual.screen import Screen
from textual.timer import Timer
from textual.widgets import Button, Static

from qtower.errors import AgentError, NetworkError, NotFoundError, QtowerError, SubmissionError
from qtower.model import (
    Backends,
    FileReport,
    FileReports,
    GetBackends,
    MakePlan,
    Order,
    Plan,
    Problem,
    ReadFiles,
    Submit,
    Submitted,
)
from qtower.text import inert_lines
from qtower.ui.actions import BY_ID, Scope, bindings
from qtower.ui.messages import AgentChanged, ConnectionChanged
from qtower.ui.screens.acting import Acting
from qtower.ui.screens.submit.draft import (
    draft_of,
    expand_files,
    forget_draft,
    quote_files,
    read_order,
)
from qtower.ui.screens.submit.form import SubmitForm
from qtower.ui.screens.submit.picker import FilePicker, Picked
from qtower.ui.widgets.asking import ask
from qtower.ui.widgets.hints import Hints

_DEBOUNCE = 0.4  # seconds without a change before the order is checked
_NO_FILES = "Name files to submit: OpenQASM 2 or 3, QPY, qobj JSON."
_HEIGHTS = [(0, "-short"), (32, "-tall")]


class SubmitScreen(Acting, Screen[Submitted | None]):
    """Closes with what was submitted, or with None; then the draft waits for the next time."""

    VERTICAL_BREAKPOINTS = _HEIGHTS
    SCOPES = (Scope.SUBMIT, Scope.TICK, Scope.CHOICES, Scope.FORM)
    BINDINGS = bindings(Scope.SUBMIT)

    def __init__(self) -> None:
        super().__init__()
        self._plan: Plan | None = None  # of the form as it stands; None while it is not checked
        self._order: Order | None = None  # what `_plan` was made of
        self._reports: list[FileReport] = []
        self._has_backends = False
        self._interrupted = False  # the last check, or reading of backends, failed
        self._sending = False
        self._check_later: Timer | None = None

    def compose(self) -> ComposeResult:
        yield Static("Submit circuits", id="submit-title", markup=False)
        yield SubmitForm(draft_of(self.app))
        with Horizontal(id="submit-end"):
            yield Static(id="submit-preview", markup=False)
            yield Button("Submit", id="submit-button", compact=True, variant="primary")
        yield Hints()

    @property
    def form(self) -> SubmitForm:
        """The fields."""
        return self.query_one(SubmitForm)

    def on_mount(self) -> None:
        self.form.show_files([])
        self._load_backends()
        self._check_now()

    # -- leaving and choosing files --

    def action_leave(self) -> None:
        """Goes back to the jobs; what was typed is there again the next time."""
        if self._sending:
            self.notify(
                "It is still being sent: look at the list before you submit it again.",
                severity="warning",
            )
        self.dismiss(None)

    def action_pick(self) -> None:
        """Opens the file picker where it was left."""
        directory = Path(draft_of(self.app).directory or Path.cwd())
        self.app.push_screen(FilePicker(directory), self._picked)

    def _picked(self, picked: Picked | None) -> None:
        if picked is not None:
            draft_of(self.app).directory = str(picked.directory)
            self.form.take_files(quote_files(picked.files))

    # -- backends --

    def _load_backends(self) -> None:
        self._begin(self._read_backends(), "backends")

    def _begin(self, work: Coroutine[Any, Any, None], group: str) -> None:
        self.run_worker(self._unless_left(work), group=group, exclusive=True)

    async def _unless_left(self, work: Coroutine[Any, Any, None]) -> None:
        """Does what shows its outcome on the form: once the form was left nobody misses it."""
        try:
            await work
        except NoMatches:
            if self in self.app.screen_stack:
                raise

    async def _read_backends(self) -> None:
        try:
            answer = await ask(self, GetBackends(), Backends)
        except QtowerError as error:
            self._interrupted = True
            self.form.show_backends_missing(str(error))
            return
        self._has_backends = True
        before = draft_of(self.app).backend
        self.form.show_backends(answer.backends)
        if draft_of(self.app).backend != before:
            self._check_soon()

    @on(ConnectionChanged)
    def _connection_changed(self, message: ConnectionChanged) -> None:
        if message.came_back:
            self._try_again()

    @on(AgentChanged)
    def _agent_changed(self, message: AgentChanged) -> None:
        if message.up:
            self._try_again()

    def _try_again(self) -> None:
        """The line is back: what could not be asked is asked again."""
        if not self._interrupted:
            return
        self._interrupted = False
        if not self._has_backends:
            self._load_backends()
        self._check_soon()

    # -- checking --

    @on(SubmitForm.Edited)
    def _edited(self, event: SubmitForm.Edited) -> None:
        event.stop()
        self._check_soon()

    def _check_soon(self) -> None:
        self._plan = None
        self._stop_waiting()
        self._preview("Checking …" if draft_of(self.app).files.strip() else _NO_FILES)
        self._check_later = self.set_timer(_DEBOUNCE, self._check_now)

    def _check_now(self, then_submit: bool = False) -> None:
        self._stop_waiting()
        self._begin(self._check(then_submit), "check")

    def _stop_waiting(self) -> None:
        if self._check_later is not None:
            self._check_later.stop()
            self._check_later = None

    async def _check(self, then_submit: bool) -> None:
        """Reads the files, checks the fields, asks for a plan; shows each once it is known."""
        draft = draft_of(self.app)
        try:
            files, wrong = await asyncio.to_thread(expand_files, draft.files)
            await self._report_files(files)
            order, problems = read_order(draft, files)
            if wrong:
                problems.insert(0, Problem(field="files", message=wrong))
            elif not files and then_submit:
                problems.insert(0, Problem(field="files", message=_NO_FILES))
            if problems or not files:
                self._show_problems(problems)
                return
            plan = await ask(self, MakePlan(order=order), Plan)
        except QtowerError as error:
            self._interrupted = True
            self._preview(f"{error.title}: {error}", failed=True)
            return
        self._show_plan(order, plan)
        if then_submit and not plan.problems:
            self._send(order, plan)

    async def _report_files(self, files: list[str]) -> None:
        # Read again at each check: a file may have been corrected in the meantime.
        if files:
            self._reports = (await ask(self, ReadFiles(paths=files), FileReports)).files
        else:
            self._reports = []
        self.form.show_files(self._reports)

    def _show_plan(self, order: Order, plan: Plan) -> None:
        self._order, self._plan = order, plan
        if plan.problems:
            self._show_problems(plan.problems)
            return
        self.form.show_problems([])
        shots = f", {plan.shots:,} shots" if plan.shots is not None else ""
        self._preview(f"{plan.summary}{shots}", ready=True)

    def _show_problems(self, problems: list[Problem]) -> None:
        files_are_told = any(report.problem for report in self._reports)
        self.form.show_problems(problems, files_are_told)
        if problems:
            self._preview("Not ready: see what is marked above.", failed=True)
        else:
            self._preview(_NO_FILES)

    def _preview(self, words: str, *, ready: bool = False, failed: bool = False) -> None:
        line = self.query_one("#submit-preview", Static)
        line.set_class(ready, "-ready")
        line.set_class(failed, "-failed")
        line.update(Text(inert_lines(words, 600)))
        self.query_one("#submit-button", Button).disabled = self._sending

    # -- sending --

    @on(Button.Pressed, "#submit-button")
    async def _button_pressed(self) -> None:
        await self.call_action(BY_ID["submit.send"])

    def action_submit(self) -> None:
        """Sends the order if nothing is wrong with it; one not checked yet is checked first."""
        if self._sending:
            return
        if self._plan is None or self._order is None or self._plan.problems:
            self._preview("Checking …")
            self._check_now(then_submit=True)
        else:
            self._send(self._order, self._plan)

    def _send(self, order: Order, plan: Plan) -> None:
        self._sending = True
        self._preview(f"Sending {plan.summary} …")
        self._begin(self._submit(order, plan), "send")

    async def _submit(self, order: Order, plan: Plan) -> None:
        try:
            try:
                submitted = await ask(self, Submit(plan_id=plan.plan_id), Submitted)
            except (NotFoundError, SubmissionError):
                # The agent that made the plan is gone, or forgot it: nothing of it was sent.
                self.notify("The checked order was forgotten: it is checked once more.")
                plan = await ask(self, MakePlan(order=order), Plan)
                if plan.problems:
                    self._sending = False
                    self._show_plan(order, plan)
                    return
                submitted = await ask(self, Submit(plan_id=plan.plan_id), Submitted)
        except QtowerError as error:
            self._sending = False
            self._plan = None
            lost = isinstance(error, AgentError | NetworkError)
            caution = " Look at the list before you submit it again." if lost else ""
            self._preview(f"{error.title}: {error}{caution}", failed=True)
            return
        forget_draft(self.app)
        self.dismiss(submitted)
