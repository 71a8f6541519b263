"""The header: who is connected to what, how fresh the data is, and how many jobs are in what
state."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from time import time
from typing import ClassVar, NamedTuple

from msgspec.structs import replace
from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from qtower.agent.link import SILENT
from qtower.fitting import cut
from qtower.model import Connection, Link, Status
from qtower.ui import times, words

_FRESH_SECONDS = 10  # where the agent does not say
_LEAST_ENDPOINT = 8  # cells; in fewer its address says nothing
_GAP = "  "
_FIRST_WORK = "reading the journal"  # an agent's, before it tells of its connection


@dataclass(frozen=True)
class Standing:
    """All that the header tells of the way from here to the jobs."""

    account: str
    connection: Connection | None = None  # None: the agent has not told yet
    agent_up: bool = True
    agent_detail: str = ""
    agent_since: float | None = None  # when it came up, or went
    read_only: bool = False


def as_of_a_new_agent(connection: Connection, now: float) -> Connection:
    """What is left of what an agent told when another has taken its place and told nothing yet.

    The endpoint and when the jobs were last read stay true; how it stands to them is not known.
    """
    link, detail = Link.STARTING, _FIRST_WORK
    return replace(connection, link=link, since=now, detail=detail, slowed="", slowed_since=None)


class Part(NamedTuple):
    """Words and the role that styles them: "name", "plain", "dim", "good", "busy" or "bad"."""

    text: str
    role: str


def connection_words(standing: Standing, now: float) -> Part:
    """The connection and the age of what is known, in words."""
    connection = standing.connection
    gone = _since(standing.agent_since, now)
    if standing.agent_detail == SILENT:
        return Part(f"{SILENT}{gone}", "bad")
    if not standing.agent_up:
        detail = f": {standing.agent_detail}" if standing.agent_detail else ""
        return Part(f"agent restarting{gone}{detail}", "bad")
    if connection is None:
        return Part(f"starting: {_FIRST_WORK}", "busy")
    if connection.link is Link.STARTING:
        return Part(f"starting: {connection.detail or 'loading the provider'}", "busy")
    if connection.link is Link.REFUSED:
        reason = connection.detail or "no reason given"
        return Part(f"login refused{_since(connection.since, now)}: {reason}", "bad")
    if connection.link is Link.OFFLINE:
        reason = f": {connection.detail}" if connection.detail else ""
        return Part(f"offline{_since(connection.since, now)}{reason}", "bad")
    slowed = ""
    if connection.slowed:
        slowed = f"; slow{_since(connection.slowed_since, now)}: {connection.slowed}"
    if connection.confirmed is None:
        return Part(f"live: reading the jobs{slowed}", "busy")
    old = now - connection.confirmed
    fresh_for = _FRESH_SECONDS if connection.fresh_for is None else connection.fresh_for
    if old > fresh_for:
        return Part(f"{times.age_in_words(old)} old{slowed}", "busy")
    return Part(f"live{slowed}", "busy" if slowed else "good")


def _since(moment: float | None, now: float) -> str:
    return "" if moment is None else f" since {times.clock(moment, now)}"


def warnings(standing: Standing, now: float) -> list[Part]:
    """What a person has to know of the account before all else."""
    parts = []
    connection = standing.connection
    if connection is not None and connection.insecure:
        parts.append(Part("TLS not verified", "bad"))
    if standing.read_only:
        parts.append(Part("read-only", "busy"))
    if connection is not None and connection.unwritten is not None:
        parts.append(Part(f"nothing kept{_since(connection.unwritten, now)}", "bad"))
    return parts


def calls_words(connection: Connection | None) -> Part | None:
    """The requests of the last minute and how many there may be; None for the local service."""
    if connection is None or connection.local_service or not connection.calls_allowed:
        return None
    if connection.link is Link.STARTING:
        return None  # whose service it is may not be known yet
    used = connection.calls_used or 0
    role = "dim" if used < connection.calls_allowed else "busy"
    return Part(f"{used}/{connection.calls_allowed}", role)


def endpoint_words(connection: Connection | None) -> str:
    """What the account is at: "local service", or the endpoint's address."""
    if connection is None:
        return ""
    return "local service" if connection.local_service else connection.endpoint


def count_sentence(counts: Mapping[Status, int], matching: int | None, doing: str = "") -> str:
    """The jobs by status; with a filter also how many match, once all were looked at.

    `doing`: what is done with them at the moment, "filtering" or "sorting".
    """
    total = sum(counts.values())
    if not total:
        return "no jobs"
    shown = f"{matching} of " if matching is not None else ""
    if doing:
        shown = "filtering " if doing == "filtering" else f"{doing} {shown}"
    return f"{shown}{words.jobs(total)}: {words.count_words(counts)}"


def header_lines(
    standing: Standing,
    counts: Mapping[Status, int],
    matching: int | None,
    now: float,
    width: int,
    height: int,
    sending: str = "",
    doing: str = "",
) -> list[list[Part]]:
    """The header as `height` (1 or 2) lines of parts, each at most `width` cells long."""
    state = connection_words(standing, now)
    calls = calls_words(standing.connection)
    title = [Part(" qtower", "name"), Part(standing.account, "plain")]
    title += warnings(standing, now)
    known = [*([calls] if calls else []), state]
    jobs = Part(count_sentence(counts, matching, doing), "plain")
    unsent = [Part(sending, "busy")] if sending else []
    if height == 1:
        return [_cut([*title, *known, *unsent, jobs], width)]
    left = width - sum(cell_len(cut(part.text, width)) + len(_GAP) for part in [*title, *known])
    endpoint = cut(endpoint_words(standing.connection), min(60, max(left, 1)))
    if endpoint and left >= _LEAST_ENDPOINT:
        title.append(Part(endpoint, "dim"))
    # The counts are long and give way; what waits for a person is never pushed off the line.
    room = max(width // 2, width - sum(cell_len(_GAP + part.text) for part in unsent))
    counted = Part(cut(" " + jobs.text, room), "plain")
    return [_cut([*title, *known], width), _cut([counted, *unsent], width)]


def _cut(parts: list[Part], width: int) -> list[Part]:
    """The parts with gaps between them, cut to `width` cells."""
    line: list[Part] = []
    left = width
    for number, part in enumerate(parts):
        gap = _GAP if number else ""
        text = cut(gap + part.text, left) if left > 1 else ""
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
        self._doing = ""
        self._sending = ""
        self._drawn: list[list[Part]] = []

    def tell(
        self,
        standing: Standing,
        counts: Mapping[Status, int],
        matching: int | None,
        doing: str = "",
    ) -> None:
        """Takes what to show; `matching` is None without a filter, and old while "filtering"."""
        self._standing, self._counts, self._matching = standing, counts, matching
        self._doing = doing
        self.refresh_words()

    def tell_sending(self, words: str) -> None:
        """Takes what to say of jobs that are not sent yet."""
        self._sending = words
        self.refresh_words()

    def refresh_words(self) -> None:
        """Draws again if time or news changed a word."""
        before, self._drawn = self._drawn, self._words()
        if len(before) != len(self._drawn):
            self.refresh()
            return
        for y, (old, new) in enumerate(zip(before, self._drawn, strict=True)):
            if old != new:
                self.refresh(Region(0, y, self.size.width, 1))

    def on_resize(self) -> None:
        # The lines of the size before have been drawn by now.
        self._drawn = self._words()
        self.refresh()

    def _words(self) -> list[list[Part]]:
        return header_lines(
            self._standing,
            self._counts,
            self._matching,
            self._clock(),
            self.size.width,
            min(2, self.size.height),
            self._sending,
            self._doing,
        )

    def render_line(self, y: int) -> Strip:
        """One of the two lines."""
        if len(self._drawn) != min(2, self.size.height):
            self._drawn = self._words()
        base = self.rich_style
        line = self._drawn[y] if y < len(self._drawn) else []
        segments = [Segment(part.text, self._style(part.role)) for part in line]
        return Strip(segments).adjust_cell_length(self.size.width, base)

    def _style(self, role: str) -> Style:
        return (
            self.rich_style if role == "plain" else self.get_component_rich_style(f"header--{role}")
        )
