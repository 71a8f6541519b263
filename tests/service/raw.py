"""The API as bytes on the wire: no client library between the test and the service."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any, TypeVar

import httpx

PLACE = "/Network/ibm-q/Groups/open/Projects/main"
FINAL = ("COMPLETED", "CANCELLED", "ERROR_VALIDATING_JOB", "ERROR_RUNNING_JOB")

_Found = TypeVar("_Found")


def until(look: Callable[[], _Found], seconds: float = 30) -> _Found:
    """Returns what `look` finds as soon as it finds something."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := look():
            return found
        time.sleep(0.02)
    raise AssertionError("it did not come to pass")


def bell_qobj(shots: int = 100) -> dict[str, Any]:
    """A Bell pair on two qubits."""
    return qobj(2, [gate("h", [0]), gate("cx", [0, 1]), *measure_all(2)], shots, "bell")


def long_qobj() -> dict[str, Any]:
    """Minutes of work: every shot is simulated by itself, because of the resets."""
    layer = [gate(name, [qubit]) for qubit in range(14) for name in ("h", "t", "reset")]
    return qobj(14, [*layer * 20, *measure_all(14)], 100_000, "long")


def failing_qobj() -> dict[str, Any]:
    """Valid, as far as the check goes, and unknown to the simulator."""
    return qobj(2, [gate("no_such_gate", [0]), *measure_all(2)], 100, "failing")


def gate(name: str, qubits: list[int]) -> dict[str, Any]:
    return {"name": name, "qubits": qubits}


def measure_all(qubits: int) -> list[dict[str, Any]]:
    return [{"name": "measure", "qubits": [q], "memory": [q]} for q in range(qubits)]


def qobj(qubits: int, instructions: list[dict[str, Any]], shots: int, name: str) -> dict[str, Any]:
    header = {
        "name": name,
        "n_qubits": qubits,
        "memory_slots": qubits,
        "qreg_sizes": [["q", qubits]],
        "creg_sizes": [["c", qubits]],
        "qubit_labels": [["q", i] for i in range(qubits)],
        "clbit_labels": [["c", i] for i in range(qubits)],
    }
    config = {"n_qubits": qubits, "memory_slots": qubits}
    return {
        "qobj_id": "test",
        "type": "QASM",
        "schema_version": "1.3.0",
        "header": {},
        "config": {**config, "shots": shots, "memory": False},
        "experiments": [{"header": header, "config": config, "instructions": instructions}],
    }


class Api:
    """One signed-in user of a running service."""

    def __init__(self, url: str, token: str, place: str = PLACE) -> None:
        self.url = url
        self.place = place
        self.http = httpx.Client(base_url=url, timeout=60)
        self.access_token = self.http.post(
            "/users/loginWithToken", json={"apiToken": token}
        ).json()["id"]
        self.http.headers["X-Access-Token"] = self.access_token

    def close(self) -> None:
        self.http.close()

    def get(self, path: str, **options: Any) -> httpx.Response:
        return self.http.get(self.place + path, **options)

    def post(self, path: str, **options: Any) -> httpx.Response:
        return self.http.post(self.place + path, **options)

    def create(self, **fields: Any) -> dict[str, Any]:
        content = {"backend": {"name": "ibmq_qasm_simulator"}, "allowObjectStorage": True}
        answer = self.post("/Jobs", json={**content, **fields})
        assert answer.status_code == 200, answer.text
        created: dict[str, Any] = answer.json()
        return created

    def upload(self, job: dict[str, Any], content: bytes) -> httpx.Response:
        return self.http.put(job["objectStorageInfo"]["uploadUrl"], content=content)

    def submit(self, content: dict[str, Any] | bytes, **fields: Any) -> str:
        """Submits a qobj as the client does; returns the job's id."""
        job = self.create(**fields)
        raw = content if isinstance(content, bytes) else json.dumps(content).encode()
        assert self.upload(job, raw).status_code == 200
        answer = self.post(f"/Jobs/{job['id']}/jobDataUploaded")
        assert answer.status_code == 200, answer.text
        assert "error" not in answer.json()["job"]
        return str(job["id"])

    def job(self, job_id: str) -> dict[str, Any]:
        found: dict[str, Any] = self.get(f"/Jobs/{job_id}/v/1").json()
        return found

    def status(self, job_id: str) -> str:
        return str(self.get(f"/Jobs/{job_id}/status/v/1").json()["status"])

    def cancel(self, job_id: str) -> dict[str, Any]:
        answer: dict[str, Any] = self.post(f"/Jobs/{job_id}/cancel").json()
        return answer

    def wait(self, job_id: str, *wanted: str) -> dict[str, Any]:
        """Waits until the job has one of the statuses, by default a final one; returns it."""
        until(lambda: self.status(job_id) in (wanted or FINAL), seconds=60)
        return self.job(job_id)

    def wait_in_line(self, job_id: str) -> dict[str, Any]:
        """Waits until the job has a place in the line; returns its status document.

        It is QUEUED, and stored so, a moment before it is given one.
        """

        def look() -> list[dict[str, Any]]:
            document = self.get(f"/Jobs/{job_id}/status/v/1").json()
            return [document] if document.get("infoQueue") else []

        return until(look)[0]

    def result(self, job_id: str) -> dict[str, Any]:
        url = self.get(f"/Jobs/{job_id}/resultDownloadUrl").json()["url"]
        result: dict[str, Any] = self.http.get(url).json()
        return result

    def list(self, **filters: Any) -> list[dict[str, Any]]:
        answer = self.get("/Jobs/status/v/1", params={"filter": json.dumps(filters)})
        assert answer.status_code == 200, answer.text
        found: list[dict[str, Any]] = answer.json()
        return found
