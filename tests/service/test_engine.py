"""Real children with real Aer: started, killed, lost, and never left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import psutil
import pytest
from qiskit import assemble

from qtower.service import crew, payloads
from qtower.service.children import Child, Run
from qtower.service.engine import LocalEngine
from qtower.service.limits import Limits
from qtower.service.orders import Order, Outcome
from qtower.service.payloads import Payloads
from tests.service.engine_desk import PATIENCE, SIMULATOR, Desk, bad, bell, endless, large, until


def children() -> set[int]:
    """Process ids of the engine's children, whoever's engine it is."""
    return {
        child.pid
        for child in psutil.Process().children(recursive=True)
        if child.status() != psutil.STATUS_ZOMBIE
    }


@pytest.fixture
def before() -> set[int]:
    """Children of this process that are none of ours."""
    return children()


@pytest.fixture
def desk(before: set[int], tmp_path: Path) -> Iterator[Desk]:
    engine = LocalEngine(workers=2)
    yield Desk(engine, Payloads(tmp_path / "payloads"))
    engine.close()
    until(lambda: children() <= before, "no child is left")


def test_a_job_runs_and_its_result_is_there(desk: Desk) -> None:
    job = desk.start(bell())
    outcome = job.outcome()
    assert outcome.kind == "completed"
    assert job.running.is_set()
    assert outcome.started is not None
    assert outcome.ended is not None
    assert time.time() - PATIENCE < outcome.started <= outcome.ended <= time.time()
    result = json.loads(payloads.read(job.result_file))
    assert result["results"][0]["data"]["counts"].keys() == {"0x0", "0x3"}


def test_a_failing_job_says_why(desk: Desk) -> None:
    outcome = desk.start(bad(), method="stabilizer").outcome()
    assert (outcome.kind, outcome.has_result) == ("failed", True)
    assert outcome.message
    assert outcome.code


def test_more_jobs_than_workers_wait_and_all_end_once(desk: Desk, before: set[int]) -> None:
    jobs = [desk.start(bell()) for _ in range(12)]
    assert [job.outcome().kind for job in jobs] == ["completed"] * 12
    assert all(job.outcomes.empty() for job in jobs)
    assert len(children() - before) <= 2


def test_a_warm_worker_is_used_again(desk: Desk, before: set[int]) -> None:
    desk.start(bell()).outcome()
    workers = children() - before
    desk.start(bell()).outcome()
    assert workers <= children() - before  # the second may have been on its way


def test_cancelling_a_running_job_kills_it_and_no_other(desk: Desk) -> None:
    doomed, spared = desk.start_endless(), desk.start_endless()
    desk.engine.cancel(doomed.job_id)
    assert doomed.outcome().kind == "cancelled"
    assert desk.start(bell()).outcome().kind == "completed"
    assert spared.outcomes.empty()
    desk.engine.cancel(spared.job_id)
    assert spared.outcome().kind == "cancelled"


def test_a_cancelled_worker_is_replaced_before_it_is_needed(desk: Desk, before: set[int]) -> None:
    job = desk.start_endless()
    workers = children() - before
    desk.engine.cancel(job.job_id)
    job.outcome()
    until(lambda: bool(children() - before - workers), "a new worker is there")


def test_cancelling_at_the_start(desk: Desk) -> None:
    job = desk.start(endless(), shots=100_000)
    desk.engine.cancel(job.job_id)
    assert job.outcome().kind == "cancelled"
    assert job.outcomes.empty()


def test_cancelling_one_that_waits(desk: Desk) -> None:
    running = [desk.start_endless(), desk.start_endless()]
    waiting = desk.start(bell())
    desk.engine.cancel(waiting.job_id)
    outcome = waiting.outcome()
    assert (outcome.kind, outcome.started) == ("cancelled", None)
    assert not waiting.running.is_set()
    assert all(job.outcomes.empty() for job in running)


def test_cancelling_too_late_or_what_is_not_there(desk: Desk) -> None:
    job = desk.start(bell())
    assert job.outcome().kind == "completed"
    desk.engine.cancel(job.job_id)
    desk.engine.cancel("f" * 24)
    assert desk.start(bell()).outcome().kind == "completed"
    assert job.outcomes.empty()
    assert job.result_file.exists()


@pytest.mark.parametrize(
    ("blow", "words"), [(signal.SIGKILL, "killed from outside"), (signal.SIGSEGV, "SIGSEGV")]
)
def test_a_child_that_dies_loses_its_job_and_nothing_else(
    desk: Desk, before: set[int], blow: signal.Signals, words: str
) -> None:
    job = desk.start_endless()
    (busiest,) = sorted(children() - before, key=_processor_seconds)[-1:]
    os.kill(busiest, blow)
    outcome = job.outcome()
    assert outcome.kind == "lost"
    assert words in outcome.message
    assert not outcome.message.endswith(".")
    assert outcome.started is not None
    assert desk.start(bell()).outcome().kind == "completed"


def test_an_idle_child_that_dies_is_replaced(desk: Desk, before: set[int]) -> None:
    desk.start(bell()).outcome()
    for child in children() - before:
        os.kill(child, signal.SIGKILL)
    assert desk.start(bell()).outcome().kind == "completed"


def test_an_idle_child_that_hangs_is_replaced_and_its_job_goes_to_another(
    desk: Desk, before: set[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.start(bell()).outcome()
    idle = children() - before
    for child in idle:
        os.kill(child, signal.SIGSTOP)
    monkeypatch.setattr(crew, "_TAKE_UP_SECONDS", 0.2)
    job = desk.start(bell())
    until(lambda: not idle & children(), "the child that hangs is ended")
    monkeypatch.undo()
    assert job.outcome().kind == "completed"


def test_ctrl_c_and_a_closed_terminal_do_not_reach_the_children(
    desk: Desk, before: set[int]
) -> None:
    desk.start(bell()).outcome()
    workers = children() - before
    for child in workers:
        os.kill(child, signal.SIGINT)
        os.kill(child, signal.SIGHUP)
    assert desk.start(bell()).outcome().kind == "completed"
    assert workers <= children()


def test_children_inherit_no_descriptor_of_ours(desk: Desk, before: set[int]) -> None:
    if sys.platform != "linux":
        pytest.skip("reads /proc")
    with open(os.devnull) as ours:  # noqa: PTH123 (its descriptor is what matters)
        os.set_inheritable(ours.fileno(), True)
        desk.start_endless()
        for child in children() - before:
            for descriptor in Path(f"/proc/{child}/fd").iterdir():
                assert int(descriptor.name) <= 2 or "pipe:" in str(descriptor.readlink())


def test_a_listener_that_fails_harms_no_other_job(desk: Desk, tmp_path: Path) -> None:
    def fail(told: object) -> None:
        raise RuntimeError("a listener's own fault")

    file = tmp_path / "qobj"
    payloads.write(file, json.dumps(assemble(bell()).to_dict()).encode())
    desk.engine.start(
        "e" * 24, SIMULATOR, file, tmp_path / "result", on_running=fail, on_outcome=fail
    )
    assert desk.start(bell()).outcome().kind == "completed"


def test_closing_with_running_and_waiting_jobs(desk: Desk, before: set[int]) -> None:
    jobs = [desk.start_endless(), desk.start_endless(), desk.start(bell())]
    desk.engine.close()
    assert children() <= before
    assert [job.outcome().kind for job in jobs] == ["lost"] * 3
    assert all(job.outcomes.empty() for job in jobs)
    with pytest.raises(RuntimeError, match="closed"):
        desk.start(bell())
    desk.engine.cancel(jobs[0].job_id)
    desk.engine.close()


@contextmanager
def limited_desk(directory: Path, **limits: Any) -> Iterator[Desk]:
    engine = LocalEngine(1, Limits(**limits))
    try:
        yield Desk(engine, Payloads(directory / "payloads"))
    finally:
        engine.close()


def test_a_job_that_runs_too_long_is_ended(tmp_path: Path) -> None:
    with limited_desk(tmp_path, seconds=0.5) as desk:
        outcome = desk.start_endless().outcome()
        assert (outcome.kind, outcome.code) == ("failed", 5201)
        assert outcome.message == "The job timed out: it may run for 0.5 seconds"
        assert outcome.started is not None
        assert outcome.ended is not None
        assert outcome.ended - outcome.started >= 0.4
        assert desk.start(bell()).outcome().kind == "completed"


def test_a_job_that_takes_too_much_memory_is_ended(tmp_path: Path) -> None:
    with limited_desk(tmp_path, memory_bytes=500_000_000) as desk:
        outcome = desk.start(large(), method="statevector").outcome()
        assert (outcome.kind, outcome.code) == ("failed", 5204)
        assert outcome.message == "The job needs more memory than 500 MB"
        assert desk.start(bell()).outcome().kind == "completed"


def test_a_job_that_is_cancelled_at_its_limit_is_cancelled(tmp_path: Path) -> None:
    with limited_desk(tmp_path, seconds=0.3) as desk:
        job = desk.start_endless()
        desk.engine.cancel(job.job_id)
        assert job.outcome().kind == "cancelled"
        assert job.outcomes.empty()


def test_an_engine_needs_a_worker() -> None:
    with pytest.raises(ValueError, match="one worker"):
        LocalEngine(workers=0)


def test_a_simulator_that_cannot_start_fails_the_job_and_does_not_try_for_ever(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    broken = tmp_path / "python"
    broken.write_text(f"#!/bin/sh\necho started >> {tmp_path}/starts\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(broken))
    engine = LocalEngine(workers=2)
    try:
        job = Desk(engine, Payloads(tmp_path)).start(bell())
        outcome = job.outcome()
        assert (outcome.kind, outcome.has_result) == ("failed", False)
        assert "could not be started" in outcome.message
    finally:
        engine.close()
    assert (tmp_path / "starts").read_text().count("started") <= 4


@pytest.mark.parametrize(
    "said",
    [
        *('{"type":"news"}', "no JSON", '{"type":"running","at":1.0}', "\\377"),
        '{"type":"outcome","kind":"completed"}',
    ],
)
def test_a_child_that_talks_nonsense_ends_and_not_the_engine(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, said: str
) -> None:
    strange = tmp_path / "python"
    talk = f"""printf '{{"type":"ready"}}\\n{said}\\n'"""
    strange.write_text(f"#!/bin/sh\n{talk}\ntouch {tmp_path}/said\nexec sleep 600\n")
    strange.chmod(0o755)
    python = sys.executable
    monkeypatch.setattr(sys, "executable", str(strange))
    engine = LocalEngine(workers=1)
    try:
        until((tmp_path / "said").exists, "it talked")
        monkeypatch.setattr(sys, "executable", python)
        assert Desk(engine, Payloads(tmp_path)).start(bell()).outcome().kind == "completed"
    finally:
        engine.close()


def test_a_report_in_many_pieces_is_read_once(before: set[int]) -> None:
    bell_read, bell_write = os.pipe()
    read, write = os.pipe()
    message = "x" * 3_000_000
    line = msgspec.json.encode(Outcome(kind="failed", message=message)) + b"\n"
    heard: list[Outcome] = []
    order = Order(job_id="1", device=SIMULATOR, qobj_file="", result_file="/nonexistent/result")
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        child = Child(process)
        child.reports = os.fdopen(read, "rb", buffering=0)
        child.run = Run("1", order, lambda at: None, heard.append)
        some = crew.Crew(1, bell_read)
        writer = threading.Thread(target=os.write, args=(write, line))
        writer.start()
        while not heard:
            some._listen(child)
        writer.join()
    assert heard[0].message == message
    for descriptor in (bell_read, bell_write, write):
        os.close(descriptor)
    child.reports.close()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_an_engine_that_stopped_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(some: crew.Crew) -> bool:
        raise AssertionError("a mistake")

    monkeypatch.setattr(crew.Crew, "work", fail)
    engine = LocalEngine(workers=1)
    until(lambda: engine.trouble is not None, "it is noticed")
    assert "must be started again" in str(engine.trouble)
    engine.close()
    assert engine.trouble is None


def test_no_process_to_be_had_fails_all_that_wait(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    engine: LocalEngine | None = None
    try:
        with monkeypatch.context() as without_python:
            without_python.setattr(sys, "executable", str(tmp_path / "missing"))
            engine = LocalEngine(workers=2)
            desk = Desk(engine, Payloads(tmp_path))
            jobs = [desk.start(bell()) for _ in range(3)]
            assert [job.outcome().kind for job in jobs] == ["failed"] * 3
        assert desk.start(bell()).outcome().kind == "completed"
    finally:
        if engine is not None:
            engine.close()


PARENT = """
import sys, threading, psutil
from pathlib import Path
from qtower.service.engine import LocalEngine

if __name__ == "__main__":
    engine, running = LocalEngine(workers=2), threading.Event()
    engine.start("a" * 24, "ibmq_qasm_simulator", Path(sys.argv[1]), Path(sys.argv[2]),
                 on_running=lambda at: running.set(), on_outcome=print)
    running.wait()
    print(*(child.pid for child in psutil.Process().children(recursive=True)), flush=True)
    threading.Event().wait()
"""


def test_no_child_outlives_a_parent_that_was_killed(tmp_path: Path) -> None:
    file = tmp_path / "qobj"
    payloads.write(file, json.dumps(assemble(endless(), shots=100_000).to_dict()).encode())
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(file), str(tmp_path / "result")],
        stdout=subprocess.PIPE,
        text=True,
    )
    with parent:
        assert parent.stdout is not None
        workers = [int(number) for number in parent.stdout.readline().split()]
        assert workers
        parent.kill()
    until(lambda: not any(_lives(pid) for pid in workers), "the workers are gone")


WATCHED = """
import os, sys, time
from qtower.service import worker

# As on a system without prctl: what holds the interpreter's lock cannot watch for itself.
worker._watch_from_beside(int(sys.argv[1]))
print("watched", flush=True)
time.sleep(600)
"""


def test_where_the_kernel_does_not_help_a_watcher_does() -> None:
    parent = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    watched = subprocess.Popen(
        [sys.executable, "-c", WATCHED, str(parent.pid)], stdout=subprocess.PIPE, text=True
    )
    with parent, watched:
        assert watched.stdout is not None
        assert watched.stdout.readline() == "watched\n"
        (watcher,) = psutil.Process(watched.pid).children()
        parent.kill()
        parent.wait()
        assert watched.wait(PATIENCE) == -signal.SIGKILL
    until(lambda: not _lives(watcher.pid), "the watcher is gone")


def _lives(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _processor_seconds(pid: int) -> float:
    return float(psutil.Process(pid).cpu_times().user)
