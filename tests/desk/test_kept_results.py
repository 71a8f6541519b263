"""A result that was read is there, whole and checked, whatever happened while it came."""

from __future__ import annotations

import base64
import errno
import os
import signal
import stat
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from qtower.config import Keeping
from qtower.desk.kept_results import KeptResults
from qtower.desk.registry import Registry
from qtower.desk.result_file import ResultFile
from qtower.errors import NetworkError
from qtower.model import JobRow, Status

DOCUMENT = b'{"results": [' + b"1, " * 100_000 + b"2]}"


def in_pieces(document: bytes = DOCUMENT) -> Iterator[bytes]:
    for start in range(0, len(document), 10_000):
        yield document[start : start + 10_000]


def test_a_result_is_kept_with_its_checksum_under_its_jobs_id(tmp_path: Path) -> None:
    told: list[str] = []
    kept = KeptResults(tmp_path / "results")
    kept.tell = told.append
    assert kept.read("job/../1") is None and not kept.has("job/../1")
    obtained = kept.obtain("job/../1", in_pieces, lambda: told.append("acknowledged"))
    assert (obtained.raw, obtained.kept, obtained.problem) == (DOCUMENT, False, None)
    assert told == ["acknowledged", "job/../1"]
    again = KeptResults(tmp_path / "results")
    assert again.read("job/../1") == DOCUMENT and again.has("job/../1")
    assert again.obtain("job/../1", pytest.fail).kept
    (file,) = (tmp_path / "results").iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    file.write_bytes(file.read_bytes()[:-3])
    assert again.read("job/../1") is None
    assert file.with_name(f"{file.name}.damaged").exists()


def test_it_is_on_disk_before_the_endpoint_hears_that_it_came(tmp_path: Path) -> None:
    kept = KeptResults(tmp_path)
    seen: list[bytes | None] = []
    kept.obtain("1", in_pieces, lambda: seen.append(KeptResults(tmp_path).read("1")))
    assert seen == [DOCUMENT]


def test_one_of_two_readers_asks_the_endpoint(tmp_path: Path) -> None:
    kept = KeptResults(tmp_path)
    asked: list[int] = []

    def slowly() -> Iterator[bytes]:
        asked.append(1)
        together.wait(10)
        yield from in_pieces()

    together = threading.Barrier(2)
    others = [
        threading.Thread(target=kept.obtain, args=("1", slowly), daemon=True) for _ in range(2)
    ]
    for other in others:
        other.start()
    together.wait(10)
    for other in others:
        other.join(10)
    assert asked == [1] and kept.read("1") == DOCUMENT


def test_a_line_that_breaks_leaves_nothing_behind(tmp_path: Path) -> None:
    def broken() -> Iterator[bytes]:
        yield DOCUMENT[:1000]
        raise ConnectionError("broken")

    kept = KeptResults(tmp_path)
    with pytest.raises(ConnectionError):
        kept.obtain("1", broken, pytest.fail)
    assert not list(tmp_path.iterdir()) and not kept.has("1")


@pytest.mark.parametrize(
    "came",
    [DOCUMENT[: len(DOCUMENT) // 2], b"", b"<html>Back soon</html>", b"[1]", b'{"error": {}}'],
)
def test_what_is_no_whole_result_is_not_kept_and_can_be_read_again(
    tmp_path: Path, came: bytes
) -> None:
    """A gateway said of half of it that this was all; found by half an hour of `make soak`."""
    told: list[str] = []
    kept = KeptResults(tmp_path, Keeping())
    kept.tell = told.append
    with pytest.raises(NetworkError, match="not a whole result"):
        kept.obtain("1", lambda: in_pieces(came), pytest.fail)
    assert not kept.has("1") and kept.read("1") is None and told == []
    (aside,) = tmp_path.iterdir()
    assert zlib.decompress(aside.read_bytes()[65:]) == came
    assert kept.obtain("1", in_pieces).raw == DOCUMENT and kept.read("1") == DOCUMENT
    assert told == ["1"]


def test_what_other_readers_of_json_take_is_a_result(tmp_path: Path) -> None:
    document = b'{"results": [NaN, "\\ud800"]}'
    kept = KeptResults(tmp_path)
    assert kept.obtain("1", lambda: [document]).raw == document
    assert kept.read("1") == document


def test_what_cannot_be_written_is_given_all_the_same(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    for folder in (None, blocked):
        obtained = KeptResults(folder).obtain("1", in_pieces)
        assert obtained.raw == DOCUMENT and obtained.problem is not None


def test_a_process_that_is_killed_while_it_reads_leaves_what_came(tmp_path: Path) -> None:
    program = f"""
import os, sys
from pathlib import Path
from qtower.desk.kept_results import KeptResults
def pieces():
    for _ in range(100):
        yield os.urandom(100_000)
    print(flush=True)
    sys.stdin.read()
KeptResults(Path({str(tmp_path)!r})).obtain("1", pieces)
"""
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout and process.stdout.readline()
        process.send_signal(signal.SIGKILL)
    (coming,) = tmp_path.iterdir()
    kept = KeptResults(tmp_path, Keeping())
    assert kept.read("1") is None
    kept.keep_house()
    assert coming.exists(), "it may still be coming"
    os.utime(coming, (1, 1))
    kept.keep_house()
    (left,) = tmp_path.iterdir()
    assert left.name == "1.cut-off"
    came = zlib.decompressobj().decompress(left.read_bytes()[65:])
    assert len(came) > 5_000_000


def test_the_oldest_go_first(tmp_path: Path) -> None:
    kept = KeptResults(tmp_path, Keeping(results_mb=3, result_days=10))
    now = 1e9
    for age in range(6):
        document = b'{"results": ["%s"]}' % base64.b64encode(os.urandom(900_000))
        kept.obtain(str(age), lambda document=document: [document])  # type: ignore[misc]
        os.utime(tmp_path / str(age), (now - age * 86_400, now - age * 86_400))
    kept.keep_house(now)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["0", "1", "2"]
    kept.keep_house(now + 9.5 * 86_400)
    assert [file.name for file in tmp_path.iterdir()] == ["0"]


def test_whoever_shows_what_is_kept_hears_what_is_not_any_more(tmp_path: Path) -> None:
    kept = KeptResults(tmp_path, Keeping(result_days=1))
    for job_id in ("old", "odd/id"):
        kept.obtain(job_id, in_pieces)
    registry = Registry(lambda job_id: None)
    registry.load(
        [
            JobRow(key=job_id, job_id=job_id, status=Status.DONE, saved=True)
            for job_id in ("old", "odd/id", "other")
        ]
    )
    kept.tell_gone = registry.mark_gone
    kept.keep_house(time.time() + 2 * 86_400)
    assert [row.key for row in registry.rows() if row.saved] == ["other"]


def test_a_disk_that_fails_half_way_and_lets_nothing_go_loses_no_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one that is mounted read-only after a fault."""

    def read_only(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    def pieces() -> Iterator[bytes]:
        coming = in_pieces()
        yield next(coming)
        monkeypatch.setattr(ResultFile, "_put", read_only)
        monkeypatch.setattr(Path, "unlink", read_only)
        yield from coming

    obtained = KeptResults(tmp_path).obtain("1", pieces, pytest.fail)
    assert obtained.raw == DOCUMENT
    assert "Read-only file system" in str(obtained.problem)


def test_what_is_not_kept_is_not_acknowledged(tmp_path: Path) -> None:
    """The endpoint may forget what it hears of: then nobody would have it."""
    blocked = tmp_path / "file"
    blocked.write_text("")
    for folder in (None, blocked):
        obtained = KeptResults(folder).obtain("1", in_pieces, pytest.fail)
        assert obtained.raw == DOCUMENT


def test_a_clock_that_is_set_back_keeps_no_result_waiting(tmp_path: Path) -> None:
    kept = KeptResults(tmp_path)
    coming = tmp_path / ".1.4242.coming"  # whoever read it was killed, an hour ahead of now
    coming.write_bytes(b"")
    assert kept.is_coming("1")
    ahead = time.time() + 3600
    os.utime(coming, (ahead, ahead))
    assert not kept.is_coming("1")


def test_a_disk_that_does_not_answer_has_nothing_and_raises_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = KeptResults(tmp_path)
    kept.obtain("1", in_pieces)
    kept.obtain("2", in_pieces)
    (tmp_path / "2").write_bytes(b"damaged")

    def stale(*_: object, **__: object) -> None:
        raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))

    for name in ("stat", "replace"):
        monkeypatch.setattr(Path, name, stale)
    assert not kept.has("1")
    assert kept.read("1") == DOCUMENT
    assert kept.read("2") is None
