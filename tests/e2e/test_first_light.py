"""From `make run` to counts on screen: one user, one terminal, nothing prepared."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.conftest import home_environment
from tests.e2e.terminal import Terminal

ROOT = Path(__file__).parents[2]

# The environment that runs this test is the one `make run` would use; make is told not to rebuild
# it under our feet.
MAKE_RUN = ["make", "-s", "run", f"VENV={sys.prefix}", "-o", f"{sys.prefix}/.ready"]

OLD_PROGRAM = """
import sys
from qiskit import IBMQ, QuantumCircuit
from qiskit.providers.ibmq.managed import IBMQJobManager

provider = IBMQ.enable_account(sys.argv[1], sys.argv[2])
backend = provider.get_backend("ibmq_qasm_simulator")
bell = QuantumCircuit(2, 2)
bell.h(0)
bell.cx(0, 1)
bell.measure([0, 1], [0, 1])
manager = IBMQJobManager()
jobs = manager.run([bell] * 4, backend=backend, name="old-program", max_experiments_per_job=2)
results = jobs.results()
assert set(results.get_counts(3)) == {"00", "11"}, results.get_counts(3)
assert jobs.error_messages() is None
assert len(jobs.statuses()) == 2
again = IBMQJobManager().retrieve_job_set(jobs.job_set_id(), provider)
seen = []
again.jobs()[0].wait_for_final_state(callback=lambda *arguments, **more: seen.append(arguments))
print("OLD PROGRAM DONE")
"""


@pytest.fixture
def environment(tmp_path: Path) -> Iterator[dict[str, str]]:
    """A new user; whatever of theirs still runs in the end is stopped and reported."""
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    surroundings = home_environment(home)
    yield surroundings
    stop = [sys.executable, "-m", "qtower", "service", "stop"]
    subprocess.run(stop, env=surroundings, capture_output=True, timeout=30)
    left = [process for process in psutil.process_iter() if lives_in(process, home)]
    for process in left:
        process.kill()
    assert not left, f"still running: {left}"


def lives_in(process: psutil.Process, home: Path) -> bool:
    try:
        return process.environ().get("HOME") == str(home)
    except psutil.Error:
        return False


def terminal(environment: dict[str, str], columns: int = 80, rows: int = 24) -> Terminal:
    return Terminal(MAKE_RUN, directory=ROOT, environment=environment, columns=columns, rows=rows)


def filtered(tower: Terminal, words: str) -> None:
    """Narrows the list to the jobs that match `words`."""
    tower.press("/", words, "enter")


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_from_make_run_to_counts_on_screen(environment: dict[str, str]) -> None:
    with terminal(environment) as tower:
        tower.wait_for(lambda text: "live" in text and re.search(r"\bd\b", text) is not None)
        tower.press("d")
        tower.wait_for("Bell")
        filtered(tower, "bell")
        tower.wait_for("DONE", 120)
        tower.press("j", "r")
        tower.wait_for(lambda text: bool(re.search(r"\b00 ", text) and re.search(r"\b11 ", text)))
        assert not re.search(r"^\s*(01|10)\s+\d", tower.text, re.M)
        tower.press("escape", "escape")
        tower.press("q")
        assert tower.wait_for_end() == 0

    # The same jobs are there at once, before the provider is loaded.
    with terminal(environment, 160, 48) as tower:
        tower.wait_for("Bell", 20)
        filtered(tower, "long")
        tower.wait_for("RUNNING", 120)
        tower.press("j", "c")
        tower.wait_for(lambda text: "No" in text and "ancel" in text)
        tower.press("y")
        tower.wait_for("CANCELLED", 30)
        tower.press("escape")
        filtered(tower, "fails")
        tower.wait_for("ERROR", 120)
        tower.press("j", "e")
        tower.wait_for("The following experiments failed", 30)
        tower.press("escape", "escape", "q")
        assert tower.wait_for_end() == 0


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_jobs_of_an_old_program_appear_as_a_set(
    environment: dict[str, str], tmp_path: Path
) -> None:
    with terminal(environment, 160, 48) as tower:
        tower.wait_for("live", 60)
        token, url = local_endpoint(environment)
        program = tmp_path / "old_program.py"
        program.write_text(OLD_PROGRAM)
        run = subprocess.run(
            [sys.executable, str(program), token, url],
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert "OLD PROGRAM DONE" in run.stdout, run.stderr
        tower.wait_for("old-program", 10)
        tower.press("q")
        assert tower.wait_for_end() == 0


def local_endpoint(environment: dict[str, str]) -> tuple[str, str]:
    """Token and address as `qtower service status` prints them."""
    script = (
        "from qtower.service import local; service = local.ensure_running();"
        "print(service.token, service.url)"
    )
    run = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True
    )
    token, url = run.stdout.split()
    return token, url
