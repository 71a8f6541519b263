"""A service of one's own for a benchmark, and a client that costs next to nothing."""

from __future__ import annotations

import contextlib
import http.client
import json
import subprocess
import sys
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil

READY_LINE = "qtower service listening on "
PLACE = "/Network/ibm-q/Groups/open/Projects/main"
FINAL = ["COMPLETED", "CANCELLED", "ERROR_VALIDATING_JOB", "ERROR_RUNNING_JOB"]


class Served:
    """A running service."""

    def __init__(self, url: str, token: str, pid: int) -> None:
        self.url = url
        self.token = token
        self.pid = pid

    def client(self) -> Client:
        """Returns a signed-in client; each thread needs its own."""
        return Client(self.url, self.token)

    def memory(self) -> float:
        """MB that the main process holds: the simulations run in others."""
        return float(psutil.Process(self.pid).memory_info().rss / 1e6)


@contextlib.contextmanager
def served(data_dir: Path, *options: str) -> Iterator[Served]:
    """Runs `qtower serve` while inside."""
    log = (data_dir.parent / "service.log").open("ab")
    with (
        log,
        subprocess.Popen(
            [
                *(sys.executable, "-m", "qtower", "serve"),
                *("--data-dir", str(data_dir), *options),
            ],
            stdout=subprocess.PIPE,
            stderr=log,
        ) as process,
    ):
        assert process.stdout
        line = process.stdout.readline().decode()
        if not line.startswith(READY_LINE):
            raise SystemExit(f"the service did not start: {Path(log.name).read_text()[-2000:]}")
        token = (data_dir / "token").read_text().strip()
        try:
            yield Served(line.removeprefix(READY_LINE).strip(), token, process.pid)
        finally:
            process.terminate()


class Client:
    """The API over one connection."""

    def __init__(self, url: str, token: str) -> None:
        parts = urllib.parse.urlsplit(url)
        self._connection = http.client.HTTPConnection(parts.netloc, timeout=120)
        self._base = parts.path
        self._headers: dict[str, str] = {}
        self.access_token = self.ask("POST", "/users/loginWithToken", {"apiToken": token})["id"]
        self._headers = {"X-Access-Token": self.access_token}

    def ask(self, method: str, path: str, content: Any = None) -> Any:
        """Returns the answer to one call."""
        body = json.dumps(content) if content is not None else None
        return json.loads(self._send(method, self._base + path, body) or b"null")

    def create(self, tag: str) -> dict[str, Any]:
        """Creates a job on the simulator."""
        content = {"backend": {"name": "ibmq_qasm_simulator"}, "tags": [tag]}
        created: dict[str, Any] = self.ask("POST", PLACE + "/Jobs", content)
        return created

    def upload(self, job: dict[str, Any], qobj: str) -> None:
        """Puts a job's qobj."""
        address = urllib.parse.urlsplit(job["objectStorageInfo"]["uploadUrl"])
        self._send("PUT", f"{address.path}?{address.query}", qobj)

    def uploaded(self, job: dict[str, Any]) -> None:
        """Says that the qobj is there."""
        self.ask("POST", f"{PLACE}/Jobs/{job['id']}/jobDataUploaded")

    def page(self, **filters: Any) -> list[dict[str, Any]]:
        """Returns a page of jobs."""
        query = urllib.parse.urlencode({"filter": json.dumps(filters)})
        found: list[dict[str, Any]] = self.ask("GET", f"{PLACE}/Jobs/status/v/1?{query}")
        return found

    def unfinished(self, tag: str) -> bool:
        """True while a job with that tag has not ended."""
        return bool(self.page(where={"tags": tag, "status": {"nin": FINAL}}, limit=1))

    def _send(self, method: str, address: str, body: str | None) -> bytes:
        headers = {**self._headers, "Content-Type": "application/json"}
        self._connection.request(method, address, body, headers)
        answer = self._connection.getresponse()
        received = answer.read()
        if answer.status != http.client.OK:
            raise RuntimeError(f"{method} was answered with {answer.status}: {received[:300]!r}")
        return received
