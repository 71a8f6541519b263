"""Real qobjs through real Aer: what comes out is what the provider reads."""

from __future__ import annotations

import errno
import itertools
import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from qiskit import ClassicalRegister, QuantumCircuit, QuantumRegister, assemble
from qiskit.circuit.library import U2Gate, U3Gate
from qiskit.providers.fake_provider import FakeLima
from qiskit.providers.ibmq.utils.json_encoder import IQXJsonEncoder
from qiskit.result import Result
from qiskit_aer import AerSimulator
from qiskit_aer.noise import NoiseModel, ReadoutError, amplitude_damping_error

from qtower.service import payloads
from qtower.service.devices import load_device
from qtower.service.orders import Outcome
from qtower.service.simulation import Simulation

JOB = "0123456789abcdef01234567"
SIMULATOR = "ibmq_qasm_simulator"
LIMA = "ibmq_lima"

Json = dict[str, Any]
Run = Callable[..., tuple[Outcome, Any]]


@pytest.fixture(scope="module")
def simulation() -> Simulation:
    return Simulation(threads=1)


@pytest.fixture
def run(simulation: Simulation, tmp_path: Path) -> Run:
    """Runs circuits, or a qobj as a dictionary; returns the outcome and the result's JSON."""

    def run(
        work: Any, device: str = SIMULATOR, setup: Json | None = None, **options: Any
    ) -> tuple[Outcome, Any]:
        qobj = work if isinstance(work, dict) else assemble(work, **options).to_dict()
        qobj_file, result_file = tmp_path / "qobj", tmp_path / "result"
        payloads.write(qobj_file, json.dumps(qobj, cls=IQXJsonEncoder).encode())
        outcome = simulation.run(JOB, device, qobj_file, result_file, setup)
        assert result_file.exists() == outcome.has_result
        return outcome, json.loads(payloads.read(result_file)) if outcome.has_result else None

    return run


def bell(name: str = "bell", **metadata: Any) -> QuantumCircuit:
    circuit = QuantumCircuit(2, 2, name=name, metadata=metadata)
    circuit.h(0)
    circuit.cx(0, 1)
    circuit.measure([0, 1], [0, 1])
    return circuit


def t_gate(name: str = "t") -> QuantumCircuit:
    circuit = QuantumCircuit(1, 1, name=name)
    circuit.h(0)
    circuit.t(0)
    circuit.measure(0, 0)
    return circuit


def flipped(*gates: Any) -> QuantumCircuit:
    circuit = QuantumCircuit(1, 1)
    for gate in gates:
        circuit.append(gate, [0])
    circuit.measure(0, 0)
    return circuit


def share_of_ones(experiment: Json) -> float:
    counts = experiment["data"]["counts"]
    return float(counts.get("0x1", 0) / sum(counts.values()))


# -- results -------------------------------------------------------------------------------------


def test_bell_on_the_simulator_is_00_or_11(run: Run) -> None:
    outcome, result = run(bell(), shots=4000, memory=True)
    assert outcome.kind == "completed"
    experiment = result["results"][0]
    assert experiment["data"]["counts"].keys() == {"0x0", "0x3"}
    assert 1700 < experiment["data"]["counts"]["0x0"] < 2300
    assert len(experiment["data"]["memory"]) == experiment["shots"] == 4000


def test_the_result_says_whose_it_is(run: Run) -> None:
    qobj = assemble([bell()], shots=10, qobj_id="mine", qobj_header={"note": "kept"})
    _, result = run(qobj.to_dict())
    assert result["backend_name"] == SIMULATOR
    assert result["backend_version"]
    assert result["job_id"] == JOB
    assert result["qobj_id"] == "mine"
    assert result["header"]["note"] == "kept"
    assert (result["status"], result["success"]) == ("COMPLETED", True)
    date = datetime.fromisoformat(result["date"])
    assert date.utcoffset() == timedelta(0)


def test_headers_come_back_as_they_went(run: Run) -> None:
    odd = {"nested": {"list": [1, None, "ü", [2.5]]}, "metadata_index": 7, "id": "x"}
    _, result = run([bell("first", **odd), bell("second")], shots=10)
    headers = [experiment["header"] for experiment in result["results"]]
    assert [header["name"] for header in headers] == ["first", "second"]
    assert headers[0]["metadata"] == odd
    assert headers[0]["creg_sizes"] == [["c", 2]]


def test_the_provider_s_result_class_reads_it(run: Run) -> None:
    _, document = run([bell("one"), bell("two")], shots=100, memory=True)
    result = Result.from_dict(document)
    assert set(result.get_counts("two")) == {"00", "11"}
    assert set(result.get_memory("one")) == {"00", "11"}


def test_a_seed_makes_it_the_same_again(run: Run) -> None:
    counts = [
        [
            experiment["data"]["counts"]
            for experiment in run([bell()] * 2, seed_simulator=7)[1]["results"]
        ]
        for _ in range(2)
    ]
    assert counts[0] == counts[1]
    assert counts[0][0] != counts[0][1]


def test_conditionals_mid_circuit_measurement_and_reset(run: Run) -> None:
    qubits, first, second = QuantumRegister(3), ClassicalRegister(1, "a"), ClassicalRegister(2, "b")
    circuit = QuantumCircuit(qubits, first, second)
    circuit.x(0)
    circuit.measure(0, first[0])
    circuit.x(1).c_if(first, 1)
    circuit.x(2).c_if(second, 3)  # never
    circuit.measure(1, second[0])
    circuit.reset(1)
    circuit.measure(2, second[1])
    _, result = run(circuit, shots=50)
    assert result["results"][0]["data"]["counts"] == {"0x3": 50}


def test_matrices_that_went_through_json(run: Run) -> None:
    prepared = QuantumCircuit(2, 2)
    prepared.initialize([1 / np.sqrt(2), 0, 0, 1j / np.sqrt(2)], [0, 1])
    prepared.measure([0, 1], [0, 1])
    turned = QuantumCircuit(1, 1)
    turned.unitary(np.array([[0, -1j], [1j, 0]]), [0])
    turned.measure(0, 0)
    phased = QuantumCircuit(1, 1)
    phased.h(0)
    phased.diagonal([1, -1], [0])
    phased.h(0)
    phased.measure(0, 0)
    _, result = run([prepared, turned, phased], shots=100)
    counts = [experiment["data"]["counts"] for experiment in result["results"]]
    assert counts[0].keys() == {"0x0", "0x3"}
    assert counts[1:] == [{"0x1": 100}, {"0x1": 100}]


def test_saved_states_are_json(run: Run) -> None:
    circuit = QuantumCircuit(1)
    circuit.h(0)
    circuit.save_statevector()
    _, result = run(circuit, shots=1)
    vector = result["results"][0]["data"]["statevector"]
    assert vector == [[pytest.approx(0.5**0.5), 0.0], [pytest.approx(0.5**0.5), 0.0]]


def test_snapshots_of_older_programs(run: Run) -> None:
    qobj = assemble(t_gate(), shots=5).to_dict()
    snapshot = {
        "name": "snapshot",
        "qubits": [0],
        "label": "before",
        "snapshot_type": "statevector",
    }
    qobj["experiments"][0]["instructions"].insert(1, snapshot)
    _, result = run(qobj)
    (vector,) = result["results"][0]["data"]["snapshots"]["statevector"]["before"]
    assert vector[1] == [pytest.approx(0.5**0.5), 0.0]


def test_a_program_s_own_noise_is_what_aer_makes_of_it(run: Run) -> None:
    model = NoiseModel()
    model.add_all_qubit_quantum_error(amplitude_damping_error(0.3), ["x"])
    model.add_all_qubit_readout_error(ReadoutError([[0.9, 0.1], [0.2, 0.8]]))
    circuit = QuantumCircuit(1, 1)
    circuit.x(0)
    circuit.measure(0, 0)
    expected = AerSimulator().run(circuit, shots=1000, noise_model=model, seed_simulator=3).result()
    _, result = run(circuit, shots=1000, noise_model=model.to_dict(), seed_simulator=3)
    assert Result.from_dict(result).get_counts() == expected.get_counts()


def test_options_that_are_not_aer_s_are_ignored(run: Run) -> None:
    qobj = assemble(bell(), shots=10).to_dict()
    qobj["config"] |= {"apiToken": "abc", "device": "GPU", "max_parallel_threads": 64, "x": [None]}
    assert run(qobj)[0].kind == "completed"


def test_every_gate_that_the_simulator_names_is_one_of_aer_s() -> None:
    named = set(load_device(SIMULATOR).configuration["basis_gates"])
    assert named <= set(AerSimulator().configuration().basis_gates)


# -- devices -------------------------------------------------------------------------------------


def test_a_device_is_noisy(run: Run) -> None:
    circuit = QuantumCircuit(2, 2)
    circuit.rz(np.pi / 2, 0)
    circuit.sx(0)
    circuit.rz(np.pi / 2, 0)
    circuit.cx(0, 1)
    circuit.measure([0, 1], [0, 1])
    outcome, result = run(circuit, LIMA, shots=4000)
    assert outcome.kind == "completed"
    counts = result["results"][0]["data"]["counts"]
    assert counts.keys() == {"0x0", "0x1", "0x2", "0x3"}
    assert counts["0x0"] + counts["0x3"] > 3200


def test_an_idle_qubit_relaxes_as_in_aer_s_own_model(run: Run) -> None:
    idle, prompt = QuantumCircuit(1, 1), QuantumCircuit(1, 1)
    for circuit in (idle, prompt):
        circuit.x(0)
    idle.delay(500_000, 0, unit="dt")
    for circuit in (idle, prompt):
        circuit.measure(0, 0)
    _, result = run([idle, prompt], LIMA, shots=20_000)
    reference = AerSimulator.from_backend(FakeLima()).run(idle, shots=20_000).result()
    expected = reference.get_counts()["1"] / 20_000
    relaxed, fresh = (share_of_ones(experiment) for experiment in result["results"])
    assert relaxed == pytest.approx(expected, abs=0.02)
    assert fresh > 0.9 > 0.3 > relaxed


def test_gates_of_older_programs_are_turned_into_the_device_s(run: Run) -> None:
    # u3(pi, 0, pi) is x; u2(0, pi) is h, and two of them are nothing.
    circuits = [flipped(U3Gate(np.pi, 0, np.pi)), flipped(U2Gate(0, np.pi), U2Gate(0, np.pi))]
    _, result = run(circuits, LIMA, shots=2000)
    turned, unturned = (share_of_ones(experiment) for experiment in result["results"])
    assert turned > 0.9
    assert unturned < 0.1


@pytest.mark.parametrize("device", ["ibmq_armonk", "ibm_lagos", "ibmq_guadalupe", "ibmq_montreal"])
def test_every_device_runs(run: Run, device: str) -> None:
    circuit = QuantumCircuit(1, 1)
    circuit.x(0)
    circuit.measure(0, 0)
    _, result = run(circuit, device, shots=1000)
    assert result["backend_name"] == device
    assert 0.85 < share_of_ones(result["results"][0]) < 1


# -- failures ------------------------------------------------------------------------------------


def test_the_stabilizer_method_cannot_do_a_t_gate_and_the_rest_is_kept(run: Run) -> None:
    outcome, result = run([bell("a"), t_gate(), bell("b")], shots=100, method="stabilizer")
    assert (outcome.kind, outcome.has_result) == ("failed", True)
    assert result["success"] is False
    good, bad, other = result["results"]
    assert good["success"]
    assert other["success"]
    assert other["data"]["counts"].keys() <= {"0x0", "0x3"}
    assert not bad["success"]
    assert bad["status"].startswith("ERROR: ")
    assert "stabilizer" in bad["status"]
    assert [experiment["header"]["name"] for experiment in result["results"]] == ["a", "t", "b"]
    Result.from_dict(result)


def test_an_instruction_that_aer_cannot_even_read_spoils_only_its_experiment(run: Run) -> None:
    good = run([bell()] * 3, shots=100, seed_simulator=5)[1]["results"]
    qobj = assemble([bell()] * 3, shots=100, seed_simulator=5).to_dict()
    # Equal circuits share their instructions in the assembled qobj.
    qobj = json.loads(json.dumps(qobj))
    qobj["experiments"][1]["instructions"][0]["name"] = "bogus"
    outcome, result = run(qobj)
    assert (outcome.kind, outcome.has_result) == ("failed", True)
    statuses = [experiment["status"] for experiment in result["results"]]
    assert statuses[0] == statuses[2] == "DONE"
    assert "bogus" in statuses[1]
    for index in (0, 2):  # as if the bad one had not been there, to the last count
        assert result["results"][index]["data"] == good[index]["data"]


def test_all_experiments_failing_leaves_what_each_says(run: Run) -> None:
    outcome, result = run([t_gate("a"), t_gate("b")], shots=10, method="stabilizer")
    assert (outcome.kind, outcome.has_result) == ("failed", True)
    assert not any(experiment["success"] for experiment in result["results"])


def test_a_method_that_aer_does_not_have(run: Run) -> None:
    outcome, result = run(bell(), shots=10, method="nonsense")
    assert outcome.kind == "failed"
    assert "nonsense" in result["results"][0]["status"]


@pytest.mark.parametrize(
    ("name", "qubits"), [("h", [0]), ("cx", [0, 4]), ("x", [17]), ("bogus", [0])]
)
def test_what_a_device_does_not_have(run: Run, name: str, qubits: list[int]) -> None:
    qobj = assemble(bell(), shots=10).to_dict()
    qobj["experiments"][0]["instructions"] = [{"name": name, "qubits": qubits}]
    outcome, _ = run(qobj, LIMA)
    assert (outcome.kind, outcome.code, outcome.has_result) == ("failed", 7000, False)
    assert f"instruction: {name}, qubits: {qubits}" in outcome.message


def test_a_circuit_too_large_for_the_machine_is_said_to_be(run: Run) -> None:
    circuit = QuantumCircuit(60, 60)
    for qubit in range(60):
        circuit.rx(0.3, qubit)
    for qubit in range(59):
        circuit.cx(qubit, qubit + 1)
    circuit.measure(range(60), range(60))
    setup = {"device": "simulator", "method": "statevector"}
    outcome, _ = run(circuit, "wide", setup, shots=10)
    assert (outcome.kind, outcome.code) == ("failed", 5204)
    assert outcome.message == "1 of 1 experiments failed"


def test_a_malformed_qobj_is_said_to_be_one_and_not_shown(run: Run) -> None:
    qobj = assemble(bell(), shots=10).to_dict()
    qobj["experiments"][0]["instructions"][0] = {"token": "secret-value"}
    outcome, _ = run(qobj)
    assert outcome.kind == "failed"
    assert "malformed" in outcome.message
    assert "secret-value" not in outcome.message


def test_more_memory_than_there_is(run: Run) -> None:
    wide = QuantumCircuit(40, 40)
    wide.h(0)
    for qubit in range(39):
        wide.cx(qubit, qubit + 1)
        wide.t(qubit)
    wide.measure(range(40), range(40))
    outcome, result = run(wide, shots=1, method="statevector")
    assert outcome.kind == "failed"
    assert "memory" in result["results"][0]["status"]


def test_a_qobj_that_is_gone(simulation: Simulation, tmp_path: Path) -> None:
    outcome = simulation.run(JOB, SIMULATOR, tmp_path / "none", tmp_path / "result")
    assert outcome.kind == "failed"
    assert "No such file" in outcome.message


def test_the_child_loads_no_provider_and_no_web_server() -> None:
    program = """
import sys
import qtower.service.simulation
unwanted = ("qiskit.providers.ibmq", "requests", "starlette", "sqlalchemy", "matplotlib")
print([name for name in unwanted if name in sys.modules])
"""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


# -- how a backend is set up ---------------------------------------------------------------------


def test_a_simulator_with_one_method_keeps_to_it(run: Run) -> None:
    setup = {"device": "simulator", "method": "stabilizer"}
    outcome, result = run(bell(), "clifford_simulator", setup, shots=100, method="statevector")
    assert outcome.kind == "completed"
    assert result["backend_name"] == "clifford_simulator"
    assert result["results"][0]["metadata"]["method"] == "stabilizer"
    outcome, result = run(t_gate(), "clifford_simulator", setup, shots=100)
    assert (outcome.kind, outcome.has_result) == ("failed", True)
    assert "stabilizer" in result["results"][0]["status"]


def test_a_device_without_its_noise(run: Run) -> None:
    circuit = QuantumCircuit(2, 2)
    circuit.x(0)
    circuit.cx(0, 1)
    circuit.delay(100_000, 1)
    circuit.measure([0, 1], [0, 1])
    _, noisy = run(circuit, LIMA, shots=2000)
    assert len(noisy["results"][0]["data"]["counts"]) > 1
    setup = {"device": "fake_lima", "noise": False}
    _, quiet = run(circuit, "quiet_lima", setup, shots=2000)
    assert quiet["results"][0]["data"]["counts"] == {"0x3": 2000}


@pytest.mark.parametrize("device", ["fake_nairobi", "fake_burlington", "fake_poughkeepsie"])
def test_any_fake_device_of_qiskit(run: Run, device: str) -> None:
    circuit = QuantumCircuit(1, 1)
    circuit.append(U2Gate(0, np.pi), [0])
    circuit.delay(1000, 0)
    circuit.measure(0, 0)
    outcome, result = run(circuit, f"my_{device}", {"device": device}, shots=2000)
    assert outcome.kind == "completed", outcome.message
    assert share_of_ones(result["results"][0]) == pytest.approx(0.5, abs=0.1)


def fail_to_store(monkeypatch: pytest.MonkeyPatch, number: int, times: int) -> None:
    """The disk refuses the result so many times, once the qobj is on it."""
    real, count = os.fsync, itertools.count(1)
    of_qobj = 2  # the file and its directory

    def fsync(descriptor: int) -> None:
        if of_qobj < next(count) <= of_qobj + times:
            raise OSError(number, os.strerror(number))
        real(descriptor)

    monkeypatch.setattr("os.fsync", fsync)
    monkeypatch.setattr(payloads, "ROOM_SECONDS", 0.01)


def test_on_a_full_disk_a_job_waits_and_does_not_fail(
    run: Run, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    fail_to_store(monkeypatch, errno.ENOSPC, times=2)
    outcome, result = run(bell(), shots=10)
    assert outcome.kind == "completed"
    assert sum(Result.from_dict(result).get_counts().values()) == 10
    assert caplog.text.count("no room for a result: No space left on device") == 2


def test_what_else_a_disk_refuses_fails_the_job(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    fail_to_store(monkeypatch, errno.EIO, times=1)
    outcome, _ = run(bell(), shots=10)
    assert (outcome.kind, outcome.code) == ("failed", 5203)
    assert "Input/output error" in outcome.message


# -- what takes too long -------------------------------------------------------------------------


def wide(qubits: int) -> QuantumCircuit:
    circuit = QuantumCircuit(qubits, qubits)
    circuit.sx(range(qubits))
    circuit.measure(range(qubits), range(qubits))
    return circuit


def test_noisy_circuits_that_would_take_for_ever_are_refused_with_an_estimate(run: Run) -> None:
    outcome, _ = run([wide(3), wide(27)], "ibmq_montreal", shots=8192)
    assert (outcome.kind, outcome.code) == ("failed", 8031)
    assert "up to 27 qubits and 8192 shots would take about 7 days" in outcome.message
    assert "a job may run for 24 hours" in outcome.message


def test_the_shots_of_a_circuit_alone_count_as_it_is_simulated(run: Run) -> None:
    qobj = assemble(wide(27), shots=1).to_dict()
    qobj["experiments"][0]["config"]["shots"] = 8192
    outcome, _ = run(qobj, "ibmq_montreal")
    assert (outcome.kind, outcome.code) == ("failed", 8031)
    assert "8192 shots would take about 7 days" in outcome.message


def test_only_what_a_circuit_uses_and_how_it_is_simulated_counts(run: Run) -> None:
    narrow = QuantumCircuit(27, 2)
    narrow.sx([3, 25])
    narrow.measure([3, 25], [0, 1])
    assert run(narrow, "ibmq_montreal", shots=8192)[0].kind == "completed"
    by_mps = run(wide(27), "ibmq_montreal", shots=20, method="matrix_product_state")
    assert by_mps[0].kind == "completed"
    quiet = run(wide(20), "ibmq_montreal", {"noise": False}, shots=8192)
    assert quiet[0].kind == "completed"
