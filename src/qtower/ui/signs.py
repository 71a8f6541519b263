"""Signs for states and structure, in Unicode and in ASCII: every state differs without colour."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from qtower.model import Status


@dataclass(frozen=True)
class Signs:
    """One character for each thing that has a sign; each is one cell wide."""

    status: Mapping[Status, str]
    cursor: str
    folded: str
    unfolded: str
    separator: str
    marked: str
    partly: str  # a set of which some jobs are marked
    ascending: str
    descending: str
    thumb: str  # of the scroll bar, and its track
    track: str


UNICODE = Signs(
    status={
        Status.INITIALIZING: "·",
        Status.VALIDATING: "◇",
        Status.QUEUED: "○",
        Status.RUNNING: "►",
        Status.DONE: "✓",
        Status.ERROR: "✗",
        Status.CANCELLED: "■",
        Status.SUBMIT_FAILED: "!",
        Status.UNKNOWN: "?",
    },
    cursor="▌",
    folded="▸",
    unfolded="▾",
    separator="·",
    marked="◆",
    partly="◇",
    ascending="▲",
    descending="▼",
    thumb="┃",
    track="│",
)

ASCII = Signs(
    status={
        Status.INITIALIZING: ".",
        Status.VALIDATING: "~",
        Status.QUEUED: "o",
        Status.RUNNING: ">",
        Status.DONE: "+",
        Status.ERROR: "x",
        Status.CANCELLED: "#",
        Status.SUBMIT_FAILED: "!",
        Status.UNKNOWN: "?",
    },
    cursor="*",
    folded=">",
    unfolded="v",
    separator="-",
    marked="@",
    partly="%",
    ascending="^",
    descending="v",
    thumb="#",
    track="|",
)


def choose_signs(encoding: str, terminal: str) -> Signs:
    """The signs that a terminal can show, by its output encoding and its TERM."""
    plain = encoding.lower().replace("-", "") not in ("utf8", "utf16", "utf32")
    return ASCII if plain or terminal in ("linux", "dumb", "vt100") else UNICODE
