"""The user's own service: one, detached, found again, started again, ended."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import msgspec
import pexpect
import psutil
import pytest

from qtower import paths
from qtower.errors import ServiceError, StorageError
from qtower.service import asking, local, local_files
from qtower.service.report import read_report

pytestmark = pytest.mark.usefixtures("home")

PATIENCE = 30.0  # seconds

START = """
from qtower.service import local
service = local.ensure_running(60)
print(service.pid, service.started, service.url, flush=True)
"""


def until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain: {what}"
        time.sleep(0.05)


def lives(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def record() -> dict[str, object]:
    document = json.loads((local_files.note_file()).read_bytes())
    assert isinstance(document, dict)
    return document


def write_record(**changes: object) -> None:
    content = {"pid": os.getpid(), "created": 0.0, "log_offset": 0, "url": ""} | changes
    paths.write_private(local_files.note_file(), json.dumps(content).encode())


@pytest.fixture(autouse=True)
def nothing_left(home: Path) -> Iterator[None]:
    yield
    local.stop()


def test_nothing_runs_at_first_and_asking_starts_nothing() -> None:
    assert local.status() is None
    assert local.running() is None
    assert local.stop() is False
    assert not (local_files.note_file()).exists()
    assert not local_files.log_file().exists()


def test_its_whole_life() -> None:
    first = local.ensure_running()
    assert first.started
    assert first.url.startswith("http://127.0.0.1:")

    again = local.ensure_running()
    assert (again.pid, again.url, again.token) == (first.pid, first.url, first.token)
    assert not again.started
    assert local.status() == again

    children = psutil.Process(first.pid).children(recursive=True)
    assert local.stop() is True
    assert local.status() is None
    assert not lives(first.pid)
    assert not any(lives(child.pid) for child in children)

    other = local.ensure_running()
    assert other.started
    assert other.pid != first.pid


def test_it_is_detached_and_private(home: Path) -> None:
    service = local.ensure_running()
    process = psutil.Process(service.pid)
    assert os.getsid(service.pid) == service.pid
    assert process.cwd() == "/"
    assert service.token not in " ".join(process.cmdline())
    assert service.token not in repr(service) + str(service) + local_files.log_file().read_text()
    for file in (*paths.runtime_dir().iterdir(), local_files.log_file()):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file
    assert any(paths.data_dir().iterdir())


def test_secrets_of_our_environment_are_not_handed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QTOWER_TOKEN", "somebody-s-token")
    service = local.ensure_running()
    for process in (psutil.Process(service.pid), *psutil.Process(service.pid).children()):
        assert "somebody-s-token" not in process.environ().values()


def test_eight_terminals_at_once_get_one_service() -> None:
    terminals = [
        subprocess.Popen([sys.executable, "-c", START], stdout=subprocess.PIPE, text=True)
        for _ in range(8)
    ]
    answers = [terminal.communicate(timeout=90)[0].split() for terminal in terminals]
    assert {terminal.returncode for terminal in terminals} == {0}
    assert len({(pid, url) for pid, _, url in answers}) == 1
    assert [started for _, started, _ in answers].count("True") == 1


def test_a_closed_terminal_does_not_end_it() -> None:
    terminal = pexpect.spawn(sys.executable, ["-c", START + "input()"], timeout=60)
    terminal.expect(rb"(\d+) True http")
    terminal.close(force=True)  # hangs up
    assert not terminal.isalive()
    service = local.status()
    assert service is not None


def test_a_killed_one_is_replaced_and_its_children_are_gone() -> None:
    first = local.ensure_running()
    children = psutil.Process(first.pid).children(recursive=True)
    os.kill(first.pid, signal.SIGKILL)
    until(lambda: not lives(first.pid), "the service is gone")
    assert local.status() is None
    second = local.ensure_running()
    assert second.started
    assert second.pid != first.pid
    until(lambda: not any(lives(child.pid) for child in children), "its children are gone")


def test_a_record_of_a_process_id_that_was_reused_is_not_believed() -> None:
    write_record(url="http://127.0.0.1:9/api")  # this very process, but begun long ago
    assert local.status() is None
    assert local.running() is None
    assert local.stop() is False  # and above all: did not end this process


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"pid": "x"}', b"\xff"])
def test_a_damaged_record_is_no_record(content: bytes) -> None:
    paths.write_private(local_files.note_file(), content)
    assert local.status() is None
    assert local.stop() is False


@pytest.mark.parametrize("ending", [".json", ".token", ".lock"])
@pytest.mark.parametrize("kind", ["pipe", "directory", "circle"])
def test_what_is_in_the_place_of_its_files_is_said_and_keeps_nobody_waiting(
    ending: str, kind: str
) -> None:
    file = local_files.note_file().with_suffix(ending)
    if kind == "pipe":
        os.mkfifo(file)
    elif kind == "directory":
        file.mkdir()
    else:
        file.symlink_to(file.name)
    with pytest.raises(StorageError, match=f"{file.name} cannot be used"):
        local.ensure_running()
    file.rmdir() if kind == "directory" else file.unlink()


def test_a_pipe_in_the_place_of_its_log_is_said() -> None:
    os.mkfifo(local_files.log_file())
    with pytest.raises(StorageError, match="log cannot be used: It is not a regular file"):
        local.ensure_running()


def test_a_stranger_on_the_port_is_not_taken_for_ours() -> None:
    class Stranger(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b'{"api-auth": "stranger"}')

        def do_POST(self) -> None:
            self.send_error(401)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Stranger)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sleeper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    try:
        paths.write_private(local_files.token_file(), b"a token")
        write_record(
            pid=sleeper.pid,
            created=psutil.Process(sleeper.pid).create_time(),
            url=f"http://127.0.0.1:{server.server_port}/api",
        )
        assert local.status() is None
        note = local.running()
        assert note is not None
        assert note.pid == sleeper.pid
        assert read_report(note, paths.data_dir()) is None
        with pytest.raises(ServiceError, match="does not answer") as refused:
            local.ensure_running(timeout=0.5)
        assert str(local_files.log_file()) in refused.value.next_step
    finally:
        sleeper.kill()
        sleeper.wait()
        server.shutdown()
        server.server_close()


def test_one_that_cannot_start_says_where_to_look(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(ServiceError, match="ended while it was starting") as refused:
        local.ensure_running()
    assert str(local_files.log_file()) in str(refused.value)
    assert not (local_files.note_file()).exists()


def test_one_that_never_listens_is_given_up(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    mute = home / "mute"
    mute.write_text(f"#!{sys.executable}\nimport time\ntime.sleep(600)\n")
    mute.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(mute))
    with pytest.raises(ServiceError, match="does not answer"):
        local.ensure_running(timeout=0.5)
    # It can be ended all the same.
    assert local.stop() is True


def test_one_that_does_not_answer_is_named_to_all_who_wait_and_can_be_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(asking, "ASK_SECONDS", 0.2)
    service = local.ensure_running()
    os.kill(service.pid, signal.SIGSTOP)
    said: list[str] = []

    def ask(timeout: float) -> None:
        with pytest.raises(ServiceError) as refused:
            local.ensure_running(timeout)
        said.append(refused.value.what)

    waiting = [threading.Thread(target=ask, args=(timeout,)) for timeout in (1.0, 1.0)]
    for thread in waiting:
        thread.start()
    for thread in waiting:
        thread.join()
    assert said == [f"The local service (process {service.pid}) does not answer."] * 2

    asked, speaks = [], asking.speaks

    def noted(url: str) -> bool:
        asked.append(url)
        return speaks(url)

    monkeypatch.setattr(asking, "speaks", noted)
    patient = threading.Thread(target=ask, args=(PATIENCE,))
    patient.start()
    until(lambda: len(asked) > 1, "it has looked whether there is one, and waits for it")
    assert local.stop(timeout=1) is True
    patient.join()
    assert said[2:] == ["The local service ended."]
    assert not lives(service.pid)


def test_it_is_found_again_when_its_session_has_ended() -> None:
    first = local.ensure_running()
    shutil.rmtree(paths.runtime_dir())  # as systemd does at logout
    again = local.ensure_running()
    assert (again.pid, again.url, again.token) == (first.pid, first.url, first.token)
    assert not again.started
    # What was lost is there again, and private.
    assert record()["pid"] == first.pid
    for file in paths.runtime_dir().iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file
    shutil.rmtree(paths.runtime_dir())
    assert local.stop() is True
    assert not lives(first.pid)
    assert not (paths.data_dir() / "service.json").exists()


def test_a_killed_one_is_not_found_again_by_what_it_left() -> None:
    first = local.ensure_running()
    shutil.rmtree(paths.runtime_dir())
    os.kill(first.pid, signal.SIGKILL)
    until(lambda: not lives(first.pid), "the service is gone")
    assert local.status() is None
    second = local.ensure_running()
    assert second.started
    assert second.pid != first.pid


def test_one_that_somebody_else_started_is_found() -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "qtower", "serve"], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        url = process.stdout.readline().removeprefix(local.READY_LINE).strip()
        found = local.ensure_running()
        assert (found.pid, found.url, found.started) == (process.pid, url, False)
        process.terminate()


def test_one_with_named_users_is_not_taken_for_ours(home: Path) -> None:
    settings = home / "service.toml"
    settings.write_text(f'[users.ada]\ntoken-hash = "sha256:{"0" * 64}"\n')
    with subprocess.Popen(
        [sys.executable, "-m", "qtower", "serve", "--config", str(settings)],
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout
        process.stdout.readline()
        with pytest.raises(ServiceError, match="does not answer as qtower's own") as refused:
            local.ensure_running(timeout=0.5)
        assert "as an account" in refused.value.next_step
        process.terminate()


def test_who_has_another_home_has_another_service(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Both have the runtime directory of their user."""
    first = local.ensure_running()
    runtime = paths.runtime_dir()
    with monkeypatch.context() as elsewhere:
        for name in ("HOME", "XDG_DATA_HOME", "XDG_STATE_HOME"):
            elsewhere.setenv(name, str(tmp_path / name))
        assert paths.runtime_dir() == runtime
        assert local.status() is None and local.running() is None
        second = local.ensure_running()
        try:
            assert second.started and second.token != first.token
            note = local.running()
            assert note is not None and read_report(note, paths.data_dir()) is not None
        finally:
            assert local.stop() is True
    again = local.status()
    assert again is not None and (again.pid, again.token) == (first.pid, first.token)


def test_it_ends_by_itself_when_idle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "IDLE_SECONDS", 1)
    service = local.ensure_running()
    until(lambda: not lives(service.pid), "it ends")
    assert local.status() is None


def test_a_long_log_is_set_aside(monkeypatch: pytest.MonkeyPatch) -> None:
    local_files.log_file().write_bytes(b"old\n" * 10)
    monkeypatch.setattr(local, "_LOG_LIMIT", 20)
    local.ensure_running()
    assert b"old" not in local_files.log_file().read_bytes()
    assert b"old" in local_files.log_file().with_suffix(".log.1").read_bytes()


def test_an_announcement_in_an_older_part_of_the_log_is_not_believed() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        old = f"{local.READY_LINE}http://127.0.0.1:{closed.getsockname()[1]}/api\n"
    local_files.log_file().write_text(old)
    service = local.ensure_running()
    assert service.url not in old


def test_asking_loads_nothing_heavy() -> None:
    program = """
import sys
from qtower.service import local
heavy = {"sqlalchemy", "starlette", "uvicorn", "qiskit", "qiskit_aer", "numpy", "click", "requests"}
print(sorted(heavy & {name.split(".")[0] for name in sys.modules}))
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_the_record_is_complete_and_holds_no_token() -> None:
    service = local.ensure_running()
    assert record()["url"] == service.url
    assert service.token not in msgspec.json.encode(record()).decode()
