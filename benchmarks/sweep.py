"""Sweep: the state of live jobs by pages against one status request a job."""

from __future__ import annotations

import contextlib
import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from qtower.config import Account
from qtower.desk.account import log_in
from qtower.desk.pages import JobPages
from qtower.service import local

JOBS = 200
RUNS = 3
TITLE = f"sweep: state of {JOBS} live jobs, pages vs. `ManagedJobSet.statuses()`"


def run() -> Iterator[str]:
    """Fills a service of its own with jobs that wait, and reads them both ways, in turn."""
    with _own_service() as account:
        provider = log_in(account)
        job_set = _fill(provider)
        ours, theirs = [], []
        for _ in range(RUNS):
            ours.append(_measure(provider, lambda: _read_pages(provider)))
            theirs.append(_measure(provider, job_set.statuses))
    seconds = min(took for took, _ in ours) / min(took for took, _ in theirs)
    yield f"qtower   {min(took for took, _ in ours):.3f} s, {ours[0][1]} requests"
    yield f"rival    {min(took for took, _ in theirs):.3f} s, {theirs[0][1]} requests"
    yield f"ratio    {seconds:.3f} of the time, {ours[0][1] / theirs[0][1]:.3f} of the requests"


@contextlib.contextmanager
def _own_service() -> Iterator[Account]:
    with tempfile.TemporaryDirectory() as directory:
        home = Path(directory)
        (home / "run").mkdir(mode=0o700)
        os.environ.update(
            HOME=directory,
            XDG_STATE_HOME=str(home / "state"),
            XDG_DATA_HOME=str(home / "data"),
            XDG_RUNTIME_DIR=str(home / "run"),
        )
        service = local.ensure_running()
        try:
            yield Account(name="bench", url=service.url, token=service.token)
        finally:
            local.stop()


def _fill(provider: Any) -> Any:
    """One job in each worker that outlasts the measurement, and `JOBS` more behind them."""
    from qiskit import QuantumCircuit
    from qiskit.providers.ibmq.managed import IBMQJobManager

    backend = provider.get_backend("ibmq_qasm_simulator")
    long = QuantumCircuit(16, 16, name="long")
    for step in range(400):
        long.h(step % 16)
        long.cx(step % 16, (step + 1) % 16)
        long.measure(step % 16, step % 16)
        long.x(step % 16).c_if(step % 16, 1)
    for _ in range(os.cpu_count() or 1):
        backend.run(long, shots=100_000)
    bell = QuantumCircuit(2, 2, name="bell")
    bell.h(0)
    bell.cx(0, 1)
    bell.measure([0, 1], [0, 1])
    job_set = IBMQJobManager().run([bell] * JOBS, backend, max_experiments_per_job=1)
    job_set.jobs()  # waits until all are submitted
    return job_set


def _read_pages(provider: Any) -> None:
    found = sum(len(page) for page in JobPages(provider).active())
    assert found >= JOBS, found


def _measure(provider: Any, read: Callable[[], Any]) -> tuple[float, int]:
    """Seconds and requests that `read` takes."""
    session = provider._api_client._session
    send, lock, requests = session.send, threading.Lock(), [0]

    def counted(*arguments: Any, **options: Any) -> Any:
        with lock:
            requests[0] += 1
        return send(*arguments, **options)

    session.send = counted
    try:
        began = time.perf_counter()
        read()
        return time.perf_counter() - began, requests[0]
    finally:
        session.send = send
