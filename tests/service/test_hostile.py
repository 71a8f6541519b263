"""What a signed-in user can do to the others: fill memory, disk, store, log; each has its bound."""

from __future__ import annotations

import json
import os
import shutil
import socket
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, urlsplit

import httpx
import msgspec
import psutil
import pytest
from sqlalchemy import create_engine, text

from qtower.service import payloads
from qtower.service import store as store_module
from qtower.service.devices import Device, load_device
from qtower.service.pacing import Pacing
from qtower.service.payloads import Incoming, Payloads
from qtower.service.qobjs import InvalidQobj, check_qobj
from qtower.service.retention import Retention
from qtower.service.settings import BackendSettings, RetentionSettings
from qtower.service.store import Store, sentence
from tests.conftest import Endpoint, start_service, stop_service
from tests.service.raw import Api, bell_qobj, gate, qobj, until

JOB = "0123456789abcdef01234567"
START = b'{"type":"QASM","config":{"shots":5},"experiments":['


@pytest.fixture
def api(service: Endpoint) -> Iterator[Api]:
    signed_in = Api(service.url, service.token)
    yield signed_in
    signed_in.close()


@pytest.fixture(scope="module")
def simulator() -> Device:
    return load_device("ibmq_qasm_simulator")


# -- requests -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path", "content"),
    [
        ("POST", "/users/loginWithToken", b'{"apiToken": "\xff"}'),
        ("POST", "/Jobs", b'{"backend": {"name": "ibmq_qasm_simulator"}, "name": "\xff"}'),
        ("POST", "/Jobs", b"[" * 100_000 + b"]" * 100_000),
        ("POST", "/users/loginWithToken", b"[" * 7_000 + b"]" * 7_000),
        ("POST", "/users/loginWithToken", b'{"apiToken": ' + b"9" * 10_000 + b"}"),
    ],
    ids=["token", "name", "depth", "depth of a login", "digits"],
)
def test_bodies_that_break_decoders(api: Api, method: str, path: str, content: bytes) -> None:
    place = api.place if path == "/Jobs" else ""
    answer = api.http.request(method, place + path, content=content)
    assert answer.status_code == 400
    assert answer.json()["error"]["name"] == "BAD_REQUEST"


@pytest.mark.parametrize(
    "filters",
    [
        {"order": ["id"] * 5_000},
        {"order": ",".join(["id"] * 10_000)},
        {"order": "x" * 20_000},
        {"where": {"or": [{"name": f"n{i}"} for i in range(1_500)]}},
        {"where": {"and": [{"tags": f"t{i}"} for i in range(1_000)]}},
    ],
    ids=["orders", "order", "word", "names", "tags"],
)
def test_filters_too_large_for_a_database(api: Api, filters: object) -> None:
    answer = api.get("/Jobs/status/v/1", params={"filter": json.dumps(filters)})
    assert answer.status_code == 400
    assert len(answer.content) < 1_000


# -- qobjs --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [
        START + b'{"instructions":[' + b"0," * 1_000_000 + b"0]}]}",
        START + b'{"instructions":[],"header":{"name":[' + b"[]," * 600_000 + b"[]]}}]}",
        START + b'{"instructions":[]},' * 150_000 + b'{"instructions":[]}]}',
    ],
    ids=["instructions", "name", "experiments"],
)
def test_a_check_takes_little_memory(simulator: Device, content: bytes) -> None:
    tracemalloc.start()
    try:
        check_qobj(content, simulator)
    except InvalidQobj as error:
        assert "experiments" in error.message
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # As objects it would be fifty times its text.
    assert most < 15 * len(content)


def test_instructions_are_a_list(simulator: Device) -> None:
    for content in (b'{"0":0}', b'"[]"', b"null", b"7"):
        with pytest.raises(InvalidQobj, match="array"):
            check_qobj(START + b'{"instructions":' + content + b"}]}", simulator)


def test_what_a_user_names_is_cut_where_it_is_listed(api: Api) -> None:
    found = api.wait(api.submit({**bell_qobj(), "experiments": [named("n" * 500_000)]}))
    assert found["status"] == "COMPLETED"
    assert found["summaryData"]["summary"]["experiment_names"] == ["n" * 200]
    instruction = {**gate("z" * 500_000, [0]), "params": [0] * 10_000}
    content = qobj(2, [instruction], 10, "wide")
    failed = api.wait(api.submit(content, backend={"name": "ibmq_lima"}))
    assert failed["status"] == "ERROR_RUNNING_JOB"
    assert failed["error"]["message"].startswith("Instruction not in basis gates")
    assert len(failed["error"]["message"]) < 2_000
    assert len(sentence("x" * 100_000)) == 2_000


def named(name: str) -> object:
    return qobj(2, [gate("h", [0])], 10, name)["experiments"][0]


def test_a_paced_device_does_not_read_what_no_device_takes() -> None:
    lima = load_device("ibmq_lima")
    pacing = Pacing(
        {"ibmq_lima": BackendSettings(device="fake_lima", pacing="device")}, {"ibmq_lima": lima}
    )
    content = START + b'{"instructions":[' + b"0," * 6_000_000 + b"0]}]}"
    with pytest.raises(InvalidQobj, match="takes no experiment"):
        pacing.run_seconds("ibmq_lima", content)
    seconds = pacing.run_seconds("ibmq_lima", msgspec.json.encode(bell_qobj()))
    assert seconds is not None
    assert seconds > 2


# -- files --------------------------------------------------------------------------------------


def test_a_large_payload_goes_through_in_pieces(tmp_path: Path) -> None:
    files = Payloads(tmp_path)
    incoming = Incoming(files.result_file(JOB))
    for _ in range(40):
        incoming.add(bytes(250_000))  # packs to nearly nothing: a bomb for whoever unpacks it whole
    with incoming.complete() as put_in_place:
        assert not files.result_file(JOB).exists()
        put_in_place()
    sizes = [len(piece) for piece in payloads.pieces(files.result_file(JOB))]
    assert sum(sizes) == incoming.size == 10_000_000
    assert max(sizes) <= 128 * 1024
    assert [file.name for file in tmp_path.iterdir()] == [f"{JOB}.result.z"]
    whole = b"".join(payloads.pieces(files.result_file(JOB)))
    assert whole == payloads.read(files.result_file(JOB))


def test_a_damaged_payload_is_an_error_in_pieces_too(tmp_path: Path) -> None:
    file = Payloads(tmp_path).result_file(JOB)
    payloads.write(file, os.urandom(100_000))
    whole = file.read_bytes()
    for content in (b"", b"garbage", whole[:-1_000]):
        file.write_bytes(content)
        with pytest.raises(OSError, match="damaged"):
            list(payloads.pieces(file))


def test_an_upload_that_breaks_off_leaves_nothing(api: Api, service: Endpoint) -> None:
    job = api.create()
    directory = service.data_dir / "data" / "payloads"

    def half() -> Iterator[bytes]:
        yield bytes(3_000_000)
        until(lambda: list(directory.glob(f".{job['id']}*")))
        raise RuntimeError("the line breaks")

    with pytest.raises(RuntimeError):
        httpx.put(job["objectStorageInfo"]["uploadUrl"], content=half())
    until(lambda: not list(directory.glob(f".{job['id']}*")))
    assert api.upload(job, json.dumps(bell_qobj()).encode()).status_code == 200


def test_what_a_killed_service_left_is_removed(tmp_path: Path) -> None:
    files = Payloads(tmp_path / "payloads")
    payloads.write(files.qobj_file(JOB), b"{}")
    old, new = (tmp_path / "payloads" / f".{JOB}.qobj.z.{name}" for name in ("old", "new"))
    for file in (old, new):
        file.write_bytes(b"half")
    os.utime(old, (time.time() - 3_600,) * 2)
    store = Store(tmp_path / "jobs.sqlite")
    retention = Retention(store, files, RetentionSettings())
    retention.start()
    until(lambda: not old.exists())
    retention.close()
    store.close()
    assert new.exists()
    assert files.qobj_file(JOB).exists()


# -- the store ----------------------------------------------------------------------------------


def test_logins_of_one_user_do_not_pile_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "_LOGINS_KEPT", 3)
    store = Store(tmp_path / "jobs.sqlite")
    far = time.time_ns()  # microseconds, of a far future
    store.add_access_token("other", "ben", "login", far)
    for number in range(10):
        store.add_access_token(f"d{number}", "ada", "login", far + number)
    store.close()
    engine = create_engine(f"sqlite:///{tmp_path / 'jobs.sqlite'}")
    with engine.connect() as connection:
        left = [row[0] for row in connection.execute(text("SELECT digest FROM access_tokens"))]
    engine.dispose()
    assert sorted(left) == ["d7", "d8", "d9", "other"]


def test_what_is_away_for_a_while_is_a_503(tmp_path: Path) -> None:
    endpoint = start_service(tmp_path / "service", "--workers", "1")
    try:
        api = Api(endpoint.url, endpoint.token)
        job = api.create()
        root = endpoint.url.removesuffix("/api")
        directory = endpoint.data_dir / "data" / "payloads"
        shutil.move(directory, tmp_path / "away")
        answer = api.upload(job, b"{}")
        assert (answer.status_code, answer.json()["error"]["name"]) == (503, "STORE_AWAY")
        assert httpx.get(f"{root}/health").status_code == 503
        shutil.move(tmp_path / "away", directory)
        assert api.upload(job, b"{}").status_code == 200
        assert httpx.get(f"{root}/health").status_code == 200
        api.close()
    finally:
        stop_service(endpoint)
    assert "traceback" in (endpoint.data_dir / "service.log").read_text()


def test_answers_that_nobody_reads_do_not_pile_up(service: Endpoint, api: Api) -> None:
    """Sixteen at once are worked out for one user; the next waits until one of them is taken."""
    tags = ["\u20ac" * 990 + f"{i:05}" for i in range(5)]
    for _ in range(100):
        api.create(tags=tags, experimentTag="wide")
    process = psutil.Process(service.process.pid)
    address = urlsplit(service.url)
    query = quote(json.dumps({"where": {"experimentTag": "wide"}, "limit": 500}))
    request = f"GET {address.path}{api.place}/Jobs/status/v/1?filter={query} HTTP/1.1\r\n"
    headers = f"Host: h\r\nX-Access-Token: {api.access_token}\r\n\r\n"
    before = process.memory_info().rss
    lines = []
    for _ in range(120):
        line = socket.socket()
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        line.connect((address.hostname, address.port))
        line.sendall((request + headers).encode())
        lines.append(line)
    other = httpx.get(service.url + "/version", timeout=20)
    assert other.status_code == 200
    time.sleep(1)  # there is nothing to wait for: that something does not happen
    assert process.memory_info().rss - before < 100_000_000
    for line in lines:
        line.close()
    assert len(api.list(where={"experimentTag": "wide"}, limit=1)) == 1
