"""Processes that wrote something down: which they were, and whether they still run."""

from __future__ import annotations

import os

import psutil

# The kernel counts a process's age from the boot, and the clock may have been set since.
_CLOCK_TOLERANCE = 5.0  # seconds


def process_name() -> str:
    """This process, told apart from an earlier one that had the same number."""
    return f"{os.getpid()}:{psutil.Process().create_time():.2f}"


def process_lives(name: str) -> bool:
    """Whether the process that `process_name` named still runs on this machine."""
    number, _, began = name.partition(":")
    try:
        return is_running(int(number), float(began))
    except (ValueError, OverflowError):
        return False


def is_running(number: int, began: float) -> bool:
    """Whether process `number` of this user runs, and is the one that began at `began`.

    `began` is in seconds since 1970, as `psutil.Process.create_time` gave it.
    """
    try:
        process = psutil.Process(number)
        # A zombie has ended; whoever started it has not looked yet.
        if process.status() == psutil.STATUS_ZOMBIE or process.uids().real != os.getuid():
            return False
        return abs(process.create_time() - began) < _CLOCK_TOLERANCE
    except (psutil.Error, ValueError):
        return False
