"""What tests of the desk share: a login with the real provider, a journal, and waiting for jobs."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from qiskit.providers.jobstatus import JOB_FINAL_STATES

from qtower.config import Account
from qtower.desk import bulletin, cadence, poller, reading_back
from qtower.desk.account import log_in
from qtower.desk.journal import Journal
from qtower.desk.setbacks import Setback, Setbacks
from qtower.errors import QtowerError
from qtower.model import Link
from tests.conftest import Endpoint

CIRCUITS = Path(__file__).parents[1] / "circuits"


@pytest.fixture(scope="session")
def provider(service: Endpoint) -> Any:
    """The real provider, logged in to the real service."""
    return log_in(Account(name="test", url=service.url, token=service.token))


@pytest.fixture(scope="session")
def simulator(provider: Any) -> Any:
    return provider.get_backend("ibmq_qasm_simulator")


@pytest.fixture(scope="session")
def device(provider: Any) -> Any:
    """Five qubits in a row, with noise."""
    return provider.get_backend("ibmq_bogota")


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal("test", tmp_path, lambda title, text: None)


@pytest.fixture
def lab_file(tmp_path: Path) -> Path:
    """Where the journal of the account "lab" lies, when it is opened in `tmp_path`."""
    return tmp_path / "journal-lab.db"


@pytest.fixture
def when_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Journals that are in memory try their files again when the test asks for it."""
    from tests.desk.outages import only_when_asked  # which uses what stands here

    only_when_asked(monkeypatch)


@pytest.fixture(autouse=True)
def quiet_provider() -> Iterator[None]:
    """The provider warns of what it deprecates and of what a ManagedJob swallows."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """A desk that does after a tenth of the time what it does else after a second.

    For tests that go through many of its rounds and failures. Its times are those of test_cadence.
    """
    at = cadence.LOCAL
    names = ("busy", "idle", "told", "new", "soon", "screen")
    sooner = replace(at, **{name: getattr(at, name) / 10 for name in names})
    monkeypatch.setattr(cadence, "LOCAL", sooner)
    for module, name in (
        (cadence, "_USUAL_SECONDS"),
        (poller, "_TICK"),
        (reading_back, "_AGAIN_SECONDS"),
        (bulletin, "_CONFIRM_SECONDS"),
    ):
        monkeypatch.setattr(module, name, getattr(module, name) / 10)
    said = Setbacks._setback

    def setback(link: Link, error: QtowerError, pause: float) -> Setback:
        return replace(said(link, error, pause), pause=pause / 10)

    monkeypatch.setattr(Setbacks, "_setback", staticmethod(setback))


def wait_until(condition: Callable[[], Any], seconds: float = 60) -> Any:
    """Returns the condition's value once it is true, and fails after `seconds`."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)
    return value


def wait_for_end(managed_jobs: list[Any]) -> list[str]:
    """Waits until all jobs were submitted and ended; returns the names of their statuses."""
    wait_until(lambda: all(job.future is None or job.future.done() for job in managed_jobs))
    unfinished = [job for job in managed_jobs if job.submit_error is None]
    wait_until(lambda: all(job.status() in JOB_FINAL_STATES for job in unfinished))
    return [job.status().name for job in managed_jobs if job.submit_error is None]
