"""Fills an account's journal, or a service's store, with jobs to try things on.

    python -m benchmarks.fill --journal 100000 --service 10000

Both lie where HOME and the XDG variables say, so set these to a directory of your own. What has
jobs already is not touched. The jobs are the same in both, as far as both have them.

Of the jobs that have not ended, the service has the qobjs. It runs them once it is started, unless
their backends are held: `qtower serve --data-dir DIRECTORY --config DIRECTORY/held.toml`, as this
prints it, reserves every backend for somebody else, and the queue stands.
"""

from __future__ import annotations

import argparse
import sqlite3
import time
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.invented import BACKENDS, Invented, invent
from qtower import paths
from qtower.config import LOCAL
from qtower.desk.journal import Journal
from qtower.desk.kept_results import safe_name
from qtower.model import Status
from qtower.service import payloads
from qtower.service.access import SOLE_USER
from qtower.service.payloads import Payloads
from qtower.service.schema import job_tags, jobs
from qtower.service.store import Store

_BATCH = 5000
_PLACE = ("ibm-q", "open", "main")
_ENDED = {
    Status.DONE: "COMPLETED",
    Status.ERROR: "ERROR_RUNNING_JOB",
    Status.CANCELLED: "CANCELLED",
}
_ERROR_CODE = 7006


def main() -> None:
    """Reads the command line and fills what it says."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--journal", type=int, metavar="N", help="jobs for the account's journal")
    parser.add_argument("--service", type=int, metavar="N", help="jobs for the service's store")
    parser.add_argument("--account", default=LOCAL, help="whose journal (default: %(default)s)")
    parser.add_argument("--data-dir", type=Path, help="of the service (default: the local one's)")
    parser.add_argument("--live", type=int, help="jobs that have not ended (default: 1 %%)")
    parser.add_argument("--results", type=int, default=100, help="with a result (default: 100)")
    asked = parser.parse_args()
    if not (asked.journal or asked.service):
        parser.error("say --journal N, --service N, or both")
    most = max(asked.journal or 0, asked.service or 0)
    invented = invent(most, most // 100 if asked.live is None else asked.live, time.time())
    if asked.service:
        directory = asked.data_dir or paths.data_dir()
        fill_service(directory, invented[: asked.service], results=asked.results)
        print(f"{asked.service} jobs in {directory}; {directory / 'held.toml'} holds the queue")
    if asked.journal:
        file = fill_journal(paths.state_dir(), asked.account, invented[: asked.journal])
        print(f"{asked.journal} jobs in {file}")


def fill_journal(state_dir: Path, account: str, invented: list[Invented]) -> Path:
    """Puts jobs into an account's journal and returns its file; ends if it has jobs already."""
    file = paths.private_dir(state_dir) / f"journal-{safe_name(account)}.db"
    if file.exists() and _count(file):
        raise SystemExit(f"{file} has jobs already: it is not touched")
    told: list[str] = []
    journal = Journal(account, state_dir, lambda title, text: told.append(f"{title}: {text}"))
    for first in range(0, len(invented), _BATCH):
        journal.save([job.row for job in invented[first : first + _BATCH]])
        journal.flush()
    if told:
        raise SystemExit("\n".join(told))
    return file


def fill_service(data_dir: Path, invented: list[Invented], *, results: int = 100) -> None:
    """Puts jobs into a service's store; ends if it has jobs already, or if the service runs.

    Those that have not ended get their qobj, the newest `results` of those that are DONE both
    their payloads; of all others they were removed for their age.
    """
    file = paths.private_dir(data_dir) / "jobs.sqlite"
    store = Store(file)  # makes the tables, and refuses while a service uses them
    try:
        if any(store.counts().values()):
            raise SystemExit(f"{file} has jobs already: it is not touched")
    finally:
        store.close()
    done = [job.row.job_id for job in invented if job.row.status is Status.DONE]
    _write_jobs(file, invented, set(done[:results]))
    _write_payloads(Payloads(data_dir / "payloads"), invented, set(done[:results]))
    held = "".join(
        f'[[reservations]]\nbackend = "{backend}"\nproject = "somebody/else/altogether"\n'
        "start = 2020-01-01T00:00:00Z\nend = 2099-01-01T00:00:00Z\n\n"
        for backend in BACKENDS
    )
    (data_dir / "held.toml").write_text(held)


def _count(file: Path) -> int:
    with sqlite3.connect(file) as connection:
        found: tuple[int] = connection.execute("SELECT count(*) FROM jobs").fetchone()
    connection.close()
    return found[0]


def _write_jobs(file: Path, invented: list[Invented], with_payloads: set[str]) -> None:
    from sqlalchemy import create_engine

    engine = create_engine(f"sqlite:///{file}")
    oldest_first = invented[::-1]
    try:
        for first in range(0, len(oldest_first), _BATCH):
            batch = oldest_first[first : first + _BATCH]
            with engine.begin() as connection:
                records = [_record(job, job.row.job_id in with_payloads) for job in batch]
                connection.execute(jobs.insert(), records)
                tags = [
                    {"tag": tag, "job_id": job.row.job_id} for job in batch for tag in job.all_tags
                ]
                if tags:
                    connection.execute(job_tags.insert(), tags)
    finally:
        engine.dispose()


def _record(job: Invented, has_payloads: bool) -> dict[str, Any]:
    row = job.row
    final = row.status.final
    created = int((row.created or 0.0) * 1e6)
    ended = int((row.since or 0.0) * 1e6)
    ran = int((row.run_seconds or 1.0) * 1e6)
    queued = created + 400_000
    # What ran when the service ended runs again: in a store at rest, it waits.
    status = _ENDED[row.status] if final else "QUEUED"
    steps = [("CREATING", created), ("CREATED", created + 200_000)]
    steps += [("VALIDATING", created + 300_000), ("QUEUED", queued)]
    if final:
        steps += [("RUNNING", max(ended - ran, queued + 1)), (status, ended)]
    failed = row.status is Status.ERROR
    hub, group, project = _PLACE
    return {
        "id": row.job_id,
        "user": SOLE_USER,
        "hub": hub,
        "group_name": group,
        "project": project,
        "backend": row.backend,
        "name": row.name or None,
        "tags": msgspec.json.encode(job.all_tags).decode(),
        "live_data_enabled": False,
        "status": status,
        "created": created,
        "updated": ended if final else queued,
        "place_in_line": created + 200_000,
        "steps": "".join(f"{step} {at}\n" for step, at in steps),
        "attempts": 1 if final else 0,
        "run_seconds": row.run_seconds,
        "qobj_bytes": 900,
        "has_result": row.status is Status.DONE,
        "shots": row.shots,
        "summary": _summary(job),
        "error_message": row.error.partition(". Error code")[0] if failed else None,
        "error_code": _ERROR_CODE if failed else None,
        "payloads_removed": ended + 1 if final and not has_payloads else None,
    }


def _summary(job: Invented) -> str:
    config = {
        "type": "QASM",
        "shots": job.row.shots,
        "memory": False,
        "n_qubits": 2,
        "num_experiments": len(job.experiments),
    }
    summary = {
        "partial_validation": False,
        "num_circuits": len(job.experiments),
        "max_qubits_used": 2,
        "experiment_names": job.experiments[:3],
        "qobj_config": config,
    }
    return msgspec.json.encode(summary).decode()


def _write_payloads(folder: Payloads, invented: list[Invented], with_result: set[str]) -> None:
    for job in invented:
        job_id = job.row.job_id
        if job_id in with_result:
            payloads.write(folder.result_file(job_id), msgspec.json.encode(_result(job)))
        if job_id in with_result or not job.row.status.final:
            payloads.write(folder.qobj_file(job_id), msgspec.json.encode(_qobj(job)))


def _header(name: str) -> dict[str, Any]:
    return {
        "name": name,
        "n_qubits": 2,
        "memory_slots": 2,
        "qreg_sizes": [["q", 2]],
        "creg_sizes": [["c", 2]],
        "qubit_labels": [["q", 0], ["q", 1]],
        "clbit_labels": [["c", 0], ["c", 1]],
        "global_phase": 0.0,
        "metadata": {},
    }


def _qobj(job: Invented) -> dict[str, Any]:
    """A Bell pair in gates that every backend has."""
    half = 1.5707963267948966
    instructions = [
        {"name": "rz", "qubits": [0], "params": [half]},
        {"name": "sx", "qubits": [0]},
        {"name": "rz", "qubits": [0], "params": [half]},
        {"name": "cx", "qubits": [0, 1]},
        {"name": "measure", "qubits": [0], "memory": [0]},
        {"name": "measure", "qubits": [1], "memory": [1]},
    ]
    return {
        "qobj_id": job.row.job_id,
        "type": "QASM",
        "schema_version": "1.3.0",
        "header": {"backend_name": job.row.backend, "backend_version": "1.0.0"},
        "config": {"shots": job.row.shots, "memory": False, "memory_slots": 2, "n_qubits": 2},
        "experiments": [
            {
                "header": _header(name),
                "config": {"n_qubits": 2, "memory_slots": 2},
                "instructions": instructions,
            }
            for name in job.experiments
        ],
    }


def _result(job: Invented) -> dict[str, Any]:
    shots = job.row.shots or 1024
    counts = {"0x0": shots // 2, "0x3": shots - shots // 2}
    return {
        "backend_name": job.row.backend,
        "backend_version": "1.0.0",
        "qobj_id": job.row.job_id,
        "job_id": job.row.job_id,
        "success": True,
        "status": "COMPLETED",
        "date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(job.row.since)),
        "time_taken": job.row.run_seconds or 0.01,
        "header": {"backend_name": job.row.backend, "backend_version": "1.0.0"},
        "results": [
            {
                "shots": shots,
                "success": True,
                "status": "DONE",
                "meas_level": 2,
                "data": {"counts": counts},
                "header": _header(name),
            }
            for name in job.experiments
        ],
    }


if __name__ == "__main__":
    main()
