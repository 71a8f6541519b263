"""How the service grows over many jobs, once its caches and threads are as many as they get."""

from __future__ import annotations

import json
import os
import secrets
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from benchmarks.figures import Figure
from benchmarks.served import Client, Served

CLIENTS = 8
SETTLED = 2_000  # jobs after which caches and threads are as many as they get
MEASURED = 10_000 if os.environ.get("QTOWER_SOAK") == "1" else 3_000
_MOST = 1.05  # what the allocator gains and loses by chance, in pieces of a megabyte


def grow(service: Served, qobj: dict[str, Any]) -> Iterator[Figure]:
    """Measures the main process's memory before and after many quick jobs."""
    text = json.dumps(qobj)
    run_jobs(service, SETTLED, text)
    before = service.memory()
    run_jobs(service, MEASURED, text)
    after = service.memory()
    yield Figure(
        what=f"memory of the main process after {MEASURED:,} more jobs",
        value=after,
        unit="MB",
        rival=f"itself after {SETTLED:,}",
        rival_value=before,
        at_most_ratio=_MOST,
    )
    yield Figure(
        what="growth of the main process in 1,000 jobs",
        value=(after - before) * 1000 / MEASURED * 1000,
        unit="kB",
    )


def run_jobs(service: Served, count: int, qobj: str) -> None:
    """Submits so many jobs from several threads, and waits for all of them to end."""
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
            client.upload(job, qobj)
            client.uploaded(job)

    with ThreadPoolExecutor(CLIENTS) as pool:
        list(pool.map(submit, clients))
    while clients[0].unfinished(tag):
        time.sleep(0.1)
