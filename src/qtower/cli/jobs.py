"""`qtower list`, `submit` and `cancel`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import click
import msgspec

from qtower.cli.read_only import read_only_option
from qtower.cli.session import Session, age, open_session
from qtower.cli.standard import print_json
from qtower.errors import QtowerError, SubmissionError
from qtower.fitting import columns, cut
from qtower.model import (
    Cancel,
    CancelOutcome,
    GetBackends,
    JobRow,
    Link,
    MakePlan,
    Order,
    Status,
    Steer,
    SteerSet,
    Submit,
    Submitted,
)
from qtower.text import inert

CANCELLED_EXIT = 3
"""`submit --wait`: a job was cancelled, none failed."""

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")

_Command = TypeVar("_Command", bound=Callable[..., object])


def account_option(command: _Command) -> _Command:
    """Which account, and whether it is only looked at."""
    command = click.option("--account", metavar="NAME", help="The account to use.")(command)
    return read_only_option(command)


@click.command("list")
@account_option
@json_option
def list_jobs(account: str | None, as_json: bool) -> None:
    """List all managed jobs of the account, newest first."""
    with open_session(account, need_live=False) as session:
        rows = sorted(session.rows.values(), key=lambda row: row.created or 0, reverse=True)
        connection = session.connection
    live = connection is not None and connection.link is Link.LIVE
    if as_json:
        print_json(rows)
    elif rows:
        _print_table(rows)
    elif live:
        click.echo("No jobs. Submit one with `qtower submit FILE`.")
    if not live:
        raise SystemExit(1)


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path())
@account_option
@click.option("--backend", default="", help="Backend to run on; default: the first simulator.")
@click.option("--shots", type=click.IntRange(min=1), help="Shots of each experiment.")
@click.option("--memory", is_flag=True, help="Keep the outcome of every shot.")
@click.option("--name", default="", help="Name of the job set.")
@click.option("--tag", "tags", multiple=True, help="Tag of the jobs; may be repeated.")
@click.option("--experiments-per-job", type=click.IntRange(min=1), help="Split into more jobs.")
@click.option("--no-transpile", is_flag=True, help="Send circuits exactly as they are.")
@click.option("--wait", is_flag=True, help="Wait until every job has ended.")
@click.option("--always", is_flag=True, help="Go on by itself when qtower is started again.")
@click.option("--background", is_flag=True, help="Return at once; a process of its own sends.")
@json_option
def submit(
    files: tuple[str, ...],
    account: str | None,
    backend: str,
    shots: int | None,
    memory: bool,
    name: str,
    tags: tuple[str, ...],
    experiments_per_job: int | None,
    no_transpile: bool,
    wait: bool,
    always: bool,
    background: bool,
    as_json: bool,
) -> None:
    """Submit circuit files: qobj JSON, OpenQASM 2 and 3, QPY.

    Without --wait it ends once every job has reached the endpoint. What has not, when it is ended
    before, is listed by `qtower unsent`.
    """
    if wait and background:
        raise click.UsageError("--wait and --background exclude each other.")
    order = Order(
        files=list(files),
        backend=backend,
        shots=shots,
        memory=memory,
        name=name,
        tags=list(tags),
        experiments_per_job=experiments_per_job,
        transpile=not no_transpile,
    )
    with open_session(account, change=Submit) as session:
        submitted = _send(session, order, always=always)
        if background:
            session.desk.steer(SteerSet(set_id=submitted.set_id, steer=Steer.BACKGROUND))
            rows = [session.rows[key] for key in submitted.keys]
        else:
            rows = _wait_or_say(session, submitted, to_the_end=wait)
    if as_json:
        print_json(rows)
    else:
        _print_table(rows)
    raise SystemExit(_exit_code(rows, waited=wait))


@click.command()
@click.argument("jobs", nargs=-1, required=True, metavar="JOB...")
@account_option
@json_option
def cancel(jobs: tuple[str, ...], account: str | None, as_json: bool) -> None:
    """Cancel jobs, or all jobs of a set, by id or name."""
    with open_session(account, change=Cancel) as session:
        rows = [row for name in jobs for row in session.find(name)]
        outcomes = [_cancel(session, row) for row in rows]
    if as_json:
        print_json(outcomes)
    else:
        for row, outcome in zip(rows, outcomes, strict=True):
            click.echo(f"{inert(row.job_id or row.key)}: {inert(outcome.message)}")
    raise SystemExit(0 if all(outcome.outcome == "cancelled" for outcome in outcomes) else 1)


def _send(session: Session, order: Order, *, always: bool) -> Submitted:
    if not order.backend:
        order = msgspec.structs.replace(order, backend=_first_simulator(session))
    plan = session.desk.plan(MakePlan(order=order))
    if plan.problems:
        raise SubmissionError(
            " ".join(inert(problem.message) for problem in plan.problems), "Nothing was sent."
        )
    submitted = session.desk.submit(Submit(plan_id=plan.plan_id, always=always))
    click.echo(f"{inert(plan.summary)}: set {submitted.set_id}", err=True)
    return submitted


def _wait_or_say(session: Session, submitted: Submitted, *, to_the_end: bool) -> list[JobRow]:
    try:
        return _wait(session, submitted, to_the_end=to_the_end)
    except KeyboardInterrupt:
        if any(each.set_id == submitted.set_id for each in session.sending):
            words = "What was not sent is kept: see `qtower unsent`."
            click.echo(f"qtower: {words}", err=True)
        raise


def _wait(session: Session, submitted: Submitted, *, to_the_end: bool) -> list[JobRow]:
    if to_the_end:
        return session.wait_for(submitted.keys, lambda row: row.status.final)
    # A job id is not enough: the poller may see a job whose qobj has not been uploaded yet.
    return session.wait_for(submitted.keys, lambda row: row.status is not Status.INITIALIZING)


def _first_simulator(session: Session) -> str:
    for backend in session.desk.backends(GetBackends()).backends:
        if backend.simulator and backend.operational is not False:
            return backend.name
    raise SubmissionError("This account has no simulator.", "Name a backend with --backend.")


def _exit_code(rows: list[JobRow], *, waited: bool) -> int:
    statuses = {row.status for row in rows}
    if not waited:  # what was asked is that they reach the endpoint, not how they end
        return 1 if Status.SUBMIT_FAILED in statuses else 0
    if statuses & {Status.ERROR, Status.SUBMIT_FAILED}:
        return 1
    return CANCELLED_EXIT if Status.CANCELLED in statuses else 0


def _cancel(session: Session, row: JobRow) -> CancelOutcome:
    try:
        return session.desk.cancel(Cancel(key=row.key))
    except QtowerError as error:
        return CancelOutcome(key=row.key, outcome="refused", message=str(error), status=row.status)


def _print_table(rows: list[JobRow]) -> None:
    lines = [("STATUS", "NAME", "EXPERIMENTS", "BACKEND", "SHOTS", "AGE", "JOB ID")]
    lines += [
        (
            row.status.value,
            cut(row.label or row.name or "-", 40),
            "-" if row.end_index is None else f"{row.start_index}-{row.end_index}",
            cut(row.backend, 30),
            "-" if row.shots is None else str(row.shots),
            age(row.created),
            cut(row.job_id or "-", 64),
        )
        for row in rows
    ]
    for line in columns(lines):
        click.echo(line)
