"""Everything that can be done from the screen can be scripted."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from tests.cli.conftest import CommandLine

BELL = """OPENQASM 2.0;
include "qelib1.inc";
qreg q[2];
creg c[2];
h q[0];
cx q[0], q[1];
measure q -> c;
"""

# Measurement in mid-circuit makes Aer simulate shot by shot: minutes for 100,000 of them.
LONG = """OPENQASM 2.0;
include "qelib1.inc";
qreg q[14];
creg c[14];
""" + "".join(
    f"h q[{qubit}];\ncx q[{qubit}], q[{(qubit + 1) % 14}];\nmeasure q[{qubit}] -> c[{qubit}];\n"
    f"if (c == {qubit}) x q[{qubit}];\n"
    for _ in range(20)
    for qubit in range(14)
)


@pytest.fixture(scope="module")
def bell(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("files") / "bell.qasm"
    file.write_text(BELL)
    return file


def test_submit_wait_and_read_the_counts(qtower: CommandLine, bell: Path) -> None:
    run = qtower(
        "submit", bell, "--shots", "500", "--name", "pair", "--tag", "demo", "--wait", "--json"
    )
    assert run.returncode == 0, run.stderr
    (row,) = json.loads(run.stdout)
    assert row["status"] == "DONE"
    assert row["tags"] == ["demo"]
    assert row["shots"] == 500

    result = qtower("result", row["job_id"], "--json")
    assert result.returncode == 0, result.stderr
    (experiment,) = json.loads(result.stdout)["experiments"]
    assert set(experiment["counts"]) == {"00", "11"}
    assert sum(experiment["counts"].values()) == 500

    by_name = qtower("result", "pair")
    assert by_name.returncode == 0, by_name.stderr
    assert "00" in by_name.stdout and "%" in by_name.stdout

    listed = qtower("list", "--json")
    assert row["job_id"] in {each["job_id"] for each in json.loads(listed.stdout)}
    table = qtower("list")
    assert table.stdout.startswith("STATUS")
    assert row["job_id"] in table.stdout

    late = qtower("cancel", row["job_id"])
    assert late.returncode == 1
    assert late.stdout.startswith(row["job_id"]) and "too late" in late.stdout

    not_failed = qtower("error", row["job_id"])
    assert not_failed.returncode == 1
    assert "Traceback" not in not_failed.stderr
    assert len(not_failed.stderr.strip().splitlines()) == 1


def test_cancel_ends_a_running_job(qtower: CommandLine, tmp_path: Path) -> None:
    file = tmp_path / "long.qasm"
    file.write_text(LONG)
    submitted = qtower("submit", file, "--shots", "100000", "--json")
    assert submitted.returncode == 0, submitted.stderr
    (row,) = json.loads(submitted.stdout)
    assert row["status"] in ("INITIALIZING", "VALIDATING", "QUEUED", "RUNNING")

    cancelled = qtower("cancel", row["job_id"])
    assert cancelled.returncode == 0, cancelled.stdout + cancelled.stderr
    again = qtower("cancel", row["job_id"])
    assert (again.returncode, "cancelled before" in again.stdout) == (0, True)
    (now,) = [
        each
        for each in json.loads(qtower("list", "--json").stdout)
        if each["job_id"] == row["job_id"]
    ]
    assert now["status"] == "CANCELLED"


def test_wait_ends_with_3_when_a_job_was_cancelled(qtower: CommandLine, tmp_path: Path) -> None:
    file = tmp_path / "long.qasm"
    file.write_text(LONG)
    waiting = qtower.start("submit", file, "--shots", "100000", "--name", "to-cancel", "--wait")
    deadline = time.monotonic() + 90
    while qtower("cancel", "to-cancel").returncode != 0:
        assert time.monotonic() < deadline
    _, err = waiting.communicate(timeout=60)
    assert waiting.returncode == 3, err


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["submit"], 2, "Missing argument"),
        (["submit", "no-such-file.qasm"], 1, "no-such-file.qasm"),
        (["submit", "BELL", "--shots", "0"], 2, "--shots"),
        (["submit", "BELL", "--shots", "100000000"], 1, "shots"),
        (["submit", "BELL", "--backend", "ibmq_nowhere"], 1, "ibmq_nowhere"),
        (["submit", "."], 1, ".: It is a directory"),
        (["serve", "--check", "--scheduler", "nowhere"], 2, "'--scheduler'"),
        (["cancel", "no-such-job"], 1, "There is no job"),
        (["result", "no-such-job"], 1, "There is no job"),
        (["list", "--account", "nobody"], 1, "There is no account"),
        (["fly"], 2, "No such command"),
    ],
)
def test_bad_input_gets_one_sentence(
    qtower: CommandLine, bell: Path, arguments: list[str], code: int, sentence: str
) -> None:
    run = qtower(*(str(bell) if word == "BELL" else word for word in arguments))
    assert run.returncode == code, run.stderr
    assert sentence in run.stderr
    assert "Traceback" not in run.stderr


@pytest.mark.parametrize(
    "group", [[], ["unsent"], ["service"], ["service", "token"], ["account"]], ids=" ".join
)
def test_what_each_command_does_is_said_in_a_line_that_fits(
    qtower: CommandLine, group: list[str]
) -> None:
    shown = qtower(*group, "--help").stdout.partition("Commands:\n")[2].splitlines()
    assert len(shown) > 1
    assert not [line for line in shown if line.endswith("...")]
