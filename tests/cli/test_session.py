"""Waiting for jobs, whatever becomes of them and of the endpoint."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from qtower.cli import commands
from qtower.cli.connect import Way
from qtower.cli.session import Session, open_session
from qtower.config import Account
from qtower.errors import AccountError, NotFoundError
from qtower.model import Connected, Connection, JobRow, Link, Refresh, Rows, Status
from tests.conftest import Endpoint
from tests.desk.accounts import account_of, bells, provider_of


def way(account: Account) -> Way:
    return Way("test", lambda: account, "", read_only=False, insecure=False)


@pytest.fixture
def account(home: Path, service: Endpoint, monkeypatch: pytest.MonkeyPatch) -> Account:
    """The account that commands of this process use."""
    account = account_of(service)
    monkeypatch.setattr("qtower.cli.session.way_to", lambda name, read_only: way(account))
    monkeypatch.setattr("qtower.cli.session.logs.leave_stdout", lambda file: None)
    return account


def link(link: Link, detail: str = "") -> Connected:
    return Connected(
        connection=Connection(account="test", endpoint="", link=link, since=1.0, detail=detail)
    )


def test_a_job_that_is_deleted_elsewhere_is_not_waited_for(
    account: Account, service: Endpoint
) -> None:
    provider = provider_of(service)
    job = provider.get_backend("ibmq_qasm_simulator").run(bells())
    job.result()
    with open_session(None) as session:

        def delete_and_look(row: JobRow) -> bool:
            if not deleted.is_set():
                deleted.set()
                provider._api_client.job_delete(row.job_id)
                threading.Thread(target=session.desk.refresh, args=(Refresh(),)).start()
            return False

        deleted = threading.Event()
        with pytest.raises(NotFoundError, match="was deleted"):
            session.wait_for([job.job_id()], delete_and_look)


def test_an_outage_is_said_once_and_waited_for(
    account: Account, capsys: pytest.CaptureFixture[str]
) -> None:
    session = Session(way(account))
    found: list[list[JobRow]] = []
    looked = threading.Event()

    def has_ended(row: JobRow) -> bool:
        looked.set()  # with the lock that every event has to wait for
        return row.status.final

    waiting = threading.Thread(target=lambda: found.append(session.wait_for(["1"], has_ended)))
    session._hear(Rows(rows=[JobRow(key="1", status=Status.RUNNING)]))
    session._hear(link(Link.OFFLINE, "h\x1bst refused. Trying again in 1 s."))
    waiting.start()
    assert looked.wait(20)
    for seconds in (2, 4):
        session._hear(link(Link.OFFLINE, f"Trying again in {seconds} s."))
    session._hear(link(Link.LIVE))
    session._hear(Rows(rows=[JobRow(key="1", status=Status.DONE)]))
    waiting.join(20)
    assert [row.status for row in found[0]] == [Status.DONE]
    said = capsys.readouterr().err
    assert said.count("Trying again") == 1 and "\x1b" not in said


def test_a_refused_login_ends_the_waiting(account: Account) -> None:
    session = Session(way(account))
    session._hear(Rows(rows=[JobRow(key="1", status=Status.RUNNING)]))
    session._hear(link(Link.REFUSED, "The token is refused."))
    with pytest.raises(AccountError, match="token is refused"):
        session.wait_for(["1"], lambda row: row.status.final)


@pytest.mark.parametrize("moment", ["parse_args", "resolve_command", "get_command"])
def test_ctrl_c_ends_a_command_with_130_at_whatever_moment(
    moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(commands, moment, interrupted)
    with pytest.raises(SystemExit) as ended:
        commands(["list"])
    assert ended.value.code == 130
