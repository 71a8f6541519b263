"""Foreign text made inert: names, tags and messages may hold anything."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

# Control, format (bidi, zero-width), surrogate, private-use and unassigned characters, line and
# paragraph separators: none of them may reach a terminal.
_INERT_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})

# Letters and marks that look like nothing (Unicode's Default_Ignorable_Code_Point), and halves of
# Hangul syllables, which some terminals draw in no cell and some in one.
_INVISIBLE = re.compile(
    "[\u034f\u115f-\u11ff\u17b4\u17b5\u180b-\u180f\u3164\ud7b0-\ud7ff\ufe00-\ufe0f\uffa0"
    "\U0001f3fb-\U0001f3ff\U000e0000-\U000e0fff]"
)

# They say how the character before is drawn, and terminals do not agree in how many cells.
_MANNERS = re.compile("[\ufe0e\ufe0f\U0001f3fb-\U0001f3ff]")

_SYLLABLE = re.compile("[\u1100-\u1112][\u1161-\u1175][\u11a8-\u11c2]?")

_FLAG_LETTERS = range(0x1F1E6, 0x1F200)
"""Two of them are a flag in some terminals, and in others two letters in boxes."""

_MARK_CATEGORIES = frozenset({"Mn", "Me", "Mc"})

_MOST_MARKS = 4
"""On one character: more than any language's, and they stay within a line's height."""

# Unicode's control pictures show a control character as what it is (␛ for ESC).
_PICTURES = {code: chr(0x2400 + code) for code in range(0x20)} | {0x7F: "\u2421"}

_REPLACEMENT = "\ufffd"


def inert(text: str, limit: int = 4096) -> str:
    """Returns `text` on one line, at most `limit` characters, safe to write to a terminal.

    Control characters become their visible pictures, other invisible ones U+FFFD. What terminals
    draw in different numbers of cells is made plain: an emoji loses its colour of skin, a flag is
    two letters, and a character bears few combining marks. Text that is longer ends with "…".
    """
    if len(text) > limit:
        text = text[: limit - 1] + "…"
    if text.isascii() and text.isprintable():
        return text
    return "".join(_shown(_SYLLABLE.sub(_composed, text)))


def inert_lines(text: str, limit: int = 1_000_000, line_limit: int | None = None) -> str:
    """As `inert`, but line breaks stay and tabs become spaces: for messages and drawings.

    No line of it is longer than `line_limit`, or else `limit`, characters.
    """
    line_limit = line_limit or limit
    cut = text[: limit - 1] + "…" if len(text) > limit else text
    lines = cut.replace("\r\n", "\n").split("\n")
    return "\n".join(inert(line[: line_limit + 1].expandtabs(4), line_limit) for line in lines)


def inert_character(character: str) -> str:
    """Returns the one character that stands for `character` where each has its own place."""
    if character.isascii():
        return _PICTURES.get(ord(character), character)
    code = ord(character)
    if code in _FLAG_LETTERS:
        return chr(ord("A") + code - _FLAG_LETTERS.start)
    if unicodedata.category(character) in _INERT_CATEGORIES or _INVISIBLE.match(character):
        return _REPLACEMENT
    return character


def inert_characters(text: str) -> str:
    """As `inert`, but every character of `text` has its place: for what a person edits."""
    if text.isascii() and text.isprintable():
        return text
    marks = _MOST_MARKS  # at the beginning there is nothing that a mark could stand on
    places = []
    for character in text:
        is_mark = unicodedata.category(character) in _MARK_CATEGORIES
        marks = marks + 1 if is_mark else 0
        places.append(_REPLACEMENT if marks > _MOST_MARKS else inert_character(character))
    return "".join(places)


def encodable(text: str) -> str:
    """Returns `text` with "?" for each lone surrogate, which UTF-8 cannot write.

    JSON readers take such an escape (`"\\ud83d"`), and file names hold them for odd bytes.
    """
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def ascii_json(document: bytes) -> bytes:
    """Returns JSON with an escape for all that is not visible ASCII, and is the same JSON."""
    if document.isascii() and b"\x7f" not in document:
        return document
    return re.sub("[^\n -~]", _escaped, document.decode()).encode()


def _escaped(character: re.Match[str]) -> str:
    raw = character.group().encode("utf-16-be")
    return "".join(f"\\u{raw[at]:02x}{raw[at + 1]:02x}" for at in range(0, len(raw), 2))


def _shown(text: str) -> Iterator[str]:
    """What is shown of each character; a mark without a character to stand on is none."""
    before, marks = "", 0
    for character in text:
        if before and _MANNERS.match(character):
            continue
        if unicodedata.category(character) in _MARK_CATEGORIES and character.isprintable():
            marks += 1
            if marks > _MOST_MARKS + 1:
                continue
            if not before or marks > _MOST_MARKS:
                character = _REPLACEMENT
        else:
            marks = 0
        before = inert_character(character)
        yield before


def _composed(syllable: re.Match[str]) -> str:
    return unicodedata.normalize("NFC", syllable.group())
