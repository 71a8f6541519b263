"""A job's qobj: its head, its drawings, and its JSON opened branch by branch."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from qiskit import QuantumCircuit, assemble
from qiskit.providers.ibmq.managed.managedjob import ManagedJob
from qiskit.providers.ibmq.utils.qobj_utils import dict_to_qobj
from qiskit.qobj import QasmQobj

from qtower.desk.circuit_files import load
from qtower.desk.qobj_drawings import draw
from qtower.desk.qobjs import QobjBook
from qtower.errors import JobStateError, NetworkError, NotFoundError
from qtower.model import GetDrawing, GetJson, JsonNode
from tests.desk.conftest import CIRCUITS
from tests.desk.submitting import run, two_registers


def conditional() -> QuantumCircuit:
    circuit = two_registers("conditional")
    circuit.rx(0.5, 0).c_if(circuit.cregs[1], 2)
    circuit.unitary([[0, 1], [1, 0]], [1])
    circuit.barrier()
    return circuit


@pytest.fixture(scope="module")
def job(simulator: Any) -> ManagedJob:
    """A job as it is found again: its qobj has to be read from the endpoint."""
    options = {"shots": 10, "header": {"api_token": "s3cret", "note": "mine"}}
    sent = run([two_registers(), conditional()], simulator, **options)
    found = simulator.provider().backend.retrieve_job(sent.job.job_id())
    return ManagedJob(0, 2, job=found)


@pytest.fixture
def book() -> QobjBook:
    return QobjBook()


def held(qobj: Any) -> ManagedJob:
    """A managed job that holds a qobj."""
    job = SimpleNamespace(job_id=lambda: "held", qobj=lambda: qobj)
    return ManagedJob(0, 1, job=job)


def test_the_head_says_how_it_runs(book: QobjBook, job: ManagedJob) -> None:
    head = book.head("key", job)
    assert (head.key, head.kind) == ("key", "QASM")
    assert head.experiments == ["two registers", "conditional"]
    config = {field.label: field.value for field in head.config}
    assert config["shots"] == "10" and config["memory"] == "false"
    assert head.schema_version and head.qobj_id and head.size > 500
    assert job.job._qobj is None, "the book holds it, for a while"


def test_a_circuit_is_drawn_as_qiskit_draws_it(book: QobjBook, job: ManagedJob) -> None:
    drawing = book.drawing(GetDrawing(key="key", experiment=0, width=100), job)
    assert drawing.text == str(two_registers().draw("text", fold=100))
    assert "first: 1/" in drawing.text and "second: 2/" in drawing.text


def test_conditions_parameters_and_boxes_are_drawn(book: QobjBook, job: ManagedJob) -> None:
    text = book.drawing(GetDrawing(key="key", experiment=1, width=100), job).text
    assert "Rx(0.5)" in text and "0x2" in text and "unitary" in text.lower()


def test_a_narrow_drawing_is_folded(book: QobjBook, job: ManagedJob) -> None:
    text = book.drawing(GetDrawing(key="key", experiment=1, width=40), job).text
    assert max(map(len, text.splitlines())) <= 42


def test_a_large_circuit_is_cut_with_a_sentence() -> None:
    circuit = QuantumCircuit(20, 20)
    for _ in range(500):
        circuit.h(range(20))
    (experiment,) = assemble(circuit).to_dict()["experiments"]
    text = draw(experiment, "QASM", 100)
    assert "of 10,000 instructions are shown" in text.splitlines()[-1]


def test_a_pulse_schedule_is_a_table_by_time(book: QobjBook) -> None:
    held_job = held(load(CIRCUITS / "x-pulse.json").qobj)
    assert book.head("key", held_job).kind == "PULSE"
    lines = book.drawing(GetDrawing(key="k", experiment=0, width=100), held_job).text.splitlines()
    assert lines[0].split() == ["t0", "(dt)", "channel", "instruction", "what"]
    starts = [int(line.split()[0]) for line in lines[1:]]
    assert starts == sorted(starts) and len(starts) >= 4
    assert {"d0", "a0", "m0"} <= {line.split()[1] for line in lines[1:]}


def test_the_json_opens_branch_by_branch(book: QobjBook, job: ManagedJob) -> None:
    def nodes(*path: str | int, offset: int = 0, limit: int = 200) -> list[JsonNode]:
        request = GetJson(key="k", path=list(path), offset=offset, limit=limit)
        return book.children(request, job).nodes

    top = {node.name: node for node in nodes()}
    assert top["type"] == JsonNode(name="type", preview='"QASM"', opens=False)
    assert top["experiments"].preview == "[2 items]" and top["experiments"].opens
    instructions = nodes("experiments", 0, "instructions")
    assert [node.name for node in instructions] == list(range(len(instructions)))
    first = {node.name: node.preview for node in nodes("experiments", 0, "instructions", 0)}
    assert first["name"] == '"x"' and first["qubits"] == "[0]"
    assert nodes("experiments", 0, "instructions", offset=1, limit=2) == instructions[1:3]
    assert nodes("type") == []
    for wrong in (["nothing"], ["experiments", 9], ["experiments", "x"], ["type", 0]):
        with pytest.raises(NotFoundError, match="nothing at"):
            nodes(*wrong)


def test_secrets_in_a_qobj_are_not_shown(book: QobjBook, job: ManagedJob) -> None:
    header = book.children(GetJson(key="k", path=["header"]), job).nodes
    shown = {node.name: node.preview for node in header}
    assert shown["api_token"] == '"(hidden)"' and shown["note"] == '"mine"'


def test_foreign_text_is_inert(book: QobjBook) -> None:
    document = assemble(two_registers(), config={}).to_dict()
    document["header"]["\x1b[2J"] = "a\x1b]0;title\x07\u202e"
    document["experiments"][0]["header"]["creg_sizes"] = [["\x1b[31m", 3]]
    document["experiments"][0]["instructions"].append({"name": "\x1b[5m", "qubits": [0]})
    job = held(QasmQobj.from_dict(document))
    previews = book.children(GetJson(key="k", path=["header"]), job).nodes
    drawing = book.drawing(GetDrawing(key="k", experiment=0), job).text
    for text in (drawing, *(node.preview for node in previews)):
        assert "\x1b" not in text and "\u202e" not in text


@pytest.mark.parametrize("name", ["qasm", "draw", "from_qasm_file", "__class__", "add_register"])
def test_an_instruction_cannot_call_a_method_of_the_circuit(name: str, tmp_path: Path) -> None:
    target = tmp_path / "written"
    instruction = {"name": name, "params": [False, str(target)], "qubits": [0]}
    text = draw({"instructions": [instruction]}, "QASM", 100)
    assert name in text
    assert not target.exists()


@pytest.mark.parametrize(
    "experiment",
    [
        {"instructions": [{"name": "cx", "qubits": [0, 0]}]},
        {"instructions": [{"name": "h", "qubits": [5]}], "header": {"qreg_sizes": [["q", 2]]}},
        {"instructions": [{"name": "h", "qubits": [10**9]}]},
        {"instructions": [{"name": "bfunc", "mask": "zz", "val": "0x1"}]},
        {"instructions": [{"name": "h", "qubits": [-1]}], "header": {"qreg_sizes": "none"}},
        {"instructions": [{"name": "h", "qubits": [0]}], "header": {"qreg_sizes": [["a b", 1]]}},
        {"instructions": []},
        {},
        {"instructions": [{"name": "h", "qubits": [[0]]}, {"name": "x", "qubits": 5}]},
        {"instructions": [{"name": "fc", "t0": "now"}, {"name": "fc", "t0": 5}, {"t0": [1]}]},
        {"instructions": [{"name": "parametric_pulse", "t0": 5, "parameters": ["amp"]}]},
    ],
)
def test_odd_experiments_are_shown_somehow(experiment: dict[str, Any]) -> None:
    assert isinstance(draw(experiment, "QASM", 80), str)
    assert isinstance(draw(experiment, "PULSE", 80), str)


@pytest.mark.parametrize("experiments", [[5], [{"instructions": 5}], None])
def test_a_qobj_that_is_none_is_said_to_be(experiments: Any, book: QobjBook) -> None:
    document = {"type": "QASM", "schema_version": "1.3.0", "header": {}, "config": {}}

    def read() -> Any:
        return dict_to_qobj({**document, "qobj_id": "odd", "experiments": experiments})

    job = SimpleNamespace(job_id=lambda: "odd", _qobj=None)
    managed: Any = SimpleNamespace(job=job, qobj=read, submit_error=None)
    with pytest.raises(NetworkError, match="not of this API"):
        book.head("key", managed)


def test_jobs_without_a_qobj_say_so(book: QobjBook) -> None:
    with pytest.raises(JobStateError, match="still being sent"):
        book.head("key", ManagedJob(0, 1))
    with pytest.raises(JobStateError, match="keeps no qobj"):
        book.head("key", held(None))


def test_unknown_experiments_are_named(book: QobjBook, job: ManagedJob) -> None:
    with pytest.raises(NotFoundError, match="no experiment 2"):
        book.drawing(GetDrawing(key="k", experiment=2), job)


def test_a_job_whose_upload_never_came_has_no_qobj_yet(book: QobjBook, simulator: Any) -> None:
    provider = simulator.provider()
    made = provider._api_client.account_api.create_remote_job(simulator.name())
    try:
        job = provider.backend.retrieve_job(made["id"])
        with pytest.raises(JobStateError, match="not uploaded yet"):
            book.head("key", ManagedJob(0, 1, job=job))
    finally:
        provider._api_client.account_api.job(made["id"]).cancel()
