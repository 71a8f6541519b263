"""The benchmarks' own promises: figures that judge themselves, and stores filled with good jobs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import __main__ as runner
from benchmarks.figures import Figure, table
from benchmarks.fill import fill_journal, fill_service
from benchmarks.invented import invent
from qtower import model
from qtower.desk.journal import Journal
from qtower.model import Status
from tests.conftest import start_service, stop_service
from tests.desk.accounts import account_of, open_desk


def a_figure(value: float, **more: float) -> Figure:
    return Figure(what="it", value=value, unit="s", rival="theirs", rival_value=2.0, **more)


@pytest.mark.parametrize(
    ("figure", "reached"),
    [
        (a_figure(1.0), None),
        (a_figure(1.0, at_most_ratio=0.5), True),
        (a_figure(1.01, at_most_ratio=0.5), False),
        (a_figure(1.01, at_most_ratio=0.5, noise=0.1), True),
        (a_figure(1.0, at_most=0.9, at_most_ratio=0.5), False),
        (Figure(what="it", value=2, unit="requests", at_most=2), True),
    ],
)
def test_a_figure_knows_whether_it_is_good_enough(figure: Figure, reached: bool | None) -> None:
    assert figure.reached is reached
    assert {None: "|  |", True: "| yes |", False: "| NO |"}[reached] in table([figure])


def test_a_table_goes_to_its_place_in_a_page(tmp_path: Path) -> None:
    page, run = tmp_path / "page.md", tmp_path / "run.json"
    page.write_text("before\n<!-- figures -->\nold\n<!-- end of figures -->\nafter\n")
    record = runner.Record(name="x", title="t", figures=[a_figure(3.0, at_most=1.0)])
    report = runner.Report(
        date="2026-01-01", python="3.11", system="Linux", processors=2, records=[record]
    )
    run.write_bytes(runner.as_json(report))
    command = [sys.executable, "-m", "benchmarks", "--from", str(run), "--markdown", str(page)]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "NOT REACHED (x)" in said
    text = page.read_text()
    assert text.startswith("before\n") and text.endswith("after\n") and "old" not in text
    assert "| it | 3 s | 2 s, theirs | 1.5 | at most 1 s | NO |" in text


def test_invented_jobs_are_the_same_in_the_journal_and_at_the_service(tmp_path: Path) -> None:
    jobs = invent(300, 20, 1_700_000_000.0)
    created = [job.row.created or 0.0 for job in jobs]
    assert created == sorted(set(created), reverse=True)
    assert {job.row.status for job in jobs[:20]} <= {Status.QUEUED, Status.RUNNING}
    assert all(job.row.status.final for job in jobs[20:])
    fill_journal(tmp_path / "state", "test", jobs)
    with pytest.raises(SystemExit, match="not touched"):
        fill_journal(tmp_path / "state", "test", jobs)
    fill_service(tmp_path / "service" / "data", jobs, results=3)
    with pytest.raises(SystemExit, match="not touched"):
        fill_service(tmp_path / "service" / "data", jobs)
    held = str(tmp_path / "service" / "data" / "held.toml")
    endpoint = start_service(tmp_path / "service", "--workers", "1", "--config", held)
    try:
        rows = {row.key: row for row in Journal("test", tmp_path / "state", print).rows()}
        with open_desk(lambda: account_of(endpoint), tmp_path / "fresh") as (desk, ear):
            desk.wait_ready(60)
            assert ear.rows.keys() == rows.keys()
            unlike = [
                key
                for key, row in ear.rows.items()
                if (row.name, row.status.final, row.tags, row.set_id, row.backend, row.shots)
                != (
                    *(rows[key].name, rows[key].status.final, rows[key].tags, rows[key].set_id),
                    *(rows[key].backend, rows[key].shots),
                )
            ]
            assert unlike == []
            done = [job.row.key for job in jobs if job.row.status is Status.DONE]
            head = desk.answer(model.GetResult(key=done[0]))
            assert head.success and len(head.experiments) >= 1
    finally:
        stop_service(endpoint)
