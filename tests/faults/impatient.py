"""qtower's screen and its agent, only less patient: what takes a minute there takes a second here.

Run as a program: the screen in a terminal, which starts this file again as its agent.
"""

from __future__ import annotations

import ctypes
import sys
from typing import Any

_DROP_FROM_BOUNDING_SET, _READ_EVERYTHING = 24, 1  # PR_CAPBSET_DROP, CAP_DAC_OVERRIDE


def screen(account: str) -> None:
    """The screen, with an agent of the same account."""
    from qtower.agent import link
    from qtower.ui.app import TowerApp

    link._GIVE_UP_SECONDS = 3.0
    link._STEADY_SECONDS = 0.0
    # A directory that is read-only shall be so for root as well.
    ctypes.CDLL(None).prctl(_DROP_FROM_BOUNDING_SET, _READ_EVERYTHING, 0, 0, 0)
    command = [sys.executable, __file__, "agent", account]
    TowerApp(lambda on_event, on_state: link.AgentLink(command, on_event, on_state), account).run()


def agent(account: str) -> None:
    """The real agent."""
    from msgspec.structs import replace

    from qtower.agent import loop
    from qtower.cli import main
    from qtower.desk import account as accounts
    from qtower.desk import cadence, following, journal_file, journal_store, setbacks

    load_provider = accounts.load_provider

    def load() -> type[Any]:
        factory = load_provider()
        from qtower.desk import sessions  # imports the provider

        sessions._READ_LOCAL_SECONDS = 0.5
        sessions._WRITE_SECONDS = 2.0
        return factory

    accounts.load_provider = load
    cadence.REMOTE = replace(cadence.LOCAL, busy=0.3, idle=0.3, told=0.3)
    following._SPACING_REMOTE = 0.05
    following._FIRST_PAUSE = following._LONGEST_PAUSE = 0.5
    journal_file._BUSY_SECONDS = 1.0
    journal_store._FIRST_PAUSE_SECONDS = journal_store._LONGEST_PAUSE_SECONDS = 0.5
    setbacks._LONGEST_BACKOFF = 0.3
    setbacks._REFUSED_SECONDS = 0.5
    loop._HEARTBEAT_SECONDS = 0.5
    sys.argv = ["qtower", "agent", "--account", account]
    main()


if __name__ == "__main__":
    {"screen": screen, "agent": agent}[sys.argv[1]](sys.argv[2])
