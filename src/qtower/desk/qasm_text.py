"""OpenQASM 2 and 3 as text, looked over before a parser sees it.

The parsers trust what they read: the one for OpenQASM 2 opens any file that an `include` names and
ends the whole process on deeply nested expressions, and both allocate whatever a register asks for.
"""

from __future__ import annotations

import re
from pathlib import Path

from qtower.errors import SubmissionError

from .plain_files import read_plain_file
from .qasm_size import check_size

MAX_REGISTER = 100_000  # bits
MAX_NESTING = 500  # operators and parentheses in one statement
# Controlling qubits of a statement, by how many `ctrl` it has them from: a gate that is controlled
# again is written out, and each time is ten times as long as the one before. These take a second.
_MAX_CONTROLLING = {1: 20, 2: 16, 3: 4, 4: 4}
_MAX_INCLUDES = 20
_BUILT_IN = ("qelib1.inc", "stdgates.inc")

# A string is matched as one piece, so that "//" in it does not begin a comment; and so is all that
# follows a "/*" without an end, of which there may be a million, each with all to look through.
_PIECES = re.compile(r"""//[^\n]*|/\*.*?\*/|/\*.*|"[^"\n]*"|'[^'\n]*'""", re.DOTALL)
_INCLUDE = re.compile(r"""\binclude\s*("[^"\n]*"|'[^'\n]*')\s*;""")
_VERSION = re.compile(r"\s*OPENQASM\s+(\d+)")
_REGISTERS = re.compile(
    r"\b(?:qreg|creg)\s+(\w+)\s*\[([^\]]*)\]|\b(?:qubit|bit)\s*\[([^\]]*)\](?:\s*(\w+))?"
)
_CONTROLS = re.compile(r"\b(?:neg)?ctrl\b(?:\s*\(([^)]*)\))?")
_SIZE = re.compile(r"[0-9][0-9_]*|0[xX][0-9a-fA-F_]+|0[oO][0-7_]+|0[bB][01_]+")


def version(text: str) -> int | None:
    """Returns the major version that the text declares, if it does."""
    match = _VERSION.match(_without_comments(text))
    return int(match[1]) if match else None


def decode(content: bytes) -> str:
    """Returns OpenQASM source as text.

    Raises:
        SubmissionError: It is not UTF-8, or not text at all.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise SubmissionError(f"Line {line} is not UTF-8 text.") from None
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise SubmissionError(f"Line {line} holds a null character: this is not text.")
    return text


def with_includes(text: str, directory: Path) -> str:
    """Returns a program with the files that it includes from `directory` in place of their names.

    Line numbers stay those of the program. Besides keeping the parsers from the disk, this gets
    around one that cannot read expressions in included files (qiskit 0.46).

    Raises:
        SubmissionError: It includes a file elsewhere, nests too deeply, declares a register that
            no machine has, or stands for more operations than can be read.
    """
    remaining = _MAX_INCLUDES

    def included(match: re.Match[str]) -> str:
        nonlocal remaining
        name = match[1][1:-1]
        if name in _BUILT_IN:
            return match[0]
        remaining -= 1
        if remaining < 0:
            raise SubmissionError(f"It includes more than {_MAX_INCLUDES} files.")
        inner = " ".join(_without_comments(_read_included(name, directory)).split())
        return _INCLUDE.sub(included, inner)

    program = _INCLUDE.sub(included, _without_comments(text))
    check_size(program, _check_statements(program))
    return program


def _without_comments(text: str) -> str:
    return _PIECES.sub(_blank_comment, text)


def _blank_comment(match: re.Match[str]) -> str:
    piece = match[0]
    if piece.startswith("/*") and not piece.endswith("*/", 2):
        return piece  # which the parser will name
    # Line breaks stay, so that the lines named in messages are those of the file.
    return "\n" * piece.count("\n") + " " if piece.startswith("/") else piece


def _read_included(name: str, directory: Path) -> str:
    try:
        file = (directory / name).resolve()
    except (OSError, RuntimeError):
        raise SubmissionError(f'It includes "{name}", a link that leads to itself.') from None
    if not file.is_relative_to(directory.resolve()):
        raise SubmissionError(
            f'It includes "{name}", which lies outside its own directory and is not read.'
        )
    try:
        return decode(read_plain_file(file))
    except SubmissionError as error:
        raise SubmissionError(f'It includes "{name}". {error.what}') from None


def _check_statements(text: str) -> dict[str, int]:
    """Returns the sizes of the registers by name, in bits."""
    registers: dict[str, int] = {}
    for match in _REGISTERS.finditer(text):
        name, written = match[1] or match[4] or "", (match[2] or match[3] or "").strip()
        if not _SIZE.fullmatch(written):
            raise SubmissionError(
                f'{_line(text, match.start())}: the size of the register "{name}" is no number.'
            )
        # A number with a leading 0 is decimal there; int() of a very long one raises.
        digits = written.replace("_", "")
        size = (
            int(digits, 10 if digits.isdecimal() else 0) if len(digits) < 12 else MAX_REGISTER + 1
        )
        if size > MAX_REGISTER:
            raise SubmissionError(
                f'{_line(text, match.start())}: the register "{name}" has {digits[:20]} bits, '
                f"more than any machine ({MAX_REGISTER:,})."
            )
        registers[name] = size
    position = 0
    for statement in text.split(";"):
        if sum(map(statement.count, "(-+^!~[{")) > MAX_NESTING:
            raise SubmissionError(
                f"{_line(text, position)}: a statement has more than {MAX_NESTING} operators."
            )
        _check_controls(statement, _line(text, position) if "ctrl" in statement else "")
        position += len(statement) + 1
    return registers


def _check_controls(statement: str, where: str) -> None:
    controls = [written.strip() or "1" for written in _CONTROLS.findall(statement)]
    if not controls:
        return
    plain = all(written.isdecimal() and len(written) < 9 for written in controls)
    most = _MAX_CONTROLLING.get(len(controls), 0)
    if not plain or sum(map(int, controls)) > most:
        raise SubmissionError(
            f"{where}: {len(controls)} times ctrl is more than can be read, or of no number of "
            "qubits: write it once, as ctrl(n), n up to 20."
        )


def _line(text: str, position: int) -> str:
    start = position + len(text[position:]) - len(text[position:].lstrip())
    return f"Line {text.count(chr(10), 0, start) + 1}"
