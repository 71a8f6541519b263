"""The agent dies, freezes or talks nonsense: told, another one started, and no row is lost."""

from __future__ import annotations

import os
from pathlib import Path

import psutil
import pytest

from tests.faults.conftest import Tower

pytestmark = pytest.mark.xdist_group("faults")

SINCE = r"since \d\d:\d\d"


def speech(agent: psutil.Process) -> Path:
    """The pipe to which the agent says its messages, where others can say something as well."""
    descriptors = Path(f"/proc/{agent.pid}/fd")
    for descriptor in descriptors.iterdir():
        flags = (Path(f"/proc/{agent.pid}/fdinfo") / descriptor.name).read_text().split()[3]
        if str(descriptor.readlink()).startswith("pipe:") and int(flags, 8) & os.O_WRONLY:
            return descriptor
    raise AssertionError("it has no pipe to write to")


def test_an_agent_that_is_killed(tower: Tower) -> None:
    killed = tower.agent
    killed.kill()
    tower.says(f"agent restarting {SINCE}: The agent ended")
    tower.stands()
    tower.another_agent(killed)
    tower.recovers()


def test_an_agent_that_is_frozen_for_a_while(tower: Tower) -> None:
    frozen = tower.agent
    frozen.suspend()
    tower.says(f"the agent does not answer {SINCE}")
    tower.stands()
    frozen.resume()
    tower.recovers()
    assert tower.agent.pid == frozen.pid


def test_an_agent_that_is_frozen_for_good(tower: Tower) -> None:
    frozen = tower.agent
    frozen.suspend()
    tower.says(f"the agent does not answer {SINCE}")
    tower.says(f"agent restarting {SINCE}: The agent ended: it did not answer")
    tower.stands()
    tower.another_agent(frozen)
    tower.recovers()


def test_an_agent_that_prints_garbage(tower: Tower) -> None:
    out_of_order = tower.agent
    speech(out_of_order).write_bytes(b"\x1b[2J malloc(): corrupted top size\n")
    tower.says(f"agent restarting {SINCE}: The agent said what is no message")
    tower.stands()
    tower.another_agent(out_of_order)
    tower.recovers()
