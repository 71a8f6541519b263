"""What is to be sent is neither lost nor sent twice when the journal is in memory for a while."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
import uuid
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from qtower import model
from qtower.desk.desk import Desk
from qtower.desk.intents import PartState, Wish
from qtower.desk.journal import Journal
from qtower.desk.sealed_qobjs import seal
from qtower.errors import StorageError
from tests.conftest import Endpoint
from tests.desk.accounts import Ear, account_of, open_desk
from tests.desk.outages import (
    BACK,
    GONE,
    come_back,
    locked,
    lose,
    nothing_is_wrong,
    record,
    remove,
    states_in,
)
from tests.desk.test_journal import Told, a_part
from tests.desk.test_submission import BELL, prepare

pytestmark = pytest.mark.usefixtures("when_asked")


def test_sets_that_are_sent_meanwhile_are_neither_lost_nor_sent_again(
    tmp_path: Path, lab_file: Path
) -> None:
    journal = Journal("lab", tmp_path, Told())
    record(journal, "before")
    journal.intents.sent("before", 0, "j0")
    lose(journal, lab_file)
    for index in (1, 2):
        journal.intents.begun("before", index)
    journal.intents.sent("before", 1, "j1")
    record(journal, "meanwhile")
    journal.intents.failed("meanwhile", 1, "refused")
    record(journal, "given up")
    journal.intents.release("given up")
    assert journal.intents.leave("given up") == [0, 1, 2]
    come_back(journal)
    other = Journal("lab", tmp_path, nothing_is_wrong).intents
    sent, begun = other.parts("before")[1:]
    assert (sent.state, sent.job_id, begun.state) == (PartState.SENT, "j1", PartState.BEGUN)
    assert states_in(lab_file, "meanwhile") == [PartState.OPEN, PartState.FAILED, PartState.OPEN]
    assert states_in(lab_file, "given up") == [PartState.LEFT] * 3
    assert [each.intent.set_id for each in other.unfinished()] == ["before", "meanwhile"]
    assert all(each.owned for each in other.unfinished()), "they are being sent"
    assert other.qobjs.read("meanwhile", 2) == b"{}" and not other.qobjs.has("given up", 0)
    assert not other.claim("meanwhile")


def test_what_others_did_with_their_sets_stands(tmp_path: Path, lab_file: Path) -> None:
    journal, other = (Journal("lab", tmp_path, Told()) for _ in range(2))
    for set_id in ("sent", "left", "seen"):
        record(other, set_id, 1)
        other.intents.release(set_id)
    lose(journal, lab_file)
    journal.intents.sent("seen", 0, "j3")  # found at the endpoint
    assert other.intents.claim("sent") and other.intents.claim("seen")
    other.intents.sent("sent", 0, "j1")
    other.intents.begun("seen", 0)
    other.intents.leave("left")
    come_back(journal)
    assert journal.intents.unfinished() == []
    assert states_in(lab_file, "sent") == states_in(lab_file, "seen") == [PartState.SENT]
    assert states_in(lab_file, "left") == [PartState.LEFT]


def test_nothing_is_decided_in_memory_of_a_set_that_others_know(
    tmp_path: Path, lab_file: Path
) -> None:
    journal, other = (Journal("lab", tmp_path, Told()) for _ in range(2))
    record(other, "s1", 1)
    other.intents.release("s1")
    lose(journal, lab_file)
    decisions: list[Callable[[], object]] = [
        lambda: journal.intents.claim("s1"),
        lambda: journal.intents.leave("s1"),
        lambda: journal.intents.set_wish("s1", Wish.ALWAYS),
    ]
    for decide in decisions:
        with pytest.raises(StorageError, match="another program has it locked"):
            decide()
    come_back(journal)
    assert journal.intents.claim("s1")


def test_the_furthest_that_two_know_of_a_part_stands(tmp_path: Path, lab_file: Path) -> None:
    """Both have lost the file, and it is another one by now."""
    journal, other = (Journal("lab", tmp_path, Told()) for _ in range(2))
    record(journal, "s1", 4)
    for each in (journal, other):
        lose(each, lab_file)
    remove(lab_file)
    other.intents.sent("s1", 0, "j0")
    other.intents.begun("s1", 1)
    come_back(other)
    journal.intents.begun("s1", 0)
    journal.intents.sent("s1", 2, "j2")
    come_back(journal)
    assert states_in(lab_file, "s1") == [
        PartState.SENT,
        PartState.BEGUN,
        PartState.SENT,
        PartState.OPEN,
    ]
    assert [part.job_id for part in journal.intents.parts("s1")] == ["j0", "", "j2", ""]


def test_a_wish_is_heard_when_the_file_is_back(tmp_path: Path, lab_file: Path) -> None:
    """Another qtower stops a set while its sender does not see the file."""
    journal, other = (Journal("lab", tmp_path, Told()) for _ in range(2))
    for set_id in ("stopped", "stopped and paused", "resumed"):
        record(journal, set_id, 1)
    journal.intents.set_wish("resumed", Wish.PAUSE)
    lose(journal, lab_file)
    journal.intents.set_wish("stopped and paused", Wish.PAUSE)
    journal.intents.release("resumed")
    for set_id in ("stopped", "stopped and paused"):
        other.intents.set_wish(set_id, Wish.STOP)
    other.intents.set_wish("resumed", Wish.GO)
    assert journal.intents.wish("stopped") is Wish.GO
    come_back(journal)
    for set_id in ("stopped", "stopped and paused"):
        assert journal.intents.wish(set_id) is other.intents.wish(set_id) is Wish.STOP
    assert journal.intents.wish("resumed") is Wish.GO


def test_qobjs_of_sets_that_it_cannot_see_are_not_tidied_away(
    tmp_path: Path, lab_file: Path
) -> None:
    journal = Journal("lab", tmp_path, Told())
    record(journal, "set", 1)
    journal.intents.qobjs.keep("set", [b"{}", b"{}"])
    journal._store._connection.close()
    with closing(sqlite3.connect(lab_file, isolation_level=None)) as other:
        other.execute("PRAGMA locking_mode = EXCLUSIVE")
        other.execute("INSERT INTO intents SELECT set_id, 1, intent, 'open', '', '' FROM intents")
        late = Journal("lab", tmp_path, Told(), clock=lambda: 1e12)
        assert len(late.intents.parts("set")) == 1, "what is in the write-ahead log is not seen"
        late.intents.tidy()
    assert journal.intents.qobjs.has("set", 1)


def test_a_claim_during_which_the_file_is_lost_is_none(tmp_path: Path, lab_file: Path) -> None:
    journal, other = (Journal("lab", tmp_path, Told()) for _ in range(2))
    record(other, "s1", 1)
    other.intents.release("s1")
    with locked(lab_file), pytest.raises(StorageError, match="another qtower would not know"):
        journal.intents.claim("s1")
    with locked(lab_file), pytest.raises(StorageError, match="another qtower would not know"):
        journal.intents.leave("s1")
    assert other.intents.qobjs.has("s1", 0)
    come_back(journal)
    assert other.intents.claim("s1")
    (part,) = journal.intents.parts("s1")
    assert part.state is PartState.OPEN


# -- at the desk --------------------------------------------------------------------------------


def submit_bell(desk: Desk, name: str) -> model.Submitted:
    order = model.Order(files=[BELL], backend="ibmq_qasm_simulator", name=name)
    plan = desk.answer(model.MakePlan(order=order))
    submitted: model.Submitted = desk.answer(model.Submit(plan_id=plan.plan_id))
    return submitted


def test_a_desk_says_since_when_nothing_is_kept_and_submits_all_the_same(
    service: Endpoint, tmp_path: Path
) -> None:
    with open_desk(lambda: account_of(service), tmp_path) as (desk, ear):
        desk.wait_ready(60)
        file = tmp_path / "journal-test.db"
        with locked(file):
            submitted = submit_bell(desk, "sent under a lock")
            ear.until(lambda: ear.links[-1].unwritten is not None)
            key = submitted.keys[0]
            ear.until(lambda: ear.rows[key].status.final)
        desk.answer(model.Refresh())
        ear.until(lambda: ear.links[-1].unwritten is None)
        ear.until(lambda: [notice.title for notice in ear.notices] == [GONE, BACK])
        assert [notice.level for notice in ear.notices] == ["warning", "info"]
        assert desk.answer(model.GetDetails(key=key)).row.status.final
        journal = Journal("test", tmp_path, nothing_is_wrong)
        assert {row.key for row in journal.rows()} >= set(submitted.keys)
        assert [step.name for step in journal.transitions(key)][-1] == ear.rows[key].status.value
        assert len(journal.intents.parts(submitted.set_id)) == len(submitted.keys)


def test_nothing_is_submitted_that_cannot_be_written_down(
    service: Endpoint, tmp_path: Path
) -> None:
    (tmp_path / "unsent-test").write_text("in the way of the qobjs")
    with open_desk(lambda: account_of(service), tmp_path) as (desk, ear):
        desk.wait_ready(60)
        with pytest.raises(StorageError):
            submit_bell(desk, "never sent")
        assert desk.answer(model.GetUnsent()).sets == []
        assert not any(row.set_name == "never sent" for row in ear.rows.values())
        (tmp_path / "unsent-test").unlink()
        submitted = submit_bell(desk, "sent in the end")
        ear.until(lambda: ear.rows[submitted.keys[0]].status.final)


def test_a_set_that_is_to_go_on_does_so_when_the_file_is_back(
    service: Endpoint, simulator: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_id = uuid.uuid4().hex
    key = f"{set_id}/0"
    prepared = prepare(simulator, count=1)
    qobjs = [seal(part, simulator) for part in prepared.parts]
    with monkeypatch.context() as patch:
        patch.setattr("qtower.desk.intents.process_name", lambda: "1:0.00")
        dead = Journal("test", tmp_path, nothing_is_wrong).intents
        dead.record(set_id, "sweep", simulator.name(), [a_part(0)], qobjs, Wish.ALWAYS)
    ear = Ear()
    desk = Desk("test", lambda: account_of(service), ear, state_dir=tmp_path, goes_on=True)
    with locked(tmp_path / "journal-test.db"):
        desk.open()
        desk.wait_ready(60)
        ear.until(lambda: any(notice.title == "Unsent jobs" for notice in ear.notices))
        assert "another qtower would not know" in ear.notices[-1].text
    desk.answer(model.Refresh())
    ear.until(lambda: key in ear.rows and ear.rows[key].job_id)
    ear.until(lambda: ear.sending == [])
    desk.close()


@pytest.mark.parametrize("step", ["claim", "release"])
def test_whoever_hears_that_the_file_is_lost_may_ask_what_is_sent_here(
    tmp_path: Path, lab_file: Path, step: str
) -> None:
    journal = Journal("lab", tmp_path, Told())
    record(journal, "s1", 1)
    if step == "claim":
        journal.intents.release("s1")
    seen: list[set[str]] = []
    journal.watch(lambda: seen.append(journal.intents.mine()))

    def lose_it() -> None:
        with contextlib.suppress(StorageError):
            getattr(journal.intents, step)("s1")

    with locked(lab_file):
        losing = threading.Thread(target=lose_it, daemon=True)
        losing.start()
        losing.join(20)
        assert not losing.is_alive(), "it waits for itself"
    assert seen == [set()]


def test_a_file_that_is_lost_while_a_set_is_claimed_stops_nothing_else(
    service: Endpoint, tmp_path: Path
) -> None:
    left = Journal("test", tmp_path, nothing_is_wrong).intents
    left.record("s1", "sweep", "ibmq_qasm_simulator", [a_part(0)], [b"{}"])
    left.release("s1")
    with open_desk(lambda: account_of(service), tmp_path) as (desk, ear):
        desk.wait_ready(60)
        send = model.SteerSet(set_id="s1", steer=model.Steer.SEND)
        refused: list[Exception] = []

        def ask() -> None:
            try:
                desk.answer(send)
            except StorageError as error:
                refused.append(error)

        assert desk._inside().journal.flush(20), "nothing else is to be written now"
        with locked(tmp_path / "journal-test.db"):
            asking = threading.Thread(target=ask, daemon=True)
            asking.start()
            asking.join(30)
            assert "another program has it locked" in str(refused)
            told = len(ear.links)
            ear.until(lambda: len(ear.links) > told + 1)
        assert desk.answer(model.GetUnsent()).sets[0].state == "offered"
