"""The bytes that a terminal gets: no control sequence in them comes from foreign text."""

from __future__ import annotations

import csv
import io
import json
import re
import subprocess
import sys
import unicodedata
from pathlib import Path
from typing import Any

import click
import msgspec
import pexpect
import pytest
from hypothesis import given

from qtower.cli.standard import InertStream, make_inert, print_json
from qtower.desk.result_export import as_csv
from tests.conftest import home_environment
from tests.desk.hostile import Reply, Request, hostile, is_list, job
from tests.hostile.texts import CANARY, EVERYTHING, SEQUENCES, bounded, foreign, sendable

ROOT = Path(__file__).parents[2]

ENCODINGS = {
    "utf-8": {"PYTHONIOENCODING": "utf-8"},
    "ascii": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    "iso-8859-1": {"PYTHONIOENCODING": "iso-8859-1", "PYTHONUTF8": "0"},
}

_SEQUENCE = re.compile(
    r"""\x1b(?: \[ [0-9;:?<>=]* [ -/]* [@-~]
           | \] [0-9]+ ; [^\x07\x1b]* (?: \x07 | \x1b\\ )
           | [P_] [^\x1b]* \x1b\\
           | [78=>DM] )""",
    re.VERBOSE,
)


def check_bytes(raw: bytes, encoding: str) -> str:
    """What stands in `raw` besides the sequences of Textual and Click, which hold no canary."""
    text = raw.decode(encoding)
    for sequence in _SEQUENCE.findall(text):
        assert CANARY not in sequence, repr(sequence)
    rest = _SEQUENCE.sub("", text).replace("\r\n", "\n")
    for character in set(rest) - {"\n"}:
        assert unicodedata.category(character) not in {"Cc", "Cf", "Cs", "Co"}, repr(character)
    return rest


def in_terminal(command: list[str], home: Path, encoding: str, *keys: str) -> tuple[bytes, int]:
    """All that a program writes to a pty while keys are pressed, and its exit code."""
    environment = {**home_environment(home), **ENCODINGS[encoding], "TERM": "xterm-256color"}
    process = pexpect.spawn(
        sys.executable, command, cwd=str(ROOT), env=environment, timeout=60, dimensions=(40, 120)
    )
    written = io.BytesIO()
    process.logfile_read = written
    for key in keys:
        process.expect(b".", timeout=30)
        _quiet(process)
        process.send(key)
    process.expect(pexpect.EOF)
    process.close()
    return written.getvalue(), process.exitstatus


def _quiet(process: Any) -> None:
    """Waits until the screen stands still."""
    while True:
        try:
            process.read_nonblocking(65536, timeout=0.3)
        except pexpect.TIMEOUT:
            return


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_the_screen(home: Path, encoding: str) -> None:
    keys = ("\r", "y", "q", "q")
    raw, code = in_terminal(["-m", "tests.hostile.host"], home, encoding, *keys)
    shown = check_bytes(raw, encoding)
    assert code == 0, shown
    assert f"]0;{CANARY}" in shown, "it was shown, and did nothing"
    if encoding == "ascii":
        assert raw.isascii()
    assert "\\u" not in shown, "what the encoding lacks takes as many cells as before"


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("arguments", [["list", EVERYTHING], [SEQUENCES[0]]])
def test_arguments_that_click_echoes(home: Path, encoding: str, arguments: list[str]) -> None:
    command = ["-m", "qtower", *(each.replace("\0", "") for each in arguments)]
    raw, code = in_terminal(command, home, encoding)
    assert CANARY in check_bytes(raw, encoding)
    assert code == 2


def test_list_of_a_hostile_endpoint(home: Path) -> None:
    """As a table each line is as it should be; as JSON nothing is lost."""
    names = [*SEQUENCES, EVERYTHING]
    documents = [
        job(number, name=name, tags=[name], backend={"name": name})
        for number, name in enumerate(names)
    ]

    def mode(request: Request) -> Reply | None:
        if is_list(request):
            rest = "nin" in request.query or "updatedDate" in request.query
            return Reply([] if rest else documents)
        return None

    with hostile(mode) as endpoint:
        config = home / "config" / "qtower"
        config.mkdir(parents=True)
        (config / "config.toml").write_text(
            f'[accounts.test]\nurl = "{endpoint.url}"\ntoken = "{endpoint.account.token}"\n'
        )
        (config / "config.toml").chmod(0o600)
        listing = ["-m", "qtower", "list", "--account", "test"]
        raw, _ = in_terminal(listing, home, "ascii")
        shown = check_bytes(raw, "ascii")
        assert f"?]0;{CANARY}" in shown
        done = subprocess.run(
            [sys.executable, *listing, "--json"],
            cwd=ROOT,
            env=home_environment(home),
            capture_output=True,
            check=False,
        )
    assert done.stdout.isascii()
    assert not re.search(rb"[^\n -~]", done.stdout)
    assert {row["name"] for row in json.loads(done.stdout)} == set(names), done.stderr


def test_a_log_with_hostile_lines(home: Path) -> None:
    environment = home_environment(home)
    where = "from qtower.service.local_files import log_file; print(log_file())"
    log = Path(
        subprocess.run(
            [sys.executable, "-c", where], env=environment, capture_output=True, check=True
        )
        .stdout.decode()
        .strip()
    )
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_bytes(f"first\n{EVERYTHING}\n".encode() + b"\xff\x9b7770777m\n")
    raw, code = in_terminal(["-m", "qtower", "service", "logs"], home, "utf-8")
    assert code == 0
    assert CANARY in check_bytes(raw, "utf-8")


def test_a_traceback_is_inert(home: Path) -> None:
    program = (
        "from qtower.cli.standard import make_inert; make_inert(); "
        f"raise RuntimeError({EVERYTHING!r})"
    )
    raw, code = in_terminal(["-c", program], home, "utf-8")
    assert code == 1
    assert CANARY in check_bytes(raw, "utf-8")


# -- in this process ---------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_whatever_is_printed_is_inert(encoding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    kept, errors = io.BytesIO(), io.BytesIO()
    originals = [io.TextIOWrapper(each, encoding, write_through=True) for each in (kept, errors)]
    with monkeypatch.context() as patched:
        for name, original in zip(("stdout", "stderr"), originals, strict=True):
            patched.setattr(sys, name, original)
        make_inert()
        stream = sys.stdout
        assert isinstance(stream, InertStream)

        @bounded(150, 10_000)
        @given(foreign)
        def say(text: str) -> None:
            kept.seek(0)
            kept.truncate()
            click.echo(text)
            click.echo(text, err=True)
            stream.flush()
            check_bytes(errors.getvalue(), encoding)
            check_bytes(kept.getvalue(), encoding)
            assert b"\x1b" not in kept.getvalue()

        say()


@bounded(150, 10_000)
@given(sendable)
def test_json_that_is_printed_is_ascii_and_whole(text: str) -> None:
    lines: list[str] = []
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(click, "echo", lines.append)
        print_json({"name": text})
    assert not re.search(r"[^\n -~]", lines[0])
    assert msgspec.json.decode(lines[0]) == {"name": text}


@bounded(150, 10_000)
@given(sendable)
def test_no_cell_of_a_csv_is_a_formula_or_acts_on_a_terminal(text: str) -> None:
    rows = as_csv([(text, [(text, 1)])]).decode()
    for row in csv.reader(rows.splitlines(keepends=True)):
        assert not any(cell.startswith(("=", "+", "-", "@", "\t")) for cell in row)
    assert not set(rows) & set("\x1b\x07\x00\x7f\x9b\x9d\u202e")
