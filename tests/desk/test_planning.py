"""What an order would send, and every reason why it would not."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from qiskit import QuantumCircuit, assemble, qpy
from qiskit.circuit import Parameter

from qtower.desk.circuit_files import load
from qtower.desk.planning import PreparedPlan, plan
from qtower.model import Order
from tests.desk.conftest import CIRCUITS

BELL = str(CIRCUITS / "bell.qasm")
QOBJ = str(CIRCUITS / "bell.json")
PULSE = str(CIRCUITS / "x-pulse.json")


def written(path: Path, *circuits: QuantumCircuit) -> str:
    with path.open("wb") as file:
        qpy.dump(list(circuits), file)
    return str(path)


def measured(qubits: int, name: str = "circuit") -> QuantumCircuit:
    circuit = QuantumCircuit(qubits, qubits, name=name)
    circuit.h(0)
    for qubit in range(1, qubits):
        circuit.cx(0, qubit)
    circuit.measure(range(qubits), range(qubits))
    return circuit


def problems(prepared: PreparedPlan) -> list[tuple[str, str]]:
    return [(problem.field, problem.message) for problem in prepared.plan.problems]


def test_files_are_split_into_jobs_in_their_order(simulator: Any, tmp_path: Path) -> None:
    many = written(tmp_path / "many.qpy", *(measured(2, f"c{i}") for i in range(5)))
    order = Order(files=[BELL, many, QOBJ, BELL], experiments_per_job=4, tags=["a", "b", "a"])
    prepared = plan(order, simulator, clock=lambda: 0.0)
    assert problems(prepared) == []
    assert [(part.start_index, part.experiments, part.label) for part in prepared.parts] == [
        (0, 4, "bell, c0, c1, …"),
        (4, 2, "c3, c4"),
        (6, 1, "bell"),
        (7, 1, "bell"),
    ]
    assert prepared.plan.summary == "8 experiments in 4 jobs on ibmq_qasm_simulator"
    assert prepared.plan.name == "bell 1970-01-01 00:00:00"
    assert prepared.plan.plan_id
    assert prepared.tags == ["a", "b"]
    # A qobj keeps its own number of shots; circuits have the provider's default.
    assert [part.shots for part in prepared.parts] == [4000, 4000, 2048, 4000]
    assert prepared.plan.shots is None


def test_an_order_for_a_device_is_transpiled_for_it(device: Any) -> None:
    prepared = plan(Order(files=[BELL], backend="ibmq_bogota", shots=100, memory=True), device)
    assert problems(prepared) == []
    (part,) = prepared.parts
    (circuit,) = part.content
    assert set(circuit.count_ops()) <= {*device.configuration().basis_gates, "measure", "barrier"}
    assert circuit.num_qubits == 5
    assert part.run_config == {"shots": 100, "memory": True}


def test_jobs_hold_no_more_than_the_backend_takes(device: Any, tmp_path: Path) -> None:
    most = device.configuration().max_experiments
    one = QuantumCircuit(1, 1)
    one.measure(0, 0)
    many = written(tmp_path / "many.qpy", *(one for _ in range(most + 1)))
    prepared = plan(Order(files=[many], transpile=False), device)
    assert [part.experiments for part in prepared.parts] == [most, 1]


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"files": []}, "files", "No file is chosen"),
        ({"files": ["/nowhere/x.qasm"]}, "files", "x.qasm: The file cannot be read"),
        ({"files": [str(CIRCUITS / "broken2.qasm")]}, "files", "line 5"),
        ({"files": [PULSE]}, "files", "takes no pulse schedules"),
        ({"shots": 0}, "shots", "from 1 to 100000"),
        ({"shots": -5}, "shots", "from 1 to 100000"),
        ({"shots": 100_001}, "shots", "100001 shots are not possible"),
        ({"experiments_per_job": 0}, "experiments_per_job", "from 1 to"),
        ({"experiments_per_job": 10**6}, "experiments_per_job", "from 1 to"),
        ({"name": "   "}, "name", "blank"),
        ({"name": "two\nlines"}, "name", "line breaks"),
        ({"name": "x" * 201}, "name", "201 characters"),
        ({"tags": [""]}, "tags", "empty"),
        ({"tags": ["ibmq_jobset_mine_"]}, "tags", "belong to the provider"),
        ({"tags": ["a\x1b[2J"]}, "tags", "control characters"),
        ({"tags": ["x" * 129]}, "tags", "129 characters"),
        ({"tags": [str(i) for i in range(21)]}, "tags", "at most 20"),
        ({"files": [QOBJ], "shots": 1}, "shots", "asks for 2048 shots"),
    ],
)
def test_the_field_at_fault_is_named(
    changes: dict[str, Any], field: str, words: str, simulator: Any
) -> None:
    prepared = plan(Order(**{"files": [BELL], **changes}), simulator)
    ((named, message),) = problems(prepared)
    assert named == field
    assert words in message
    assert prepared.parts == [] and prepared.plan.plan_id == ""


def test_all_problems_are_told_at_once(simulator: Any) -> None:
    order = Order(files=["/nowhere"], shots=0, name=" ", tags=[""], experiments_per_job=0)
    fields = {field for field, _ in problems(plan(order, simulator))}
    assert fields == {"files", "shots", "name", "tags", "experiments_per_job"}


def _wide() -> QuantumCircuit:
    return measured(6)


def _unbound() -> QuantumCircuit:
    circuit = measured(1)
    circuit.rx(Parameter("theta"), 0)
    return circuit


def _unmeasured() -> QuantumCircuit:
    circuit = QuantumCircuit(1, 1)
    circuit.h(0)
    return circuit


def _looping() -> QuantumCircuit:
    circuit = measured(1)
    with circuit.while_loop((circuit.clbits[0], 1)):
        circuit.h(0)
        circuit.measure(0, 0)
    return circuit


def _conditional() -> QuantumCircuit:
    circuit = measured(1)
    circuit.x(0).c_if(circuit.clbits[0], 1)
    return circuit


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (_wide, "has 6 qubits and ibmq_bogota has 5"),
        (_unbound, "unbound parameters (theta)"),
        (_unmeasured, "measures nothing"),
        (lambda: QuantumCircuit(1, 1), "is empty"),
        (_looping, "uses while_loop"),
        (_conditional, "conditioned on results"),
    ],
)
def test_circuits_that_cannot_run_there(make: Any, words: str, device: Any, tmp_path: Path) -> None:
    path = written(tmp_path / "some.qpy", measured(1, "good"), make())
    ((field, message),) = problems(plan(Order(files=[path]), device))
    assert field == "files" and message.startswith("some.qpy: ")
    assert words in message


def test_without_transpiling_a_circuit_must_be_native(device: Any, tmp_path: Path) -> None:
    path = written(tmp_path / "h.qpy", measured(2))
    ((_, message),) = problems(plan(Order(files=[path], transpile=False), device))
    assert "uses h, which ibmq_bogota does not know: turn transpile on" in message

    far = QuantumCircuit(5, 5)
    far.cx(0, 4)
    far.measure(0, 0)
    path = written(tmp_path / "far.qpy", far)
    ((_, message),) = problems(plan(Order(files=[path], transpile=False), device))
    assert "cx on qubits 0 and 4, which are not coupled" in message


def test_a_qobj_is_held_to_the_limits_too(device: Any, tmp_path: Path) -> None:
    def refused(**changes: Any) -> str:
        document = assemble(measured(2), shots=10).to_dict()
        document.update(changes)
        path = tmp_path / "job.json"
        path.write_text(json.dumps(document))
        return " ".join(message for _, message in problems(plan(Order(files=[str(path)]), device)))

    document = assemble(measured(2), shots=10).to_dict()
    most = device.configuration().max_experiments
    assert "does not know" in refused()
    assert "config.shots is 999999" in refused(config={"shots": 999_999})
    assert f"takes {most} in a job" in refused(experiments=document["experiments"] * (most + 1))
    assert "has 9 qubits" in refused(
        experiments=[{"header": {"n_qubits": 9, "name": "w"}, "config": {}, "instructions": []}]
    )


def test_a_pulse_qobj_goes_where_pulses_are_taken(provider: Any) -> None:
    prepared = plan(Order(files=[PULSE]), provider.get_backend("ibmq_armonk"))
    assert problems(prepared) == []
    assert (prepared.parts[0].shots, prepared.parts[0].label) == (512, "x")


def test_a_pulse_qobj_for_more_qubits_is_refused(provider: Any, tmp_path: Path) -> None:
    document = json.loads(Path(PULSE).read_text())
    document["experiments"][0]["header"].pop("n_qubits", None)
    document["experiments"][0]["instructions"].append(
        {"name": "fc", "t0": 0, "ch": "d1", "phase": 0}
    )
    path = tmp_path / "two.json"
    path.write_text(json.dumps(document))
    prepared = plan(Order(files=[str(path)]), provider.get_backend("ibmq_armonk"))
    ((field, message),) = problems(prepared)
    assert field == "files" and "has 2 qubits and ibmq_armonk has 1" in message


def test_a_gate_that_no_simulator_knows_is_refused(simulator: Any, tmp_path: Path) -> None:
    document = assemble(measured(2), shots=10).to_dict()
    document["experiments"][0]["instructions"].insert(0, {"name": "bogus", "qubits": [0]})
    path = tmp_path / "bogus.json"
    path.write_text(json.dumps(document))
    ((field, message),) = problems(plan(Order(files=[str(path)]), simulator))
    assert field == "files" and "uses bogus, which ibmq_qasm_simulator does not know" in message


def test_planning_asks_once_for_pulse_defaults_that_a_backend_does_not_have(
    device: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    backend_of = device._api_client.account_api.backend

    def counted(name: str) -> Any:
        asked.append(name)
        return backend_of(name)

    monkeypatch.setattr(device._api_client.account_api, "backend", counted)
    device._api_client._without_defaults.clear()
    many = written(tmp_path / "many.qpy", *(measured(2, f"c{i}") for i in range(5)))
    plan(Order(files=[many]), device)
    device.defaults()
    before = len(asked)
    device.defaults()
    assert len(asked) == before


def test_a_backend_that_is_down_is_a_problem(
    simulator: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    status = simulator.status()
    status.operational, status.status_msg = False, "maintenance"
    monkeypatch.setattr(simulator, "status", lambda: status)
    ((field, message),) = problems(plan(Order(files=[BELL]), simulator))
    assert field == "backend" and "takes no jobs now (maintenance)" in message


def test_the_qobj_is_planned_as_it_is(simulator: Any) -> None:
    (part,) = plan(Order(files=[QOBJ], shots=2048, memory=True), simulator).parts
    assert part.run_config == {}
    qobj = load(QOBJ).qobj
    assert qobj is not None
    assert not isinstance(part.content, list)
    assert part.content.to_dict() == qobj.to_dict()


def test_qpy_written_here_is_what_is_planned(simulator: Any, tmp_path: Path) -> None:
    stream = io.BytesIO()
    qpy.dump(measured(3, "kept name"), stream)
    (tmp_path / "x").write_bytes(stream.getvalue())
    (part,) = plan(Order(files=[str(tmp_path / "x")]), simulator).parts
    assert part.label == "kept name"
