"""The service: throughput, latency, listings of a large store, and memory over many jobs."""

from __future__ import annotations

import json
import multiprocessing
import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from websockets.sync.client import connect

from benchmarks.figures import Figure
from benchmarks.served import Client, Served, served
from benchmarks.soak import CLIENTS, grow
from benchmarks.store_pages import compare

TITLE = "service: against bare Aer, against a small store, against itself thousands of jobs ago"

WORKERS = os.cpu_count() or 1
JOBS = 1_000
AER_SECONDS = 0.02
BELLS = 60


def run() -> Iterator[Figure]:
    """Runs the four measurements, each with both sides."""
    with tempfile.TemporaryDirectory() as directory:
        data_dir = Path(directory) / "data"
        with served(data_dir, "--port", "0", "--workers", str(WORKERS)) as service:
            yield _throughput(service)
            yield _latency(service)
            yield from grow(service, _bell())
        yield from compare(Path(directory))


# -- (a) 1,000 jobs -------------------------------------------------------------------------------


def _throughput(service: Served) -> Figure:
    layers = _calibrate()
    theirs = _straight(layers)
    ours = _submitted(service, layers)
    return Figure(
        what=f"{JOBS:,} jobs of {AER_SECONDS * 1000:.0f} ms, {CLIENTS} threads of the provider",
        value=ours,
        unit="s",
        rival=f"AerSimulator in {WORKERS} warm processes",
        rival_value=theirs,
        at_most_ratio=2.5,
    )


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


def _submitted(service: Served, layers: int) -> float:
    from qtower.config import Account
    from qtower.desk.account import log_in

    provider = log_in(Account(name="bench", url=service.url, token=service.token))
    backend = provider.get_backend("ibmq_qasm_simulator")
    circuit = _circuit(layers)
    client = service.client()
    _await(client, "warm", [backend.run(circuit, job_tags=["warm"])])
    began = time.perf_counter()
    submit = partial(backend.run, shots=1000, job_tags=["bench"])
    with ThreadPoolExecutor(CLIENTS) as pool:
        jobs = list(pool.map(submit, [circuit] * JOBS))
    _await(client, "bench", jobs)
    seconds = time.perf_counter() - began
    done = client.page(where={"tags": "bench", "status": {"neq": "COMPLETED"}}, limit=1)
    assert not done, done
    return seconds


def _await(client: Client, tag: str, jobs: list[Any]) -> None:
    assert jobs
    while client.unfinished(tag):
        time.sleep(0.05)


# -- (b) one Bell job -----------------------------------------------------------------------------


def _latency(service: Served) -> Figure:
    bell = json.dumps(_bell())
    client = service.client()
    ours = statistics.median(_one_bell(service, client, bell) for _ in range(BELLS))
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, context, initializer=_warm_up) as pool:
        theirs = pool.submit(_bell_straight).result()
    return Figure(
        what=f"a Bell job from its upload to COMPLETED, on an idle service, median of {BELLS}",
        value=ours * 1000,
        unit="ms",
        rival="AerSimulator",
        rival_value=theirs * 1000,
        at_most=theirs * 1000 + 60,
    )


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
