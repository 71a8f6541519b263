"""The API on the wire: every call, and what is refused."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from tests.conftest import Endpoint
from tests.service.raw import PLACE, Api, bell_qobj, failing_qobj, long_qobj

STEPS = ["CREATING", "CREATED", "VALIDATING", "VALIDATED", "QUEUED", "RUNNING", "COMPLETED"]


def refused(answer: httpx.Response, status: int) -> dict[str, Any]:
    """The error of an answer that must be a refusal with this status."""
    assert answer.status_code == status, answer.text
    error: dict[str, Any] = answer.json()["error"]
    assert error["message"]
    assert isinstance(error["code"], int)
    return error


def test_login_gives_an_access_token_of_its_own(service: Endpoint, api: Api) -> None:
    assert api.access_token != service.token
    wrong = api.http.post("/users/loginWithToken", json={"apiToken": service.token + "x"})
    assert refused(wrong, 401)["name"] == "LOGIN_FAILED"
    for content in (b"{}", b'{"apiToken": 5}', b"[]", b'"x"'):
        refused(api.http.post("/users/loginWithToken", content=content), 400)


@pytest.mark.parametrize("access_token", ["", "x", "ü"])
def test_nothing_is_given_without_an_access_token(service: Endpoint, access_token: str) -> None:
    headers = {b"X-Access-Token": access_token.encode()} if access_token else {}
    for path in ("/users/me", "/Network", PLACE + "/devices/v/1", PLACE + "/Jobs/v/1"):
        refused(httpx.get(service.url + path, headers=headers), 401)


def test_the_api_token_is_not_an_access_token(service: Endpoint) -> None:
    answer = httpx.get(service.url + "/users/me", headers={"X-Access-Token": service.token})
    refused(answer, 401)


def test_addresses_are_those_under_which_the_client_came(service: Endpoint, api: Api) -> None:
    headers = {"Host": "tower.lab:8000"}
    urls = api.http.get("/users/me", headers=headers).json()["urls"]
    assert urls == {"http": "http://tower.lab:8000/api", "ws": "ws://tower.lab:8000/api"}
    content = {"backend": {"name": "ibmq_qasm_simulator"}}
    job = api.post("/Jobs", json=content, headers=headers).json()
    assert job["objectStorageInfo"]["uploadUrl"].startswith("http://tower.lab:8000/api/storage/")
    refused(api.http.get("/users/me", headers={"Host": "a/b c"}), 400)


def test_a_job_from_its_creation_to_its_result(api: Api) -> None:
    job_id = api.submit(bell_qobj(1000), name="bell", tags=["wire", "wire"], experimentTag="x")
    job = api.wait(job_id)
    assert job["status"] == "COMPLETED"
    assert list(job["timePerStep"]) == STEPS
    times = list(job["timePerStep"].values())
    assert times == sorted(times)
    assert (job["name"], job["tags"], job["experimentTag"]) == ("bell", ["wire"], "x")
    assert job["kind"] == "q-object-external-storage"
    assert job["backend"] == {"name": "ibmq_qasm_simulator"}
    assert job["runMode"] == "fairshare"
    assert "error" not in job
    assert "infoQueue" not in job
    summary = job["summaryData"]
    assert summary["success"] is True
    assert summary["summary"]["experiment_names"] == ["bell"]
    assert summary["summary"]["qobj_config"]["shots"] == 1000
    result = api.result(job_id)
    assert result["job_id"] == job_id
    counts = result["results"][0]["data"]["counts"]
    assert set(counts) == {"0x0", "0x3"}
    assert sum(counts.values()) == 1000
    url = api.get(f"/Jobs/{job_id}/jobDownloadUrl").json()["url"]
    assert api.http.get(url).json() == bell_qobj(1000)
    assert api.post(f"/Jobs/{job_id}/resultDownloaded").status_code == 200
    assert api.get(f"/Jobs/{job_id}/properties").json() == {}
    listed = api.list(where={"id": job_id})[0]
    assert "timePerStep" not in listed
    assert listed["summaryData"] == summary
    assert listed["updatedDate"] == job["updatedDate"] > job["creationDate"]


def test_a_job_that_fails_says_why_and_keeps_what_there_is(api: Api) -> None:
    job = api.wait(api.submit(failing_qobj()))
    assert job["status"] == "ERROR_RUNNING_JOB"
    assert job["summaryData"]["success"] is False
    result = api.result(job["id"])
    assert result["results"][0]["success"] is False


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\x00", b"[]", b'{"type": "QASM"}', b"null"])
def test_garbage_instead_of_a_qobj_ends_in_validation(api: Api, content: bytes) -> None:
    job = api.wait(api.submit(content))
    assert job["status"] == "ERROR_VALIDATING_JOB"
    assert job["error"]["message"]
    assert 1000 <= job["error"]["code"] <= 9999
    refused(api.get(f"/Jobs/{job['id']}/resultDownloadUrl"), 404)


def test_a_running_job_is_cancelled_and_stays_so(api: Api) -> None:
    job_id = api.submit(long_qobj())
    api.wait(job_id, "RUNNING")
    assert api.cancel(job_id) == {"cancelled": True}
    assert api.status(job_id) == "CANCELLED"
    assert api.cancel(job_id) == {"cancelled": True}
    assert list(api.job(job_id)["timePerStep"]) == [*STEPS[:-1], "CANCELLED"]
    refused(api.get(f"/Jobs/{job_id}/resultDownloadUrl"), 404)
    # its worker is free for others
    assert api.wait(api.submit(bell_qobj()))["status"] == "COMPLETED"
    assert api.status(job_id) == "CANCELLED"


def test_cancelling_too_late_says_so(api: Api) -> None:
    job = api.wait(api.submit(bell_qobj()))
    answer = api.cancel(job["id"])
    assert answer["cancelled"] is False
    assert "COMPLETED" in answer["error"]["message"]
    assert api.status(job["id"]) == "COMPLETED"


def test_waiting_jobs_know_their_position_and_move_up(api: Api) -> None:
    running = [api.submit(long_qobj()) for _ in range(2)]
    for job_id in running:
        api.wait(job_id, "RUNNING")
    waiting = [api.submit(bell_qobj()) for _ in range(3)]
    infos = [api.wait_in_line(job_id)["infoQueue"] for job_id in waiting]
    assert [info["position"] for info in infos] == [1, 2, 3]
    assert all(0 < info["hubPriority"] <= 1 for info in infos)
    device = api.get("/devices/ibmq_qasm_simulator/queue/status").json()
    assert (device["lengthQueue"], device["state"], device["status"]) == (3, True, "active")
    limit = api.get("/devices/ibmq_qasm_simulator/jobsLimit").json()
    assert limit["maximumJobs"] == -1
    assert limit["runningJobs"] >= 5
    assert api.cancel(waiting[0])["cancelled"]
    listed = {job["id"]: job for job in api.list(where={"id": {"inq": waiting}})}
    assert listed[waiting[1]]["infoQueue"]["position"] == 1
    assert "infoQueue" not in listed[waiting[0]]
    for job_id in [*waiting, *running]:
        assert api.cancel(job_id)["cancelled"]


def test_an_upload_is_asked_for_and_taken_once(api: Api) -> None:
    job = api.create()
    refused(api.post(f"/Jobs/{job['id']}/jobDataUploaded"), 404)
    content = json.dumps(bell_qobj()).encode()
    assert api.upload(job, content).status_code == 200
    assert api.upload(job, content).status_code == 200  # the client tries again
    for _ in range(2):
        answer = api.post(f"/Jobs/{job['id']}/jobDataUploaded")
        assert answer.status_code == 200
        assert "error" not in answer.json()["job"]
    refused(api.upload(job, content), 409)
    api.wait(job["id"])


def test_a_cancelled_job_refuses_its_upload(api: Api) -> None:
    job = api.create()
    assert api.cancel(job["id"]) == {"cancelled": True}
    refused(api.upload(job, b"{}"), 409)
    refused(api.post(f"/Jobs/{job['id']}/jobDataUploaded"), 409)
    refused(api.get(f"/Jobs/{job['id']}/jobUploadUrl"), 409)
    assert api.status(job["id"]) == "CANCELLED"


def test_signed_addresses_are_good_for_one_thing_only(api: Api) -> None:
    first, second = api.create(), api.create()
    url = first["objectStorageInfo"]["uploadUrl"]
    anonymous = httpx.Client()
    refused(anonymous.get(url), 403)
    refused(anonymous.put(url.replace(first["id"], second["id"]), content=b"{}"), 403)
    refused(anonymous.put(url + "0", content=b"{}"), 403)
    refused(anonymous.put(url.replace("expires=", "expires=9"), content=b"{}"), 403)
    refused(anonymous.put(url.split("?")[0], content=b"{}"), 403)
    assert anonymous.put(url, content=b"{}").status_code == 200
    anonymous.close()


def test_names_and_tags_change_and_come_back(api: Api) -> None:
    job_id = api.create(name="before")["id"]
    path = f"{PLACE}/Jobs/{job_id}"
    odd = "job [/b] \x1b[31m ü \U0001f600 'x' \\ --"
    assert api.http.put(path, json={"name": odd}).json() == {"name": odd}
    assert api.http.put(path, json={"tags": [odd, "b", odd]}).json() == {"tags": [odd, "b"]}
    job = api.job(job_id)
    assert (job["name"], job["tags"]) == (odd, [odd, "b"])
    assert [found["id"] for found in api.list(where={"tags": odd})] == [job_id]
    for content in (
        {},
        {"status": "COMPLETED"},
        {"name": 5},
        {"name": "x" * 2_000},
        {"tags": "x"},
        {"tags": [5]},
        {"tags": ["x"] * 200},
    ):
        refused(api.http.put(path, json=content), 400)


def test_a_deleted_job_is_gone_with_all_that_was_stored(api: Api, service: Endpoint) -> None:
    job_id = api.submit(long_qobj())
    api.wait(job_id, "RUNNING")
    assert api.http.delete(f"{PLACE}/Jobs/{job_id}").status_code == 200
    refused(api.get(f"/Jobs/{job_id}/v/1"), 404)
    assert api.list(where={"id": job_id}) == []
    assert not list((service.data_dir / "data").rglob(f"*{job_id}*"))


def test_pages_neither_double_nor_lose_jobs(api: Api) -> None:
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: api.create(tags=["paged"])["id"], range(120)))
    seen: list[str] = []
    where: dict[str, Any] = {"tags": "paged"}
    while page := api.list(where=where, limit=50, order="creationDate DESC"):
        assert len(page) <= 50
        seen += [job["id"] for job in page]
        where["creationDate"] = {"lte": page[-1]["creationDate"]}
        where["id"] = {"nin": [page[-1]["id"]]}
    assert len(seen) == len(set(seen)) == 120
    assert set(seen) == set(made)


def test_only_what_changed_is_listed_by_its_update(api: Api) -> None:
    jobs = [api.create(tags=["updated"]) for _ in range(3)]
    latest = api.list(where={"tags": "updated"}, order="updatedDate DESC")[0]["updatedDate"]
    changed = {"tags": "updated", "updatedDate": {"gt": latest}}
    assert api.list(where=changed) == []
    api.cancel(jobs[1]["id"])
    assert [job["id"] for job in api.list(where=changed)] == [jobs[1]["id"]]


def test_ids_are_listed_without_the_rest(api: Api) -> None:
    api.create()
    answer = api.get("/Jobs/v/1", params={"filter": '{"limit": 1}'}).json()
    assert [set(job) for job in answer] == [{"id", "creationDate", "liveDataEnabled"}]


def test_backends(api: Api) -> None:
    configurations = {c["backend_name"]: c for c in api.get("/devices/v/1").json()}
    assert len(configurations) >= 4
    assert api.get("/devices/ibmq_qasm_simulator/properties").json() == {}
    assert api.get("/devices/ibmq_qasm_simulator/defaults").json() == {}
    device = next(name for name, c in configurations.items() if not c["simulator"])
    properties = api.get(f"/devices/{device}/properties", params={"version": 1}).json()
    assert properties["qubits"]
    before = {"where": {"last_update_date": {"lt": "1990-01-01T00:00:00"}}}
    answer = api.get(f"/devices/{device}/properties", params={"filter": json.dumps(before)})
    assert answer.json() == {}
    assert api.http.get(f"/Network/devices/{device}/bookings/v2").json() == []
    assert api.http.get("/Network/bookings/v2").json() == []
    for part in ("properties", "defaults", "queue/status", "jobsLimit"):
        refused(api.get(f"/devices/nowhere/{part}"), 404)
    refused(api.http.get("/Network/devices/nowhere/bookings/v2"), 404)


def test_other_places_and_jobs_of_nobody_are_not_found(api: Api) -> None:
    elsewhere = "/Network/ibm-q/Groups/open/Projects/other"
    refused(api.http.get(f"{elsewhere}/devices/v/1"), 404)
    refused(api.http.get(f"{elsewhere}/Jobs/status/v/1"), 404)
    refused(api.http.post(f"{elsewhere}/Jobs", json={"backend": {"name": "x"}}), 404)
    job_id = api.create()["id"]
    refused(api.http.get(f"{elsewhere}/Jobs/{job_id}/v/1"), 404)
    for unknown in ("0" * 24, "..", "%2e%2e%2f", "x" * 5_000, "%00", "%ff"):
        refused(api.http.get(f"{PLACE}/Jobs/{unknown}/status/v/1"), 404)
        refused(api.http.post(f"{PLACE}/Jobs/{unknown}/cancel"), 404)
    refused(api.http.get("/nothing"), 404)
    refused(api.http.delete("/version"), 405)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"\xff",
        b"[" * 50_000,
        b'{"backend": "x"}',
        b'{"backend": {"name": 5}}',
        b'{"backend": {"name": "ibmq_qasm_simulator"}, "tags": "x"}',
        b'{"backend": {"name": "ibmq_qasm_simulator"}, "tags": [1]}',
        b'{"backend": {"name": "ibmq_qasm_simulator"}, "name": {}}',
        b'{"backend": {"name": "ibmq_qasm_simulator"}, "name": "\\ud800"}',
        b'{"backend": {"name": "ibmq_qasm_simulator"}, "experimentTag": []}',
        b'{"backend": {"name": "ibmq_qasm_simulator"}, "allowObjectStorage": false}',
    ],
)
def test_odd_bodies_are_refused(api: Api, content: bytes) -> None:
    refused(api.http.post(PLACE + "/Jobs", content=content), 400)


def test_of_who_is_not_known_yet_little_is_read(api: Api) -> None:
    for size, status in ((16_000, 401), (16_001, 413)):
        content = json.dumps({"apiToken": "x"}).ljust(size).encode()
        refused(api.http.post("/users/loginWithToken", content=content), status)


def test_too_large_bodies_are_refused(api: Api) -> None:
    refused(api.http.post(PLACE + "/Jobs", content=b" " * 1_000_001), 413)
    refused(api.post("/Jobs", json={"backend": {"name": "no_such_backend"}}), 404)
    refused(api.get("/Jobs/status/v/1", params={"filter": "{"}), 400)

    def endless() -> Any:
        while True:
            yield b" " * 65_536

    with pytest.raises((httpx.WriteError, httpx.ReadError, httpx.RemoteProtocolError)):
        answer = api.http.post(PLACE + "/Jobs", content=endless())
        assert answer.status_code == 413
        raise httpx.ReadError("refused while it was still being sent")


def test_the_log_holds_no_secret(service: Endpoint, api: Api) -> None:
    qobj = bell_qobj()
    qobj["config"]["my_token"] = "do-not-log-me"
    job_id = api.submit(qobj, name="a-name-nobody-logs")
    api.wait(job_id)
    api.result(job_id)
    log = (service.data_dir / "service.log").read_text()
    assert job_id in log
    for secret in (service.token, api.access_token, "do-not-log-me", "signature=", "a-name-nobody"):
        assert secret not in log
    for line in log.splitlines():
        assert json.loads(line)["event"]
