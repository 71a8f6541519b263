"""Payload files: whole or not at all, and named by job ids only."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from qtower.service import payloads
from qtower.service.payloads import Payloads

JOB = "0123456789abcdef01234567"


@pytest.fixture
def store(tmp_path: Path) -> Payloads:
    return Payloads(tmp_path / "payloads")


def test_what_is_written_is_read_and_is_smaller_on_disk(store: Payloads) -> None:
    content = b'{"counts": {"0x0": 512}}' * 1000
    payloads.write(store.result_file(JOB), content)
    assert payloads.read(store.result_file(JOB)) == content
    assert store.result_file(JOB).stat().st_size < len(content) / 10


def test_only_the_user_can_read_it(store: Payloads, tmp_path: Path) -> None:
    payloads.write(store.qobj_file(JOB), b"{}")
    assert stat.S_IMODE(store.qobj_file(JOB).stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "payloads").stat().st_mode) == 0o700


def test_a_second_write_replaces_the_first(store: Payloads) -> None:
    payloads.write(store.qobj_file(JOB), b"first")
    payloads.write(store.qobj_file(JOB), b"second")
    assert payloads.read(store.qobj_file(JOB)) == b"second"


@pytest.mark.parametrize(
    "job_id",
    ["", "..", "../../etc/passwd", "/etc/passwd", JOB.upper(), JOB[:-1], JOB + "0", JOB + "\n"],
)
def test_nothing_but_a_job_id_becomes_a_path(store: Payloads, job_id: str) -> None:
    for path_of in (store.qobj_file, store.result_file, store.remove):
        with pytest.raises(ValueError, match="24 hex digits"):
            path_of(job_id)


def test_what_is_not_there(store: Payloads) -> None:
    with pytest.raises(FileNotFoundError):
        payloads.read(store.qobj_file(JOB))


def test_a_damaged_file_is_an_error_and_not_content(store: Payloads) -> None:
    payloads.write(store.qobj_file(JOB), b"content" * 100)
    whole = store.qobj_file(JOB).read_bytes()
    store.qobj_file(JOB).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(OSError, match="damaged"):
        payloads.read(store.qobj_file(JOB))


def test_a_write_that_fails_leaves_the_old_content_and_no_litter(
    store: Payloads, monkeypatch: pytest.MonkeyPatch
) -> None:
    payloads.write(store.qobj_file(JOB), b"old")

    def full_disk(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full_disk)
    with pytest.raises(OSError, match="No space"):
        payloads.write(store.qobj_file(JOB), b"new")
    assert payloads.read(store.qobj_file(JOB)) == b"old"
    assert [file.name for file in store.qobj_file(JOB).parent.iterdir()] == [
        store.qobj_file(JOB).name
    ]


def test_remove_takes_both_files_and_minds_neither_missing(store: Payloads) -> None:
    payloads.write(store.qobj_file(JOB), b"q")
    payloads.write(store.result_file(JOB), b"r")
    store.remove(JOB)
    store.remove(JOB)
    assert not store.qobj_file(JOB).exists()
    assert not store.result_file(JOB).exists()


def test_a_disk_is_full_when_less_than_a_megabyte_is_left(
    store: Payloads, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not store.full
    real = os.statvfs(store.qobj_file(JOB).parent)
    # Root may have more: what counts is what is left for this user.
    left = os.statvfs_result((*real[:4], 999_999 // real.f_frsize, *real[5:]))
    monkeypatch.setattr("os.statvfs", lambda _: left)
    assert store.full
