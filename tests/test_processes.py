"""Which process wrote something down, and whether it still runs."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from qtower import processes
from qtower.processes import process_lives, process_name, this_program
from tests.traps import Trap


def test_a_process_lives_until_it_has_ended() -> None:
    assert process_lives(process_name())
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        name = process_name(child.pid)
        assert name.startswith(f"{child.pid}:")
        assert process_lives(name)
    assert not process_lives(name)
    with pytest.raises(psutil.NoSuchProcess):
        process_name(child.pid)


def test_another_process_of_the_same_number_is_another() -> None:
    number, began, *boot = process_name().split(":")
    assert not process_lives(":".join((number, str(float(began) - 60), *boot)))


@pytest.mark.parametrize("seconds", [-86_400.0, 7200.0])
def test_a_clock_that_was_set_ends_no_process(
    monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    name = process_name()
    if name.count(":") == 1:
        pytest.skip("here the system keeps the time of day at which a process began")
    created, booted = psutil.Process.create_time, psutil.boot_time
    # As psutil answers afterwards: the kernel counts from the boot, whose time of day has moved.
    monkeypatch.setattr(psutil.Process, "create_time", lambda self: created(self) + seconds)
    monkeypatch.setattr(psutil, "boot_time", lambda: booted() + seconds)
    assert process_lives(name)
    assert process_name() == name


def test_after_another_boot_nothing_lives() -> None:
    number, began, *_ = process_name().split(":")
    assert not process_lives(f"{number}:{began}:of another boot")


def test_names_of_older_versions_are_read() -> None:
    began = psutil.Process().create_time()
    assert process_lives(f"{os.getpid()}:{began:.2f}")
    assert not process_lives(f"{os.getpid()}:{began - 3600:.2f}")
    assert not process_lives(f"{os.getpid()}:{time.time() + 3600:.2f}")


@pytest.mark.parametrize(
    "name", ["", "x", "1", "x:y", "-5:1.0", "1e9:1:b", f"{10**30}:1.0", "1:nan"]
)
def test_what_is_no_name_names_nothing(name: str) -> None:
    assert not process_lives(name)


def test_where_there_is_no_name_of_the_boot(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "_boot", lambda: "")
    assert process_name().count(":") == 1
    assert process_lives(process_name())


def test_this_program_runs_nothing_of_the_working_directory(tmp_path: Path) -> None:
    trap = Trap(tmp_path)
    run = subprocess.run(
        this_program("list", "--help"), cwd=trap.directory, capture_output=True, text=True
    )
    assert run.stdout.startswith("Usage: qtower list"), run.stderr
    assert trap.sprung == []
    # The trap is one.
    subprocess.run([sys.executable, "-m", "json"], cwd=trap.directory, capture_output=True)
    assert trap.sprung
