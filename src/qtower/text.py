"""Foreign text made inert: names, tags and messages may hold anything."""

from __future__ import annotations

import unicodedata

# Control, format (bidi, zero-width), surrogate, private-use and unassigned characters, line and
# paragraph separators: none of them may reach a terminal.
_INERT_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})

# Unicode's control pictures show a control character as what it is (␛ for ESC).
_PICTURES = {code: chr(0x2400 + code) for code in range(0x20)} | {0x7F: "\u2421"}


def inert(text: str, limit: int = 4096) -> str:
    """Returns `text` on one line, at most `limit` characters, safe to write to a terminal.

    Control characters become their visible pictures, other invisible ones U+FFFD.
    """
    if text.isascii() and text.isprintable() and len(text) <= limit:
        return text
    cut = text[: limit - 1] + "…" if len(text) > limit else text
    return "".join(_inert_character(character) for character in cut)


def inert_lines(text: str, limit: int = 1_000_000) -> str:
    """As `inert`, but line breaks stay and tabs become spaces: for messages and drawings."""
    cut = text[: limit - 1] + "…" if len(text) > limit else text
    lines = cut.expandtabs(4).replace("\r\n", "\n").split("\n")
    return "\n".join(inert(line, limit) for line in lines)


def encodable(text: str) -> str:
    """Returns `text` with "?" for each lone surrogate, which UTF-8 cannot write.

    JSON readers take such an escape (`"\\ud83d"`), and file names hold them for odd bytes.
    """
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def _inert_character(character: str) -> str:
    if picture := _PICTURES.get(ord(character)):
        return picture
    if unicodedata.category(character) in _INERT_CATEGORIES:
        return "\ufffd"
    return character
