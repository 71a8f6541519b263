from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from qtower import paths
from qtower.errors import StorageError
from tests.conftest import home_environment


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_our_directories_are_ours_alone(home: Path) -> None:
    for directory in (paths.state_dir(), paths.data_dir(), paths.runtime_dir()):
        assert directory.is_relative_to(home)
        assert mode(directory) == 0o700


def test_directories_above_ours_are_not_left_to_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        paths.private_dir(tmp_path / "local" / "share" / "qtower")
    finally:
        os.umask(before)
    # In `~/.local`, anybody could else make `lib/python3.11/site-packages`.
    assert {mode(tmp_path / "local"), mode(tmp_path / "local" / "share")} == {0o700}


def test_a_directory_that_is_there_stays_as_it_is(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    paths.private_dir(tmp_path / "qtower")
    assert mode(tmp_path) == 0o755


def test_a_directory_open_to_others_is_closed(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    assert mode(paths.private_dir(tmp_path)) == 0o700


@pytest.mark.parametrize("rights", [0o1777, 0o777, 0o1755])
def test_a_directory_of_all_users_is_left_alone(tmp_path: Path, rights: int) -> None:
    tmp_path.chmod(rights)
    with pytest.raises(StorageError, match="open to all users"):
        paths.private_dir(tmp_path)
    assert mode(tmp_path) == rights
    tmp_path.chmod(0o700)


def test_a_file_in_the_way_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="cannot be used"):
        paths.private_dir(tmp_path / "file" / "below")


def test_private_files_are_whole_or_not_there(tmp_path: Path) -> None:
    file = tmp_path / "token"
    paths.write_private(file, b"one")
    paths.write_private(file, b"two")
    assert file.read_bytes() == b"two"
    assert mode(file) == 0o600
    assert list(tmp_path.iterdir()) == [file]


def test_without_a_runtime_directory_nothing_is_scribbled_on_the_terminal(home: Path) -> None:
    script = "from qtower import paths; paths.runtime_dir()"
    environment = home_environment(home) | {"TMPDIR": str(home)}
    environment.pop("XDG_RUNTIME_DIR")
    run = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True
    )
    assert run.stderr == ""


def test_the_runtime_directory_is_the_same_the_second_time(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(home / "made" / "by-us"))
    assert paths.runtime_dir() == paths.runtime_dir() == home / "made" / "by-us" / "qtower"
