"""A figure of a benchmark: a value, that of what a user would run instead, and what is asked."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

_HEAD = ("what", "qtower", "rival", "ratio", "must reach", "reached")


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """A measured value; less is better. Both sides were measured in the same call."""

    what: str
    value: float
    unit: str  # of both values: "s", "ms", "requests", "bytes"
    rival: str = ""
    rival_value: float | None = None
    at_most: float | None = None  # in `unit`
    at_most_ratio: float | None = None  # of value to rival_value
    noise: float = 0.0  # in `unit`: so much more than the rival counts as no more

    @property
    def ratio(self) -> float | None:
        """The value in units of the rival's; None without one."""
        return self.value / self.rival_value if self.rival_value else None

    @property
    def reached(self) -> bool | None:
        """Whether it is as good as it must be; None if nothing was asked of it."""
        if self.at_most is None and self.at_most_ratio is None:
            return None
        if self.at_most is not None and self.value > self.at_most:
            return False
        if self.at_most_ratio is None or self.rival_value is None:
            return True
        return self.value <= self.rival_value * self.at_most_ratio + self.noise

    @property
    def demand(self) -> str:
        """What must be reached, in words."""
        parts = []
        if self.at_most_ratio is not None:
            parts.append(f"ratio at most {_short(self.at_most_ratio)}")
        if self.at_most is not None:
            parts.append(f"at most {_short(self.at_most)} {self.unit}")
        return ", ".join(parts)

    def plain(self) -> dict[str, Any]:
        """Returns all of it for JSON, with what follows from it."""
        known: dict[str, Any] = msgspec.to_builtins(self)
        return known | {"ratio": self.ratio, "reached": self.reached}

    def cells(self) -> tuple[str, ...]:
        """Returns a text for each column of a table."""
        theirs = "" if self.rival_value is None else f"{_short(self.rival_value)} {self.unit}, "
        return (
            self.what,
            f"{_short(self.value)} {self.unit}",
            theirs + self.rival,
            "" if self.ratio is None else _short(self.ratio),
            self.demand,
            {None: "", True: "yes", False: "NO"}[self.reached],
        )


def table(figures: Iterable[Figure]) -> str:
    """Returns a table in Markdown."""
    lines = ["| " + " | ".join(_HEAD) + " |", "|---" * len(_HEAD) + "|"]
    lines += ["| " + " | ".join(figure.cells()) + " |" for figure in figures]
    return "\n".join(lines)


def paragraph(figure: Figure) -> str:
    """Returns a figure as two or three lines, for a terminal of 80 columns."""
    what, ours, theirs, ratio, demand, reached = figure.cells()
    judged = {"": "", "yes": "reached: ", "NO": "NOT REACHED: "}[reached]
    lines = [what, f"    {ours}" + (f" against {theirs}" if theirs else "")]
    parts = [f"ratio {ratio}"] if ratio else []
    parts += [judged + demand] if demand else []
    return "\n".join(lines + ([f"    {'; '.join(parts)}"] if parts else []))


def _short(value: float) -> str:
    """Three digits that say something: 12345 is "12,345", 0.012345 is "0.0123"."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
