"""A lab: several users with their projects on one service, through the real client and qtower."""

from __future__ import annotations

import contextlib
import json
import re
import sqlite3
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import websocket
from qiskit.providers.ibmq.exceptions import IBMQBackendJobLimitError
from qiskit.providers.ibmq.ibmqfactory import IBMQFactory
from qiskit.providers.ibmq.job.exceptions import IBMQJobApiError

from qtower.config import Account
from qtower.errors import GoneError
from qtower.model import GetQobj, GetResult, JobRow, Status
from qtower.service.tokens import TokenFile
from tests.conftest import Endpoint, start_service, stop_service
from tests.desk.accounts import Ear, bells, open_desk
from tests.service.raw import Api, bell_qobj, long_qobj, until

pytestmark = pytest.mark.filterwarnings("ignore")

CONFIG = """
[users.ada]
projects = ["lab/physics/main", "lab/private/once"]
[users.ben]
projects = ["lab/physics/main"]
[users.cyn]
projects = ["other/chemistry/main"]

[projects."lab/private/once"]
read-once = true
job-limit = 2

[[reservations]]
backend = "ibmq_lima"
project = "other/chemistry/main"
start = 2020-01-01T00:00:00Z
end = 2100-01-01T00:00:00Z

[[reservations]]
backend = "ibmq_bogota"
project = "lab/physics/main"
start = 2090-01-01T00:00:00Z
end = 2090-01-02T00:00:00Z
"""
HOMES = {
    "ada": "/Network/lab/Groups/physics/Projects/main",
    "ben": "/Network/lab/Groups/physics/Projects/main",
    "cyn": "/Network/other/Groups/chemistry/Projects/main",
}
ONCE = "/Network/lab/Groups/private/Projects/once"


@dataclass
class Lab:
    """A running service and the tokens of its users."""

    endpoint: Endpoint
    tokens: dict[str, str]
    apis: contextlib.ExitStack

    @property
    def data_dir(self) -> Path:
        return self.endpoint.data_dir / "data"

    def api(self, user: str, place: str | None = None) -> Api:
        """The API as `user`, without a client library."""
        api = Api(self.endpoint.url, self.tokens[user], place or HOMES[user])
        self.apis.callback(api.close)
        return api

    def factory(self, user: str) -> Any:
        """The real client, logged in as `user`."""
        factory = IBMQFactory()
        factory.default = factory.enable_account(self.tokens[user], self.endpoint.url)
        return factory

    def account(self, user: str) -> Account:
        """As qtower's desk takes it; local, so that it is polled often."""
        return Account(
            name=user, url=self.endpoint.url, token=self.tokens[user], local_service=True
        )


@contextlib.contextmanager
def running_lab(directory: Path, config: str = CONFIG) -> Iterator[Lab]:
    """A service with users; tokens are added while it runs."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "service.toml").write_text(config)
    endpoint = start_service(
        directory, "--config", str(directory / "service.toml"), "--workers", "1"
    )
    file = TokenFile(directory / "data" / "tokens.json")
    users = [line[7:-1] for line in config.splitlines() if line.startswith("[users.")]
    try:
        with contextlib.ExitStack() as apis:
            yield Lab(endpoint, {user: file.add(user)[1] for user in users}, apis)
    finally:
        stop_service(endpoint)


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with running_lab(tmp_path_factory.mktemp("lab")) as running:
        yield running


def test_two_users_work_at_once_from_the_client_and_from_qtower(lab: Lab, tmp_path: Path) -> None:
    names = {"ada": "of ada", "cyn": "of cyn"}
    with (
        open_desk(lambda: lab.account("ada"), tmp_path / "ada") as (_, ada_ear),
        open_desk(lambda: lab.account("cyn"), tmp_path / "cyn") as (_, cyn_ear),
    ):
        ears = {"ada": ada_ear, "cyn": cyn_ear}
        seen: dict[str, list[str]] = {}
        ids: dict[str, list[str]] = {}

        def work(user: str) -> None:
            backend = lab.factory(user).default.get_backend("ibmq_qasm_simulator")
            jobs = [backend.run(bells()[0], shots=10, job_name=names[user]) for _ in range(3)]
            assert all(job.result().get_counts() for job in jobs)
            ids[user] = [job.job_id() for job in jobs]
            seen[user] = [job.name() for job in backend.jobs(limit=50)]

        threads = [threading.Thread(target=work, args=(user,)) for user in names]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(90)
        for user, name in names.items():
            assert seen[user] == [name] * 3
            mine = set(ids[user])
            rows = ears[user].rows
            ears[user].until(
                lambda rows=rows, mine=mine: (  # type: ignore[misc]
                    {row.job_id for row in rows.values() if row.status == "DONE"} >= mine
                )
            )
            assert {row.name for row in rows.values()} == {name}


def test_no_route_tells_of_anothers_job(lab: Lab) -> None:
    ada = lab.api("ada")
    job_id = ada.submit(bell_qobj(), name="secret", tags=["hidden"])
    ada.wait(job_id)
    for user in ("ben", "cyn"):  # one in the same project, one elsewhere
        other = lab.api(user)
        paths = ("/v/1", "/status/v/1", "/properties", "/jobDownloadUrl")
        for path in (*paths, "/resultDownloadUrl", "/jobUploadUrl"):
            assert other.get(f"/Jobs/{job_id}{path}").status_code == 404
        for path in ("/cancel", "/jobDataUploaded", "/resultDownloaded"):
            assert other.post(f"/Jobs/{job_id}{path}").status_code == 404
        address = f"{other.place}/Jobs/{job_id}"
        assert other.http.put(address, json={"name": "x"}).status_code == 404
        assert other.http.delete(address).status_code == 404
        for where in (
            {"id": job_id},
            {"tags": "hidden"},
            {"name": {"regexp": "sec.*"}},
            {"or": [{"id": job_id}, {"hubInfo.hub.name": "lab"}]},
            {"hubInfo.project.name": {"neq": "x"}},
            {},
        ):
            assert job_id not in [job["id"] for job in other.list(where=where)]
            ids = other.get("/Jobs/v/1", params={"filter": json.dumps({"where": where})}).json()
            assert job_id not in [job["id"] for job in ids]
    # Nor does the owner see it from another project of hers.
    assert lab.api("ada", ONCE).get(f"/Jobs/{job_id}/v/1").status_code == 404
    assert ada.job(job_id)["name"] == "secret"


def test_no_place_of_others_can_be_entered(lab: Lab) -> None:
    for user, place in (("ben", ONCE), ("ben", HOMES["cyn"]), ("cyn", HOMES["ada"])):
        api = lab.api(user, place)
        assert api.get("/devices/v/1").status_code == 404
        assert api.get("/Jobs/status/v/1").status_code == 404
        assert api.get("/devices/ibmq_lima/jobsLimit").status_code == 404
        assert api.post("/Jobs", json={"backend": {"name": "ibmq_lima"}}).status_code == 404


def test_a_storage_address_is_for_one_job_and_one_method(lab: Lab) -> None:
    ada, ben = lab.api("ada"), lab.api("ben")
    secret = ada.submit(bell_qobj())
    ada.wait(secret)
    mine = ben.submit(bell_qobj())
    ben.wait(mine)
    url = ben.get(f"/Jobs/{mine}/resultDownloadUrl").json()["url"]
    assert ben.http.get(url.replace(mine, secret)).status_code == 403
    assert ben.http.get(url.replace("/result?", "/qobj?")).status_code == 403
    assert ben.http.put(url.replace("/result?", "/qobj?"), content=b"{}").status_code == 403
    assert ben.http.get(url).status_code == 200


def test_a_websocket_tells_only_the_owner(lab: Lab) -> None:
    ada = lab.api("ada")
    job_id = ada.submit(bell_qobj())
    ada.wait(job_id)
    for user, told in (("ada", True), ("ben", False), ("cyn", False)):
        with contextlib.closing(follow(lab, lab.api(user), job_id)) as follower:
            opcode, data = follower.recv_data()
            assert (opcode == websocket.ABNF.OPCODE_TEXT) is told
            assert (b"COMPLETED" in data) is told


def test_the_websocket_of_all_jobs_tells_only_their_owner(lab: Lab) -> None:
    ada, ben = lab.api("ada"), lab.api("ben")
    with (
        contextlib.closing(follow(lab, ada, path="/jobs/changes/v/1")) as hers,
        contextlib.closing(follow(lab, ben, path="/jobs/changes/v/1")) as his,
    ):
        ada.wait(ada.submit(bell_qobj()))
        assert json.loads(hers.recv()) == {"type": "jobs-changed"}
        his.settimeout(0.5)
        with pytest.raises(websocket.WebSocketTimeoutException):
            his.recv()


def test_each_finds_his_projects_and_the_default_one(lab: Lab) -> None:
    def places(factory: Any) -> list[tuple[str, str, str]]:
        found = [provider.credentials for provider in factory.providers()]
        return [(place.hub, place.group, place.project) for place in found]

    ada = lab.factory("ada")
    assert places(ada) == [("lab", "physics", "main"), ("lab", "private", "once")]
    assert ada.default.credentials.group == "physics"
    assert places(lab.factory("cyn")) == [("other", "chemistry", "main")]


def test_the_job_limit_of_a_project_counts_every_unfinished_job(lab: Lab) -> None:
    provider = lab.factory("ada").get_provider(group="private")
    backend = provider.get_backend("ibmq_qasm_simulator")
    assert backend.job_limit().maximum_jobs == 2
    once = lab.api("ada", ONCE)
    open_jobs = [once.create()["id"], once.submit(long_qobj())]  # one without its upload
    assert backend.job_limit().active_jobs == 2
    assert backend.remaining_jobs_count() == 0
    with pytest.raises(IBMQBackendJobLimitError, match="3458"):
        backend.run(bells()[0])
    assert lab.api("ada").get("/devices/ibmq_qasm_simulator/jobsLimit").json() == {
        "maximumJobs": -1,
        "runningJobs": 0,
    }
    for job_id in open_jobs:
        once.cancel(job_id)
    assert backend.remaining_jobs_count() == 2


def test_a_private_result_is_read_once(lab: Lab) -> None:
    provider = lab.factory("ada").get_provider(group="private")
    job = provider.get_backend("ibmq_qasm_simulator").run(bells()[0], shots=10)
    assert sum(job.result().get_counts().values()) == 10
    again = provider.backend.retrieve_job(job.job_id())
    with pytest.raises(IBMQJobApiError, match="2801"):
        again.result()
    raw = lab.api("ada", ONCE)
    refused = raw.get(f"/Jobs/{job.job_id()}/resultDownloadUrl")
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, 2801)
    assert "given out, once" in raw.job(job.job_id())["summaryData"]["note"]


def test_a_private_result_is_not_given_out_under_an_older_address(lab: Lab) -> None:
    raw = lab.api("ada", ONCE)
    job_id = raw.submit(bell_qobj())
    raw.wait(job_id)
    url = raw.get(f"/Jobs/{job_id}/resultDownloadUrl").json()["url"]
    assert raw.http.get(url).status_code == 200
    until(lambda: raw.http.get(url).status_code == 400)
    files = [file.name for file in (lab.data_dir / "payloads").iterdir()]
    assert f"{job_id}.result.z" not in files


def test_a_reserved_backend_runs_the_jobs_of_its_project_alone(lab: Lab) -> None:
    ada, cyn = lab.api("ada"), lab.api("cyn")
    lima = {"backend": {"name": "ibmq_lima"}}
    waiting = ada.submit(bell_qobj_of_device(), **lima)
    ada.wait_in_line(waiting)
    # It holds up neither those whom the backend is reserved for, nor itself elsewhere.
    assert cyn.wait(cyn.submit(bell_qobj_of_device(), **lima))["status"] == "COMPLETED"
    assert ada.wait(ada.submit(bell_qobj()))["status"] == "COMPLETED"
    job = ada.job(waiting)
    assert job["status"] == "QUEUED"
    assert job["infoQueue"]["estimatedStartTime"].startswith("2100-01-01")
    ada.cancel(waiting)


def bell_qobj_of_device() -> dict[str, Any]:
    """A Bell pair needs gates that the device has."""
    qobj = bell_qobj()
    instructions = [
        {"name": "x", "qubits": [0]},
        {"name": "cx", "qubits": [0, 1]},
        {"name": "measure", "qubits": [0], "memory": [0]},
        {"name": "measure", "qubits": [1], "memory": [1]},
    ]
    qobj["experiments"][0]["instructions"] = instructions
    return qobj


def test_reservations_are_told_in_full_only_to_their_project(lab: Lab) -> None:
    ada, cyn = lab.factory("ada").default, lab.factory("cyn").default
    (told,) = ada.get_backend("ibmq_lima").reservations()
    assert (told.reservation_id, told.hub) == (None, None)
    assert told.start_datetime.year in (2019, 2020)
    (owned,) = cyn.get_backend("ibmq_lima").reservations()
    assert (owned.mode, owned.hub, owned.project) == ("exclusive", "other", "main")
    assert owned.reservation_id
    assert [r.backend_name for r in cyn.backend.my_reservations()] == ["ibmq_lima"]
    assert [r.backend_name for r in ada.backend.my_reservations()] == ["ibmq_bogota"]
    bogota = ada.get_backend("ibmq_bogota")
    now = datetime.now()
    assert bogota.reservations(end_datetime=now) == []
    assert len(bogota.reservations(start_datetime=now)) == 1
    assert bogota.reservations(now, now + timedelta(hours=1)) == []
    assert bogota.reservations(start_datetime=datetime(2090, 1, 3)) == []
    bad = lab.api("ada").http.get(
        "/Network/devices/ibmq_lima/bookings/v2", params={"initialDate": "soon"}
    )
    assert bad.status_code == 400


def test_users_take_turns_and_see_their_true_place(lab: Lab) -> None:
    """One worker: whoever submits one job is not behind all of another's."""
    ada, ben, cyn = (lab.api(user) for user in ("ada", "ben", "cyn"))
    busy = cyn.submit(long_qobj())
    cyn.wait(busy, "RUNNING")
    many = [ada.submit(bell_qobj()) for _ in range(4)]
    one = ben.submit(bell_qobj())
    for job_id in many:
        ada.wait_in_line(job_id)
    ben.wait_in_line(one)
    places = [ada.job(job_id)["infoQueue"]["position"] for job_id in many]
    place = ben.job(one)["infoQueue"]["position"]
    assert sorted([*places, place]) == [1, 2, 3, 4, 5]
    assert places == sorted(places)
    assert place <= 2
    info = ben.job(one)["infoQueue"]
    for name in ("hubPriority", "groupPriority", "projectPriority"):
        assert 0 < info[name] <= 1
    cyn.cancel(busy)
    ended = {job_id: ada.wait(job_id) for job_id in many} | {one: ben.wait(one)}
    ran = sorted(ended, key=lambda job_id: ended[job_id]["timePerStep"]["RUNNING"])
    expected = sorted([*zip(places, many, strict=True), (place, one)])
    assert ran == [job_id for _, job_id in expected]


def test_a_revoked_token_is_out_at_once(tmp_path: Path) -> None:
    config = "[users.ada]\nprojects = ['a/b/c']\n"
    with running_lab(tmp_path / "lab", config) as lab:
        ada = lab.api("ada", "/Network/a/Groups/b/Projects/c")
        follower = follow(lab, ada, ada.create()["id"])
        assert b"CREATING" in follower.recv_data()[1]
        assert ada.get("/Jobs/status/v/1").status_code == 200
        file = TokenFile(tmp_path / "lab" / "data" / "tokens.json")
        file.revoke(file.tokens()[0].id)
        assert ada.get("/Jobs/status/v/1").status_code == 401
        opcode, data = follower.recv_data()
        assert opcode == websocket.ABNF.OPCODE_CLOSE
        assert b"signed out" in data
        follower.close()


def follow(lab: Lab, api: Api, job_id: str = "", *, path: str = "") -> websocket.WebSocket:
    """A websocket that follows a job, or is at `path`; signed in."""
    path = path or f"/jobs/{job_id}/status/v/1"
    address = lab.endpoint.url.replace("http", "ws", 1) + path
    follower = websocket.create_connection(address, timeout=20)
    follower.send(json.dumps({"type": "authentication", "data": api.access_token}))
    assert json.loads(follower.recv())["type"] == "authenticated"
    return follower


def test_an_access_token_lasts_while_it_is_used(tmp_path: Path) -> None:
    """By requests of the real client, or by a websocket that stays open; an idle one ends."""
    config = "[users.ada]\nprojects = ['a/b/c']\n[limits]\naccess-seconds = 4.0\n"
    with running_lab(tmp_path / "lab", config) as lab:
        client = lab.factory("ada").default
        following, idle = (lab.api("ada", "/Network/a/Groups/b/Projects/c") for _ in range(2))
        with contextlib.closing(follow(lab, following, following.create()["id"])):
            began = time.monotonic()
            until(lambda: client.backend.jobs(limit=1) and time.monotonic() > began + 5)
            assert following.get("/Jobs/status/v/1").status_code == 200
            assert idle.get("/Jobs/status/v/1").status_code == 401


REMOVED = re.compile(
    r"The qobj and result of this job were removed at 20\d\d-\d\d-\d\d \d\d:\d\d UTC\."
)
SHORT = """
[users.ada]
projects = ["lab/physics/main"]
[limits]
access-seconds = 20.0
upload-seconds = 3.0
upload-bytes = 200000
result-bytes = 2000
[retention]
payload-seconds = 0.5
check-seconds = 0.2
"""


def row_of(ear: Ear, job_id: str) -> JobRow:
    return next((row for row in ear.rows.values() if row.job_id == job_id), JobRow(key=""))


def test_short_times_pass_without_a_person_noticing(tmp_path: Path) -> None:
    """Uploads expire, old payloads go, access tokens end: the client and the desk work on."""
    with running_lab(tmp_path / "lab", SHORT) as lab:
        provider = lab.factory("ada").default
        with open_desk(lambda: lab.account("ada"), tmp_path / "state") as (desk, ear):
            api = lab.api("ada")
            never = api.create()["id"]
            assert api.upload(api.create(), b"x" * 300_000).status_code == 413
            backend = provider.get_backend("ibmq_qasm_simulator")
            job = backend.run(bells()[0], shots=10, job_name="short")
            job.wait_for_final_state(timeout=60)
            until(lambda: provider._api_client.job_get(never)["status"] == "CANCELLED")
            until(lambda: "note" in provider._api_client.job_get(job.job_id())["summary_data"])
            with pytest.raises(IBMQJobApiError, match="were removed at"):
                provider.backend.retrieve_job(job.job_id()).result()
            ear.until(lambda: row_of(ear, job.job_id()).status is Status.DONE)
            for request in (GetResult, GetQobj):
                with pytest.raises(GoneError) as refusal:
                    desk.answer(request(key=row_of(ear, job.job_id()).key))
                assert REMOVED.fullmatch(refusal.value.what), refusal.value.what
            large = backend.run(bells()[0], shots=1000, memory=True)
            assert "2,000 are allowed. Error code: 5203." in large.error_message()
            # All are signed out by force: the desk signs in again by itself.
            with contextlib.closing(sqlite3.connect(lab.data_dir / "jobs.sqlite")) as database:
                database.execute("DELETE FROM access_tokens")
                database.commit()
            until(lambda: api.get("/Jobs/status/v/1").status_code == 401)
            later = lab.factory("ada").default.get_backend("ibmq_qasm_simulator")
            later.run(bells()[0], shots=10, job_name="later")
            ear.until(lambda: "later" in {row.name for row in ear.rows.values()})
