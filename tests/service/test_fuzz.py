"""Whatever comes, to whatever call: an answer, soon, of the kind the API gives, and no one else's.

Every call of the service is asked with hostile paths, queries, headers and bodies, by a stranger
and by a signed-in user who knows the ids of somebody else's jobs. Each answer is JSON (or nothing)
below 500, and holds nothing of the other user's. QTOWER_SOAK=1 asks twenty times as often.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import h11
import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.sync.client import connect

from qtower.service.routes.exchange import JSON_LIMIT
from tests.service.calls import Call, served_calls
from tests.service.conformance.conftest import ADA, BOB, Lab
from tests.service.conformance.conftest import lab as lab
from tests.service.raw import Api, bell_qobj

SOAK = bool(os.environ.get("QTOWER_SOAK"))
SECRET = "ada's own, 7f3a"
"""In everything of ada's that bob could be shown."""

HERS = "/Network/lab/Groups/biology/Projects/main"
HIS = "/Network/lab/Groups/chemistry/Projects/main"
SHARED = "/Network/lab/Groups/physics/Projects/main"
SECONDS = 20.0

CALLS = served_calls()


def often(count: int) -> settings:
    return settings(
        max_examples=count * 20 if SOAK else count,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        database=None,
    )


@dataclass
class Scene:
    """Ada has jobs in two places; bob works in one of them, and knows all her ids."""

    url: str
    bob: httpx.Client
    stranger: httpx.Client
    ids: list[str] = field(default_factory=list)
    urls: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def scene(lab: Lab) -> Iterator[Scene]:
    ada, bob = Api(lab.url, ADA), Api(lab.url, BOB)
    scene = Scene(lab.url, bob.http, httpx.Client(base_url=lab.url))
    for client in (scene.bob, scene.stranger):
        client.timeout = httpx.Timeout(SECONDS)
    for place in (HERS, SHARED):
        scene.ids += [_submit(ada, place), _create(ada, place)["id"]]
    yield scene
    for job_id, place in zip(scene.ids, (HERS, HERS, SHARED, SHARED), strict=True):
        job = ada.http.get(f"{place}/Jobs/{job_id}/v/1").json()
        assert (job["name"], job["tags"]) == (SECRET, [SECRET])  # untouched
        assert job["status"] in ("COMPLETED", "CREATING")
    for user in (ada, bob):
        user.close()
    scene.stranger.close()


def _create(user: Api, place: str) -> dict[str, Any]:
    content = {"backend": {"name": "ibmq_qasm_simulator"}, "name": SECRET, "tags": [SECRET]}
    created: dict[str, Any] = user.http.post(f"{place}/Jobs", json=content).json()
    return created


def _submit(user: Api, place: str) -> str:
    job = _create(user, place)
    qobj = bell_qobj()
    qobj["header"]["note"] = SECRET
    assert user.upload(job, json.dumps(qobj).encode()).status_code == 200
    assert user.http.post(f"{place}/Jobs/{job['id']}/jobDataUploaded").status_code == 200
    return str(job["id"])


# -- what is sent -------------------------------------------------------------------------------

texts = st.text(max_size=40) | st.sampled_from(
    [
        *("", "..", "../../etc/passwd", "%2e%2e%2f", "\x00", "'; DROP TABLE jobs; --", "x" * 3_000),
        *("\ud800", "ibmq_lima", "ibmq_qasm_simulator", "0" * 24, "NaN", "1e999", "null"),
    ]
)
leaves = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([2**31, 2**63, -(2**63), 2**64, 10**30])
    | st.floats()
    | texts
    | st.sampled_from(["2020-01-01", "2020-13-45", "9999-12-31T23:59:59+23:59", "0001-01-01T00:00"])
)
trees = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4)
)

fields = st.sampled_from(
    [
        *("id", "status", "tags", "name", "creationDate", "updatedDate", "shots", "kind"),
        *("backend.name", "experimentTag", "liveDataEnabled", "hubInfo.hub.name", "user", "steps"),
        *("hubInfo.group.name", "hubInfo.project.name", "runMode", "infoQueue", "owner", "1=1"),
    ]
)
operators = st.sampled_from(
    [*("neq", "inq", "nin", "gt", "gte", "lt", "lte", "between", "regexp", "like", "exists")]
)
patterns = st.sampled_from(
    ["(a+)+$", "(?=x)", "(.)\\1", "[", "a{99999}", "(" * 60, "^.*$", "\\p{L}", "(?i)ada", "\x00"]
)
values = leaves | patterns | st.lists(leaves | patterns, max_size=4)
conditions = st.dictionaries(
    fields | texts,
    values | st.dictionaries(operators, values, min_size=1, max_size=2),
    max_size=3,
)
wheres = st.recursive(
    conditions,
    lambda inner: st.dictionaries(
        st.sampled_from(["and", "or"]), st.lists(inner, max_size=3), min_size=1, max_size=2
    ),
    max_leaves=6,
)
filters = st.fixed_dictionaries(
    {},
    optional={
        "where": wheres | trees,
        "order": st.sampled_from(
            ["creationDate DESC", "name", "shots ASC,id DESC", "steps", "id; --", ["updatedDate"]]
        )
        | trees,
        "limit": st.integers(-5, 200) | leaves,
        "skip": st.integers(-5, 200) | leaves,
        "fields": trees,
    },
)


def encoded(content: Any) -> bytes:
    return json.dumps(content).encode("utf-8", "surrogatepass")


new_jobs = st.fixed_dictionaries(
    {"backend": st.just({"name": "ibmq_qasm_simulator"}) | trees},
    optional=dict.fromkeys(("name", "tags", "experimentTag", "liveDataEnabled"), trees),
)
bodies = (
    st.binary(max_size=60)
    | st.sampled_from([b"[" * 50_000, b'{"a":' * 20_000, b"\xff\xfe", b"", b" " * 1_000_001])
    | (
        trees
        | new_jobs
        | st.fixed_dictionaries({}, optional={"name": trees, "tags": trees})
        | st.fixed_dictionaries({"apiToken": trees})
    ).map(encoded)
)
queries = st.fixed_dictionaries(
    {},
    optional={
        "filter": (filters | trees).map(lambda f: encoded(f).decode("utf-8", "replace")) | texts,
        "initialDate": texts | st.just("2020-01-01T00:00:00+00:00"),
        "endDate": texts,
        "version": texts,
        "expires": st.sampled_from(["", "9999999999", "-1", "٣", "9" * 30, "nan"]),
        "signature": texts,
    },
).map(lambda query: {k: v.encode("utf-8", "replace").decode() for k, v in query.items()})
header_values = st.binary(max_size=30).filter(lambda v: not set(v) & set(b"\r\n\x00"))
headers = st.dictionaries(
    st.sampled_from(
        [
            *("X-Access-Token", "X-Qx-Client-Application", "Host", "Content-Type", "Authorization"),
            *("X-Forwarded-For", "X-HTTP-Method-Override", "Range", "Accept-Encoding", "Cookie"),
        ]
    ),
    header_values,
    max_size=2,
)


@st.composite
def requests(
    draw: st.DrawFn, scene: Scene, call: Call
) -> tuple[str, dict[str, str], dict[str, bytes], bytes]:
    """A path of the call with hostile parts, a query, headers and a body."""
    ids = st.sampled_from([*scene.ids, "0" * 24]) | texts
    places = st.sampled_from([HERS, HIS, SHARED])
    place = dict(zip(("hub", "group", "project"), draw(places).split("/")[2::2], strict=True))
    path = call.path
    for name in call.parameters:
        choice = {"job_id": ids, "part": st.sampled_from(["qobj", "result"]) | texts}.get(name)
        if name == "backend":
            choice = st.sampled_from(["ibmq_lima", "ibmq_qasm_simulator"]) | texts
        given_place = st.just(place.get(name, ""))
        value = draw(choice if choice is not None else given_place | texts)
        path = path.replace(f"{{{name}}}", _quoted(value))
    return path, draw(queries), draw(headers), draw(bodies)


def _quoted(text: str) -> str:
    return quote(text.encode("utf-8", "replace"), safe="")


# -- what must be true --------------------------------------------------------------------------


def check(answer: httpx.Response) -> None:
    """It is an answer of the API, and nobody's secret."""
    assert answer.status_code < 500, (answer.request.url, answer.text)
    assert SECRET not in answer.text
    assert "Traceback" not in answer.text
    if answer.status_code >= 400 and answer.request.method != "HEAD" and answer.content:
        if answer.headers.get("content-type", "").startswith("application/json"):
            error = answer.json()["error"]
            assert error["message"]
            assert 1000 <= error["code"] <= 9999
        else:  # uvicorn's own, of a request that is not HTTP
            assert answer.status_code == 400


def send(client: httpx.Client, method: str, request: tuple[Any, Any, Any, Any]) -> None:
    path, query, extra, body = request
    try:
        answer = client.request(method, path, params=query, headers=extra, content=body)
    except (httpx.LocalProtocolError, h11.LocalProtocolError, httpx.InvalidURL):
        return  # the client itself refuses to send it
    except (httpx.WriteError, httpx.ReadError):
        assert len(body) > JSON_LIMIT  # cut off, because it sends too much
        return
    check(answer)


@pytest.mark.parametrize("call", CALLS, ids=str)
def test_every_call_stands_what_a_user_sends(scene: Scene, call: Call) -> None:
    @often(25)
    @given(st.data())
    def fuzz(data: st.DataObject) -> None:
        method = data.draw(st.sampled_from([call.method] * 6 + ["HEAD", "PATCH", "OPTIONS", "GET"]))
        send(scene.bob, method, data.draw(requests(scene, call)))

    fuzz()


@pytest.mark.parametrize("call", CALLS, ids=str)
def test_every_call_stands_what_a_stranger_sends(scene: Scene, call: Call) -> None:
    @often(6)
    @given(st.data())
    def fuzz(data: st.DataObject) -> None:
        send(scene.stranger, call.method, data.draw(requests(scene, call)))

    fuzz()


def test_no_filter_stalls_or_shows_what_is_not_the_users(scene: Scene) -> None:
    @often(150)
    @given(filters, st.sampled_from(["/Jobs/status/v/1", "/Jobs/v/1"]))
    def fuzz(given_filter: dict[str, Any], path: str) -> None:
        text = encoded(given_filter).decode("utf-8", "replace")
        answer = scene.bob.get(SHARED + path, params={"filter": text})
        check(answer)
        assert answer.status_code in (200, 400)
        assert not [job_id for job_id in scene.ids if job_id in answer.text]

    fuzz()


def test_no_qobj_breaks_the_service(scene: Scene) -> None:
    mutations = st.dictionaries(
        st.sampled_from(["type", "config", "experiments", "header", "qobj_id", "schema_version"]),
        trees,
        max_size=3,
    )

    @often(20)
    @given(mutations | trees.map(lambda tree: {"config": tree}))
    def fuzz(changes: dict[str, Any]) -> None:
        created = scene.bob.post(f"{HIS}/Jobs", json={"backend": {"name": "ibmq_qasm_simulator"}})
        job = created.json()
        raw = encoded({**bell_qobj(1), **changes})
        check(scene.bob.put(job["objectStorageInfo"]["uploadUrl"], content=raw))
        check(scene.bob.post(f"{HIS}/Jobs/{job['id']}/jobDataUploaded"))
        check(scene.bob.get(f"{HIS}/Jobs/{job['id']}/v/1"))
        check(scene.bob.delete(f"{HIS}/Jobs/{job['id']}"))

    fuzz()


def test_no_websocket_tells_what_is_not_the_users(scene: Scene) -> None:
    access_token = scene.bob.headers["X-Access-Token"]
    signed_in = json.dumps({"type": "authentication", "data": access_token})
    first = st.just(signed_in) | trees.map(lambda tree: json.dumps(tree)) | st.binary(max_size=50)
    more = st.lists(st.text(max_size=20) | st.binary(max_size=20), max_size=3)

    @often(25)
    @given(st.sampled_from(scene.ids) | texts, first, more)
    def fuzz(job_id: str, said: str | bytes, rest: list[str | bytes]) -> None:
        url = f"ws{scene.url.removeprefix('http')}/jobs/{_quoted(job_id)}/status/v/1"
        told: list[str | bytes] = []
        try:
            with connect(url, open_timeout=SECONDS, close_timeout=SECONDS) as connection:
                for message in (said, *rest):
                    connection.send(message)
                while True:
                    told.append(connection.recv(timeout=SECONDS))
        except (ConnectionClosed, InvalidHandshake):
            assert len(told) <= 1  # that bob has signed in, and no word of the job

    fuzz()


def test_the_service_is_as_it_was(scene: Scene) -> None:
    assert scene.bob.get(f"{HIS}/devices/v/1").status_code == 200
    root = scene.url.removesuffix("/api")
    assert httpx.get(root + "/health").json() == {"status": "ok"}
