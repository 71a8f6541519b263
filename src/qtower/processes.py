"""Processes that wrote something down: which they were, and whether they still run.

A process has a number, which another gets when it has ended, and a beginning. On Linux that is
counted from the boot: the time of day of it moves when the clock is set, as it is soon after many
a boot, while a service runs for months. So there a process is named by its number, its age at the
boot, and the boot.
"""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path

import psutil

_TOLERANCE = 5.0  # seconds; both times are rounded, and older names have a time of day
_STEPPED_BACK = 5  # as `nice`: a third of the time of those who did not, and all if there are none
_BOOT = Path("/proc/sys/kernel/random/boot_id")


def process_name(number: int | None = None) -> str:
    """A process (this one if None), told apart from any other that had or gets its number.

    Raises:
        psutil.NoSuchProcess: There is none of that number.
    """
    process = psutil.Process(number)
    boot = _boot()
    if not boot:
        return f"{process.pid}:{process.create_time():.2f}"
    return f"{process.pid}:{_since_boot(process):.2f}:{boot}"


def process_lives(name: str) -> bool:
    """Whether the process that `process_name` named still runs on this machine, as this user's."""
    number, _, rest = name.partition(":")
    began, _, boot = rest.partition(":")
    try:
        process = psutil.Process(int(number))
        # A zombie has ended; whoever started it has not looked yet.
        if process.status() == psutil.STATUS_ZOMBIE or process.uids().real != os.getuid():
            return False
        if boot and boot != _boot():
            return False
        found = _since_boot(process) if boot else process.create_time()
        return abs(found - float(began)) < _TOLERANCE
    except (psutil.Error, ValueError, OverflowError):
        return False


def _since_boot(process: psutil.Process) -> float:
    # From psutil it would be a time of day less that of the boot, each looked up at another time:
    # when the clock is set between them, a process that lives would seem to be another.
    try:
        fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    except OSError as error:
        raise psutil.NoSuchProcess(process.pid) from error
    return int(fields[19]) / os.sysconf("SC_CLK_TCK")


def _boot() -> str:
    """What this boot is called; empty where processes keep the time of day at which they began."""
    try:
        return _BOOT.read_text().strip()
    except OSError:
        return ""


def step_back() -> None:
    """Lets others go first on a busy machine: this thread; on some systems, this process."""
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, _STEPPED_BACK)


_START = """\
import sys
sys.path[:] = [place for place in sys.path if place] + [{ours!r}]
del sys.argv[0]
from qtower.__main__ import main
main()
"""


def this_program(*arguments: str) -> list[str]:
    """The command that runs this qtower with these arguments.

    Not `python -m qtower`: that looks for every module in the working directory first, and a
    `json.py` of whoever may write there would be run. The option against that is of Python 3.11.
    """
    ours = str(Path(__file__).resolve().parent.parent)
    return [sys.executable, "-c", _START.format(ours=ours), "qtower", *arguments]
