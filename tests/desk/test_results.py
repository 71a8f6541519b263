"""Results: counts and memory by the page, kept for when the endpoint is gone, saved as files."""

from __future__ import annotations

import csv
import io
import json
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from qiskit import QuantumCircuit, assemble
from qiskit.providers.ibmq.managed.managedjob import ManagedJob

from qtower.config import Account
from qtower.desk import plain_json
from qtower.desk.account import log_in
from qtower.desk.circuit_files import load
from qtower.desk.journal import Journal
from qtower.desk.kept_results import KeptResults
from qtower.desk.results import ResultBook
from qtower.errors import JobStateError, NetworkError, NotFoundError, QtowerError, StorageError
from qtower.model import GetCounts, GetMemory, SaveResult
from tests.conftest import start_service, stop_service
from tests.desk.conftest import CIRCUITS
from tests.desk.submitting import run, submit, two_registers

UNFIT = {"creg_sizes": [5], "memory_slots": 2}  # registers are [name, size]


def uniform(qubits: int, name: str) -> QuantumCircuit:
    circuit = QuantumCircuit(qubits, qubits, name=name)
    circuit.h(range(qubits))
    circuit.measure(range(qubits), range(qubits))
    return circuit


@pytest.fixture(scope="module")
def done(simulator: Any) -> ManagedJob:
    circuits = [two_registers(), uniform(4, "=HYPERLINK(1)")]
    circuits[0].metadata = {"angle": 0.25}
    return run(circuits, simulator, shots=500, memory=True)


@pytest.fixture(scope="module")
def partial(simulator: Any) -> ManagedJob:
    return run(load(CIRCUITS / "one-bad.json").qobj, simulator)


def of(managed_job: ManagedJob) -> tuple[str, Callable[[], ManagedJob]]:
    """A job as a book takes it."""
    job_id = managed_job.job.job_id() if managed_job.job else ""
    return job_id, lambda: managed_job


def out_of_reach() -> ManagedJob:
    raise NetworkError("The endpoint is out of reach.")


@pytest.fixture
def book(journal: Journal) -> ResultBook:
    return ResultBook(journal.results)


def test_the_head_names_the_experiments(book: ResultBook, done: ManagedJob) -> None:
    head = book.head("key", *of(done))
    assert (head.key, head.success, head.backend) == ("key", True, "ibmq_qasm_simulator")
    assert head.source == "endpoint" and head.date and head.seconds is not None
    assert [(e.name, e.shots, e.outcomes, e.memory) for e in head.experiments] == [
        ("two registers", 500, 1, 500),
        ("=HYPERLINK(1)", 500, 16, 500),
    ]


def test_counts_are_written_as_qiskit_writes_them(book: ResultBook, done: ManagedJob) -> None:
    counts = book.counts(GetCounts(key="key", experiment=0), *of(done))
    assert [(row.bits, row.count) for row in counts.rows] == [("10 1", 500)]
    assert (counts.total, counts.outcomes, counts.note) == (500, 1, "")
    about = json.loads(counts.header)
    assert about["header"]["metadata"] == {"angle": 0.25}
    assert "data" not in about
    for experiment in (0, 1):
        page = book.counts(GetCounts(key="key", experiment=experiment), *of(done))
        assert {row.bits: row.count for row in page.rows} == done.result().get_counts(experiment)


def test_counts_come_in_pages_of_either_order(book: ResultBook, done: ManagedJob) -> None:
    def page(order: str, offset: int, limit: int) -> list[tuple[str, int]]:
        request = GetCounts(key="k", experiment=1, order=order, offset=offset, limit=limit)
        counts = book.counts(request, *of(done))
        assert (counts.total, counts.outcomes, counts.offset) == (500, 16, offset)
        return [(row.bits, row.count) for row in counts.rows]

    by_bits = page("bits", 0, 100)
    assert [bits for bits, _ in by_bits] == [f"{value:04b}" for value in range(16)]
    assert page("bits", 0, 10) + page("bits", 10, 10) == by_bits
    by_count = page("count", 0, 100)
    assert sorted(by_count) == by_bits
    assert [count for _, count in by_count] == sorted((c for _, c in by_bits), reverse=True)
    assert page("count", 16, 10) == []


def test_memory_is_every_shot_in_order(book: ResultBook, done: ManagedJob) -> None:
    memory = book.memory(GetMemory(key="k", experiment=1, offset=490, limit=100), *of(done))
    assert (memory.total, memory.offset, len(memory.shots)) == (500, 490, 10)
    assert memory.shots == done.result().get_memory(1)[490:]


def test_unknown_experiments_and_missing_memory_are_named(
    book: ResultBook, done: ManagedJob, partial: ManagedJob
) -> None:
    for experiment in (-1, 2):
        with pytest.raises(NotFoundError, match=f"no experiment {experiment}"):
            book.counts(GetCounts(key="k", experiment=experiment), *of(done))
    with pytest.raises(NotFoundError, match="no memory"):
        book.memory(GetMemory(key="k", experiment=0), *of(partial))


def test_a_failed_job_shows_what_it_has(book: ResultBook, partial: ManagedJob) -> None:
    head = book.head("key", *of(partial))
    assert not head.success
    assert [experiment.success for experiment in head.experiments] == [True, False]
    assert head.experiments[1].outcomes is None
    good = book.counts(GetCounts(key="key", experiment=0), *of(partial))
    assert {row.bits for row in good.rows} == {"00", "11"} and good.note == ""
    bad = book.counts(GetCounts(key="key", experiment=1), *of(partial))
    assert bad.rows == [] and bad.note.startswith("This experiment failed: ERROR")


def test_a_job_without_a_result_says_its_state(
    book: ResultBook, simulator: Any, device: Any
) -> None:
    long = submit(load(CIRCUITS / "long.json").qobj, simulator)
    with pytest.raises(JobStateError, match=r"no result yet.*Wait until it is DONE"):
        book.head("key", *of(long))
    long.cancel()
    with pytest.raises(JobStateError, match="was cancelled"):
        book.head("key", *of(long))

    failed = run(assemble(uniform(1, "h"), shots=10), device)  # h is no gate of the device
    with pytest.raises(JobStateError, match="left no result"):
        book.head("key", *of(failed))

    unsent = ManagedJob(0, 1)
    with pytest.raises(JobStateError, match="still being sent"):
        book.head("key", *of(unsent))
    unsent.submit_error = RuntimeError("full")
    with pytest.raises(JobStateError, match="never reached the endpoint"):
        book.head("key", *of(unsent))
    with pytest.raises(NetworkError, match="out of reach"):
        book.head("key", "unknown-id", out_of_reach)


def test_a_result_that_was_read_needs_no_service_any_more(tmp_path: Path) -> None:
    endpoint = start_service(tmp_path / "service", "--workers", "1")
    state = tmp_path / "state"
    state.mkdir()
    journal = Journal("test", state, lambda title, text: None)
    try:
        provider = log_in(Account(name="test", url=endpoint.url, token=endpoint.token))
        simulator = provider.get_backend("ibmq_qasm_simulator")
        read = run([two_registers()], simulator, shots=50, memory=True)
        unread = run([two_registers()], simulator, shots=50)
        first = ResultBook(journal.results).head("key", *of(read))
    finally:
        stop_service(endpoint)

    job_id = read.job.job_id()
    again = ResultBook(Journal("test", state, lambda title, text: None).results)
    head = again.head("key", job_id, out_of_reach)
    assert (first.source, head.source) == ("endpoint", "kept")
    assert head.experiments == first.experiments and head.date == first.date
    counts = again.counts(GetCounts(key="key", experiment=0), job_id, out_of_reach)
    assert [(row.bits, row.count) for row in counts.rows] == [("10 1", 50)]

    provider._api_client._session._initialize_retry(0, 0, 0.0)
    with pytest.raises(QtowerError) as caught:
        again.head("key", *of(unread))
    assert isinstance(caught.value, NetworkError)


def test_results_stay_readable_when_they_cannot_be_kept(done: ManagedJob, tmp_path: Path) -> None:
    blocked = tmp_path / "results"
    blocked.write_text("no folder")
    book = ResultBook(KeptResults(blocked))
    assert book.head("key", *of(done)).success
    assert book.counts(GetCounts(key="key", experiment=0), *of(done)).total == 500


def test_saved_json_is_the_whole_result(book: ResultBook, done: ManagedJob, tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    saved = book.save(SaveResult(key="k", path=str(path), format="json"), *of(done))
    assert saved.path == str(path) and saved.size == path.stat().st_size
    document = json.loads(path.read_text())
    assert document["job_id"] == done.job.job_id()
    assert document["results"][0]["data"]["counts"] == {"0x5": 500}
    # An export is an ordinary file, as the user's umask has it.
    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~umask


def test_saved_csv_is_a_table_without_formulas(
    book: ResultBook, done: ManagedJob, tmp_path: Path
) -> None:
    path = tmp_path / "result.csv"
    book.save(SaveResult(key="k", path=str(path), format="csv"), *of(done))
    rows = list(csv.reader(io.StringIO(path.read_text())))
    assert rows[0] == ["experiment", "bitstring", "count", "share"]
    assert rows[1] == ["two registers", "10 1", "500", "1.000000"]
    assert len(rows) == 1 + 1 + 16
    assert {row[0] for row in rows[2:]} == {"'=HYPERLINK(1)"}
    assert sum(int(row[2]) for row in rows[2:]) == 500


def test_what_cannot_be_saved_is_a_sentence(
    book: ResultBook, done: ManagedJob, tmp_path: Path
) -> None:
    taken = tmp_path / "taken.json"
    taken.write_text("mine")
    os.mkfifo(tmp_path / "pipe")
    cases = {
        str(taken): "exists already",
        str(tmp_path): "is a directory",
        str(tmp_path / "none" / "x.json"): "There is no directory",
        str(tmp_path / "pipe"): "is not a file",
        "/dev/null": "is not a file",
        "a\0b": "null character",
        "~nobody-of-that-name/x": "home directory",
        str(tmp_path / ("x" * 300)): "cannot be written",
    }
    for path, words in cases.items():
        with pytest.raises(StorageError, match=words):
            book.save(SaveResult(key="k", path=path, format="json"), *of(done))
    assert taken.read_text() == "mine"
    book.save(SaveResult(key="k", path=str(taken), format="json", overwrite=True), *of(done))
    assert json.loads(taken.read_text())["success"]
    with pytest.raises(NotFoundError, match="no format"):
        book.save(SaveResult(key="k", path=str(tmp_path / "x"), format="xml"), *of(done))
    assert sorted(file.name for file in tmp_path.iterdir() if "part" in file.name) == []


def test_a_path_in_the_home_directory(book: ResultBook, done: ManagedJob, home: Path) -> None:
    saved = book.save(SaveResult(key="k", path="~/x.json", format="json"), *of(done))
    assert saved.path == str(home / "x.json")


def kept(journal: Journal, **experiment: Any) -> ResultBook:
    """A book with one kept result of one experiment."""
    document = {"results": [{"shots": 2, "success": True, **experiment}], "success": True}
    journal.results.obtain("odd", lambda: [plain_json.encode(document)])
    return ResultBook(journal.results)


def test_measured_points_are_memory_without_counts(journal: Journal) -> None:
    book = kept(journal, meas_level=1, data={"memory": [[[1.5, -2.0]], [[0.25, 1e-9]]]})
    counts = book.counts(GetCounts(key="k", experiment=0), "odd", out_of_reach)
    assert "level 1" in counts.note
    memory = book.memory(GetMemory(key="k", experiment=0), "odd", out_of_reach)
    assert memory.shots == ["1.5-2j", "0.25+1e-09j"]


def test_memory_that_fits_no_register_is_shown_as_it_came(journal: Journal) -> None:
    book = kept(journal, data={"memory": ["0x3", "0x0"]}, header=UNFIT)
    assert book.memory(GetMemory(key="k", experiment=0), "odd", out_of_reach).shots == [
        "0x3",
        "0x0",
    ]


@pytest.mark.parametrize(
    ("experiment", "note"),
    [
        ({"data": {}}, "measured nothing"),
        ({"success": False, "status": "ERROR: why"}, "ERROR: why"),
        ({"data": {"counts": {"0xzz": 1}}}, "do not fit"),
        ({"data": {"counts": {"0x3": 2}}, "header": UNFIT}, "do not fit"),
        ({"data": {"counts": {"0x3": None}}}, "do not fit"),
        ({"data": {"counts": {"0x3": "many"}}}, "do not fit"),
        ({"data": {"counts": {"0x3": 10**30}}}, "do not fit"),
        ({"data": None, "header": None}, "measured nothing"),
    ],
)
def test_odd_results_say_why_there_are_no_counts(
    experiment: dict[str, Any], note: str, journal: Journal
) -> None:
    book = kept(journal, **experiment)
    counts = book.counts(GetCounts(key="k", experiment=0), "odd", out_of_reach)
    assert counts.rows == [] and note in counts.note
    assert book.head("k", "odd", out_of_reach).experiments[0].name == "experiment 0"


@pytest.mark.parametrize(
    "header",
    [
        {"memory_slots": 10**12},
        {"memory_slots": 16, "creg_sizes": [["c", 1]] * 100_000},
    ],
)
def test_outcomes_are_not_written_out_as_long_as_a_header_likes(
    header: dict[str, Any], journal: Journal
) -> None:
    measured = [f"{outcome:#x}" for outcome in range(3_000)]
    data = {"counts": dict.fromkeys(measured, 1), "memory": measured}
    book = kept(journal, data=data, header=header)
    counts = book.counts(GetCounts(key="k", experiment=0), "odd", out_of_reach)
    assert counts.rows == [] and "do not fit" in counts.note
    request = GetMemory(key="k", experiment=0, limit=len(measured))
    assert book.memory(request, "odd", out_of_reach).shots == measured


def test_numbers_that_are_none_hide_no_other_experiment(journal: Journal) -> None:
    good = '{"success": true, "shots": 2, "data": {"counts": {"0x1": 2}}}'
    odd = '{"success": true, "shots": 1e400, "data": {"counts": {"0x1": 1e400, "0x0": 1}}}'
    raw = f'{{"success": true, "results": [{good}, {odd}]}}'.encode()
    journal.results.obtain("odd", lambda: [raw])
    book = ResultBook(journal.results)
    head = book.head("k", "odd", out_of_reach)
    assert [each.shots for each in head.experiments] == [2, None]
    rows = book.counts(GetCounts(key="k", experiment=0), "odd", out_of_reach).rows
    assert [(row.bits, row.count) for row in rows] == [("1", 2)]
    assert book.counts(GetCounts(key="k", experiment=1), "odd", out_of_reach).note


def test_a_result_that_nests_without_end_is_none(journal: Journal) -> None:
    raw = b'{"results": [{"header": {"name": ' + b"[" * 5_000 + b"]" * 5_000 + b"}}]}"
    with pytest.raises(NetworkError, match="not a whole result"):
        journal.results.obtain("odd", lambda: [raw])


def test_a_lone_surrogate_in_a_result_is_a_question_mark(journal: Journal) -> None:
    book = kept(journal, header={"name": "caf\ud83d", "m\udfff": [1j]}, data={"counts": {}})
    head = book.head("k", "odd", out_of_reach)
    assert head.experiments[0].name == "caf?"


def test_a_job_holds_no_result_that_is_kept(book: ResultBook, done: ManagedJob) -> None:
    book.head("key", *of(done))
    assert done.job._result is None
    assert book.head("key", done.job.job_id(), out_of_reach).success


def test_a_damaged_copy_is_read_again_from_the_endpoint(tmp_path: Path, done: ManagedJob) -> None:
    journal = Journal("test", tmp_path, lambda title, text: None)
    ResultBook(journal.results).head("key", *of(done))
    (file,) = (tmp_path / "results-test").iterdir()
    file.write_bytes(file.read_bytes()[:-3])
    assert ResultBook(journal.results).head("key", *of(done)).source == "endpoint"
    assert ResultBook(journal.results).head("key", done.job.job_id(), out_of_reach).source == "kept"
