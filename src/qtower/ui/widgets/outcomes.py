"""The outcomes of one experiment: its counts with bars, and its memory shot by shot."""

from __future__ import annotations

from typing import ClassVar

from rich.cells import cell_len
from rich.segment import Segment

from qtower.fitting import fit
from qtower.model import Count
from qtower.text import inert
from qtower.ui.widgets.paged_lines import PagedLines
from qtower.ui.widgets.wording import bar

_LEAST_BAR = 8


class CountsTable(PagedLines[Count]):
    """Bitstring, count, share of all shots, and a bar against the largest count seen."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "counts--bits",
        "counts--count",
        "counts--share",
        "counts--bar",
    }

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._shots = 0
        self._peak = 0
        self._bits_width = 0
        self._count_width = 0

    def show_counts(self, shots: int, outcomes: int, first_page: list[Count]) -> None:
        """Replaces the table: `outcomes` lines that share `shots`."""
        self._shots = shots
        self._peak = max((row.count for row in first_page), default=0)
        self._bits_width = max((cell_len(inert(row.bits)) for row in first_page), default=0)
        self._count_width = len(f"{self._peak:,}")
        self.show(outcomes, first_page)

    def add_page(self, offset: int, items: list[Count]) -> None:
        # In the order of bits, a later page may hold a larger count than all before.
        self._peak = max([self._peak, *(row.count for row in items)])
        self._count_width = max(self._count_width, len(f"{self._peak:,}"))
        super().add_page(offset, items)

    def line_width(self) -> int:
        return self._before_bar() + _LEAST_BAR

    def render_item(self, index: int, item: Count, width: int) -> list[Segment]:
        share = item.count / self._shots if self._shots else 0.0
        against_peak = item.count / self._peak if self._peak else 0.0
        room = width - self._before_bar() - 1
        cells = (
            ("bits", f" {fit(item.bits, self._bits_width)}"),
            ("count", f"  {item.count:>{self._count_width},}"),
            ("share", f"  {share:>6.2%}  "),
            ("bar", bar(against_peak, room)),
        )
        return [
            Segment(text, self.get_component_rich_style(f"counts--{name}", partial=True))
            for name, text in cells
        ]

    def _before_bar(self) -> int:
        return 1 + self._bits_width + 2 + self._count_width + 2 + 7 + 2


class MemoryList(PagedLines[str]):
    """What was measured in each shot, in order; shots are numbered from 0."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"memory--index"}

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._bits_width = 0

    def show_memory(self, total: int, first_page: list[str]) -> None:
        """Replaces the list by `total` shots."""
        self._bits_width = max((cell_len(inert(shot)) for shot in first_page), default=0)
        self.show(total, first_page)

    def line_width(self) -> int:
        return 13 + self._bits_width

    def render_item(self, index: int, item: str, width: int) -> list[Segment]:
        style = self.get_component_rich_style("memory--index", partial=True)
        return [Segment(f" {index:>9,}", style), Segment(f"  {inert(item)}")]
