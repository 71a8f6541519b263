"""The sample set, run for real: what each circuit is known for, one failure, one cancel."""

from __future__ import annotations

import math
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from qiskit import qpy
from qiskit.providers.jobstatus import JobStatus

from qtower.desk import samples
from qtower.desk.circuit_files import read_files
from qtower.desk.journal import Journal
from qtower.desk.submission import Submission
from qtower.errors import SubmissionError
from tests.desk.conftest import wait_until
from tests.desk.submitting import AdoptingRegistry
from tools.samples import DATA, generated

FAILS, LONG = "T gate (fails)", "Monitored (long)"


@pytest.fixture(scope="module")
def jobs(simulator: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """The managed jobs of one submission of the samples, by their rows' labels."""
    registry = AdoptingRegistry(retrieve=lambda job_id: None)
    journal = Journal("samples", tmp_path_factory.mktemp("samples"), lambda title, text: None)
    submission = Submission(registry, journal.intents, announce=lambda changes: None)
    sent = submission.send(samples.prepared(simulator), simulator)
    managed = registry.adopted[sent.set_id]
    labels = [registry.row(key).label for key in sent.keys]
    by_label = dict(zip(labels, managed.managed_jobs(), strict=True))
    wait_until(lambda: all(job.future.done() for job in by_label.values()))
    yield by_label
    by_label[LONG].cancel()


def counts(job: Any, experiment: int = 0) -> dict[str, int]:
    wait_until(lambda: job.status() in (JobStatus.DONE, JobStatus.ERROR, JobStatus.CANCELLED))
    found: dict[str, int] = job.result().get_counts(experiment)
    return found


def test_every_row_is_labelled_by_its_sample_and_the_long_one_comes_last(
    jobs: dict[str, Any],
) -> None:
    assert list(jobs) == [sample.name for sample in samples.SAMPLES]
    assert list(jobs)[-1] == LONG
    assert len(jobs) >= 12


@pytest.mark.parametrize(
    ("label", "outcomes"),
    [
        ("Bell", {"00", "11"}),
        ("GHZ-5", {"00000", "11111"}),
        ("QFT-4", {"0000", "0100", "1000", "1100"}),
        ("Bernstein-Vazirani", {"10110"}),
        ("Deutsch-Jozsa", {"111"}),
        ("W state", {"001", "010", "100"}),
        ("Phase estimation", {"001"}),
        ("Simon", {"000", "001", "110", "111"}),
        ("Superdense coding", {"10"}),
        ("Teleportation", {"0 0 0", "0 0 1", "0 1 0", "0 1 1"}),
        ("Bit-flip code", {"111 11"}),
    ],
)
def test_outcomes_are_those_of_the_textbook_equally_often(
    label: str, outcomes: set[str], jobs: dict[str, Any]
) -> None:
    found = counts(jobs[label])
    assert set(found) == outcomes
    assert sum(found.values()) == 1024
    # Five standard deviations of a binomial distribution.
    share = 1 / len(outcomes)
    spread = 5 * math.sqrt(1024 * share * (1 - share)) + 1
    assert all(abs(count - 1024 * share) <= spread for count in found.values())


def test_grover_finds_the_marked_entry(jobs: dict[str, Any]) -> None:
    assert counts(jobs["Grover-3"])["101"] > 900  # 0.945 of 1,024 are expected


def test_the_bell_inequality_is_violated(jobs: dict[str, Any]) -> None:
    def correlation(experiment: int) -> float:
        found = counts(jobs["CHSH"], experiment)
        equal = found.get("00", 0) + found.get("11", 0)
        return 2 * equal / sum(found.values()) - 1

    ab, ab2, a2b, a2b2 = (correlation(experiment) for experiment in range(4))
    assert 2.6 < ab - ab2 + a2b + a2b2 < 3.05  # 2 sqrt(2), and classically at most 2


def test_the_ansatz_follows_the_square_of_the_cosine(jobs: dict[str, Any]) -> None:
    for step in range(13):
        share = counts(jobs["Ansatz sweep"], step).get("01", 0) / 1024
        assert abs(share - math.cos(step * math.pi / 12) ** 2) < 0.08


def test_the_failing_sample_fails_while_running(jobs: dict[str, Any]) -> None:
    job = jobs[FAILS]
    wait_until(lambda: job.status() is JobStatus.ERROR)
    assert "Experiment 1: " in job.error_message()
    partial = job.result(partial=True)
    assert [result.success for result in partial.results] == [True, False]


def test_the_long_sample_is_cancelled_while_it_runs(jobs: dict[str, Any]) -> None:
    job = jobs[LONG]
    wait_until(lambda: job.status() is JobStatus.RUNNING)
    job.cancel()
    wait_until(lambda: job.status() is JobStatus.CANCELLED, seconds=20)


def test_the_files_are_in_every_format_the_package_ships(jobs: dict[str, Any]) -> None:
    data = resources.files(samples) / "data"
    reports = read_files([str(data / sample.file) for sample in samples.SAMPLES])
    assert [report.problem for report in reports] == [""] * len(reports)
    formats = {report.format for report in reports}
    assert formats == {"OpenQASM 2", "OpenQASM 3", "QPY", "QASM qobj"}
    unused = {file.name for file in DATA.iterdir()} - {sample.file for sample in samples.SAMPLES}
    assert unused == set()


def test_generated_files_are_current(tmp_path: Path) -> None:
    for name, content in generated():
        if name.endswith(".qpy"):  # its header names the version of Qiskit that wrote it
            (tmp_path / name).write_bytes(content)
            with (tmp_path / name).open("rb") as made, (DATA / name).open("rb") as kept:
                assert qpy.load(made) == qpy.load(kept)
        else:
            assert (DATA / name).read_bytes() == content, f"run: python tools/samples.py ({name})"


def test_the_samples_go_to_the_simulator_and_nowhere_else(provider: Any, device: Any) -> None:
    assert samples.choose_backend(provider.backends()).name() == "ibmq_qasm_simulator"
    other = SimpleNamespace(
        name=lambda: "other", configuration=lambda: SimpleNamespace(simulator=True)
    )
    assert samples.choose_backend([device, other]) is other
    with pytest.raises(SubmissionError, match="no simulator"):
        samples.choose_backend([device])
    with pytest.raises(SubmissionError, match="no simulator"):
        samples.prepared(device)
