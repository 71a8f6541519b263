"""The service: throughput, latency, listings of a large store, and memory over many jobs."""

from __future__ import annotations

import json
import multiprocessing
import os
import secrets
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from websockets.sync.client import connect

from benchmarks.served import Client, Served, served

TITLE = "service: against bare Aer, against a small store, against itself 1,000 jobs ago"

WORKERS = os.cpu_count() or 1
CLIENTS = 8
JOBS = 1_000
AER_SECONDS = 0.02
BELLS = 60
SMALL, LARGE, READ = 1_000, 100_000, 10_000
SOAK = 10_000 if os.environ.get("QTOWER_SOAK") == "1" else 1_500
SETTLED = 500  # jobs after which caches and thread pools are as large as they get


def run() -> Iterator[str]:
    """Runs the four measurements, each with both sides."""
    with tempfile.TemporaryDirectory() as directory:
        with served(Path(directory) / "data", "--workers", str(WORKERS)) as service:
            yield from _throughput(service)
            yield from _latency(service)
            yield from _memory(service)
        yield from _listings(Path(directory))


# -- (a) 1,000 jobs -------------------------------------------------------------------------------


def _throughput(service: Served) -> Iterator[str]:
    layers = _calibrate()
    theirs = _straight(layers)
    ours, clients = _submitted(service, layers)
    yield f"(a) {JOBS} jobs of {AER_SECONDS * 1000:.0f} ms, {CLIENTS} threads of the provider"
    yield f"    qtower   {ours:.1f} s (clients used {clients:.1f} s of processor time)"
    yield f"    rival    {theirs:.1f} s, AerSimulator in {WORKERS} warm processes"
    yield f"    ratio    {ours / theirs:.2f} (at most 2.5)"


def _circuit(layers: int) -> Any:
    """Few instructions on many amplitudes: Aer's time, and hardly any for reading it."""
    from qiskit import QuantumCircuit

    circuit = QuantumCircuit(16, 4, name="bench")
    circuit.h(range(16))
    for layer in range(layers):
        circuit.cx(layer % 16, (layer + 5) % 16)
        circuit.rx(0.1 + layer, (layer + 1) % 16)
    circuit.measure(range(4), range(4))
    return circuit


_simulator: Any = None


def _warm_up() -> None:
    global _simulator
    from qiskit_aer import AerSimulator

    _simulator = AerSimulator(max_parallel_threads=1)
    _run_straight(_circuit(1))


def _run_straight(circuit: Any) -> float:
    began = time.perf_counter()
    assert _simulator.run(circuit, shots=1000).result().success
    return time.perf_counter() - began


def _median_straight(layers: int) -> float:
    circuit = _circuit(layers)
    return statistics.median(_run_straight(circuit) for _ in range(9))


def _straight(layers: int) -> float:
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(WORKERS, context, initializer=_warm_up) as pool:
        circuits = [_circuit(layers)] * JOBS
        list(pool.map(_run_straight, circuits[: 8 * WORKERS]))
        began = time.perf_counter()
        list(pool.map(_run_straight, circuits, chunksize=10))
        return time.perf_counter() - began


def _calibrate() -> int:
    """How many layers take `AER_SECONDS`."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, context, initializer=_warm_up) as pool:
        layers = 4
        while pool.submit(_median_straight, layers).result() < AER_SECONDS:
            layers += max(1, layers // 4)
    return layers


def _submitted(service: Served, layers: int) -> tuple[float, float]:
    from qtower.config import Account
    from qtower.desk.account import log_in

    provider = log_in(Account(name="bench", url=service.url, token=service.token))
    backend = provider.get_backend("ibmq_qasm_simulator")
    circuit = _circuit(layers)
    client = service.client()
    _await(client, "warm", [backend.run(circuit, job_tags=["warm"])])
    began, used = time.perf_counter(), time.process_time()
    submit = partial(backend.run, shots=1000, job_tags=["bench"])
    with ThreadPoolExecutor(CLIENTS) as pool:
        jobs = list(pool.map(submit, [circuit] * JOBS))
    _await(client, "bench", jobs)
    seconds, used = time.perf_counter() - began, time.process_time() - used
    done = client.page(where={"tags": "bench", "status": {"neq": "COMPLETED"}}, limit=1)
    assert not done, done
    return seconds, used


def _await(client: Client, tag: str, jobs: list[Any]) -> None:
    assert jobs
    while client.unfinished(tag):
        time.sleep(0.05)


# -- (b) one Bell job -----------------------------------------------------------------------------


def _latency(service: Served) -> Iterator[str]:
    bell = json.dumps(_bell())
    client = service.client()
    ours = sorted(_one_bell(service, client, bell) for _ in range(BELLS))
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, context, initializer=_warm_up) as pool:
        theirs = pool.submit(_bell_straight).result()
    more = (statistics.median(ours) - theirs) * 1000
    yield f"(b) a Bell job from its upload to COMPLETED on an idle service, median of {BELLS}"
    yield f"    qtower   {statistics.median(ours) * 1000:.1f} ms"
    yield f"    rival    {theirs * 1000:.1f} ms, AerSimulator"
    yield f"    more     {more:.1f} ms (at most 60)"


def _bell() -> dict[str, Any]:
    from qiskit.compiler import assemble

    document: dict[str, Any] = assemble(_bell_circuit(), shots=1000).to_dict()
    return document


def _bell_circuit() -> Any:
    from qiskit import QuantumCircuit

    circuit = QuantumCircuit(2, 2, name="bell")
    circuit.h(0)
    circuit.cx(0, 1)
    circuit.measure([0, 1], [0, 1])
    return circuit


def _bell_straight() -> float:
    circuit = _bell_circuit()
    return statistics.median(_run_straight(circuit) for _ in range(BELLS))


def _one_bell(service: Served, client: Client, bell: str) -> float:
    job = client.create("bell")
    address = "ws" + service.url.removeprefix("http") + f"/jobs/{job['id']}/status/v/1"
    with connect(address, compression=None) as websocket:
        websocket.send(json.dumps({"type": "authentication", "data": client.access_token}))
        websocket.recv()
        websocket.recv()
        client.upload(job, bell)
        began = time.perf_counter()
        client.uploaded(job)
        while json.loads(websocket.recv())["data"]["status"] != "COMPLETED":
            pass
        return time.perf_counter() - began


# -- (c) pages ------------------------------------------------------------------------------------


def _listings(directory: Path) -> Iterator[str]:
    small, large = (_read_store(directory / str(size), size) for size in (SMALL, LARGE))
    yield f"(c) cost of a page of 50, a store of {LARGE:,} against one of {SMALL:,}"
    for words, ours, theirs in zip(
        (f"{READ:,} jobs", f"{SMALL:,} live ones"), large, small, strict=True
    ):
        yield f"    {words}: {ours * 1000:.2f} ms against {theirs * 1000:.2f}"
        yield f"    ratio    {ours / theirs:.2f} (at most about 1)"


def _read_store(directory: Path, size: int) -> tuple[float, float]:
    """Seconds a page of everything, newest first, and of the live jobs."""
    directory.mkdir()
    data_dir = directory / "data"
    settings = directory / "service.toml"
    # What waits must not run: the backend is somebody else's all day.
    settings.write_text(
        '[[reservations]]\nbackend = "ibmq_qasm_simulator"\nproject = "lab/other/project"\n'
        "start = 2020-01-01T00:00:00Z\nend = 2099-01-01T00:00:00Z\n"
    )
    with served(data_dir):
        pass  # makes the tables
    _fill(data_dir / "jobs.sqlite", size)
    with served(data_dir, "--config", str(settings)) as service:
        client = service.client()
        everything = _pages(client, {}, READ)
        live = _pages(client, {"status": {"inq": ["CREATING", "CREATED", "QUEUED"]}}, SMALL)
    return everything, live


def _fill(file: Path, size: int) -> None:
    """Puts jobs into a store: `SMALL` that wait, and behind them finished ones."""
    from sqlalchemy import create_engine

    from qtower.service.schema import job_tags, jobs

    now = time.time_ns() // 1000
    rows, tags = [], []
    for number in range(size):
        moment = now - (size - number) * 1_000_000
        status = "QUEUED" if number >= size - SMALL else "COMPLETED"
        job_id = f"{moment // 1_000_000:08x}{secrets.token_hex(8)}"
        rows.append(
            {
                "id": job_id,
                "user": "owner",
                "hub": "ibm-q",
                "group_name": "open",
                "project": "main",
                "backend": "ibmq_qasm_simulator",
                "name": f"job {number}",
                "tags": '["bench"]',
                "live_data_enabled": False,
                "status": status,
                "created": moment,
                "updated": moment,
                "place_in_line": moment,
                "steps": f"CREATING {moment}\n{status} {moment}\n",
                "attempts": 0,
                "has_result": status == "COMPLETED",
                "qobj_bytes": 900,
                "shots": 1024,
                "run_seconds": 0.01,
            }
        )
        tags.append({"tag": "bench", "job_id": job_id})
    engine = create_engine(f"sqlite:///{file}")
    with engine.begin() as connection:
        connection.execute(jobs.insert(), rows)
        connection.execute(job_tags.insert(), tags)
    engine.dispose()


def _pages(client: Client, where: dict[str, Any], wanted: int) -> float:
    """Seconds a page, read as the provider does: from the last one's date on."""
    took = []
    read, last = 0, None
    while read < wanted:
        found = {**where, **({"creationDate": {"lt": last}} if last else {})}
        began = time.perf_counter()
        page = client.page(order="creationDate DESC", limit=50, skip=0, where=found)
        took.append(time.perf_counter() - began)
        if not page:
            break
        read, last = read + len(page), page[-1]["creationDate"]
    assert len(took) >= SMALL // 50
    return statistics.median(took)


# -- (d) memory -----------------------------------------------------------------------------------


def _memory(service: Served) -> Iterator[str]:
    bell = json.dumps(_bell())
    _bells(service, SETTLED, bell)
    before = service.memory()
    _bells(service, SOAK, bell)
    after = service.memory()
    grown = (after - before) / SOAK * 1000
    yield f"(d) memory of the main process over {SOAK:,} jobs after {JOBS + BELLS + SETTLED:,}"
    yield f"    before   {before:.1f} MB"
    yield f"    after    {after:.1f} MB"
    yield f"    growth   {grown * 1000:.0f} kB in 1,000 jobs, {after / before:.3f} of before"


def _bells(service: Served, count: int, bell: str) -> None:
    tag = secrets.token_hex(4)
    clients = [service.client() for _ in range(CLIENTS)]
    numbers = iter(range(count))
    lock = threading.Lock()

    def submit(client: Client) -> None:
        while True:
            with lock:
                if next(numbers, None) is None:
                    return
            job = client.create(tag)
            client.upload(job, bell)
            client.uploaded(job)

    _all(clients, submit)
    while clients[0].unfinished(tag):
        time.sleep(0.1)


def _all(clients: list[Client], work: Callable[[Client], None]) -> None:
    with ThreadPoolExecutor(len(clients)) as pool:
        list(pool.map(work, clients))
