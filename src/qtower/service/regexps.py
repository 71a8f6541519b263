"""Regular expressions whose cost is bounded: each character of a text is looked at once.

A filter's `regexp` comes from outside and runs over every job of its sender. Python's `re`
backtracks, so `(a+)+$` on one job name would hold the interpreter, and with it the whole service,
for hours; and a call into it cannot be stopped. This matcher walks all alternatives at once
(Thompson's construction, with the sets of states remembered as a table), so time grows with the
length of the text times the size of the pattern, and both are limited; the store limits the time of
the whole query. What such a matcher cannot
do, look-around and back-references, is refused with a sentence.

Understood: literals, `.`, `[...]`, `\\d \\w \\s \\D \\W \\S`, `^ $`, `\\b \\B`, `|`, groups,
`* + ? {m,n}` and their lazy forms, `(?i)` in front, and the `/pattern/i` form of JavaScript.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, field

from qtower.service.regexp_syntax import (
    Alternatives,
    Assertion,
    Characters,
    Node,
    RegexpError,
    Repeat,
    Sequence,
    fold,
    is_word,
    parse,
)

__all__ = ["MAX_TEXT", "Regexp", "RegexpError", "compile_regexp", "sql_function"]

_MAX_STATES = 500
_MAX_STEPS = 50_000  # of building them: what is empty makes no state, however often it is repeated
_MAX_REMEMBERED = 4_000  # entries of the table; then it starts afresh
MAX_TEXT = 1_000  # characters of a text that are looked at


@dataclass
class _State:
    """One state: either it eats a character, or it leads on without one."""

    characters: Characters | None = None
    assertion: str = ""
    following: list[int] = field(default_factory=list)


class Regexp:
    """A compiled pattern.

    Raises:
        RegexpError: The pattern is wrong, too large, or needs backtracking.
    """

    def __init__(self, pattern: str) -> None:
        tree, self._ignore_case = parse(pattern)
        self._states: list[_State] = []
        self._steps = 0
        self._final = self._add(_State())
        self._start = self._build(tree, self._final)
        self._table: dict[tuple[frozenset[int], str, str], frozenset[int] | None] = {}

    def search(self, text: str) -> bool:
        """Returns whether the pattern is found anywhere in the first 1,000 characters of `text`."""
        text = text[:MAX_TEXT]
        if self._ignore_case:
            text = text.lower() if text.isascii() else "".join(map(fold, text))
        before = ""
        states: frozenset[int] = frozenset()
        for character in [*text, ""]:
            following = self._step(states, before, character)
            if following is None:
                return True
            states, before = following, character
        return False

    def _step(self, states: frozenset[int], before: str, character: str) -> frozenset[int] | None:
        """The states after `character`; None if the pattern is found before it."""
        key = (states, before, character)
        if key in self._table:
            return self._table[key]
        if len(self._table) >= _MAX_REMEMBERED:
            self._table.clear()
        reached = self._closure(states, before, character)
        following = None
        if self._final not in reached:
            targets: set[int] = set()
            has: dict[int, bool] = {}  # by class: what is repeated has one in many states
            for number in reached:
                state = self._states[number]
                if (eaten := state.characters) is None:
                    continue
                if (found := has.get(id(eaten))) is None:
                    found = has[id(eaten)] = eaten.has(character)
                if found:
                    targets.update(state.following)
            following = frozenset(targets)
        self._table[key] = following
        return following

    def _closure(self, states: frozenset[int], before: str, after: str) -> set[int]:
        """All states that are reached between two characters; a match may begin anywhere."""
        waiting = [self._start, *states]
        reached: set[int] = set()
        while waiting:
            number = waiting.pop()
            if number in reached:
                continue
            reached.add(number)
            state = self._states[number]
            if state.characters is None and _holds(state.assertion, before, after):
                waiting.extend(state.following)
        return reached

    def _build(self, node: Node, following: int) -> int:
        """Adds the states of `node`, which lead to `following`; returns the first of them."""
        self._steps += 1
        if self._steps > _MAX_STEPS:
            raise RegexpError("it is too large")
        if isinstance(node, Characters):
            return self._add(_State(characters=node, following=[following]))
        if isinstance(node, Assertion):
            return self._add(_State(assertion=node.kind, following=[following]))
        if isinstance(node, Sequence):
            for part in reversed(node.parts):
                following = self._build(part, following)
            return following
        if isinstance(node, Alternatives):
            first = [self._build(part, following) for part in node.parts]
            return self._add(_State(following=first))
        return self._build_repeat(node, following)

    def _build_repeat(self, node: Repeat, following: int) -> int:
        if node.most is None:
            loop = self._add(_State(following=[following]))
            self._states[loop].following.append(self._build(node.part, loop))
            following = loop
        else:
            for _ in range(node.most - node.least):
                optional = self._build(node.part, following)
                following = self._add(_State(following=[optional, following]))
        for _ in range(node.least):
            following = self._build(node.part, following)
        return following

    def _add(self, state: _State) -> int:
        if len(self._states) >= _MAX_STATES:
            raise RegexpError("it is too large")
        self._states.append(state)
        return len(self._states) - 1


@functools.lru_cache(maxsize=64)
def compile_regexp(pattern: str) -> Regexp:
    """Returns the compiled pattern, from memory if it was used lately.

    Raises:
        RegexpError: The pattern is wrong, too large, or needs backtracking.
    """
    return Regexp(pattern)


def sql_function(pattern: str, value: object) -> int | None:
    """`qtower_regexp(pattern, value)` in SQL: 1 if found, 0 if not, NULL for anything but text."""
    return int(compile_regexp(pattern).search(value)) if isinstance(value, str) else None


def _holds(assertion: str, before: str, after: str) -> bool:
    if assertion == "^":
        return not before
    if assertion == "$":
        return not after
    if assertion in ("b", "B"):
        return (is_word(before) != is_word(after)) == (assertion == "b")
    return True
