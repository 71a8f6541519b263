"""`service.toml`: what it says, and what is said of a wrong one."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qtower.errors import ConfigError
from qtower.service.settings import (
    DEFAULT_PROJECT,
    BackendSettings,
    ServiceSettings,
    UserSettings,
)
from qtower.service.settings_file import load
from qtower.service.toml_lines import line_of

TOOL = Path(__file__).parents[2] / "tools" / "service_page.py"

WHOLE = """
[users.ada]
token-hash = "sha256:{digest}"
projects = ["lab/physics/main", "lab/physics/other"]
weight = 2.0
[users.ben]
[hubs.lab]
weight = 2.0
[groups."lab/physics"]
weight = 3.0
[projects."lab/physics/main"]
job-limit = 5
read-once = true
[backends.ibmq_lima]
device = "fake_lima"
noise = false
pacing = "device"
job-limit = 7
[backends.big]
device = "simulator"
method = "stabilizer"
[[reservations]]
backend = "ibmq_lima"
project = "lab/physics/main"
start = 2030-01-01T09:00:00Z
end = 2030-01-01T12:00:00+01:00
[limits]
jobs = 9
[retention]
payload-seconds = 86400
[database]
url = "postgresql+psycopg://user@localhost/qtower"
[scheduler]
address = "tcp://127.0.0.1:8786"
""".replace("{digest}", "a" * 64)


ADA = '[users.ada]\nprojects = ["a/b/c"]\n'
BACKEND = '[backends.x]\ndevice = "simulator"\n'
HIDDEN = "postgresql+psycopg://user:hunter2@localhost/qtower"


def write(directory: Path, text: str) -> Path:
    file = directory / "service.toml"
    file.write_text(text)
    return file


def test_a_service_without_a_file_has_one_user_and_no_limits() -> None:
    settings = ServiceSettings()
    assert settings.users == {}
    assert UserSettings().projects == (DEFAULT_PROJECT,)
    assert settings.job_limit("ibm-q", "open", "main", "ibmq_lima") is None
    assert not settings.read_once("ibm-q", "open", "main", "ibmq_lima")
    assert settings.retention.payload_seconds is None
    assert settings.scheduler.address is None


def test_everything_can_be_said(tmp_path: Path) -> None:
    settings = load(write(tmp_path, WHOLE))
    assert settings.users["ada"].projects == ("lab/physics/main", "lab/physics/other")
    assert settings.users["ben"] == UserSettings()
    assert settings.backends["ibmq_lima"] == BackendSettings(
        device="fake_lima", noise=False, pacing="device", job_limit=7
    )
    (reservation,) = settings.reservations
    assert (reservation.end - reservation.start).total_seconds() == 2 * 3600
    assert settings.limits.jobs == 9
    assert settings.retention.payload_seconds == 86_400


def test_the_narrowest_job_limit_holds(tmp_path: Path) -> None:
    settings = load(write(tmp_path, WHOLE))
    assert settings.job_limit("lab", "physics", "main", "ibmq_lima") == 5
    assert settings.job_limit("lab", "physics", "other", "ibmq_lima") == 7
    assert settings.job_limit("lab", "physics", "other", "big") == 9
    assert settings.read_once("lab", "physics", "main", "big")
    assert not settings.read_once("lab", "physics", "other", "big")


def test_no_secret_is_shown(tmp_path: Path) -> None:
    shown = repr(load(write(tmp_path, WHOLE)))
    assert "localhost" not in shown
    assert "a" * 64 not in shown


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[users.ada\n", "line 1"),
        ("a = 1\na = 2\n", "line 2"),
        ("jobs = 5\n", "line 1: jobs: There is no such section; there are users, hubs, "),
        ("[nothing]\n", "line 1: nothing: There is no such section"),
        ("\n[userz.ada]\n", 'line 2: userz: There is no such section; the nearest is "users"'),
        ('[users."a b"]\n', "line 1: users.a b: It is not a name"),
        ("\n[users.ada]\nprojcts = []\n", "line 3: users.ada.projcts: There is no such field; "),
        ('[users.ada]\nprojects = ["a/b"]\n', "line 2: users.ada.projects.0: It is not a project"),
        ("[users.ada]\nprojects = []\n", "line 2: users.ada.projects: It takes a list with at"),
        ('[users.ada]\nprojects = ["a/b/c", "a/b/c"]\n', "A project is named twice"),
        ('[users.a]\ntoken-hash = "hunter2"\n', "line 2: users.a.token-hash: It is not a hash"),
        ("[users]\nada = 5\n", "line 2: users.ada: It takes a table."),
        ("users = 5\n", "line 1: users: It takes a table."),
        (
            "[users.ada]\nweight = nan\n",
            "line 2: users.ada.weight: It takes a number of more than 0",
        ),
        ("[projects.lab.x.y]\n", 'line 1: projects.lab: It is not a project as "HUB/GROUP'),
        ('[projects."a/b/c"]\nread-once = "yes"\n', "read-once: It takes true or false."),
        ("[limits]\n\njobs = 0\n", "line 3: limits.jobs: It takes a number of at least 1."),
        ('[limits]\njobs = "9"\n', "line 2: limits.jobs: It takes a whole number."),
        ("[limits]\njob_seconds = 9\n", 'There is no such field; the nearest is "job-seconds"'),
        (
            "[limits]\nmemory-bytes = 4_000\n",
            "limits.memory-bytes: It takes a number of at least 200,",
        ),
        ("limits = {jobs = 0}\n", "line 1: limits.jobs: It takes"),
        ("limits.jobs = 0\n", "line 1: limits.jobs: It takes"),
        (
            f"{BACKEND}pacing = 'slow'\n",
            'line 3: backends.x.pacing: It is none of "instant", "device"',
        ),
        (f"{BACKEND}pacing = 'device'\n", "line 3: backends.x.pacing: A simulator has no"),
        (f"{BACKEND}method = 'fast'\n", 'line 3: backends.x.method: It is none of "automatic", '),
        ("[backends.x]\n", 'line 1: backends.x: The field "device" is missing.'),
        (
            "[backends.x]\ndevice = 'fake_limo'\n",
            "device: There is no such device; the nearest is fake_l",
        ),
        ("[backends.x]\ndevice = 5\n", "line 2: backends.x.device: It takes a text in quotes."),
        ("[reservations]\n", "line 1: reservations: It takes tables headed [[reservations]]."),
        ('[scheduler]\naddress = "x"\n', "line 2: scheduler.address: It is not an address"),
        ('[scheduler]\naddress = "tcp://x"\n', "line 2: scheduler.address: It is not an address"),
        (
            f'[database]\nurl = "{HIDDEN}"\n',
            "line 2: database.url: The address of the database holds",
        ),
        (
            '[database]\nurl = "sqlite:///x"\n',
            "line 2: database.url: The address of the database is",
        ),
        (
            f"{ADA}[projects.'a/b/d']\nread-once = true\n",
            "projects.a/b/d: No user works in this proj",
        ),
        (f"{ADA}[groups.'a/x']\n", "line 3: groups.a/x: No user works in this group."),
        (f"{ADA}[hubs.x]\n", "line 3: hubs.x: No user works in this hub."),
    ],
)
def test_an_error_names_file_line_and_field(tmp_path: Path, text: str, words: str) -> None:
    file = write(tmp_path, text)
    with pytest.raises(ConfigError) as refused:
        load(file)
    assert words in str(refused.value)
    assert str(file) in str(refused.value)
    assert "hunter2" not in str(refused.value)


RESERVED = """[[reservations]]
backend = "a"
project = "a/b/c"
start = 2030-01-01T09:00:00Z
end = 2030-01-01T10:00:00Z

[[reservations]]
backend = "{backend}"
project = "a/b/c"
start = 2030-01-01T09:00:00Z
end = {end}
"""


@pytest.mark.parametrize(
    ("backend", "end", "words"),
    [
        ("a", "2030-01-01T09:00:00Z", "line 11: reservations.1.end: It is not after the start"),
        ("a", "2030-01-01T10:00:00", "line 11: reservations.1.end: It takes a date with"),
        ("a", '"soon"', "line 11: reservations.1.end: It takes a date with"),
        ("b", "2030-01-01T10:00:00Z", "line 8: reservations.1.backend: There is no such backend"),
    ],
)
def test_the_right_one_of_several_tables_is_named(
    tmp_path: Path, backend: str, end: str, words: str
) -> None:
    text = RESERVED.format(backend=backend, end=end) + '[backends.a]\ndevice = "simulator"\n'
    with pytest.raises(ConfigError) as refused:
        load(write(tmp_path, text))
    assert words in str(refused.value)


def test_a_reservation_is_of_a_backend_and_a_project_that_there_are(tmp_path: Path) -> None:
    built_in = RESERVED.format(backend="ibmq_lima", end="2030-01-01T10:00:00Z")
    with pytest.raises(ConfigError, match=r"line 2: reservations.0.backend: There is no such"):
        load(write(tmp_path, built_in))
    built_in = built_in.replace('"a"', '"ibmq_lima"')
    assert len(load(write(tmp_path, built_in)).reservations) == 2
    with pytest.raises(ConfigError, match=r"line 3: reservations.0.project: No user works"):
        load(write(tmp_path, f"{built_in}[users.ada]\n"))


def test_two_users_cannot_have_one_token(tmp_path: Path) -> None:
    entry = f'token-hash = "sha256:{"a" * 64}"\n'
    with pytest.raises(ConfigError, match="Two users have the same token"):
        load(write(tmp_path, f"[users.ada]\n{entry}[users.ben]\n{entry}"))


def test_a_file_that_is_not_there_or_no_text(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="There is no file"):
        load(tmp_path / "nothing.toml")
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="not UTF-8"):
        load(tmp_path / "bytes.toml")


def test_the_page_is_current_and_its_example_is_right(tmp_path: Path) -> None:
    spec = importlib.util.spec_from_file_location("service_page", TOOL)
    assert spec is not None and spec.loader is not None
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    assert tool.PAGE.read_text() == tool.page(), "run: python tools/service_page.py"
    settings = load(write(tmp_path, tool.EXAMPLE))
    assert set(settings.backends) == {"ibmq_qasm_simulator", "ibmq_lima"}
    assert settings.limits.memory_bytes == 4_000_000_000


def test_a_line_is_found_past_other_values() -> None:
    text = 'a = [\n  "x = 1",\n]\nb.c = """\n[users]\n"""\n[users."x.y"]\nweight = 1\n'
    assert line_of(text, ("users", "x.y", "weight")) == 8
    assert line_of(text, ("users", "x.y", "projects")) == 7
    assert line_of(text, ("b", "c")) == 4
    assert line_of(text, ("nothing",)) is None


@given(st.text(max_size=200))
def test_no_text_ends_otherwise_than_in_words(text: str) -> None:
    line_of(text, ("users", "ada"))
