"""How many operations an OpenQASM program stands for, once its gates and loops are written out.

Forty gates that each call the one before twice are a short file and a million million operations:
that is to be known before anything writes them out.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from qtower.errors import SubmissionError

MAX_OPERATIONS = 2_000_000
_ENDLESS = 10**18  # more than this is not told apart

_TOKEN = re.compile(r"[A-Za-z_]\w*|\d[\d_]*|\S")
_DECLARING = frozenset(
    (
        *("OPENQASM", "include", "qreg", "creg", "qubit", "bit", "barrier", "opaque"),
        *("input", "output", "const", "int", "uint", "float"),
    )
)
_OPENING, _CLOSING = frozenset("(["), frozenset(")]")


@dataclass
class _Block:
    """A program, or what stands in braces."""

    header: Sequence[str] = ()
    total: int = 0

    @property
    def gate(self) -> str:
        """The name of the gate or subroutine that it defines, or ""."""
        if len(self.header) > 1 and self.header[0] in ("gate", "def"):
            return self.header[1]
        return ""


@dataclass
class _Count:
    registers: dict[str, int] = field(default_factory=dict)
    gates: dict[str, int] = field(default_factory=dict)

    def close(self, block: _Block, outer: _Block) -> None:
        """The end of a block: its gate is known now, or its operations count where it stands."""
        if block.gate:
            self.gates[block.gate] = max(1, block.total)
        else:
            outer.total = min(_ENDLESS, outer.total + block.total * _repeats(block.header)[0])

    def statement(self, tokens: Sequence[str]) -> int:
        """The operations of one statement outside any definition of a register."""
        times, tokens = _repeats(tokens)
        while tokens and tokens[0] == "if" and ")" in tokens:
            tokens = tokens[_after_parentheses(tokens, 1) :]
        while "@" in tokens:
            modifier, tokens = tokens[: tokens.index("@")], tokens[tokens.index("@") + 1 :]
            if modifier[:1] == ["pow"]:
                times *= max([_number(token) for token in modifier if token[0].isdecimal()] or [1])
        if not tokens or tokens[0] in _DECLARING:
            return 0
        return min(_ENDLESS, times * self.gates.get(tokens[0], 1) * self._width(tokens[1:]))

    def _width(self, operands: Sequence[str]) -> int:
        """How often an operation on whole registers is done: once for each of their bits."""
        width, depth = 1, 0
        for token, following in zip(operands, [*operands[1:], ""], strict=False):
            depth += (token in _OPENING) - (token in _CLOSING)
            if not depth and following != "[":
                width = max(width, self.registers.get(token, 1))
        return width


def check_size(program: str, registers: dict[str, int]) -> None:
    """Checks a program without comments; `registers` are its sizes in bits by name.

    Raises:
        SubmissionError: It stands for more than MAX_OPERATIONS.
    """
    operations = _expanded(program, registers)
    if operations > MAX_OPERATIONS:
        number = f"{operations:,}" if operations < _ENDLESS else f"more than {_ENDLESS:,}"
        raise SubmissionError(
            f"Written out, its gates and loops are {number} operations; "
            f"at most {MAX_OPERATIONS:,} are read."
        )


def _expanded(program: str, registers: dict[str, int]) -> int:
    count = _Count(registers)
    blocks = [_Block()]
    tokens: list[str] = []
    for match in _TOKEN.finditer(program):
        word = match[0]
        if word == "{" and tokens[-1:] != ["in"]:
            blocks.append(_Block(tokens))
            tokens = []
        elif word == "}" and "{" not in tokens and len(blocks) > 1:
            count.close(blocks.pop(), blocks[-1])
            tokens = []
        elif word == ";":
            blocks[-1].total = min(_ENDLESS, blocks[-1].total + count.statement(tokens))
            tokens = []
        else:
            tokens.append(word)
    return blocks[0].total


def _repeats(tokens: Sequence[str]) -> tuple[int, Sequence[str]]:
    """How often loops repeat what follows them, and what that is."""
    times = 1
    while tokens and tokens[0] == "for" and "in" in tokens:
        values = tokens[tokens.index("in") + 1 :]
        closing = {"[": "]", "{": "}"}.get(values[0] if values else "")
        if closing is None or closing not in values:
            return times, tokens[:0]  # over a register or an array: as often as it is long
        end = values.index(closing)
        times = min(_ENDLESS, times * _length(values[1:end], values[0]))
        tokens = values[end + 1 :]
    return times, tokens


def _length(values: Sequence[str], opening: str) -> int:
    """The values of `[first:last]`, `[first:step:last]` or `{a, b, c}`."""
    if opening == "{":
        return values.count(",") + 1
    numbers = [_number(token) for token in values if token[0].isdecimal()]
    if len(numbers) < 2:
        return 1
    step = max(1, numbers[1]) if len(numbers) > 2 else 1
    return abs(numbers[-1] - numbers[0]) // step + 1


def _number(token: str) -> int:
    digits = token.replace("_", "")
    return int(digits) if digits.isdecimal() and len(digits) < 18 else _ENDLESS


def _after_parentheses(tokens: Sequence[str], start: int) -> int:
    depth = 0
    for place in range(start, len(tokens)):
        depth += (tokens[place] == "(") - (tokens[place] == ")")
        if not depth:
            return place + 1
    return len(tokens)
