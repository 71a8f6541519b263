"""Loopback filters against stored jobs, and the sentences for those that are none."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qtower.service import statuses
from qtower.service.fields import FilterError
from qtower.service.filters import parse_listing, read_earlier_than
from qtower.service.records import NewJob, Owner
from qtower.service.store import Store
from tests.service.postgres import Server

OWNER = Owner("owner", "ibm-q", "open", "main")


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def store(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Store]:
    """Jobs a (completed), b (failed), c (unfinished, without a name in truth)."""
    place: Path | str = tmp_path_factory.mktemp("store") / "jobs.sqlite"
    if request.param == "postgresql":
        server: Server = request.getfixturevalue("postgres")
        place = server.url(server.new_database())
    opened = Store(place)
    for name, backend, tags, status in (
        ("a", "ibmq_lima", ("red", "set"), statuses.COMPLETED),
        ("b", "ibmq_lima", ("blue", "set"), statuses.ERROR_RUNNING_JOB),
        (None, "ibmq_qasm_simulator", (), statuses.CREATED),
    ):
        job = opened.create(NewJob(OWNER, backend, name=name, tags=tags))
        assert job is not None
        opened.move(job.id, status, statuses.UNFINISHED, shots=len(tags) * 100)
    yield opened
    opened.close()


def found(store: Store, where: Any, **more: Any) -> str:
    listing = parse_listing(json.dumps({"where": where, "order": "creationDate ASC", **more}))
    return "".join(job.name or "c" for job in store.jobs(OWNER, listing))


@pytest.mark.parametrize(
    ("where", "names"),
    [
        ({}, "abc"),
        ({"name": "a"}, "a"),
        ({"name": None}, "c"),
        ({"name": {"neq": "a"}}, "bc"),
        ({"name": {"neq": None}}, "ab"),
        ({"name": {"nin": ["a", "x"]}}, "bc"),
        ({"name": {"inq": ["a", None]}}, "ac"),
        ({"name": {"regexp": "[ab]"}}, "ab"),
        ({"name": {"regexp": "/A/i"}}, "a"),
        ({"name": {"gt": "a"}}, "b"),
        ({"name": 1}, ""),
        ({"name": {"neq": 1}}, "abc"),
        ({"name": {"inq": [1, True, "a"]}}, "a"),
        ({"name": {"gt": 0}}, ""),
        ({"name": {"gt": "A", "lt": "Z"}}, ""),
        ({"name": "a\0"}, ""),
        ({"name": {"regexp": "[\0]"}}, ""),
        ({"name": {"regexp": "\\w$"}}, "ab"),
        ({"liveDataEnabled": 0}, ""),
        ({"liveDataEnabled": {"regexp": "0"}}, ""),
        ({"tags": 1}, ""),
        ({"tags": {"neq": 1}}, "abc"),
        ({"shots": "200"}, ""),
        ({"shots": 200.0}, "ab"),
        ({"shots": 199.5}, ""),
        ({"shots": {"gt": 199.5, "lt": 1e300}}, "ab"),
        ({"shots": {"lt": 2**40}}, "abc"),
        ({"shots": {"regexp": "2"}}, ""),
        ({"kind": {"gt": "Z"}}, "abc"),
        ({"kind": {"regexp": "^q-"}}, "abc"),
        ({"unknownField": {"gt": 1}}, ""),
        ({"unknownField": {"inq": ["x", None]}}, "abc"),
        ({"unknownField": {"regexp": ""}}, ""),
        ({"backend.name": "ibmq_lima"}, "ab"),
        ({"backend.name": "ibmq_lima", "name": "b"}, "b"),
        ({"status": "COMPLETED"}, "a"),
        ({"status": {"regexp": "^ERROR"}}, "b"),
        ({"status": {"nin": ["COMPLETED"]}}, "bc"),
        ({"or": [{"status": "COMPLETED"}, {"status": {"inq": ["CREATED"]}}]}, "ac"),
        ({"or": [{"name": "a"}, {"status": {"inq": ["CREATED"]}}]}, "ac"),
        ({"tags": "set"}, "ab"),
        ({"tags": {"inq": ["red", "green"]}}, "a"),
        ({"tags": {"nin": ["red"]}}, "bc"),
        ({"tags": {"neq": "set"}}, "c"),
        ({"tags": ["red", "set"]}, "a"),
        ({"tags": {"regexp": "^bl"}}, "b"),
        ({"and": [{"tags": "set"}, {"tags": "blue"}]}, "b"),
        ({"and": [{"tags": "set"}, {"tags": "red"}, {"name": "b"}]}, ""),
        ({"and": [{"tags": "set"}, {"tags": "red"}, {"tags": "blue"}]}, ""),
        ({"and": []}, "abc"),
        ({"shots": 200}, "ab"),
        ({"shots": {"between": [0, 199]}}, "c"),
        ({"shots": {"gte": 100, "lt": 201}}, "ab"),
        ({"hubInfo.hub.name": "ibm-q"}, "abc"),
        ({"hubInfo.hub.name": "other"}, ""),
        ({"kind": "q-object-external-storage"}, "abc"),
        ({"liveDataEnabled": False}, "abc"),
        ({"creationDate": {"gte": "2020-01-01"}}, "abc"),
        ({"creationDate": {"lt": "2020-01-01T00:00:00+00:00"}}, ""),
        ({"creationDate": {"between": ["2020-01-01T00:00:00.1Z", "2999-01-01T00:00:00Z"]}}, "abc"),
        ({"updatedDate": {"gt": "2999-01-01T00:00:00+05:30"}}, ""),
        ({"unknownField": "x"}, ""),
        ({"unknownField": {"neq": "x"}}, "abc"),
        ({"unknownField": {"nin": ["x"]}}, "abc"),
        ({"unknownField": None}, "abc"),
    ],
)
def test_where(store: Store, where: Any, names: str) -> None:
    assert found(store, where) == names


def test_order_limit_skip_and_fields(store: Store) -> None:
    assert found(store, {}, order="creationDate DESC") == "cba"
    assert found(store, {}, order=["status ASC", "id"]) == "acb"
    assert found(store, {}, order="updatedDate DESC", limit=1) == "c"
    assert found(store, {}, order="name ASC") == "cab"
    assert found(store, {}, order="name DESC") == "bac"
    assert found(store, {}, limit=1, skip=1) == "b"
    assert found(store, {}, limit=0) == "abc"
    assert parse_listing('{"limit": 100000}').limit == 500
    assert parse_listing('{"fields": {"id": true, "name": false}}').fields == frozenset({"id"})
    assert parse_listing('{"fields": ["id"]}').fields == frozenset({"id"})
    assert parse_listing(None).limit == 50


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        "[" * 100_000,
        '"\\ud800"',
        '{"limit": -1}',
        '{"limit": "x"}',
        '{"limit": true}',
        '{"skip": 1e99}',
        '{"order": "password DESC"}',
        '{"order": "creationDate SIDEWAYS"}',
        '{"order": 5}',
        '{"fields": 5}',
        '{"where": []}',
        '{"where": 5}',
        '{"where": {"name": {}}}',
        '{"where": {"name": {"like": "x"}}}',
        '{"where": {"name": {"inq": "x"}}}',
        '{"where": {"name": {"between": [1]}}}',
        '{"where": {"name": {"regexp": 5}}}',
        '{"where": {"name": {"regexp": "("}}}',
        '{"where": {"status": {"regexp": "("}}}',
        '{"where": {"creationDate": {"regexp": "2020"}}}',
        '{"where": {"creationDate": "yesterday"}}',
        '{"where": {"creationDate": {"gt": 5}}}',
        '{"where": {"creationDate": "9999-99-99"}}',
        '{"where": {"shots": 99999999999999999999999}}',
        '{"where": {"name": [1]}}',
        '{"where": {"tags": {"inq": [{}]}}}',
        '{"where": {"and": {}}}',
        '{"where": {"or": [5]}}',
        '{"where": ' + '{"and": [' * 30 + "{}" + "]}" * 30 + "}",
        '{"where": {"id": {"inq": [' + ",".join(["1"] * 3_000) + "]}}}",
        '{"where": {"or": [' + ",".join(['{"name": "a"}'] * 2_000) + "]}}",
        '{"where": {"and": [' + ",".join(['{"tags": "a"}'] * 2_000) + "]}}",
        '{"where": {"or": [' + ",".join(["{}"] * 2_000) + "]}}",
    ],
)
def test_what_is_no_filter_is_refused_in_a_sentence(text: str) -> None:
    with pytest.raises(FilterError, match=r"^[A-Z\"].* .*[^.]$"):
        parse_listing(text)


def _nested(depth: int, branches: list[Any]) -> dict[str, Any]:
    where: dict[str, Any] = {"and": branches}
    for level in range(depth):
        where = {("or", "and")[level % 2]: [where, {"name": {"nin": [None, "x"]}}]}
    return where


@pytest.mark.parametrize(
    "where",
    [
        {"or": [{"name": {"nin": [None, str(n)]}} for n in range(199)]},
        {"and": [{"tags": {"neq": str(n)}} for n in range(199)]},
        {"and": [{"tags": str(n)} for n in range(399)]},
        {"or": [{"tags": {"regexp": f"x{n}"}} for n in range(199)]},
        {"name": {"inq": [str(n) for n in range(2_000)]}},
        {"or": [{"id": {"inq": [str(n) for n in range(10)]}} for _ in range(199)]},
        _nested(18, [{"name": {"neq": str(n)}} for n in range(150)]),
    ],
)
def test_the_largest_filters_are_answered(store: Store, where: Any) -> None:
    assert set(found(store, where)) <= set("abc")


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "and",
                    "or",
                    "inq",
                    "nin",
                    "neq",
                    "gt",
                    "between",
                    "regexp",
                    "name",
                    "tags",
                    "status",
                    "id",
                    "shots",
                    "creationDate",
                    "x",
                ]
            ),
            inner,
            max_size=3,
        )
    ),
    max_leaves=10,
)


@settings(deadline=None, max_examples=300)
@given(
    st.fixed_dictionaries(
        {}, optional=dict.fromkeys(("where", "order", "limit", "skip", "fields"), _VALUES)
    )
)
def test_whatever_comes_is_answered_or_refused(store: Store, content: dict[str, Any]) -> None:
    try:
        listing = parse_listing(json.dumps(content))
    except FilterError:
        return
    assert len(store.jobs(OWNER, listing)) <= 3


def test_the_filter_of_properties() -> None:
    assert read_earlier_than(None, "last_update_date") is None
    assert read_earlier_than('{"where": {}}', "last_update_date") is None
    where = '{"where": {"last_update_date": {"lt": "1970-01-01T00:00:01"}}}'
    assert read_earlier_than(where, "last_update_date") == 1_000_000
    with pytest.raises(FilterError):
        read_earlier_than('{"where": {"last_update_date": {"lt": 5}}}', "last_update_date")


@pytest.mark.parametrize(
    ("text", "microseconds"),
    [
        ("1970-01-01", 0),
        ("1970-01-01T00:00:01Z", 1_000_000),
        ("1970-01-01T00:00:01.5Z", 1_500_000),
        ("1970-01-01T00:00:00.123456789Z", 123_456),
        ("1970-01-01 01:00+01:00", 0),
        ("1970-01-01T00:00:00-0130", 5_400_000_000),
        ("1969-12-31T23:59:59Z", -1_000_000),
    ],
)
def test_dates(text: str, microseconds: int) -> None:
    assert statuses.from_date(text) == microseconds
    assert statuses.from_date(statuses.to_date(microseconds)) == microseconds
