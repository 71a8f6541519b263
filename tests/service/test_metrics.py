"""What Prometheus and the person who looks after the service are told."""

from __future__ import annotations

import re
import shutil
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from qtower.service.health import size_of
from tests.conftest import Endpoint, start_service, stop_service
from tests.service.raw import Api, bell_qobj, failing_qobj, until


def root(endpoint: Endpoint) -> str:
    return endpoint.url.removesuffix("/api")


def scrape(endpoint: Endpoint, **headers: str) -> dict[str, float]:
    answer = httpx.get(root(endpoint) + "/metrics", headers=headers)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/plain")
    lines = [line for line in answer.text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Endpoint]:
    """One that nobody has asked for anything, or that is harmed."""
    endpoint = start_service(tmp_path, "--workers", "1")
    yield endpoint
    stop_service(endpoint)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    """For tests that count nothing, and leave it as it was."""
    endpoint = start_service(tmp_path_factory.mktemp("whole"), "--workers", "1")
    yield endpoint
    stop_service(endpoint)


def test_jobs_runs_and_failures_are_counted(own: Endpoint) -> None:
    api = Api(own.url, own.token)
    api.wait(api.submit(bell_qobj()))
    api.wait(api.submit(failing_qobj()))
    api.wait(api.submit(b"no qobj"))
    found = scrape(own)
    assert found['qtower_jobs{status="COMPLETED"}'] == 1
    assert found['qtower_jobs{status="ERROR_RUNNING_JOB"}'] == 1
    assert found['qtower_job_changes_total{status="ERROR_VALIDATING_JOB"}'] == 1
    assert found['qtower_run_seconds_count{outcome="completed"}'] == 1
    assert found['qtower_run_seconds_count{outcome="failed"}'] == 1
    assert found['qtower_queue_length{backend="ibmq_qasm_simulator"}'] == 0
    assert found["qtower_workers"] == 1
    assert found["qtower_healthy"] == 1
    api.close()


def test_requests_are_timed_by_template_and_never_by_path(whole: Endpoint) -> None:
    api = Api(whole.url, whole.token)
    job_id = api.submit(bell_qobj())
    api.wait(job_id)
    api.http.get(whole.url + "/no/such/path")
    api.http.request("BREW", whole.url + "/version")
    text = httpx.get(root(whole) + "/metrics").text
    assert job_id not in text
    assert "/no/such/path" not in text
    assert "BREW" not in text
    routes = set(re.findall(r'route="([^"]+)"', text))
    assert "/api/Network/{hub}/Groups/{group}/Projects/{project}/Jobs/{job_id}/v/1" in routes
    assert "/api/storage/{job_id}/qobj" in routes
    assert "none" in routes
    api.close()


def test_health_is_ok_while_everything_works(whole: Endpoint) -> None:
    answer = httpx.get(root(whole) + "/health")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


def test_health_says_that_the_database_is_gone(own: Endpoint) -> None:
    with sqlite3.connect(own.data_dir / "data" / "jobs.sqlite") as database:
        database.execute("ALTER TABLE jobs RENAME TO lost")
    answer = httpx.get(root(own) + "/health")
    assert answer.status_code == 503
    assert answer.json()["status"] == "failing"
    assert "database" in answer.json()["reason"]


@pytest.mark.parametrize("replaced", [False, True])
def test_health_says_that_the_file_of_the_database_went(whole: Endpoint, replaced: bool) -> None:
    """All connections still work, on a file that nobody will find at the next start."""
    file = whole.data_dir / "data" / "jobs.sqlite"
    file.rename(file.with_suffix(".away"))
    if replaced:
        shutil.copy(file.with_suffix(".away"), file)
    answer = httpx.get(root(whole) + "/health")
    assert answer.status_code == 503
    assert "file was removed or replaced" in answer.json()["reason"]
    file.with_suffix(".away").replace(file)
    assert httpx.get(root(whole) + "/health").status_code == 200


def test_status_tells_the_one_user_what_the_service_does(own: Endpoint) -> None:
    api = Api(own.url, own.token)
    api.wait(api.submit(bell_qobj()))
    document = api.http.get("/service/status").json()
    assert document["jobs"] == {"COMPLETED": 1}
    assert document["workers"] == 1
    assert document["queue"] == {}
    assert document["data_bytes"] > 1000
    assert httpx.get(own.url + "/service/status").status_code == 401
    api.close()


def test_a_token_closes_the_metrics(tmp_path: Path) -> None:
    token_file = tmp_path / "metrics-token"
    token_file.write_text("prometheus-s-own\n")
    token_file.chmod(0o600)
    endpoint = start_service(tmp_path, "--metrics-token-file", str(token_file))
    try:
        assert httpx.get(root(endpoint) + "/metrics").status_code == 401
        for wrong in ("Bearer x", "Bearer", "Basic prometheus-s-own", "prometheus-s-own"):
            answer = httpx.get(root(endpoint) + "/metrics", headers={"Authorization": wrong})
            assert answer.status_code == 401
        assert scrape(endpoint, Authorization="Bearer prometheus-s-own")["qtower_healthy"] == 1
        assert httpx.get(root(endpoint) + "/health").status_code == 200
        assert "prometheus-s-own" not in (tmp_path / "service.log").read_text()
    finally:
        stop_service(endpoint)


def test_behind_a_proxy_nobody_reads_metrics_without_a_token(tmp_path: Path) -> None:
    public = "https://quantum.example.org/qtower/api"
    endpoint = start_service(tmp_path, "--public-url", public + "/")
    try:
        assert httpx.get(root(endpoint) + "/metrics").status_code == 401
        api = Api(endpoint.url, endpoint.token)
        urls = api.http.get("/users/me").json()["urls"]
        assert urls == {"http": public, "ws": "wss" + public.removeprefix("https")}
        assert api.create()["objectStorageInfo"]["uploadUrl"].startswith(public + "/storage/")
        api.close()
    finally:
        stop_service(endpoint)


def test_the_size_of_a_directory_that_changes(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "file").write_bytes(b"x" * 10)
    (tmp_path / "link").symlink_to(tmp_path)
    assert 10 <= size_of(tmp_path) < 10_000
    assert size_of(tmp_path / "missing") == 0


def test_what_is_logged_of_a_job_carries_its_id_and_no_query(tmp_path: Path) -> None:
    import json

    endpoint = start_service(tmp_path, "--log-requests")
    try:
        api = Api(endpoint.url, endpoint.token)
        job_id = api.submit(bell_qobj())
        api.wait(job_id)
        api.result(job_id)
        api.list(where={"name": "a-name-nobody-else-knows"})
        api.close()
        log = tmp_path / "service.log"
        until(lambda: log.read_text().count('"request"') > 6)
    finally:
        stop_service(endpoint)
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    about_jobs = [line for line in lines if "{job_id}" in line.get("route", "")]
    assert len(about_jobs) >= 4
    assert {line["job"] for line in about_jobs} == {job_id}
    assert {line["job"] for line in lines if line["event"].startswith("job ")} == {job_id}
    assert all(line["ms"] >= 0 and line["status"] for line in lines if line["event"] == "request")
    for secret in ("signature=", "a-name-nobody", endpoint.token, "?"):
        assert secret not in log.read_text()


def test_many_threads_count_at_once() -> None:
    from qtower.service.metrics import Metrics

    metrics = Metrics()

    def count() -> None:
        for _ in range(200):
            metrics.changed("QUEUED")

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert b'qtower_job_changes_total{status="QUEUED"} 800.0' in metrics.text()
