"""`qtower result` and `qtower error`."""

from __future__ import annotations

from typing import Any

import click
import msgspec

from qtower.cli.jobs import account_option, json_option
from qtower.cli.session import Session, open_session
from qtower.cli.standard import print_json
from qtower.errors import NotFoundError
from qtower.model import Count, Counts, ErrorReport, GetCounts, GetError, GetResult, ResultHead
from qtower.text import inert, inert_lines

PAGE = 10_000


@click.command()
@click.argument("job")
@account_option
@click.option("--experiment", type=click.IntRange(min=0), help="Only this experiment, from 0.")
@json_option
def result(job: str, account: str | None, experiment: int | None, as_json: bool) -> None:
    """Print the counts of a job, most frequent outcome first."""
    with open_session(account) as session:
        row = session.find_one(job)
        head = session.desk.result(GetResult(key=row.key))
        if experiment is not None and experiment >= len(head.experiments):
            count = len(head.experiments)
            raise NotFoundError(
                f"The job has {count} experiment{'' if count == 1 else 's'}, numbered from 0.",
                "Name one of them.",
            )
        wanted = range(len(head.experiments)) if experiment is None else [experiment]
        pages = [_all_counts(session, row.key, index) for index in wanted]
    if as_json:
        print_json(_document(head, pages))
    else:
        for page in pages:
            _print_counts(head, page)
    raise SystemExit(0 if head.success else 1)


@click.command()
@click.argument("job")
@account_option
@json_option
def error(job: str, account: str | None, as_json: bool) -> None:
    """Print why a job failed."""
    with open_session(account) as session:
        report = session.desk.error(GetError(key=session.find_one(job).key))
    if as_json:
        print_json(report)
    else:
        _print_report(report)


def _all_counts(session: Session, key: str, experiment: int) -> Counts:
    rows: list[Count] = []
    while True:
        page = session.desk.counts(
            GetCounts(key=key, experiment=experiment, offset=len(rows), limit=PAGE)
        )
        rows += page.rows
        if not page.rows or len(rows) >= page.outcomes:
            return msgspec.structs.replace(page, rows=rows, offset=0)


def _document(head: ResultHead, pages: list[Counts]) -> dict[str, Any]:
    return {
        "key": head.key,
        "backend": head.backend,
        "success": head.success,
        "status": head.status,
        "date": head.date,
        "experiments": [
            {
                "index": page.experiment,
                "name": head.experiments[page.experiment].name,
                "success": head.experiments[page.experiment].success,
                "status": head.experiments[page.experiment].status,
                "shots": page.total,
                "counts": {row.bits: row.count for row in page.rows},
            }
            for page in pages
        ],
    }


def _print_counts(head: ResultHead, page: Counts) -> None:
    experiment = head.experiments[page.experiment]
    click.echo(f"{page.experiment}  {inert(experiment.name)}  {inert(experiment.status)}")
    for row in page.rows:
        click.echo(f"   {inert(row.bits)}  {row.count:>8}  {row.count / page.total:7.2%}")
    if page.note:
        click.echo(f"   {inert(page.note)}")


def _print_report(report: ErrorReport) -> None:
    for text in (report.submit_error, report.summary):
        if text:
            click.echo(inert_lines(text))
    for item in report.experiments:
        click.echo(f"{item.index}  {inert(item.name)}: {inert(item.message)}")
