"""A list of any length whose lines come in pages, asked for when they are about to be seen."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any, Generic, TypeVar

from rich.segment import Segment
from textual import events
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from qtower.ui.widgets.text_lines import InstantScroll

Item = TypeVar("Item")

PAGE = 1000
_PAGES_KEPT = 64


class PagedLines(InstantScroll, ScrollView, Generic[Item], can_focus=True):
    """One line an item; holds at most `_PAGES_KEPT` pages of `PAGE` items in memory."""

    class PageWanted(Message):
        """The page that begins at item `offset` is about to be seen and is not here."""

        def __init__(self, lines: PagedLines[Any], offset: int) -> None:
            super().__init__()
            self.lines = lines
            self.offset = offset

        @property
        def control(self) -> PagedLines[Any]:
            return self.lines

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.total = 0
        self._pages: OrderedDict[int, list[Item]] = OrderedDict()
        self._wanted: set[int] = set()

    def show(self, total: int, first_page: list[Item]) -> None:
        """Replaces everything by `total` items, of which the first page is known."""
        self.total = total
        self._pages = OrderedDict({0: first_page})
        self._wanted.clear()
        self._resize_lines()
        self.scroll_to(0, 0, animate=False)
        self.refresh()

    def add_page(self, offset: int, items: list[Item]) -> None:
        """Takes the page that `PageWanted` asked for."""
        self._wanted.discard(offset)
        self._pages[offset] = items
        while len(self._pages) > _PAGES_KEPT:
            self._pages.popitem(last=False)
        self.refresh()

    def give_up(self, offset: int) -> None:
        """The page could not be had: it is asked for again when it is seen again."""
        self._wanted.discard(offset)

    def known(self) -> list[Item]:
        """The items that are here, in order."""
        return [item for offset in sorted(self._pages) for item in self._pages[offset]]

    def line_width(self) -> int:
        """The width that a line needs; wider than the screen, it scrolls sideways."""
        return 0

    def render_item(self, index: int, item: Item, width: int) -> list[Segment]:
        """The line of `item` in a place of `width` cells."""
        raise NotImplementedError

    def render_line(self, y: int) -> Strip:
        left, top = self.scroll_offset
        index = top + y
        width = self.size.width
        if index >= self.total:
            return Strip.blank(width, self.rich_style)
        page = self._pages.get(index - index % PAGE)
        if page is None:
            segments = [Segment(f"  {index:>9,}  …")]
        elif index % PAGE < len(page):
            segments = self.render_item(index, page[index % PAGE], max(width, self.line_width()))
        else:
            segments = []
        strip = Strip(segments).apply_style(self.rich_style)
        return strip.crop_extend(left, left + width, self.rich_style)

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        self._want_visible()

    def on_resize(self, event: events.Resize) -> None:
        self._resize_lines()
        self._want_visible()

    def _resize_lines(self) -> None:
        self.virtual_size = Size(max(self.line_width(), 0), self.total)

    def _want_visible(self) -> None:
        first = round(self.scroll_y)
        last = min(first + max(self.size.height, 1), self.total) - 1
        for offset in range(first - first % PAGE, last + 1, PAGE):
            if offset in self._pages:
                self._pages.move_to_end(offset)
            elif offset not in self._wanted:
                self._wanted.add(offset)
                self.post_message(self.PageWanted(self, offset))
