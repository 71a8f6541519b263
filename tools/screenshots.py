"""Renders the SVGs in screenshots/ from the real app: `make screenshots`.

A user with an empty home starts qtower, submits the samples and looks at what becomes of them,
at 160x48 and at 80x24. Everything is real: the agent, the local service, the simulations.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from textual.pilot import Pilot

from qtower.agent.link import AgentLink
from qtower.model import Link, Status
from qtower.ui.app import TowerApp

DIRECTORY = Path(__file__).resolve().parents[1] / "screenshots"
SIZES = ((160, 48), (80, 24))
DEADLINE = 120.0
AGENT = [sys.executable, "-m", "qtower", "agent", "--account", "local"]


class Studio:
    """One app of one size, and the pictures taken of it."""

    def __init__(self, app: TowerApp, pilot: Pilot[None], size: tuple[int, int]) -> None:
        self.app = app
        self.pilot = pilot
        self.size = size

    async def resize(self, size: tuple[int, int]) -> None:
        """Goes on with a terminal of another size."""
        self.size = size
        await self.pilot.resize_terminal(*size)

    async def until(self, reached: Callable[[], bool], what: str) -> None:
        """Lets the app run until `reached()` holds.

        Raises:
            TimeoutError: It does not.
        """
        loop = asyncio.get_running_loop()
        end = loop.time() + DEADLINE
        while not reached():
            if loop.time() > end:
                raise TimeoutError(f"waited for {what}")
            await self.pilot.pause(0.05)

    def shows(self, words: str) -> Callable[[], bool]:
        """A condition: the words stand on the screen."""
        return lambda: words.replace(" ", "&#160;") in self.app.export_screenshot()

    async def take(self, name: str, *keys: str, wait_for: str) -> None:
        """Presses keys, waits until the words stand on the screen, and keeps the picture."""
        await self.pilot.press(*keys)
        await self.until(self.shows(wait_for), f"{wait_for!r} for {name}")
        await self.pilot.pause()
        file = DIRECTORY / f"{name}-{self.size[0]}x{self.size[1]}.svg"
        picture = self.app.export_screenshot(title="qtower")
        # Without it some programs drop the spaces in front of a text, and columns do not stand.
        file.write_text(picture.replace("<svg ", '<svg xml:space="preserve" ', 1))

    async def go_to(self, words: str) -> None:
        """Filters the list and puts the cursor on the first job that matches."""
        await self.pilot.press("escape", "slash", *words, "enter", "g", "j")

    def counts(self, *statuses: Status) -> int:
        """How many jobs have one of the statuses."""
        return sum(self.app.board.counts.get(status, 0) for status in statuses)


async def first_visit(studio: Studio) -> None:
    """From the empty list to samples of which one still runs."""
    for size in reversed(SIZES):
        await studio.resize(size)
        await studio.take("empty", wait_for="submit the sample circuits")
    await studio.pilot.press("d")
    await studio.until(
        lambda: studio.counts(Status.RUNNING) == 1 and studio.counts(Status.ERROR) == 1,
        "samples that are done but one",
    )
    await studio.until(
        lambda: studio.counts(Status.QUEUED, Status.INITIALIZING, Status.VALIDATING) == 0,
        "an empty queue",
    )


async def every_visit(studio: Studio) -> None:
    """The list, and each screen that opens from it."""
    await studio.take("jobs", "j", wait_for="Bell")
    await studio.take("help", "question_mark", wait_for="Show all that is known of the job")
    await studio.pilot.press("escape")
    await studio.go_to("bell")
    await studio.take("details", "enter", wait_for="Summary")
    await studio.take("result", "3", wait_for="11")
    await studio.take("qobj", "5", wait_for="q_0")
    await studio.pilot.press("escape")
    await studio.go_to("error")
    await studio.take("error", "e", wait_for="The following experiments failed")
    await studio.pilot.press("escape")
    await studio.go_to("running")
    await studio.take("cancel", "c", wait_for="Cancel this job?")
    await studio.pilot.press("n", "escape")
    await studio.take("submit", "n", wait_for="ibmq_qasm_simulator")
    await studio.pilot.press("escape")


async def visit(size: tuple[int, int], first: bool) -> None:
    """One session of the app."""
    app = TowerApp(lambda on_event, on_state: AgentLink(AGENT, on_event, on_state), "local")

    def live() -> bool:
        connection = app.standing.connection
        return connection is not None and connection.link is Link.LIVE

    async with app.run_test(size=size) as pilot:
        studio = Studio(app, pilot, size)
        await studio.until(live, "a live connection")
        if first:
            await first_visit(studio)
        await every_visit(studio)


def main() -> None:
    """Takes all pictures in a home that is gone afterwards."""
    DIRECTORY.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="qtower-screenshots-") as home:
        for name in [name for name in os.environ if name.startswith(("QTOWER_", "QE_", "XDG_"))]:
            del os.environ[name]
        os.environ["HOME"] = home
        for name in ("CONFIG", "STATE", "DATA", "CACHE"):
            os.environ[f"XDG_{name}_HOME"] = str(Path(home) / name.lower())
        runtime = Path(home) / "run"
        runtime.mkdir(mode=0o700)  # one that does not exist is passed over for a shared one
        os.environ["XDG_RUNTIME_DIR"] = str(runtime)
        try:
            for size in SIZES:
                asyncio.run(visit(size, first=size == SIZES[0]))
        finally:
            subprocess.run([sys.executable, "-m", "qtower", "service", "stop"], check=False)


if __name__ == "__main__":
    main()
