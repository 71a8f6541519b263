"""The tree of a regular expression, read from its text."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

_MAX_PATTERN = 1_000  # characters
_MAX_REPEAT = 1_000
_MAX_DEPTH = 50

_ESCAPED = {"n": "\n", "t": "\t", "r": "\r", "f": "\f", "v": "\v", "0": "\0"}
_CODES = {"x": 2, "u": 4}  # hex digits of \x41 and \u0041


CharacterTest: TypeAlias = Callable[[str], bool]


class RegexpError(ValueError):
    """A pattern that cannot be used; says why in words that follow a colon."""


@dataclass(frozen=True)
class Characters:
    """One character out of a class; `has("")` is always false."""

    ranges: tuple[tuple[str, str], ...] = ()
    tests: tuple[CharacterTest, ...] = ()
    members: tuple[Characters, ...] = ()
    negated: bool = False

    def has(self, character: str) -> bool:
        """Whether the class has `character`."""
        if not character:
            return False
        found = (
            any(low <= character <= high for low, high in self.ranges)
            or any(test(character) for test in self.tests)
            or any(member.has(character) for member in self.members)
        )
        return found != self.negated


@dataclass(frozen=True)
class Assertion:
    """`^`, `$`, `b` or `B`: true between two characters, or not."""

    kind: str


@dataclass(frozen=True)
class Sequence:
    """One part after the other; may be empty."""

    parts: tuple[Node, ...]


@dataclass(frozen=True)
class Alternatives:
    """One of the parts."""

    parts: tuple[Node, ...]


@dataclass(frozen=True)
class Repeat:
    """The part `least` to `most` times; without bound if `most` is None."""

    part: Node
    least: int
    most: int | None


Node: TypeAlias = "Characters | Assertion | Sequence | Alternatives | Repeat"


def is_word(character: str) -> bool:
    """Whether `character` is one of `\\w`."""
    return character.isalnum() or character == "_"


def fold(character: str) -> str:
    """Returns what stands for `character` when case does not matter: one character again."""
    lower = character.lower()
    return lower if len(lower) == 1 else character


def parse(pattern: str) -> tuple[Node, bool]:
    """Returns the tree of `pattern`, and whether case does not matter.

    Raises:
        RegexpError: It is wrong, too long, or has look-around or back-references.
    """
    if len(pattern) > _MAX_PATTERN:
        raise RegexpError(f"it is longer than {_MAX_PATTERN} characters")
    body, ignore_case = pattern, False
    if pattern.startswith("/") and pattern.rfind("/") > 0:
        end = pattern.rfind("/")
        if set(pattern[end + 1 :]) <= set("gimsu"):
            body, ignore_case = pattern[1:end], "i" in pattern[end + 1 :]
    if body.startswith("(?i)"):
        body, ignore_case = body[4:], True
    reader = _Reader(body, ignore_case)
    tree = reader.alternatives(0)
    if reader.peek():
        raise RegexpError("a ) closes nothing")
    return tree, ignore_case


class _Reader:
    def __init__(self, text: str, ignore_case: bool) -> None:
        self._text = text
        self._at = 0
        self._ignore_case = ignore_case

    def peek(self) -> str:
        return self._text[self._at : self._at + 1]

    def alternatives(self, depth: int) -> Node:
        if depth > _MAX_DEPTH:
            raise RegexpError("it is nested too deeply")
        parts = [self._sequence(depth)]
        while self._take("|"):
            parts.append(self._sequence(depth))
        return parts[0] if len(parts) == 1 else Alternatives(tuple(parts))

    def _sequence(self, depth: int) -> Node:
        parts: list[Node] = []
        while self.peek() not in ("", "|", ")"):
            parts.append(self._repeated(self._atom(depth)))
        return Sequence(tuple(parts))

    def _atom(self, depth: int) -> Node:
        character = self._next()
        if character == "(":
            return self._group(depth)
        if character == "[":
            return self._class()
        if character == ".":
            return Characters(ranges=(("\n", "\n"),), negated=True)
        if character in "^$":
            return Assertion(character)
        if character == "\\":
            return self._escape()
        if character in "*+?":
            raise RegexpError(f"nothing stands before {character}")
        return self._literal(character)

    def _group(self, depth: int) -> Node:
        if self._take("?") and not self._take(":"):
            if self._take("P<") or (self.peek() == "<" and self._ahead(1) not in "=!"):
                self._until(">")
            else:
                raise RegexpError("look-around and inline flags are not supported")
        inner = self.alternatives(depth + 1)
        if not self._take(")"):
            raise RegexpError("a ( is not closed")
        return inner

    def _repeated(self, part: Node) -> Node:
        bounds = self._bounds()
        if bounds is None:
            return part
        self._take("?")  # lazy or not makes no difference to whether something is found
        if self._bounds() is not None:
            raise RegexpError("a repetition is repeated")
        least, most = bounds
        return Repeat(part, least, most)

    def _bounds(self) -> tuple[int, int | None] | None:
        if self._take("*"):
            return 0, None
        if self._take("+"):
            return 1, None
        if self._take("?"):
            return 0, 1
        if self.peek() != "{":
            return None
        inside, closed, _ = self._text[self._at + 1 :].partition("}")
        low, comma, high = inside.partition(",")
        if not closed or not _is_number(low) or (high and not _is_number(high)):
            return None  # as in JavaScript, a { that bounds nothing is a character
        self._at += len(inside) + 2
        least = int(low)
        most = int(high) if high else (None if comma else least)
        if max(least, most or 0) > _MAX_REPEAT or (most is not None and most < least):
            raise RegexpError(f"the bounds {{{inside}}} are wrong or too large")
        return least, most

    def _escape(self) -> Node:
        character = self._next()
        if character in "bB" and character:
            return Assertion(character)
        if (found := _shorthand(character)) is not None:
            return found
        return self._literal(self._escaped(character))

    def _escaped(self, character: str) -> str:
        if character in _CODES:
            digits = self._text[self._at : self._at + _CODES[character]]
            self._at += len(digits)
            try:
                return chr(int(digits, 16))
            except ValueError:
                raise RegexpError(f"\\{character} is not followed by hex digits") from None
        if character in _ESCAPED:
            return _ESCAPED[character]
        if character.isalnum():
            raise RegexpError(f"\\{character} is not supported")
        return character

    def _class(self) -> Node:
        negated = self._take("^")
        ranges: list[tuple[str, str]] = []
        members: list[Characters] = []
        first = True
        while first or self.peek() != "]":
            first = False
            low = self._class_member()
            if isinstance(low, Characters):
                members.append(low)
                continue
            high: str | Characters = low
            if self.peek() == "-" and self._ahead(1) not in ("]", ""):
                self._next()
                high = self._class_member()
            if isinstance(high, Characters) or high < low:
                raise RegexpError("a range in [] is the wrong way round")
            ranges.append((low, high))
        self._next()
        if self._ignore_case:
            ranges.extend([(fold(low), fold(high)) for low, high in ranges])
        return Characters(tuple(ranges), members=tuple(members), negated=negated)

    def _class_member(self) -> str | Characters:
        character = self._next()
        if character != "\\":
            return character
        character = self._next()
        return _shorthand(character) or ("\b" if character == "b" else self._escaped(character))

    def _literal(self, character: str) -> Characters:
        folded = fold(character) if self._ignore_case else character
        return Characters(ranges=((folded, folded),))

    def _next(self) -> str:
        character = self.peek()
        if not character:
            raise RegexpError("it ends too early")
        self._at += 1
        return character

    def _ahead(self, distance: int) -> str:
        return self._text[self._at + distance : self._at + distance + 1]

    def _take(self, text: str) -> bool:
        found = self._text.startswith(text, self._at)
        if found:
            self._at += len(text)
        return found

    def _until(self, end: str) -> None:
        while self._next() != end:
            pass


def _shorthand(character: str) -> Characters | None:
    test = {"d": _is_digit, "w": is_word, "s": str.isspace}.get(character.lower())
    return Characters(tests=(test,), negated=character.isupper()) if test else None


def _is_digit(character: str) -> bool:
    return "0" <= character <= "9"


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 6
