"""Results are here before anybody asks for them, and where they can be read once, that was it."""

from __future__ import annotations

import contextlib
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace
from qiskit.providers.ibmq.job.exceptions import IBMQJobApiError
from qiskit.providers.jobstatus import JOB_FINAL_STATES

from qtower import model
from qtower.config import Keeping
from qtower.errors import ReadBeforeError
from qtower.model import GetCounts, GetResult, Status
from tests.conftest import Endpoint, start_service, stop_service
from tests.desk.accounts import account_of, bells, open_desk, provider_of
from tests.faults import kinds
from tests.faults.proxy import Exchange, Fault, Proxy, pass_on

READ_ONCE = '[backends.ibmq_qasm_simulator]\ndevice = "simulator"\nread-once = true\n'


@pytest.fixture
def read_once(tmp_path: Path) -> Iterator[Endpoint]:
    settings = tmp_path / "service.toml"
    settings.write_text(READ_ONCE)
    endpoint = start_service(tmp_path / "own", "--workers", "1", "--config", str(settings))
    yield endpoint
    stop_service(endpoint)


def test_a_result_that_can_be_read_once_is_saved_by_itself(
    read_once: Endpoint, tmp_path: Path
) -> None:
    state = tmp_path / "state"
    backend = provider_of(read_once).get_backend("ibmq_qasm_simulator")
    with open_desk(lambda: account_of(read_once), state, Keeping()) as (desk, ear):
        desk.wait_ready(60)
        job = backend.run(bells(2), shots=300)
        key = job.job_id()
        ear.until(lambda: key in ear.rows and ear.rows[key].saved)
        assert ear.rows[key].status is Status.DONE
        with pytest.raises(IBMQJobApiError, match="2801"):
            job.result()
        assert desk.answer(GetResult(key=key)).source == "kept"
        assert desk.answer(GetCounts(key=key, experiment=1)).total == 300
    with open_desk(lambda: account_of(read_once), state) as (_, ear):
        assert ear.rows[key].saved, "the journal remembers"
    (tmp_path / "state" / "results-test" / key).unlink()
    with open_desk(lambda: account_of(read_once), state) as (_, ear):
        assert not ear.rows[key].saved


@pytest.mark.parametrize("circuits", ["bell.json", "one-bad.json"])
def test_a_result_that_another_program_read_first_is_not_blamed_on_the_network(
    read_once: Endpoint, tmp_path: Path, circuits: str
) -> None:
    from qtower.desk.circuit_files import load
    from tests.desk.conftest import CIRCUITS, wait_until
    from tests.desk.submitting import submit

    backend = provider_of(read_once).get_backend("ibmq_qasm_simulator")
    managed = submit(load(CIRCUITS / circuits).qobj, backend)
    wait_until(lambda: managed.status() in JOB_FINAL_STATES)
    managed.job.result(partial=True)
    key = managed.job.job_id()
    with open_desk(lambda: account_of(read_once), tmp_path / "state") as (desk, ear):
        desk.wait_ready(60)
        ear.until(lambda: key in ear.rows)
        with pytest.raises(ReadBeforeError, match="gives out the result of this job once"):
            desk.answer(GetResult(key=key))


def test_a_failed_job_that_is_explained_keeps_what_it_has(
    read_once: Endpoint, tmp_path: Path
) -> None:
    from qtower.desk.circuit_files import load
    from tests.desk.conftest import CIRCUITS, wait_until
    from tests.desk.submitting import submit

    backend = provider_of(read_once).get_backend("ibmq_qasm_simulator")
    managed = submit(load(CIRCUITS / "one-bad.json").qobj, backend)
    wait_until(lambda: managed.status().name == "ERROR")
    key = managed.job.job_id()
    with open_desk(lambda: account_of(read_once), tmp_path / "state", Keeping()) as (desk, ear):
        desk.wait_ready(60)
        report = desk.answer(model.GetError(key=key))
        assert [each.index for each in report.experiments] == [1]
        head = desk.answer(GetResult(key=key))
        assert [each.success for each in head.experiments] == [True, False]
        assert ear.rows[key].saved


def test_what_is_too_long_is_left_for_who_asks(service: Endpoint, tmp_path: Path) -> None:
    backend = provider_of(service).get_backend("ibmq_qasm_simulator")
    with open_desk(lambda: account_of(service), tmp_path, Keeping(largest_result_mb=1)) as (
        desk,
        ear,
    ):
        desk.wait_ready(60)
        long = backend.run(bells(3), shots=100_000, memory=True).job_id()
        ear.until(lambda: long in ear.rows and ear.rows[long].status is Status.DONE)
        short = backend.run(bells(), shots=10).job_id()
        ear.until(lambda: short in ear.rows and ear.rows[short].saved)
        assert not ear.rows[long].saved, "it came first, and was passed over"
        assert desk.answer(GetResult(key=long)).experiments[0].memory == 100_000
        ear.until(lambda: ear.rows[long].saved)


def test_a_result_that_was_not_read_in_time_is_made_up_for(
    service: Endpoint, tmp_path: Path
) -> None:
    state = tmp_path / "state"
    backend = provider_of(service).get_backend("ibmq_qasm_simulator")
    # A command sees the job end, and keeps no results; or an agent is killed before it could.
    with open_desk(lambda: account_of(service), state) as (desk, ear):
        desk.wait_ready(60)
        key = backend.run(bells(1), shots=10).job_id()
        ear.until(lambda: key in ear.rows and ear.rows[key].status is Status.DONE)
    with open_desk(lambda: account_of(service), state, Keeping()) as (_, ear):
        ear.until(lambda: ear.rows[key].saved)


@pytest.fixture(scope="module")
def unshared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    """A service whose jobs are this module's: every result of it is read, and meets a fault."""
    endpoint = start_service(tmp_path_factory.mktemp("unshared"), "--workers", "1")
    yield endpoint
    stop_service(endpoint)


@pytest.mark.parametrize("fault", [kinds.truncated, kinds.html_page, kinds.broken_off])
def test_a_result_that_comes_cut_off_is_read_again_and_only_then_acknowledged(
    unshared: Endpoint, tmp_path: Path, fault: Fault
) -> None:
    seen: dict[str, list[str]] = defaultdict(list)  # by job
    others: set[str] = set()  # whose results come first, each failure of one after a pause

    def meet(exchange: Exchange) -> None:
        acknowledged = re.search(r"/(\w+)/resultDownloaded", exchange.path)
        read = re.search(r"/storage/(\w+)/result", exchange.path)
        if acknowledged:
            seen[acknowledged[1]].append("acknowledged")
        if read:
            seen[read[1]].append("read")
            if len(seen[read[1]]) <= 2 and read[1] not in others:
                fault(exchange)
                return
        pass_on(exchange)

    proxy = Proxy(unshared.url, meet)
    backend = provider_of(unshared).get_backend("ibmq_qasm_simulator")
    others |= {job.job_id() for job in backend.jobs(limit=1000)}
    account = replace(account_of(unshared), url=proxy.url)
    with contextlib.closing(proxy), open_desk(lambda: account, tmp_path, Keeping()) as (desk, ear):
        desk.wait_ready(60)
        key = backend.run(bells(2), shots=300).job_id()
        ear.until(lambda: key in ear.rows and ear.rows[key].saved)
        assert seen[key] == ["read", "read", "read", "acknowledged"]
        assert desk.answer(GetCounts(key=key, experiment=1)).total == 300
