"""Whether the process that wrote something down still runs."""

from __future__ import annotations

import os

import psutil


def process_name() -> str:
    """This process, told apart from an earlier one that had the same number."""
    return f"{os.getpid()}:{psutil.Process().create_time():.2f}"


def process_lives(name: str) -> bool:
    """Whether the process that `process_name` named still runs on this machine."""
    number, _, created = name.partition(":")
    try:
        return f"{psutil.Process(int(number)).create_time():.2f}" == created
    except (psutil.Error, ValueError):
        return False
