"""How the service ends and begins again: nothing is lost, nothing is left behind."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil
import pytest
from websockets.sync.client import connect

from tests.conftest import Endpoint, start_service, stop_service
from tests.service.raw import Api, bell_qobj, long_qobj, until


@contextmanager
def running(directory: Path, *options: str) -> Iterator[tuple[Endpoint, Api]]:
    """A service of our own, and its user."""
    endpoint = start_service(directory, *(options or ("--workers", "1")))
    api = Api(endpoint.url, endpoint.token)
    try:
        yield endpoint, api
    finally:
        api.close()
        if endpoint.process.poll() is None:
            stop_service(endpoint)
        elif endpoint.process.stdout:
            endpoint.process.stdout.close()


def children(endpoint: Endpoint) -> list[psutil.Process]:
    return psutil.Process(endpoint.process.pid).children(recursive=True)


def all_gone(processes: list[psutil.Process]) -> bool:
    return not any(p.is_running() and p.status() != psutil.STATUS_ZOMBIE for p in processes)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_jobs_survive_a_restart(tmp_path: Path, number: signal.Signals) -> None:
    with running(tmp_path) as (endpoint, api):
        done = api.wait(api.submit(bell_qobj(), name="done"))
        active = api.submit(long_qobj(), name="active")
        api.wait(active, "RUNNING")
        waiting = api.submit(bell_qobj(), name="waiting")
        open_job = api.create(name="open")
        api.wait(waiting, "QUEUED")
        workers = children(endpoint)
        assert workers
        endpoint.process.send_signal(number)
        endpoint.process.wait(3)
        until(lambda: all_gone(workers), seconds=5)
    with running(tmp_path) as (endpoint, again):
        assert again.job(done["id"]) == done
        assert again.result(done["id"])["success"] is True
        assert again.status(open_job["id"]) == "CREATING"
        # who was signed in still is
        headers = {"X-Access-Token": api.access_token}
        assert httpx.get(endpoint.url + "/users/me", headers=headers).status_code == 200
        # the client goes on with the upload it had begun, under the new port
        url = open_job["objectStorageInfo"]["uploadUrl"].replace(api.url, endpoint.url)
        assert httpx.put(url, content=json.dumps(bell_qobj()).encode()).status_code == 200
        assert again.post(f"/Jobs/{open_job['id']}/jobDataUploaded").status_code == 200
        again.wait(active, "RUNNING")
        assert again.status(waiting) == "QUEUED"
        assert again.cancel(active) == {"cancelled": True}
        assert again.wait(waiting)["status"] == "COMPLETED"
        assert again.wait(open_job["id"])["status"] == "COMPLETED"


def test_a_job_that_runs_whenever_the_service_dies_is_given_up(tmp_path: Path) -> None:
    job_id = ""
    for _ in range(3):
        with running(tmp_path) as (endpoint, api):
            job_id = job_id or api.submit(long_qobj())
            api.wait(job_id, "RUNNING")
            endpoint.process.kill()
            endpoint.process.wait(3)
    with running(tmp_path) as (_, api):
        job = api.wait(job_id)
        assert job["status"] == "ERROR_RUNNING_JOB"
        assert "3 times" in job["error"]["message"]


def test_a_worker_that_dies_does_not_take_its_job_with_it(tmp_path: Path) -> None:
    with running(tmp_path) as (endpoint, api):
        job_id = api.submit(long_qobj())
        first = api.wait(job_id, "RUNNING")["timePerStep"]["RUNNING"]
        for worker in children(endpoint):
            worker.kill()
        until(lambda: api.job(job_id)["timePerStep"]["RUNNING"] > first)
        assert api.cancel(job_id) == {"cancelled": True}
        assert api.wait(api.submit(bell_qobj()))["status"] == "COMPLETED"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_open_connections_do_not_hold_up_the_end(tmp_path: Path, number: signal.Signals) -> None:
    with running(tmp_path) as (endpoint, api):
        job_id = api.submit(long_qobj())
        api.wait(job_id, "RUNNING")
        workers = children(endpoint)
        url = f"ws{endpoint.url.removeprefix('http')}/jobs/{job_id}/status/v/1"
        address = ("127.0.0.1", httpx.URL(endpoint.url).port or 0)
        with connect(url) as following, connect(url), socket.create_connection(address) as half:
            half.sendall(b"POST /api/users/loginWithToken HTTP/1.1\r\nContent-Length: 9\r\n\r\n{")
            following.send(json.dumps({"type": "authentication", "data": api.access_token}))
            assert json.loads(following.recv(timeout=10)) == {"type": "authenticated"}
            endpoint.process.send_signal(number)
            assert endpoint.process.wait(3) == 0
        assert all_gone(workers)


def test_a_second_service_on_the_same_data_is_refused(tmp_path: Path) -> None:
    with running(tmp_path) as (_, api):
        second = serve(tmp_path, "--data-dir", str(tmp_path / "data"))
        assert second.returncode == 1
        assert "Another qtower service" in second.stderr
        assert "Traceback" not in second.stderr
        assert api.http.get("/version").status_code == 200


def test_a_token_that_others_can_read_is_refused(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("secret-of-mine")
    token.chmod(0o644)
    refused = serve(tmp_path, "--data-dir", str(tmp_path / "d"), "--token-file", str(token))
    assert refused.returncode == 1
    assert "others can read it" in refused.stderr
    assert "secret-of-mine" not in refused.stderr


def test_files_are_private_and_another_token_signs_everybody_out(tmp_path: Path) -> None:
    with running(tmp_path) as (_, api):
        api.submit(bell_qobj())
    secrets = [tmp_path / "token", *(tmp_path / "data").glob("signing-key")]
    assert len(secrets) == 2
    assert all(file.stat().st_mode & 0o077 == 0 for file in [*secrets, tmp_path / "data"])
    (tmp_path / "token").write_text("another-token")
    with running(tmp_path) as (endpoint, _):
        headers = {"X-Access-Token": api.access_token}
        assert httpx.get(endpoint.url + "/users/me", headers=headers).status_code == 401


def test_a_port_in_use_is_refused_in_a_sentence(tmp_path: Path) -> None:
    with running(tmp_path) as (endpoint, _):
        port = httpx.URL(endpoint.url).port
        refused = serve(tmp_path, "--data-dir", str(tmp_path / "other"), "--port", str(port))
        assert refused.returncode == 1
        assert f"port {port}" in refused.stderr
        assert "Traceback" not in refused.stderr


def test_it_ends_by_itself_when_idle_and_not_before(tmp_path: Path) -> None:
    with running(tmp_path, "--workers", "1", "--idle-seconds", "1") as (endpoint, api):
        job_id = api.submit(long_qobj())
        api.wait(job_id, "RUNNING")
        with pytest.raises(subprocess.TimeoutExpired):
            endpoint.process.wait(2)  # a job is unfinished
        assert api.cancel(job_id) == {"cancelled": True}
        assert endpoint.process.wait(10) == 0


def serve(directory: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Starts a service that is expected to refuse."""
    return subprocess.run(
        [sys.executable, "-m", "qtower", "serve", *options],
        capture_output=True,
        text=True,
        timeout=30,
        cwd=directory,
        env={**os.environ, "HOME": str(directory)},
        check=False,
    )
