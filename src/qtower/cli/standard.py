"""Standard output and error of the commands: whatever is written there, a terminal only shows it.

Click echoes arguments, and tracebacks hold messages of anybody: no caller can be trusted to have
made everything inert, so these streams do it once more.
"""

from __future__ import annotations

import codecs
import io
import sys
from typing import Any

import click
import msgspec

from qtower.fitting import write_plainly
from qtower.text import ascii_json, inert_lines

_WHOLE_OUTPUT = sys.maxsize  # of characters: a result is not cut


class InertStream(io.TextIOWrapper):
    """Text that is written comes out as lines of visible characters in the stream's encoding."""

    def __init__(self, stream: io.TextIOWrapper) -> None:
        super().__init__(
            stream.buffer,
            encoding=stream.encoding,
            errors=stream.errors,
            line_buffering=stream.line_buffering,
            write_through=stream.write_through,
        )
        self._codec = stream.encoding
        write_plainly(self)

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """Its name; Click writes UTF-8 past a stream that calls itself ASCII."""
        return "plain-ascii" if codecs.lookup(self._codec).name == "ascii" else self._codec

    def write(self, text: str) -> int:
        super().write(inert_lines(text, _WHOLE_OUTPUT))
        return len(text)

    def write_red(self, text: str) -> None:
        """Writes a line that warns of a danger."""
        super().write(f"\x1b[31m{inert_lines(text)}\x1b[0m\n")


def make_inert() -> None:
    """From now on nothing that this process prints acts on a terminal."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if isinstance(stream, io.TextIOWrapper) and not isinstance(stream, InertStream):
            # Textual draws on the original, and what it draws is inert where it is made.
            write_plainly(stream)
            setattr(sys, name, InertStream(stream))


def warn_in_red(words: str) -> None:
    """Says on standard error what is dangerous."""
    if isinstance(sys.stderr, InertStream) and sys.stderr.isatty():
        sys.stderr.write_red(words)
    else:
        click.echo(words, err=True)


def print_json(value: Any) -> None:
    """Prints what msgspec can encode as indented JSON of ASCII characters.

    Escaped, every character stays what it is, and none acts on a terminal.
    """
    text = msgspec.json.format(msgspec.json.encode(value), indent=2)
    click.echo(ascii_json(text).decode())
