"""Files that people pick: each is read as what it is, or one sentence says why not."""

from __future__ import annotations

import io
import json
import os
import random
import struct
import threading
import zlib
from pathlib import Path
from typing import Any

import pytest
from qiskit import QuantumCircuit, assemble, pulse, qasm2, qasm3, qpy
from qiskit.circuit import Gate, Parameter, ParameterVector
from qiskit.circuit.library import MCXGate, XGate
from qiskit.qpy.binary_io import schedules

from qtower.desk.circuit_files import load, read_files
from qtower.desk.plain_files import LIMIT
from qtower.errors import SubmissionError
from tests.desk.conftest import CIRCUITS

WIDTH_1 = {"header": {"n_qubits": 1}}


def bell(name: str = "bell") -> QuantumCircuit:
    circuit = QuantumCircuit(2, 2, name=name)
    circuit.h(0)
    circuit.cx(0, 1)
    circuit.measure([0, 1], [0, 1])
    return circuit


def qobj_document(**changes: Any) -> dict[str, Any]:
    document: dict[str, Any] = assemble([bell(), bell("again")], shots=321).to_dict()
    document.update(changes)
    return document


def problem_of(path: Path) -> str:
    (report,) = read_files([str(path)])
    return report.problem


@pytest.mark.parametrize(
    ("file", "kind", "experiments", "qubits", "shots"),
    [
        ("bell.qasm", "OpenQASM 2", ["bell"], 2, None),
        ("bell3.qasm", "OpenQASM 3", ["bell3"], 2, None),
        ("two.qpy", "QPY", ["bell", "ghz"], 3, None),
        ("bell.json", "QASM qobj", ["bell"], 2, 2048),
        ("x-pulse.json", "PULSE qobj", ["x"], None, 512),
    ],
)
def test_each_format_is_recognised_by_its_content(
    file: str,
    kind: str,
    experiments: list[str],
    qubits: int | None,
    shots: int | None,
    tmp_path: Path,
) -> None:
    # The name says nothing: a copy without an extension reads the same.
    copy = tmp_path / Path(file).stem
    copy.write_bytes((CIRCUITS / file).read_bytes())
    for path in (CIRCUITS / file, copy):
        (report,) = read_files([str(path)])
        assert report.problem == ""
        assert (report.format, report.experiments) == (kind, experiments)
        assert (report.qubits, report.shots) == (qubits, shots)


def test_what_qiskit_writes_is_read_back(tmp_path: Path) -> None:
    circuit = bell()
    circuit.u(0.1, 0.2, 0.3, 0)
    circuit.rzx(0.5, 0, 1)  # not in qelib1.inc, but written by QuantumCircuit.qasm()
    circuit.x(0).c_if(circuit.cregs[0], 3)
    (tmp_path / "two.qasm").write_text(qasm2.dumps(circuit))
    assert load(tmp_path / "two.qasm").circuits[0].count_ops() == circuit.count_ops()
    (tmp_path / "three.qasm").write_text(qasm3.dumps(bell()))
    assert load(tmp_path / "three.qasm").circuits[0].count_ops() == bell().count_ops()


def test_plain_branches_of_openqasm_3_become_conditions(tmp_path: Path) -> None:
    file = tmp_path / "branch.qasm"
    file.write_text(
        'OPENQASM 3; include "stdgates.inc"; qubit[2] q; bit[2] c; c[0] = measure q[0];'
        "if (c[0]) { x q[1]; } if (c == 3) { z q[0]; h q[1]; } c[1] = measure q[1];"
    )
    (circuit,) = load(file).circuits
    conditional = [i.operation for i in circuit.data if i.operation.condition is not None]
    assert [operation.name for operation in conditional] == ["x", "z", "h"]
    assert conditional[1].condition == (circuit.cregs[0], 3)


def test_a_file_may_include_its_neighbours_and_nothing_else(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (tmp_path / "secret.inc").write_text("gate mine a { U(0,0,0) a; }")
    (home / "mine.inc").write_text("gate mine a { U(0,0,0) a; }")
    (home / "link.inc").symlink_to(tmp_path / "secret.inc")
    (home / "nested.inc").write_text('include "../secret.inc";')
    os.mkfifo(home / "pipe.inc")

    def problem(name: str) -> str:
        file = home / "main.qasm"
        file.write_text(f'OPENQASM 2.0; include "{name}"; qreg q[1]; mine q[0];')
        return problem_of(file)

    assert problem("mine.inc") == ""
    for name in ("../secret.inc", str(tmp_path / "secret.inc"), "link.inc", "nested.inc"):
        assert "outside its own directory" in problem(name)
    assert "outside its own directory" in problem("//" + str(tmp_path / "secret.inc"))
    (home / "loop.inc").symlink_to("loop.inc")
    assert "leads to itself" in problem("loop.inc")
    assert 'includes "pipe.inc"' in problem("pipe.inc")
    assert 'includes "none.inc"' in problem("none.inc")
    (home / "again.inc").write_text('include "again.inc";')
    assert "more than 20 files" in problem("again.inc")


def test_broken_programs_are_named_by_their_line(capfd: pytest.CaptureFixture[str]) -> None:
    cases = {
        "broken2.qasm": "line 5, column 0",
        "broken3.qasm": "line 4, column",
        "undefined3.qasm": "line 4, column",
        "odd-character3.qasm": "line 3, column 9",
        "broken.json": "line 3, column",
    }
    for file, words in cases.items():
        assert words in problem_of(CIRCUITS / file), file
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b" \n\t ", "empty"),
        (b"\x7fELF\x00\x01\xff\xfe", "not UTF-8"),
        (b"OPENQASM 2.0;\nqreg q[2];\n\xff\xfe", "Line 3 is not UTF-8"),
        (b"just some words", "OPENQASM 2.0"),
        (b"OPENQASM 4.0; qubit q;", "OpenQASM 4"),
        (b"QISKIT", "QPY file is damaged"),
        (b"QISKIT\x0a" + b"\x00" * 40, "QPY file"),
        (b"QISKIT\xff" + b"\xff" * 40, "QPY file is damaged or too new"),
        (b"{", "broken at line 1"),
        (b"[1, 2]", "not an object"),
        (b"{}", '"type" is missing'),
        (b'{"type": "QASM"}', "schema_version"),
        (b"[" * 100_000, "too deeply"),
        (b"OPENQASM 2.0; qreg q[2000000000];", '"q" has 2000000000 bits'),
        (b"OPENQASM 3; qubit[1_000_000] q;", '"q" has 1000000 bits'),
        (b"OPENQASM 2.0; qreg q[1]; U(" + b"(" * 90_000 + b"0,0,0) q[0];", "operators"),
        (b"OPENQASM 2.0; qreg q[1]; U(" + b"-" * 90_000 + b"1,0,0) q[0];", "operators"),
    ],
)
def test_bad_content_is_a_sentence(content: bytes, words: str, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(content)
    problem = problem_of(file)
    assert words in problem
    assert "\n" not in problem and "Traceback" not in problem


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"type": "OTHER"}, '"OTHER"'),
        ({"config": None}, "config"),
        ({"config": {"shots": 0}}, "config.shots"),
        ({"config": {"shots": "many"}}, "config.shots"),
        ({"config": {"memory": "yes"}}, "config.memory"),
        ({"experiments": []}, "experiments"),
        ({"experiments": [{}]}, "experiments[0].instructions"),
        ({"experiments": [{"instructions": [{"name": 1}]}]}, "instructions[0].name"),
        ({"experiments": [{"instructions": [{"name": "h", "qubits": [-1]}]}]}, "qubits"),
        (
            {"experiments": [{**WIDTH_1, "instructions": [{"name": "h", "qubits": [3]}]}]},
            "names qubit 3, but the experiment has 1",
        ),
        ({"type": "PULSE", "config": {"pulse_library": [{"samples": [1]}]}}, "[0].samples"),
    ],
)
def test_a_json_that_is_no_qobj_names_the_field(
    changes: dict[str, Any], field: str, tmp_path: Path
) -> None:
    file = tmp_path / "file.json"
    file.write_text(json.dumps(qobj_document(**changes)))
    assert field in problem_of(file)


def test_things_that_are_no_files(tmp_path: Path) -> None:
    fifo, loop, huge = tmp_path / "fifo", tmp_path / "loop", tmp_path / "huge"
    os.mkfifo(fifo)
    loop.symlink_to(loop)
    with huge.open("wb") as file:
        file.truncate(LIMIT + 1)
    cases = {
        str(tmp_path): "directory",
        str(tmp_path / "none"): "No such file",
        str(fifo): "pipe",
        "/dev/zero": "device",
        str(loop): "symbolic links",
        str(huge): "too large",
        "a\0b": "null character",
        "~nobody-of-that-name/x": "home directory",
        "": "directory",
    }
    reports = read_files(list(cases))
    for report, words in zip(reports, cases.values(), strict=True):
        assert words in report.problem, report.path


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission(tmp_path: Path) -> None:
    file = tmp_path / "closed.qasm"
    file.write_text("OPENQASM 2.0;")
    file.chmod(0)
    assert "Permission denied" in problem_of(file)


def test_expressions_in_qpy_are_never_evaluated(tmp_path: Path) -> None:
    circuit = QuantumCircuit(1, 1)
    circuit.rx(Parameter("a") + Parameter("b"), 0)
    stream = io.BytesIO()
    qpy.dump(circuit, stream)
    file = tmp_path / "unbound.qpy"
    file.write_bytes(stream.getvalue())
    assert "expressions of unbound parameters" in problem_of(file)
    # The refusal is over with the file: the library itself is as it was.
    assert qpy.load(io.BytesIO(stream.getvalue()))[0].num_parameters == 2


def written(circuit: QuantumCircuit, file: Path) -> Path:
    stream = io.BytesIO()
    qpy.dump(circuit, stream)
    file.write_bytes(stream.getvalue())
    return file


def test_the_formula_of_a_pulse_in_qpy_is_never_evaluated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trace = tmp_path / "it was run"
    formula = f"__import__('pathlib').Path({str(trace)!r}).touch()"
    packed = zlib.compress(formula.encode())
    monkeypatch.setattr(schedules, "_dumps_symbolic_expr", lambda *_: packed)
    circuit = QuantumCircuit(1, 1)
    circuit.h(0)
    with pulse.build() as schedule:
        pulse.play(pulse.Gaussian(160, 0.1, 40), pulse.DriveChannel(0))
    circuit.add_calibration("h", [0], schedule)
    calibrated = written(circuit, tmp_path / "calibrated.qpy")
    assert "pulses that are formulas" in problem_of(calibrated)
    stream = io.BytesIO()
    qpy.dump(schedule, stream)
    alone = tmp_path / "schedule.qpy"
    alone.write_bytes(stream.getvalue())
    assert "pulses that are formulas" in problem_of(alone)
    assert not trace.exists()


def test_pulses_that_are_samples_are_read(tmp_path: Path) -> None:
    circuit = bell()
    with pulse.build() as schedule:
        pulse.play(pulse.Waveform([0.1] * 16), pulse.DriveChannel(0))
    circuit.add_calibration("h", [0], schedule)
    (read,) = load(written(circuit, tmp_path / "samples.qpy")).circuits
    assert read.calibrations == circuit.calibrations


def test_of_what_qiskit_has_only_instructions_are_made_for_a_qpy_file(tmp_path: Path) -> None:
    # The reader calls whatever has this name in Qiskit: this one would take half a minute.
    gate = type("QuantumVolume", (Gate,), {})("volume", 1, [600, 600])
    circuit = QuantumCircuit(1)
    circuit.append(gate, [0])
    assert "Invalid instruction type" in problem_of(written(circuit, tmp_path / "volume.qpy"))


def test_a_qpy_file_names_no_vector_without_end(tmp_path: Path) -> None:
    circuit = QuantumCircuit(1)
    circuit.rx(ParameterVector("v", 3)[0], 0)
    file = written(circuit, tmp_path / "vector.qpy")
    assert load(file).circuits[0].num_parameters == 1
    content = file.read_bytes().replace(struct.pack("!Q", 3), struct.pack("!Q", 10**15))
    file.write_bytes(content)
    assert "a vector of 1,000,000,000,000,000 parameters" in problem_of(file)


@pytest.mark.parametrize("gate", [MCXGate(3), XGate().control(3).control(1, ctrl_state=0)])
def test_a_qpy_file_names_no_gate_with_controls_without_end(gate: Gate, tmp_path: Path) -> None:
    circuit = QuantumCircuit(gate.num_qubits)
    circuit.append(gate, circuit.qubits)
    file = written(circuit, tmp_path / "controlled.qpy")
    assert load(file).circuits[0].data[0].operation.num_ctrl_qubits == gate.num_ctrl_qubits
    controls = struct.pack("!I", gate.num_ctrl_qubits) + struct.pack("!I", gate.ctrl_state)
    content = file.read_bytes()
    assert controls in content
    file.write_bytes(content.replace(controls, struct.pack("!I", 4_000_000_000) + controls[4:]))
    assert "damaged: a gate with 4,000,000,000 controls" in problem_of(file)


@pytest.mark.parametrize(("levels", "words"), [(5, ""), (60, "more than 2,000,000 operations")])
def test_gates_of_a_qpy_file_that_call_each_other_twice_are_not_written_out(
    levels: int, words: str, tmp_path: Path
) -> None:
    inner = QuantumCircuit(1)
    inner.x(0)
    for level in range(levels):
        gate = Gate(f"g{level}", 1, [])
        gate.definition = inner
        inner = QuantumCircuit(1, 1)
        inner.append(gate, [0])
        inner.append(gate, [0])
    problem = problem_of(written(inner, tmp_path / "nested.qpy"))
    assert words in problem and bool(words) == bool(problem)


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("qubit[100000*100000] a;", 'the size of the register "a" is no number'),
        ("bit[(9)] a;", 'the size of the register "a" is no number'),
        ("qubit[0x7fff_ffff] a;", "more than any machine"),
        ("qubit[0xff] a;", ""),
        ("ctrl @ " * 12 + "h q[0];", "12 times ctrl is more than can be read"),
        ("ctrl(1000000000) @ x q[0], q[1];", "more than can be read"),
        ("ctrl(2*2) @ x q;", "of no number of qubits"),
        ("ctrl(5) @ ctrl(5) @ ctrl(5) @ h q[0];", "3 times ctrl is more than can be read"),
        ("negctrl(2) @ ctrl @ x q[0], q[1], q[2], q[3];", ""),
    ],
)
def test_what_takes_all_memory_to_be_read_in_openqasm_3_is_not(
    statement: str, words: str, tmp_path: Path
) -> None:
    file = tmp_path / "large.qasm"
    file.write_text(f'OPENQASM 3.0; include "stdgates.inc"; qubit[4] q; {statement}')
    problem = problem_of(file)
    assert words in problem and bool(words) == bool(problem)


def test_comments_that_do_not_end_are_looked_through_once(tmp_path: Path) -> None:
    file = tmp_path / "comments.qasm"
    file.write_text("OPENQASM 2.0;" + "/* " * 500_000)  # else: minutes
    assert problem_of(file)


def test_a_damaged_qpy_header_allocates_nothing(tmp_path: Path) -> None:
    content = bytearray((CIRCUITS / "two.qpy").read_bytes())
    place = content.index(b"bell") - 28  # of num_qubits: qiskit.qpy.formats.CIRCUIT_HEADER_V2
    assert content[place : place + 4] == b"\0\0\0\2"
    content[place] = 0x7F
    file = tmp_path / "damaged.qpy"
    file.write_bytes(content)
    assert "damaged: a circuit of 2,130,706,434 bits" in problem_of(file)


def test_deep_nesting_within_the_limit_is_read_in_a_thread(tmp_path: Path) -> None:
    file = tmp_path / "deep.qasm"
    file.write_text("OPENQASM 2.0; qreg q[1]; U(" + "(" * 480 + "0" + ")" * 480 + ",0,0) q[0];")
    problems: list[str] = []
    thread = threading.Thread(target=lambda: problems.append(problem_of(file)))
    thread.start()
    thread.join()
    assert problems == [""]


def test_a_pulse_qobj_keeps_its_complex_numbers() -> None:
    qobj = load(CIRCUITS / "x-pulse.json").qobj
    assert qobj is not None and qobj.type == "PULSE"
    samples = qobj.config.pulse_library[0].samples
    assert samples and all(isinstance(sample, complex) for sample in samples)


def test_damaged_files_are_reported_and_never_raise(tmp_path: Path) -> None:
    choose = random.Random(2026)
    seeds = [file.read_bytes() for file in sorted(CIRCUITS.iterdir())]
    file = tmp_path / "damaged"
    for _ in range(500):
        content = bytearray(choose.choice(seeds))
        for _ in range(choose.randrange(1, 6)):
            place = choose.randrange(len(content))
            content[place : place + choose.randrange(3)] = choose.randbytes(choose.randrange(3))
        file.write_bytes(content)
        (report,) = read_files([str(file)])
        assert report.problem or report.experiments


def test_load_raises_what_a_report_says(tmp_path: Path) -> None:
    with pytest.raises(SubmissionError, match="No such file"):
        load(tmp_path / "none.qasm")
