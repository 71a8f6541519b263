"""The header: who is connected to what, how fresh the data is, and how many jobs are in what
state."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from time import time
from typing import ClassVar, NamedTuple

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip
from textual.widget import Widget

from qtower.agent.link import SILENT
from qtower.model import Connection, Link, Status
from qtower.text import inert
from qtower.ui import times, words

_FRESH_SECONDS = 10
# Some three rounds of a quiet account (desk.poller): every second here, every half minute there.
_SILENT_LOCAL_SECONDS, _SILENT_REMOTE_SECONDS = 3, 90
_GAP = "  "


@dataclass(frozen=True)
class Standing:
    """All that the header tells of the way from here to the jobs."""

    account: str
    connection: Connection | None = None  # None: the agent has not told yet
    agent_up: bool = True
    agent_detail: str = ""


class Part(NamedTuple):
    """Words and the role that styles them: "name", "plain", "good", "busy" or "bad"."""

    text: str
    role: str


def connection_words(standing: Standing, now: float) -> Part:
    """The connection and the age of what is known, in words."""
    connection = standing.connection
    if standing.agent_detail == SILENT:
        return Part(SILENT, "bad")
    if not standing.agent_up:
        detail = f": {standing.agent_detail}" if standing.agent_detail else ""
        return Part(f"agent restarting{detail}", "bad")
    if connection is None:
        return Part("starting: reading the journal", "busy")
    if connection.link is Link.STARTING:
        return Part(f"starting: {connection.detail or 'loading the provider'}", "busy")
    if connection.link is Link.REFUSED:
        return Part(f"login refused: {connection.detail or 'no reason given'}", "bad")
    if connection.link is Link.OFFLINE:
        reason = f": {connection.detail}" if connection.detail else ""
        return Part(f"offline since {times.clock(connection.since, now)}{reason}", "bad")
    if connection.confirmed is None:
        return Part("live: reading the jobs", "busy")
    old = now - connection.confirmed
    local = connection.local_service
    if old > (_SILENT_LOCAL_SECONDS if local else _SILENT_REMOTE_SECONDS):
        return Part(f"not answering for {times.age_in_words(old)}", "busy")
    if old < _FRESH_SECONDS:
        return Part("live", "good")
    return Part(f"live, {times.age_in_words(old)} old", "good")


def endpoint_words(connection: Connection | None) -> str:
    """What the account is at: "local service", or the endpoint's address."""
    if connection is None:
        return ""
    return "local service" if connection.local_service else connection.endpoint


def count_sentence(counts: Mapping[Status, int], matching: int | None) -> str:
    """The jobs by status; with a filter also how many match."""
    total = sum(counts.values())
    if not total:
        return "no jobs"
    shown = f"{matching} of " if matching is not None else ""
    return f"{shown}{words.jobs(total)}: {words.count_words(counts)}"


def header_lines(
    standing: Standing,
    counts: Mapping[Status, int],
    matching: int | None,
    now: float,
    width: int,
    height: int,
) -> list[list[Part]]:
    """The header as `height` (1 or 2) lines of parts, each at most `width` cells long."""
    state = connection_words(standing, now)
    title = [Part(" qtower", "name"), Part(inert(standing.account), "plain")]
    jobs = Part(count_sentence(counts, matching), "plain")
    if height == 1:
        return [_cut([*title, state, jobs], width)]
    endpoint = inert(endpoint_words(standing.connection), 60)
    first = [*title, *([Part(endpoint, "dim")] if endpoint else []), state]
    return [_cut(first, width), _cut([Part(" " + jobs.text, "plain")], width)]


def _cut(parts: list[Part], width: int) -> list[Part]:
    """The parts with gaps between them, cut to `width` cells."""
    line: list[Part] = []
    left = width
    for number, part in enumerate(parts):
        text = (_GAP if number else "") + inert(part.text)
        if cell_len(text) > left:
            text = set_cell_size(text, left - 1) + "…" if left > 1 else ""
        left -= cell_len(text)
        line.append(Part(text, part.role))
    return line


class Header(Widget):
    """Draws `header_lines`, and again when they differ: `refresh_words` is cheap."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "header--name",
        "header--dim",
        "header--good",
        "header--busy",
        "header--bad",
    }

    def __init__(self, *, clock: Callable[[], float] = time, id: str | None = None) -> None:
        super().__init__(id=id)
        self._clock = clock
        self._standing = Standing("")
        self._counts: Mapping[Status, int] = {}
        self._matching: int | None = None
        self._drawn: list[list[Part]] = []

    def tell(self, standing: Standing, counts: Mapping[Status, int], matching: int | None) -> None:
        """Takes what to show; `matching` is None without a filter."""
        self._standing, self._counts, self._matching = standing, counts, matching
        self.refresh_words()

    def refresh_words(self) -> None:
        """Draws again if time or news changed a word."""
        if self._words() != self._drawn:
            self.refresh()

    def _words(self) -> list[list[Part]]:
        return header_lines(
            self._standing,
            self._counts,
            self._matching,
            self._clock(),
            self.size.width,
            min(2, self.size.height),
        )

    def render_line(self, y: int) -> Strip:
        """One of the two lines."""
        self._drawn = self._words()
        base = self.rich_style
        line = self._drawn[y] if y < len(self._drawn) else []
        segments = [Segment(part.text, self._style(part.role)) for part in line]
        return Strip(segments).adjust_cell_length(self.size.width, base)

    def _style(self, role: str) -> Style:
        return (
            self.rich_style if role == "plain" else self.get_component_rich_style(f"header--{role}")
        )
