"""Jobs on a real Dask cluster on loopback: run, cancelled, lost with a worker or the scheduler."""

from __future__ import annotations

import itertools
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest
from qiskit import assemble

from qtower.errors import ServiceError
from qtower.service import payloads
from qtower.service.cluster import ClusterEngine
from qtower.service.engines import open_engine
from qtower.service.limits import Limits
from qtower.service.payloads import Payloads
from qtower.service.statuses import UNFINISHED
from tests.conftest import start_service, stop_service
from tests.service.engine_desk import Desk, bad, bell, endless, until
from tests.service.raw import Api, bell_qobj, gate, long_qobj, measure_all, qobj

SOAK = bool(os.environ.get("QTOWER_SOAK"))

pytestmark = pytest.mark.xdist_group("cluster")


@dataclass
class Cluster:
    """A scheduler and its workers, each a process of the command line that people use."""

    directory: Path
    address: str = ""
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def start_scheduler(self) -> None:
        """Starts it; the second time under the same address."""
        port = self.address.rpartition(":")[2] or "0"
        log = self._start("scheduler", "--host", "127.0.0.1", "--port", port)
        pattern = re.compile(r"Scheduler at:\s+(tcp://\S+)")
        until(lambda: pattern.search(log.read_text()) is not None, "the scheduler says where it is")
        found = pattern.search(log.read_text())
        assert found is not None
        self.address = found[1]

    def start_worker(self, name: str, threads: int = 1) -> None:
        # Without a nanny the process that we kill is the worker itself, and stays killed.
        arguments = (self.address, "--host", "127.0.0.1", "--nthreads", str(threads))
        scratch = ("--local-directory", str(self.directory), "--no-nanny")
        self._start(name, *arguments, *scratch)

    def children(self, name: str) -> list[psutil.Process]:
        return psutil.Process(self.processes[name].pid).children(recursive=True)

    def kill(self, name: str, how: int = signal.SIGKILL) -> None:
        process = self.processes.pop(name)
        process.send_signal(how)
        process.wait()

    def _start(self, name: str, *arguments: str) -> Path:
        kind = "dask_scheduler" if name == "scheduler" else "dask_worker"
        log = self.directory / f"{name}.log"
        with log.open("wb") as opened:
            self.processes[name] = subprocess.Popen(
                [sys.executable, "-m", f"distributed.cli.{kind}", "--no-dashboard", *arguments],
                stdout=opened,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                cwd=self.directory,
                env={**os.environ, "DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL": "5s"},
            )
        return log


@contextmanager
def cluster_of(directory: Path, *workers: str) -> Iterator[Cluster]:
    cluster = Cluster(directory)
    try:
        cluster.start_scheduler()
        for name in workers:
            cluster.start_worker(name)
        yield cluster
    finally:
        for name in list(cluster.processes):
            cluster.kill(name)


@contextmanager
def desk_at(
    address: str, directory: Path, workers: int = 2, limits: Limits | None = None
) -> Iterator[Desk]:
    """An engine that knows its workers: until then it takes no jobs, and its queue gives none."""
    engine = ClusterEngine(address, limits)
    try:
        until(lambda: engine.workers == workers, "the workers are known")
        yield Desk(engine, Payloads(directory / "payloads"))
    finally:
        engine.close()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Two workers of one thread each, for tests that do not harm them."""
    with cluster_of(tmp_path_factory.mktemp("dask"), "one", "two") as cluster:
        yield cluster


@pytest.fixture
def desk(shared: Cluster, tmp_path: Path) -> Iterator[Desk]:
    with desk_at(shared.address, tmp_path) as opened:
        yield opened


def gone(processes: list[psutil.Process]) -> bool:
    return not any(p.is_running() and p.status() != psutil.STATUS_ZOMBIE for p in processes)


def test_a_job_runs_and_its_result_comes_back(desk: Desk, shared: Cluster) -> None:
    job = desk.start(bell())
    outcome = job.outcome()
    assert outcome.kind == "completed"
    assert job.running.is_set()
    assert outcome.started is not None
    assert outcome.ended is not None
    assert outcome.started <= outcome.ended
    result = json.loads(payloads.read(job.result_file))
    assert result["job_id"] == job.job_id
    assert result["results"][0]["data"]["counts"].keys() == {"0x0", "0x3"}
    assert job.result_file.stat().st_mode & 0o077 == 0
    assert not list(shared.directory.rglob("*.z"))  # nothing of it stays with the worker


def test_a_failing_job_says_why(desk: Desk) -> None:
    outcome = desk.start(bad(), method="stabilizer").outcome()
    assert (outcome.kind, outcome.has_result) == ("failed", True)
    assert outcome.message
    assert outcome.code


def test_many_jobs_go_to_all_workers_and_each_ends_once(desk: Desk) -> None:
    jobs = [desk.start(bell()) for _ in range(20)]
    assert [job.outcome().kind for job in jobs] == ["completed"] * 20
    assert all(job.outcomes.empty() for job in jobs)


def test_cancelling_a_running_job_kills_its_child_and_no_other(desk: Desk, shared: Cluster) -> None:
    doomed, spared = desk.start_endless(), desk.start_endless()
    children = [*shared.children("one"), *shared.children("two")]
    desk.engine.cancel(doomed.job_id)
    assert doomed.outcome().kind == "cancelled"
    until(lambda: sum(not gone([child]) for child in children) < len(children), "its child ended")
    assert desk.start(bell()).outcome().kind == "completed"
    assert spared.outcomes.empty()
    desk.engine.cancel(spared.job_id)
    assert spared.outcome().kind == "cancelled"


def test_cancelling_at_the_start_and_too_late(desk: Desk) -> None:
    job = desk.start(endless(), shots=100_000)
    desk.engine.cancel(job.job_id)
    assert job.outcome().kind == "cancelled"
    done = desk.start(bell())
    assert done.outcome().kind == "completed"
    desk.engine.cancel(done.job_id)
    desk.engine.cancel("f" * 24)
    assert desk.start(bell()).outcome().kind == "completed"
    assert job.outcomes.empty()
    assert done.outcomes.empty()


def test_limits_hold_on_the_cluster(shared: Cluster, tmp_path: Path) -> None:
    with desk_at(shared.address, tmp_path, limits=Limits(seconds=0.5)) as limited:
        outcome = limited.start(endless(), shots=100_000).outcome()
    assert (outcome.kind, outcome.code) == ("failed", 5201)
    assert "0.5 seconds" in outcome.message


def test_a_service_that_ends_or_dies_leaves_nothing_running(
    shared: Cluster, tmp_path: Path
) -> None:
    with desk_at(shared.address, tmp_path) as closing:
        job = closing.start_endless()
        children = [*shared.children("one"), *shared.children("two")]
        closing.engine.close()
        assert job.outcome().kind == "lost"
        with pytest.raises(RuntimeError, match="closed"):
            closing.start(bell())
    until(lambda: any(gone([child]) for child in children), "its child ended")
    file = tmp_path / "qobj"
    payloads.write(file, endless_qobj())
    service = subprocess.Popen(
        [sys.executable, "-c", SERVICE, shared.address, str(file), str(tmp_path / "result")],
        stdout=subprocess.PIPE,
        text=True,
    )
    with service:
        assert service.stdout is not None
        assert service.stdout.readline() == "running\n"
        children = [*shared.children("one"), *shared.children("two")]
        service.kill()
    until(lambda: any(gone([child]) for child in children), "its child ended")


SERVICE = """
import sys, threading
from pathlib import Path
from qtower.service.cluster import ClusterEngine

engine, running = ClusterEngine(sys.argv[1]), threading.Event()
known = threading.Event()
engine.follow_workers(lambda workers: workers and known.set())
known.wait()
engine.start("a" * 24, "ibmq_qasm_simulator", Path(sys.argv[2]), Path(sys.argv[3]),
             on_running=lambda at: running.set(), on_outcome=print)
running.wait()
print("running", flush=True)
threading.Event().wait()
"""


def endless_qobj() -> bytes:
    return json.dumps(assemble(endless(), shots=100_000).to_dict()).encode()


def test_a_worker_that_is_killed_takes_its_children_along_and_its_job_is_lost(
    tmp_path: Path,
) -> None:
    with cluster_of(tmp_path, "one", "two") as cluster, desk_at(cluster.address, tmp_path) as desk:
        jobs = [desk.start_endless(), desk.start_endless()]
        children = cluster.children("one")
        cluster.kill("one")
        until(lambda: gone(children), "no child outlives its worker")
        until(lambda: any(not job.outcomes.empty() for job in jobs), "a job is lost")
        (lost,) = [job for job in jobs if not job.outcomes.empty()]
        (spared,) = [job for job in jobs if job is not lost]
        outcome = lost.outcome()
        assert (outcome.kind, outcome.blameless) == ("lost", True)
        assert "was lost" in outcome.message
        until(lambda: desk.engine.workers == 1, "one worker is left")
        assert spared.outcomes.empty()
        desk.engine.cancel(spared.job_id)
        assert spared.outcome().kind == "cancelled"
        # Dask would have run the lost one again: the worker is free, and runs the next.
        assert desk.start(bell()).outcome().kind == "completed"
        cluster.kill("two")
        until(lambda: desk.engine.workers == 0, "no worker is left")
        assert "no workers" in str(desk.engine.trouble)
        cluster.start_worker("three", threads=2)
        until(lambda: desk.engine.workers == 2, "a worker came")
        assert desk.engine.trouble is None
        assert desk.start(bell()).outcome().kind == "completed"


def test_without_a_scheduler_jobs_wait_and_it_comes_back(tmp_path: Path) -> None:
    with cluster_of(tmp_path, "one") as cluster, desk_at(cluster.address, tmp_path, 1) as desk:
        running = desk.start_endless()
        cluster.kill("scheduler")
        outcome = running.outcome()
        assert (outcome.kind, outcome.blameless) == ("lost", True)
        until(lambda: "jobs wait" in str(desk.engine.trouble), "it says that jobs wait")
        assert desk.engine.workers == 0
        early = desk.start(bell()).outcome()
        assert (early.kind, early.blameless, early.started) == ("lost", True, None)
        cluster.processes["one"].wait(30)  # so do Dask's workers: they are started again
        cluster.start_scheduler()
        cluster.start_worker("one")
        until(lambda: desk.engine.workers == 1, "the worker is known again")
        assert desk.start(bell()).outcome().kind == "completed"


@contextmanager
def service_at(address: str, directory: Path, *options: str) -> Iterator[Api]:
    endpoint = start_service(directory, "--scheduler", address, *options)
    api = Api(endpoint.url, endpoint.token)
    try:
        yield api
    finally:
        api.close()
        stop_service(endpoint)


def once(directory: Path) -> tuple[str, str]:
    """A service whose jobs may run once, if it is for them that a run does not end well."""
    config = directory / "service.toml"
    config.write_text("[queue]\nmax-attempts = 1\n")
    return "--config", str(config)


def test_no_job_is_lost_with_a_worker_or_the_scheduler(tmp_path: Path) -> None:
    with (
        cluster_of(tmp_path, "one", "two") as cluster,
        service_at(cluster.address, tmp_path, *once(tmp_path)) as api,
    ):
        running = [api.submit(long_qobj()) for _ in range(2)]
        waiting = [api.submit(bell_qobj()) for _ in range(12)]
        for job_id in running:
            api.wait(job_id, "RUNNING")
        cluster.kill("one")
        until(lambda: "QUEUED" in map(api.status, running), "the lost job is back in the line")
        cluster.kill("scheduler")
        until(lambda: set(map(api.status, running)) == {"QUEUED"}, "so are both")
        assert {api.status(job_id) for job_id in waiting} == {"QUEUED"}
        cluster.start_scheduler()
        cluster.start_worker("three", threads=2)
        for job_id in running:
            api.wait(job_id, "RUNNING")
            assert api.cancel(job_id) == {"cancelled": True}
        for job_id in waiting:
            assert api.wait(job_id)["status"] == "COMPLETED"
            counts = api.result(job_id)["results"][0]["data"]["counts"]
            assert counts.keys() <= {"0x0", "0x3"}
            assert sum(counts.values()) == 100
        assert {api.status(job_id) for job_id in running} == {"CANCELLED"}


@pytest.mark.skipif(not SOAK, reason="takes minutes: QTOWER_SOAK=1")
@pytest.mark.timeout(1800)
def test_a_thousand_jobs_survive_workers_and_schedulers_that_come_and_go(tmp_path: Path) -> None:
    names = (f"worker-{number}" for number in itertools.count())
    crew: deque[str] = deque()

    def recruit(cluster: Cluster) -> None:
        name = next(names)
        cluster.start_worker(name)
        crew.append(name)

    with (
        cluster_of(tmp_path) as cluster,
        service_at(cluster.address, tmp_path, *once(tmp_path)) as api,
    ):
        recruit(cluster)
        recruit(cluster)
        jobs = [api.submit(slow_qobj()) for _ in range(1000)]
        for accident in itertools.count(1):
            time.sleep(random.uniform(5, 15))  # a worker takes 5 s until its first result
            if accident % 5:
                cluster.kill(crew.popleft())
            else:
                cluster.kill("scheduler", random.choice((signal.SIGKILL, signal.SIGTERM)))
                time.sleep(random.uniform(0, 3))
                cluster.start_scheduler()
                cluster.kill(crew.popleft())
                cluster.kill(crew.popleft())
                recruit(cluster)
            recruit(cluster)
            counts = api.http.get("/service/status").json()["jobs"]
            print(f"accident {accident}: {counts}")
            if not counts.keys() & set(UNFINISHED):
                break
        found = [api.job(job_id) for job_id in jobs]
        assert {job["status"] for job in found} == {"COMPLETED"}
        for job_id in jobs:
            assert sum(api.result(job_id)["results"][0]["data"]["counts"].values()) == 20


def slow_qobj() -> dict[str, Any]:
    """Some hundredths of a second of work."""
    layer = [gate(name, [qubit]) for qubit in range(14) for name in ("h", "t", "reset")]
    return qobj(14, [*layer, *measure_all(14)], 20, "slow")


def test_only_the_death_of_its_own_process_is_an_attempt_of_a_job(tmp_path: Path) -> None:
    with (
        cluster_of(tmp_path, "one") as cluster,
        service_at(cluster.address, tmp_path, *once(tmp_path)) as api,
    ):
        job_id = api.submit(long_qobj())
        for name in ("two", "three"):
            api.wait(job_id, "RUNNING")
            cluster.kill(next(iter(cluster.processes.keys() - {"scheduler"})))
            api.wait(job_id, "QUEUED")
            cluster.start_worker(name)
        api.wait(job_id, "RUNNING")
        busiest = max(cluster.children("three"), key=lambda child: sum(child.cpu_times()[:2]))
        busiest.kill()
        job = api.wait(job_id)
        assert job["status"] == "ERROR_RUNNING_JOB"
        assert "was killed from outside" in job["error"]["message"]


def test_a_service_starts_without_its_scheduler_and_says_so(tmp_path: Path) -> None:
    with cluster_of(tmp_path) as cluster:
        cluster.kill("scheduler")
        with service_at(cluster.address, tmp_path) as api:
            log = tmp_path / "service.log"
            until(lambda: "cannot be reached; jobs wait" in log.read_text(), "the log says so")
            report = api.http.get("/service/status").json()
            assert report["workers"] == 0
            assert "cannot be reached; jobs wait" in report["trouble"]
            assert cluster.address in report["trouble"]
            root = api.url.removesuffix("/api")
            answer = api.http.get(root + "/health")
            assert (answer.status_code, answer.json()["status"]) == (200, "degraded")
            assert "cannot be reached; jobs wait. Start it" in answer.json()["reason"]
            assert cluster.address not in answer.json()["reason"]
            assert "qtower_able 0.0" in api.http.get(root + "/metrics").text
            job_id = api.submit(bell_qobj())
            api.wait(job_id, "QUEUED")
            cluster.start_scheduler()
            until(lambda: "no workers" in api.http.get(root + "/health").text, "health says so")
            cluster.start_worker("one")
            assert api.wait(job_id)["status"] == "COMPLETED"
            assert api.http.get(root + "/health").json() == {"status": "ok"}
            assert "qtower_able 1.0" in api.http.get(root + "/metrics").text
            assert "1 workers with 1 threads" in log.read_text()


@pytest.mark.parametrize("address", ["localhost:8786", "tcp://", "http://host:1", "tcp://host"])
def test_an_address_that_is_none_is_refused(address: str) -> None:
    with pytest.raises(ServiceError, match="not the address"):
        ClusterEngine(address)


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "qtower.service.cluster")
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ServiceError, match="distributed is not installed"):
        open_engine(1, Limits(), "tcp://127.0.0.1:8786")


def test_a_service_on_one_machine_does_not_load_dask() -> None:
    code = "import sys, qtower.service.server; print('dask' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout == "False\n"
