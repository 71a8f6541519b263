"""The submit screen: the draft, the files, the checks, and sending."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from textual.css.query import NoMatches
from textual.pilot import Pilot
from textual.widgets import Input

from qtower.errors import NetworkError, SubmissionError
from qtower.model import (
    Backend,
    Backends,
    FileReport,
    FileReports,
    GetBackends,
    Link,
    MakePlan,
    Plan,
    Problem,
    ReadFiles,
    Submit,
    Submitted,
)
from qtower.ui.app import TowerApp
from qtower.ui.screens.submit import SubmitScreen
from qtower.ui.screens.submit.draft import Draft, expand_files, quote_files, read_order
from qtower.ui.screens.submit.form import SubmitForm
from qtower.ui.screens.submit.lines import backend_header, backend_line, file_lines
from qtower.ui.screens.submit.picker import FilePicker, list_directory
from tests.ui.conftest import TestLink, Told, connected, screen_text, until

# -- the draft ---------------------------------------------------------------------------------


@pytest.fixture
def circuits(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with circuit files, some of odd names, and where we are."""
    directory = home / "my circuits"
    directory.mkdir()
    for name in ("bell.qasm", "ghz.qasm", "odd [1].qasm", ".hidden.qasm", "notes.txt"):
        (directory / name).write_text("OPENQASM 2.0;")
    (directory / "sub").mkdir()
    monkeypatch.chdir(directory)
    return directory


def names(typed: str) -> list[str]:
    files, problem = expand_files(typed)
    assert not problem
    return [Path(file).name for file in files]


def test_files_are_taken_as_a_shell_would(circuits: Path) -> None:
    assert names("bell.qasm ghz.qasm bell.qasm") == ["bell.qasm", "ghz.qasm"]
    assert names("*.qasm") == ["bell.qasm", "ghz.qasm", "odd [1].qasm"]
    assert names(".h*.qasm") == [".hidden.qasm"]
    assert names('~/"my circuits"/b*') == ["bell.qasm"]
    assert names("odd [1].qasm") == ["odd [1].qasm"], "one path needs no quotation marks"
    assert names(str(circuits / "bell.qasm")) == ["bell.qasm"]
    assert names("missing.qasm") == ["missing.qasm"], "the agent says what is wrong with it"
    assert names("  ") == []


def test_what_was_picked_is_read_back(circuits: Path) -> None:
    files = [circuits / "odd [1].qasm", circuits / "bell.qasm"]
    assert expand_files(quote_files(files)) == ([str(file) for file in files], "")


def test_files_that_cannot_be_meant_are_said(circuits: Path) -> None:
    assert expand_files("'bell.qasm ghz")[1] == "A quotation mark is not closed."
    assert expand_files("x*.qasm")[1] == "No file matches x*.qasm."


def test_an_order_is_read_from_the_draft() -> None:
    draft = Draft(shots="4,000", tags=" a, b,,a ", experiments_per_job="", name=" run ")
    order, problems = read_order(draft, ["f"])
    assert not problems
    assert (order.shots, order.tags, order.name) == (4000, ["a", "b"], "run")
    assert order.experiments_per_job is None


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "many", "٣", "9" * 30])
def test_a_bad_number_is_named_by_its_field(text: str) -> None:
    order, problems = read_order(Draft(shots=text), ["f"])
    assert [problem.field for problem in problems] == ["shots"]
    assert order.shots is None


# -- lines -------------------------------------------------------------------------------------


def test_files_with_a_problem_stand_first() -> None:
    reports = [
        FileReport(path="/a/good.qasm", format="OpenQASM 2", experiments=["x"], qubits=2),
        FileReport(path="/a/bad\x1b.qasm", problem="Line 3 [/b]: ';' expected."),
    ]
    lines = file_lines(reports).plain.split("\n")
    assert lines[0] == "✗ bad␛.qasm  Line 3 [/b]: ';' expected."
    assert lines[1].split("  ·  ")[-1] == "2 qubits"


def test_backends_stand_in_columns() -> None:
    known = Backend(
        name="fake", qubits=5, simulator=False, queue_length=3, max_shots=8192, job_limit=5,
        jobs_running=2, status="active", operational=True,
    )  # fmt: skip
    bare = Backend(name="bare", qubits=1, simulator=True)
    header, one, other = (
        text.plain for text in (backend_header(8), backend_line(known, 8), backend_line(bare, 8))
    )
    for title, value in (("qubits", "5"), ("queue", "3"), ("jobs", "2/5"), ("shots", "8,192")):
        end = header.index(title) + len(title)
        assert one[:end].endswith(value)
    assert other.split() == ["bare", "1", "-", "-", "-", "no", "max", "-", "simulator"]


# -- the file picker ---------------------------------------------------------------------------


def test_a_directory_is_listed_directories_first(circuits: Path) -> None:
    (circuits / "broken.qasm").symlink_to(circuits / "nowhere")
    shown = [entry.path.name for entry in list_directory(circuits, hidden=False)]
    assert shown == ["sub", "bell.qasm", "broken.qasm", "ghz.qasm", "notes.txt", "odd [1].qasm"]
    assert ".hidden.qasm" in [e.path.name for e in list_directory(circuits, hidden=True)]


async def test_marking_several_files_and_taking_them(tower: TowerApp, circuits: Path) -> None:
    taken: list[Any] = []
    async with tower.run_test(size=(80, 24)) as pilot:
        await tower.push_screen(FilePicker(circuits), taken.append)
        await until(pilot, lambda: "ghz.qasm" in screen_text(pilot))
        assert ".hidden" not in screen_text(pilot)
        await pilot.press("full_stop")
        await until(pilot, lambda: ".hidden.qasm" in screen_text(pilot))
        await pilot.press("full_stop", "home", "down", "space", "space", "enter")
        await until(pilot, lambda: bool(taken))
    assert [file.name for file in taken[0].files] == ["bell.qasm", "ghz.qasm"]
    assert taken[0].directory == circuits


async def test_going_up_down_and_not_into_what_cannot_be_read(
    tower: TowerApp, circuits: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: Path) -> Any:
        raise PermissionError(13, os.strerror(13))

    async with tower.run_test(size=(80, 24)) as pilot:
        await tower.push_screen(FilePicker(circuits / "sub"))
        await until(pilot, lambda: "This directory is empty." in screen_text(pilot))
        await pilot.press("left")
        await until(pilot, lambda: "ghz.qasm" in screen_text(pilot))
        monkeypatch.setattr(Path, "iterdir", refuse)
        await pilot.press("enter")
        await until(pilot, lambda: "sub cannot be opened: Permission denied" in screen_text(pilot))
        assert "ghz.qasm" in screen_text(pilot)


# -- the form ----------------------------------------------------------------------------------


def plan_of(request: MakePlan) -> Plan:
    order = request.order
    problems = []
    if (order.shots or 0) > 8192:
        problems.append(Problem(field="shots", message=f"{order.backend} takes at most 8192."))
    return Plan(
        backend=order.backend,
        name=order.name or "bell",
        experiments=len(order.files),
        jobs=1,
        shots=order.shots,
        problems=problems,
        plan_id="" if problems else "plan",
    )


@pytest.fixture
def answering(link: TestLink) -> TestLink:
    """A link that knows two backends, reads any file and plans any order."""
    link.answers[GetBackends] = lambda request: Backends(
        backends=[
            Backend(name="fake_lima", qubits=5, simulator=False),
            Backend(name="simulator", qubits=32, simulator=True),
        ]
    )
    link.answers[ReadFiles] = lambda request: FileReports(
        files=[
            FileReport(path=path, format="OpenQASM 2", experiments=["bell"], qubits=2)
            for path in request.paths
        ]
    )
    link.answers[MakePlan] = plan_of
    link.answers[Submit] = lambda request: Submitted(set_id="s", name="bell", keys=["s/0"])
    return link


async def opened(pilot: Pilot[None]) -> list[Submitted | None]:
    closed: list[Submitted | None] = []
    await pilot.app.push_screen(SubmitScreen(), closed.append)
    await until(pilot, lambda: "simulator" in screen_text(pilot))
    return closed


@pytest.mark.parametrize("size", [(80, 24), (160, 48)])
async def test_from_a_path_to_a_submission(
    size: tuple[int, int], tower: TowerApp, answering: TestLink, circuits: Path
) -> None:
    async with tower.run_test(size=size) as pilot:
        closed = await opened(pilot)
        await pilot.press(*"bell", "full_stop", *"qasm")
        await until(pilot, lambda: "1 experiment in 1 job on simulator" in screen_text(pilot))
        await until(pilot, lambda: "✓ bell.qasm" in screen_text(pilot))
        await pilot.press("ctrl+s")
        await until(pilot, lambda: bool(closed))
    assert closed[0] == Submitted(set_id="s", name="bell", keys=["s/0"])
    assert answering.asked[-1] == Submit(plan_id="plan")


async def test_ctrl_s_right_after_typing_checks_first(
    tower: TowerApp, answering: TestLink, circuits: Path
) -> None:
    async with tower.run_test(size=(80, 24)) as pilot:
        closed = await opened(pilot)
        await pilot.press(*"bell", "full_stop", *"qasm", "ctrl+s")
        await until(pilot, lambda: bool(closed))
    assert isinstance(answering.asked[-2], MakePlan)


async def test_what_is_wrong_is_said_at_the_field(
    tower: TowerApp, answering: TestLink, circuits: Path
) -> None:
    async with tower.run_test(size=(80, 24)) as pilot:
        closed = await opened(pilot)
        await pilot.press("ctrl+s")
        await until(pilot, lambda: "Files: Name files to submit" in screen_text(pilot))
        await pilot.press(*"bell", "full_stop", *"qasm", "tab", "tab", *"9000")
        await until(pilot, lambda: "Shots: simulator takes at most 8192." in screen_text(pilot))
        assert tower.screen.query_one("#field-shots", Input).has_class("-at-fault")
        await pilot.press("ctrl+s", "x")
        await until(pilot, lambda: "Shots: Give a whole number" in screen_text(pilot))
        assert not closed
        assert not any(isinstance(request, Submit) for request in answering.asked)


async def test_the_draft_is_there_when_the_form_is_opened_again(
    tower: TowerApp, answering: TestLink, circuits: Path
) -> None:
    async with tower.run_test(size=(80, 24)) as pilot:
        await opened(pilot)
        await pilot.press(*"ghz", "full_stop", *"qasm", "tab", "up", "tab", "7")
        await until(pilot, lambda: "on fake_lima, 7 shots" in screen_text(pilot))
        await pilot.press("escape")
        await opened(pilot)
        await until(pilot, lambda: "on fake_lima, 7 shots" in screen_text(pilot))
        assert "ghz.qasm" in screen_text(pilot)


async def test_a_plan_that_the_agent_forgot_is_made_again_once(
    tower: TowerApp, answering: TestLink, circuits: Path
) -> None:
    submits: list[Submit] = []

    def forgotten_at_first(request: Submit) -> Submitted:
        submits.append(request)
        if len(submits) == 1:
            raise SubmissionError("There is no such plan any more.")
        return Submitted(set_id="s", name="bell", keys=[])

    answering.answers[Submit] = forgotten_at_first
    async with tower.run_test(size=(80, 24), notifications=True) as pilot:
        closed = await opened(pilot)
        await pilot.press(*"bell", "full_stop", *"qasm", "ctrl+s")
        await until(pilot, lambda: bool(closed))
        await until(pilot, lambda: "checked once more" in screen_text(pilot))
    assert len(submits) == 2


async def test_offline_nothing_is_lost_and_it_goes_on_by_itself(
    tower: TowerApp, answering: TestLink, circuits: Path, tell: Told
) -> None:
    backends = answering.answers.pop(GetBackends)

    def offline(request: Any) -> Any:
        raise NetworkError("127.0.0.1 does not answer.")

    answering.answers[GetBackends] = answering.answers[MakePlan] = offline
    async with tower.run_test(size=(80, 24)) as pilot:
        await tower.push_screen(SubmitScreen())
        await pilot.press(*"bell", "full_stop", *"qasm")
        await until(pilot, lambda: "Network: 127.0.0.1 does not answer." in screen_text(pilot))
        answering.answers[GetBackends] = backends
        answering.answers[MakePlan] = plan_of
        await tell(pilot, connected(Link.LIVE))
        await until(pilot, lambda: "1 experiment in 1 job on simulator" in screen_text(pilot))
        assert "bell.qasm" in screen_text(pilot)


async def test_an_answer_that_comes_after_the_form_was_left_ends_nothing(
    tower: TowerApp, answering: TestLink, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[Exception | None] = []
    show = SubmitForm.show_backends

    def late(form: SubmitForm, backends: list[Backend]) -> None:
        tower.screen.dismiss(None)
        form._nodes._clear()  # as Textual takes it apart before it ends the form's workers
        try:
            show(form, backends)
        except Exception as error:
            shown.append(error)
            raise

    monkeypatch.setattr(SubmitForm, "show_backends", late)
    async with tower.run_test(size=(80, 24)) as pilot:
        await tower.push_screen(SubmitScreen())
        await until(pilot, lambda: bool(shown))
        await until(pilot, lambda: not isinstance(tower.screen, SubmitScreen))
    assert isinstance(shown[0], NoMatches)


async def test_choosing_files_from_the_form(
    tower: TowerApp, answering: TestLink, circuits: Path
) -> None:
    async with tower.run_test(size=(80, 24)) as pilot:
        await opened(pilot)
        await pilot.press("ctrl+o")
        await until(pilot, lambda: "ghz.qasm" in screen_text(pilot))
        await pilot.press("down", "enter")
        await until(pilot, lambda: "✓ bell.qasm" in screen_text(pilot))


@pytest.mark.parametrize("size", [(80, 24), (160, 48)])
def test_picture(
    size: tuple[int, int],
    tower: TowerApp,
    answering: TestLink,
    circuits: Path,
    snap_compare: Callable[..., bool],
) -> None:
    async def before(pilot: Pilot[None]) -> None:
        await opened(pilot)
        for field in tower.screen.query(Input):
            field.cursor_blink = False
        await pilot.press("b", "asterisk", "tab", "tab", *"9000")
        await until(pilot, lambda: "Shots: simulator takes at most 8192." in screen_text(pilot))
        await until(pilot, lambda: "✓ bell.qasm" in screen_text(pilot))
        await pilot.pause()

    assert snap_compare(tower, terminal_size=size, run_before=before)
