"""Short programs that stand for more than can be written out."""

from __future__ import annotations

from pathlib import Path

import pytest

from qtower.desk.circuit_files import read_files
from qtower.desk.qasm_size import check_size
from qtower.errors import SubmissionError

DOUBLING = "gate g0 a { x a; x a; }\n" + "".join(
    f"gate g{n} a {{ g{n - 1} a; g{n - 1} a; }}\n" for n in range(1, 40)
)
TWO = 'OPENQASM 2.0;\ninclude "qelib1.inc";\n'
THREE = 'OPENQASM 3;\ninclude "stdgates.inc";\n'


@pytest.mark.parametrize(
    ("program", "number"),
    [
        (TWO + DOUBLING + "qreg q[1]; creg c[1]; g39 q[0]; measure q->c;", "1,099,511,627,777"),
        (TWO + DOUBLING + "qreg q[1]; creg c[1]; if (c==1) g39 q[0];", "1,099,511,627,776"),
        (THREE + DOUBLING + "qubit q; g39 q;", "1,099,511,627,776"),
        (THREE + DOUBLING + "qubit q; ctrl @ g30 q;", "2,147,483,648"),
        (
            THREE + "qubit q; for int i in [0:9999999] { for int j in {1, 2} { x q; } }",
            "20,000,000",
        ),
        (THREE + "qubit q; for int i in [0:2:9999999] x q;", "5,000,000"),
        (THREE + "qubit[1000] q; for int i in [1:10000] x q;", "10,000,000"),
        (THREE + "qubit q; pow(99999999) @ x q;", "99,999,999"),
        (THREE + f"qubit q; for int i in [0:{'9' * 50}] x q;", "more than"),
    ],
)
def test_too_many_operations_are_counted_and_refused(
    program: str, number: str, tmp_path: Path
) -> None:
    file = tmp_path / "long.qasm"
    file.write_text(program)
    (report,) = read_files([str(file)])
    assert report.problem.startswith(f"Written out, its gates and loops are {number}")


@pytest.mark.parametrize(
    "program",
    [
        TWO + "gate pair a,b { h a; cx a,b; } qreg q[2]; creg c[2]; pair q[0],q[1]; measure q->c;",
        THREE + "qubit[2] q; bit[2] c; h q; if (c[0]) { x q[0]; } c = measure q;",
        TWO + "qreg q[5]; " + "barrier q; h q;" * 1000,
    ],
)
def test_ordinary_programs_are_read(program: str, tmp_path: Path) -> None:
    file = tmp_path / "short.qasm"
    file.write_text(program)
    (report,) = read_files([str(file)])
    assert report.problem == ""


@pytest.mark.parametrize("text", ["", "}{", "for", "for int i in {", "²;", "if(;", "@;", "pow@x;"])
def test_what_is_no_program_is_left_to_the_parser(text: str) -> None:
    check_size(text, {})


def test_a_missing_semicolon_gives_whole_words(tmp_path: Path) -> None:
    file = tmp_path / "semicolon.qasm"
    file.write_text(TWO + "qreg q[1]\nx q[0];\n")
    (report,) = read_files([str(file)])
    assert "needed ';', but" in report.problem and report.problem.count("'") == 2


def test_the_limit_is_named() -> None:
    with pytest.raises(SubmissionError, match="at most 2,000,000 are read"):
        check_size("for int i in [1:2000001] x q;", {})
