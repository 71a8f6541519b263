"""Why a job failed: in the provider's words, in full."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from qiskit import QuantumCircuit, assemble
from qiskit.providers.ibmq.exceptions import IBMQBackendApiError
from qiskit.providers.ibmq.managed.managedjob import ManagedJob

from qtower.desk.circuit_files import load
from qtower.desk.kept_results import KeptResults
from qtower.desk.reports import error_report
from qtower.desk.results import ResultBook
from qtower.errors import JobStateError
from qtower.model import ErrorReport, GetError, JobRow, Status
from tests.desk.accounts import open_desk
from tests.desk.conftest import CIRCUITS
from tests.desk.hostile import Reply, Request, hostile, job, jobs
from tests.desk.submitting import run, submit, two_registers


def report_of(known: JobRow, managed_job: ManagedJob | None) -> ErrorReport:
    """The report, with results that are kept nowhere."""
    results = ResultBook(KeptResults(None))
    return error_report(
        known,
        managed_job,
        lambda failed: results.failures(failed.job.job_id(), lambda: failed),
    )


def row(status: Status, **fields: Any) -> JobRow:
    return JobRow(key="key", status=status, **fields)


def test_experiments_that_failed_are_listed(simulator: Any) -> None:
    job = run(load(CIRCUITS / "one-bad.json").qobj, simulator)
    report = report_of(row(Status.ERROR), job)
    assert (report.key, report.status) == ("key", Status.ERROR)
    assert report.message == job.error_message()
    assert report.message.startswith("The following experiments failed:\nExperiment 1: ERROR")
    ((index, name, message),) = [(e.index, e.name, e.message) for e in report.experiments]
    assert (index, name) == (1, "bad")
    assert message in report.message and "stabilizer" in message
    assert report.summary == "The following experiments failed:", "the list says the rest"


def test_a_job_that_was_refused_whole_has_a_message_and_code(device: Any) -> None:
    circuit = QuantumCircuit(1, 1)
    circuit.h(0)
    circuit.measure(0, 0)
    job = run(assemble(circuit, shots=10), device)
    report = report_of(row(Status.ERROR), job)
    assert "Instruction not in basis gates" in report.message
    assert "Error code: 7000." in report.message
    assert report.experiments == []


def test_a_row_that_is_behind_does_not_hide_the_error(device: Any) -> None:
    circuit = QuantumCircuit(1, 1)
    circuit.h(0)
    circuit.measure(0, 0)
    job = run(assemble(circuit, shots=10), device)
    report = report_of(row(Status.RUNNING), job)
    assert report.status is Status.ERROR and report.message


def test_a_submission_that_failed_has_its_own_error() -> None:
    job = ManagedJob(0, 1)
    job.submit_error = IBMQBackendApiError("Error submitting job: first line\nand the second")
    report = report_of(row(Status.SUBMIT_FAILED, error="first line"), job)
    assert report.status is Status.SUBMIT_FAILED
    assert report.submit_error == "Error submitting job: first line\nand the second"
    # After a restart, or while offline, the row is all there is.
    report = report_of(row(Status.SUBMIT_FAILED, error="first line"), None)
    assert report.submit_error == "first line"


def test_offline_the_row_remembers() -> None:
    report = report_of(row(Status.ERROR, error="what was known"), None)
    assert report.message == "what was known"


def test_a_job_that_did_not_fail_is_no_error(simulator: Any) -> None:
    done = run([two_registers()], simulator, shots=10)
    with pytest.raises(JobStateError, match="has not failed: it is DONE"):
        report_of(row(Status.DONE), done)
    with pytest.raises(JobStateError, match="it is CANCELLED"):
        report_of(row(Status.CANCELLED), None)


def test_a_running_job_is_not_waited_for(simulator: Any) -> None:
    long = submit(load(CIRCUITS / "long.json").qobj, simulator)
    try:
        with pytest.raises(JobStateError, match="has not failed"):
            report_of(row(Status.RUNNING), long)
    finally:
        long.cancel()


def test_an_endpoint_that_does_not_say_why_leaves_what_the_row_remembers(tmp_path: Path) -> None:
    documents = [job(1, status="ERROR_RUNNING_JOB", error={"message": "too hot", "code": 7})]

    def mode(request: Request) -> Reply | None:
        if request.path.endswith(f"/Jobs/{job(1)['id']}/v/1"):
            return Reply(documents[0])
        if "resultDownloadUrl" in request.path:
            return Reply({"address": "of another API"})
        return jobs(documents)(request)

    with (
        hostile(mode) as server,
        open_desk(lambda: server.account, tmp_path) as (desk, ear),
    ):
        desk.wait_ready(30)
        (key,) = ear.rows
        assert desk.error(GetError(key=key)).message == "too hot. Error code: 7."
