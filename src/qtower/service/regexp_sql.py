"""A regular expression as a condition in SQL, with the same outcome on both databases.

SQLite calls our own matcher, row by row. PostgreSQL has a matcher whose time is bounded as well, as
long as nothing refers back, but its `\\w` and its upper and lower case depend on the server's
language and age. So it is given a translation in which every class of characters is spelt out as
ranges of code points, and case is folded here.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import Any, TypeAlias

from sqlalchemy import Boolean, ColumnElement, Text, bindparam
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from qtower.service.regexp_syntax import (
    Alternatives,
    Assertion,
    Characters,
    CharacterTest,
    Node,
    Sequence,
    fold,
    is_word,
    parse,
)
from qtower.service.regexps import MAX_TEXT

_Ranges: TypeAlias = "list[tuple[int, int]]"  # of code points, ascending, apart from each other

_LAST = 0x10FFFF
_ABSENT = [(0, 0), (0xD800, 0xDFFF)]  # code points that no stored text has
_MAX_COUNT = 255  # of a repetition, in PostgreSQL
_NEVER = "(?!)"


def found(pattern: str, column: ColumnElement[Any]) -> ColumnElement[bool]:
    """Returns whether `pattern`, which has been compiled without an error, is found in a column."""
    translated = bindparam(
        "translated", callable_=lambda: translate(pattern), type_=Text(), unique=True
    )
    return _Found(bindparam("pattern", pattern, type_=Text(), unique=True), translated, column)


class _Found(FunctionElement[bool]):
    type = Boolean()
    inherit_cache = True


@compiles(_Found, "sqlite")
def _by_our_matcher(element: _Found, compiler: SQLCompiler, **options: Any) -> str:
    pattern, _, column = (compiler.process(part, **options) for part in element.clauses)
    return f"(qtower_regexp({pattern}, {column}) = 1)"


@compiles(_Found, "postgresql")
def _by_the_server(element: _Found, compiler: SQLCompiler, **options: Any) -> str:
    _, translated, column = (compiler.process(part, **options) for part in element.clauses)
    return f"(left({column}, {MAX_TEXT}) ~ {translated})"


@functools.lru_cache(maxsize=64)
def translate(pattern: str) -> str:
    """Returns the pattern as an advanced regular expression of PostgreSQL."""
    tree, ignore_case = parse(pattern)
    # The director: "an advanced expression follows", whatever the server is set to.
    return "***:" + _Translation(ignore_case).node(tree)


class _Translation:
    def __init__(self, ignore_case: bool) -> None:
        self._ignore_case = ignore_case

    def node(self, node: Node) -> str:
        if isinstance(node, Characters):
            return self._characters(_ranges(node))
        if isinstance(node, Assertion):
            return self._assertion(node.kind)
        if isinstance(node, Sequence):
            return "".join(self.node(part) for part in node.parts) or "(?:)"
        if isinstance(node, Alternatives):
            return "(?:" + "|".join(self.node(part) for part in node.parts) + ")"
        part = f"(?:{self.node(node.part)})"
        required = _times(part, node.least, "{%d}")
        if node.most is None:
            return required + part + "*"
        return (required + _times(part, node.most - node.least, "{0,%d}")) or "(?:)"

    def _characters(self, ranges: _Ranges) -> str:
        if self._ignore_case:
            ranges = _unfolded(ranges)
        ranges = _inverted(_union([*_inverted(ranges), *_ABSENT]))
        if not ranges:
            return _NEVER
        return "[" + "".join(map(_spelt, ranges)) + "]"

    def _assertion(self, kind: str) -> str:
        if kind in "^$":
            return {"^": r"\A", "$": r"\Z"}[kind]
        word = self._characters(_tested(is_word))
        if kind == "b":
            return f"(?:(?<={word})(?!{word})|(?<!{word})(?={word}))"
        return f"(?:(?<={word})(?={word})|(?<!{word})(?!{word}))"


def _times(part: str, count: int, bound: str) -> str:
    whole, rest = divmod(count, _MAX_COUNT)
    return (part + bound % _MAX_COUNT) * whole + (part + bound % rest if rest else "")


def _spelt(span: tuple[int, int]) -> str:
    low, high = (rf"\u{code:04x}" if code < 0x10000 else rf"\U{code:08x}" for code in span)
    return low if low == high else f"{low}-{high}"


def _ranges(characters: Characters) -> _Ranges:
    spans = [(ord(low), ord(high)) for low, high in characters.ranges]
    for test in characters.tests:
        spans.extend(_tested(test))
    for member in characters.members:
        spans.extend(_ranges(member))
    ranges = _union(spans)
    return _inverted(ranges) if characters.negated else ranges


@functools.cache
def _tested(test: CharacterTest) -> _Ranges:
    return _union((code, code) for code in range(_LAST + 1) if test(chr(code)))


@functools.cache
def _folds() -> dict[int, int]:
    """The code points that are another one when case does not matter, and which."""
    folds = {code: ord(fold(chr(code))) for code in range(_LAST + 1)}
    return {code: folded for code, folded in folds.items() if folded != code}


def _unfolded(ranges: _Ranges) -> _Ranges:
    """The code points whose folded ones are in `ranges`."""
    folds = _folds()
    kept = _inverted(_union([*_inverted(ranges), *((code, code) for code in folds)]))
    found_ones = [(code, code) for code, folded in folds.items() if _has(ranges, folded)]
    return _union([*kept, *found_ones])


def _has(ranges: _Ranges, code: int) -> bool:
    return any(low <= code <= high for low, high in ranges)


def _union(spans: Iterable[tuple[int, int]]) -> _Ranges:
    union: _Ranges = []
    for low, high in sorted(span for span in spans if span[0] <= span[1]):
        if union and low <= union[-1][1] + 1:
            union[-1] = (union[-1][0], max(union[-1][1], high))
        else:
            union.append((low, high))
    return union


def _inverted(ranges: _Ranges) -> _Ranges:
    gaps: _Ranges = []
    begin = 0
    for low, high in ranges:
        if begin < low:
            gaps.append((begin, low - 1))
        begin = high + 1
    return [*gaps, (begin, _LAST)] if begin <= _LAST else gaps
