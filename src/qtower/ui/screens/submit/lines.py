"""Files, backends and problems as lines of text. Pure functions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.text import Text

from qtower.fitting import cut, fit
from qtower.model import Backend, FileReport
from qtower.text import inert
from qtower.ui.widgets.wording import plural

_COLUMNS = (("qubits", 6), ("queue", 5), ("shots", 7), ("per job", 7), ("jobs", 6))


def file_lines(reports: Sequence[FileReport]) -> Text:
    """One line a file; those with a problem come first, because there may be more than fit."""
    text = Text()
    for number, report in enumerate(sorted(reports, key=lambda report: not report.problem)):
        text.append("\n" if number else "")
        name = cut(Path(report.path).name, 60)
        if report.problem:
            text.append(f"✗ {name}  ", style="bold red")
            text.append(inert(report.problem, 400))
            continue
        facts = [report.format, plural(len(report.experiments), "experiment")]
        if report.qubits is not None:
            facts.append(plural(report.qubits, "qubit"))
        if report.shots is not None:
            facts.append(plural(report.shots, "shot"))
        text.append("✓ ", style="green")
        text.append(f"{name}  ", style="bold")
        text.append("  ·  ".join(inert(fact) for fact in facts), style="dim")
    return text


def backend_header(name_width: int) -> Text:
    """The titles of the columns of `backend_line`; limits are the largest that it takes."""
    titles = "".join(f" {title:>{width}}" for title, width in _COLUMNS)
    return Text(f"{'Backend':<{name_width}}{titles}  status", style="dim")


def backend_line(backend: Backend, name_width: int) -> Text:
    """Name, qubits, queue length, limits and status of a backend; what is not known is a dash."""
    running = "" if backend.jobs_running is None else f"{backend.jobs_running}/"
    values = (
        str(backend.qubits),
        _known(backend.queue_length),
        _known(backend.max_shots),
        _known(backend.max_experiments),
        "no max" if backend.job_limit is None else f"{running}{backend.job_limit}",
    )
    line = Text(fit(backend.name, name_width))
    for value, (_, width) in zip(values, _COLUMNS, strict=True):
        line.append(f" {value:>{width}}")
    status = cut(backend.status, 40) or ("active" if backend.operational else "-")
    line.append(f"  {status}", style="bold red" if backend.operational is False else "green")
    for holds, word in ((backend.simulator, "simulator"), (backend.open_pulse, "pulse")):
        line.append(f" {word}" if holds else "", style="dim")
    return line


def _known(number: int | None) -> str:
    return "-" if number is None else f"{number:,}"
