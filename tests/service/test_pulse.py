"""Pulse qobjs as the provider uploads them, through the simulation: physics comes out."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from qiskit import assemble, pulse
from qiskit.assembler import disassemble
from qiskit.providers.fake_provider import FakeArmonk, FakeBogota, FakeLima
from qiskit.providers.ibmq.utils.json_encoder import IQXJsonEncoder
from qiskit.qobj import PulseQobj
from qiskit.result import Result

from qtower.service import payloads
from qtower.service.devices import load_device
from qtower.service.orders import Outcome
from qtower.service.simulation import Simulation

pytestmark = pytest.mark.filterwarnings("ignore")

pytest.importorskip("qiskit_dynamics", reason="the extra `pulse` is not installed")

JOB = "0123456789abcdef01234567"
ARMONK = "ibmq_armonk"
BOGOTA = "ibmq_bogota"
QUIET = {"noise": False}

Json = dict[str, Any]
Run = Callable[..., tuple[Outcome, Any]]


@pytest.fixture(scope="module")
def simulation() -> Simulation:
    return Simulation(threads=1)


@pytest.fixture
def run(simulation: Simulation, tmp_path: Path) -> Run:
    """Runs a qobj on a device; returns the outcome and the result's JSON."""

    def run(qobj: Any, device: str = ARMONK, options: Json | None = None) -> tuple[Outcome, Any]:
        document = qobj if isinstance(qobj, dict) else qobj.to_dict()
        qobj_file, result_file = tmp_path / "qobj", tmp_path / "result"
        payloads.write(qobj_file, json.dumps(document, cls=IQXJsonEncoder).encode())
        outcome = simulation.run(JOB, device, qobj_file, result_file, options)
        assert result_file.exists() == outcome.has_result
        return outcome, json.loads(payloads.read(result_file)) if outcome.has_result else None

    return run


@pytest.fixture(scope="module")
def armonk() -> Any:
    return FakeArmonk()


@pytest.fixture(scope="module")
def bogota() -> Any:
    return FakeBogota()


def x_pulse(backend: Any, qubit: int = 0) -> Any:
    schedule = backend.defaults().instruction_schedule_map.get("x", qubit)
    return schedule.instructions[0][1].pulse


def rotation(backend: Any, share: float = 1.0, name: str = "rotation") -> Any:
    """The device's X pulse at a share of its amplitude, then a measurement."""
    gate = x_pulse(backend)
    parameters = dict(gate.parameters)
    parameters["amp"] *= share
    with pulse.build(backend, name=name) as schedule:
        pulse.play(pulse.Drag(**parameters), pulse.drive_channel(0))
        pulse.barrier(0)
        pulse.measure(0)
    return schedule


def waited(backend: Any, duration: int, *, before: bool = True, after: bool = False) -> Any:
    """X, a pause of `duration` samples, X again if `after`, then a measurement."""
    with pulse.build(backend) as schedule:
        if before:
            pulse.x(0)
        pulse.delay(duration, pulse.drive_channel(0))
        if after:
            pulse.x(0)
        pulse.barrier(0)
        pulse.measure(0)
    return schedule


def share_of_ones(experiment: Json, bit: int = 0) -> float:
    counts = experiment["data"]["counts"]
    ones = sum(number for outcome, number in counts.items() if int(outcome, 16) >> bit & 1)
    return float(ones / sum(counts.values()))


def qobj_of(backend: Any, *schedules: Any, **options: Any) -> Json:
    options = {"shots": 2000, "meas_level": 2, **options}
    return dict(assemble(list(schedules), backend=backend, **options).to_dict())


def refusal(run: Run, qobj: Json, device: str = ARMONK) -> tuple[str, int]:
    outcome, _ = run(qobj, device)
    assert (outcome.kind, outcome.has_result) == ("failed", False)
    assert not outcome.message.endswith(".")
    return outcome.message, outcome.code


# -- what comes out ------------------------------------------------------------------------------


def test_the_device_s_own_x_pulse_turns_the_qubit_over(run: Run, armonk: Any) -> None:
    _, result = run(qobj_of(armonk, rotation(armonk)), ARMONK, QUIET)
    assert share_of_ones(result["results"][0]) > 0.99


def test_readout_errors_are_the_device_s(run: Run, armonk: Any) -> None:
    wrong = armonk.properties().qubit_property(0, "prob_meas0_prep1")[0]
    _, result = run(qobj_of(armonk, rotation(armonk), shots=8000))
    assert share_of_ones(result["results"][0]) == pytest.approx(1 - wrong, abs=0.015)


def test_a_sweep_of_the_amplitude_is_a_rabi_oscillation(run: Run, armonk: Any) -> None:
    shares = np.linspace(0, 1.2, 13)
    schedules = [rotation(armonk, share, f"rabi {share:.1f}") for share in shares]
    _, result = run(qobj_of(armonk, *schedules, shots=8000), ARMONK, QUIET)
    ones = [share_of_ones(experiment) for experiment in result["results"]]
    expected = np.sin(np.pi / 2 * shares) ** 2
    assert np.abs(np.array(ones) - expected).max() < 0.04
    assert ones[:11] == sorted(ones[:11])
    assert [e["header"]["name"] for e in result["results"]] == [s.name for s in schedules]


def test_an_excited_qubit_relaxes_in_t1(run: Run, armonk: Any) -> None:
    dt = armonk.configuration().dt
    t1 = armonk.properties().t1(0)
    pauses = [0, round(t1 / dt), round(2 * t1 / dt)]
    qobj = qobj_of(armonk, *(waited(armonk, pause) for pause in pauses), shots=8000)
    _, result = run(qobj)
    zero, one = (
        armonk.properties().qubit_property(0, name)[0]
        for name in ("prob_meas1_prep0", "prob_meas0_prep1")
    )
    for pause, experiment in zip(pauses, result["results"], strict=True):
        left = np.exp(-pause * dt / t1)
        expected = left * (1 - one) + (1 - left) * zero
        assert share_of_ones(experiment) == pytest.approx(expected, abs=0.02)


def test_without_noise_it_does_not(run: Run, armonk: Any) -> None:
    _, result = run(qobj_of(armonk, waited(armonk, 1_000_000)), ARMONK, QUIET)
    assert share_of_ones(result["results"][0]) > 0.99


def test_two_half_turns_undo_each_other_after_any_pause(run: Run, armonk: Any) -> None:
    _, result = run(qobj_of(armonk, waited(armonk, 4321, after=True)), ARMONK, QUIET)
    assert share_of_ones(result["results"][0]) < 0.01


def test_a_drive_off_resonance_does_nothing(run: Run, armonk: Any) -> None:
    own = armonk.defaults().qubit_freq_est[0]
    los = [{pulse.DriveChannel(0): own + shift} for shift in (-50e6, 0, 50e6)]
    qobj = qobj_of(armonk, rotation(armonk), schedule_los=los)
    _, result = run(qobj, ARMONK, QUIET)
    below, on, above = (share_of_ones(experiment) for experiment in result["results"])
    assert on > 0.99
    assert max(below, above) < 0.05
    qobj = qobj_of(armonk, rotation(armonk), qubit_lo_freq=[own + 50e6])
    assert share_of_ones(run(qobj, ARMONK, QUIET)[1]["results"][0]) < 0.05


def test_points_tell_the_levels_apart(run: Run, armonk: Any) -> None:
    qobj = qobj_of(armonk, rotation(armonk, 0), rotation(armonk), meas_level=1)
    _, result = run({**qobj, "config": {**qobj["config"], "meas_return": "avg"}})
    ground, excited = (experiment["data"]["memory"] for experiment in result["results"])
    assert (len(ground), len(ground[0])) == (1, 2)
    assert ground[0][0] > 0.8
    assert excited[0][0] < 0
    assert result["results"][0]["meas_level"] == 1
    _, single = run(qobj_of(armonk, rotation(armonk), meas_level=1, meas_return="single"))
    points = np.array(single["results"][0]["data"]["memory"])
    assert points.shape == (2000, 1, 2)
    assert points.mean(axis=0)[0] == pytest.approx(excited[0], abs=0.1)


def test_the_provider_s_result_class_reads_it(run: Run, armonk: Any) -> None:
    schedules = [rotation(armonk, 0, "zero"), rotation(armonk, 1, "one")]
    _, document = run(qobj_of(armonk, *schedules, memory=True))
    result = Result.from_dict(document)
    assert sum(result.get_counts("one").values()) == len(result.get_memory("zero")) == 2000
    assert (document["backend_name"], document["job_id"]) == (ARMONK, JOB)
    _, document = run(qobj_of(armonk, *schedules, meas_level=1, meas_return="avg"))
    assert Result.from_dict(document).get_memory("zero")[0].real > 0.8
    _, document = run(qobj_of(armonk, *schedules, meas_level=1, meas_return="single"))
    assert Result.from_dict(document).get_memory("one").shape == (2000, 1)


def test_a_seed_makes_it_the_same_again(run: Run, armonk: Any) -> None:
    qobj = qobj_of(armonk, rotation(armonk, 0.5), seed_simulator=7)
    first, second = (run(qobj)[1]["results"][0]["data"] for _ in range(2))
    assert first == second


def test_cross_resonance_entangles_two_qubits_of_five(run: Run, bogota: Any) -> None:
    gates = bogota.defaults().instruction_schedule_map
    with pulse.build(bogota) as schedule:
        pulse.call(gates.get("x", 2))
        pulse.barrier(2, 3)
        pulse.call(gates.get("cx", (2, 3)))
        pulse.barrier(2, 3)
        pulse.measure_all()
    _, result = run(qobj_of(bogota, schedule, rotation(bogota)), BOGOTA, QUIET)
    flipped, single = result["results"]
    assert flipped["data"]["counts"]["0xc"] / 2000 > 0.85
    assert share_of_ones(single) > 0.99


# -- against other readers and solvers -----------------------------------------------------------


def test_samples_are_turned_as_qiskit_dynamics_turns_them(armonk: Any) -> None:
    from qiskit_dynamics.pulse import InstructionToSignals

    from qtower.service.pulse_programs import PulseReader

    own = armonk.defaults().qubit_freq_est[0]
    channel = pulse.DriveChannel(0)
    schedule = pulse.Schedule()
    schedule += pulse.Play(pulse.Gaussian(160, 0.4, 40, angle=0.7), channel)
    schedule += pulse.ShiftPhase(0.3, channel)
    schedule += pulse.Play(pulse.Waveform(np.linspace(0, 0.5, 64) * 1j), channel)
    schedule += pulse.SetFrequency(own + 31e6, channel)
    schedule += pulse.Play(pulse.Constant(100, 0.2), channel)
    schedule += pulse.Delay(77, channel)
    schedule += pulse.ShiftFrequency(-12e6, channel)
    schedule += pulse.SetPhase(1.1, channel)
    schedule += pulse.Play(pulse.GaussianSquare(256, 0.1, 32, width=128), channel)
    schedule += pulse.Acquire(160, pulse.AcquireChannel(0), pulse.MemorySlot(0)) << 1000
    document = json.loads(json.dumps(qobj_of(armonk, schedule), cls=IQXJsonEncoder))

    reader = PulseReader(load_device(ARMONK), document["config"]["pulse_library"])
    program = reader.read(document["experiments"][0])
    ours = np.zeros(657, dtype=complex)
    for start, samples in program.plays["d0"]:
        ours[start : start + len(samples)] = samples

    qobj = PulseQobj.from_dict(qobj_of(armonk, schedule))
    converter = InstructionToSignals(armonk.configuration().dt, carriers={"d0": own})
    theirs = converter.get_signals(disassemble(qobj)[0][0].filter(channels=[channel]))[0].samples
    assert np.abs(ours - np.asarray(theirs)[:657]).max() < 1e-6
    assert (program.slots, program.measured_at) == ({0: 0}, 1000)


def test_the_model_moves_as_the_dynamics_backend_does() -> None:
    from qiskit_dynamics import DynamicsBackend

    from qtower.service.pulse_models import PulseModel

    backend = FakeLima()
    reference = DynamicsBackend.from_backend(backend, subsystem_list=[0, 1])
    shapes = {"d0": pulse.Gaussian(96, 0.2, 24), "u0": pulse.Gaussian(96, 0.3, 24)}
    channels = {"d0": pulse.DriveChannel(0), "u0": pulse.ControlChannel(0)}
    schedule = pulse.Schedule()
    for name, shape in shapes.items():
        schedule |= pulse.Play(shape, channels[name])
    duration = schedule.duration * backend.configuration().dt
    (solved,) = reference.solve(schedule, [0, duration], y0=np.eye(9, dtype=complex))
    dressed = reference._dressed_states
    theirs = dressed.conj().T @ np.asarray(solved.y[-1]) @ dressed

    model = PulseModel(load_device("ibmq_lima"), (0, 1), {})
    samples = {name: shape.get_waveform().samples for name, shape in shapes.items()}
    ours = model.propagator(0, samples)
    assert np.abs(np.abs(ours) ** 2 - np.abs(theirs) ** 2).max() < 0.01
    assert abs(ours.conj().T @ ours - np.eye(9)).max() < 1e-9


def test_a_pulse_that_comes_again_is_solved_once_and_still_right() -> None:
    from qtower.service.pulse_models import PulseModel

    lima = load_device("ibmq_lima")
    shape = pulse.Gaussian(64, 0.2, 16).get_waveform().samples
    both = {"d0": shape * np.exp(0.7j), "u0": shape * 0.5}
    # Played at sample 333, and as the end of a longer play that is silent until then.
    late = PulseModel(lima, (0, 1), {}).propagator(333, both)
    silence = np.zeros(333, dtype=complex)
    padded = {name: np.concatenate([silence, samples]) for name, samples in both.items()}
    assert np.abs(PulseModel(lima, (0, 1), {}).propagator(0, padded) - late).max() < 1e-6

    alone = PulseModel(lima, (0,), {})
    early, late = alone.propagator(0, {"d0": shape}), alone.propagator(99, {"d0": shape * 1j})
    assert len(alone._known) == 1
    assert np.abs(late - early).max() > 0.1
    padded = {"d0": np.concatenate([silence[:99], shape * 1j])}
    assert np.abs(alone.propagator(0, padded) - late).max() < 1e-6


def test_relaxation_keeps_a_state_a_state() -> None:
    from qtower.service.pulse_noise import PulseNoise

    noise = PulseNoise(load_device("ibmq_lima"))
    random = np.random.default_rng(3)
    vectors = random.normal(size=(9, 9)) + 1j * random.normal(size=(9, 9))
    product: Any = vectors @ vectors.conj().T
    state = product / np.trace(product)
    relaxed = noise.relaxed(state.reshape(3, 3, 3, 3), (0, 1), 40_000.0).reshape(9, 9)
    assert np.trace(relaxed) == pytest.approx(1)
    assert np.linalg.eigvalsh(relaxed).min() > -1e-12
    longer = noise.relaxed(relaxed.reshape(3, 3, 3, 3), (0, 1), 1e9).reshape(9, 9)
    assert longer[0, 0] == pytest.approx(1)


# -- what is refused -----------------------------------------------------------------------------


def test_too_many_qubits(run: Run, bogota: Any) -> None:
    with pulse.build(bogota) as schedule:
        for qubit in range(4):
            pulse.x(qubit)
        pulse.barrier(0, 1, 2, 3)
        pulse.measure_all()
    assert refusal(run, qobj_of(bogota, schedule), BOGOTA) == (
        "The schedule drives 4 qubits; this service simulates pulses on up to 3",
        1109,
    )


def changed(backend: Any, **fields: Any) -> Json:
    """An X experiment with other fields in its first instruction."""
    qobj = json.loads(json.dumps(qobj_of(backend, rotation(backend)), cls=IQXJsonEncoder))
    qobj["experiments"][0]["instructions"][0].update(fields)
    return dict(qobj)


SHAPE = {"name": "parametric_pulse", "pulse_shape": "gaussian"}


@pytest.mark.parametrize(
    ("fields", "message", "code"),
    [
        ({"ch": "d1"}, "Channel d1 is not available", 8027),
        ({"ch": "u0"}, "Channel u0 is not available", 8027),
        ({"ch": "../d0"}, "Channel ../d0 is not valid", 8027),
        ({"name": "no\x1b[1mthing"}, "Instruction no[1mthing is not supported", 7001),
        ({"conditional": 1}, "Conditional pulses are not supported", 8013),
        ({"t0": -1}, "The time of an instruction is not a whole number", 8023),
        ({"t0": 10**12}, "The schedule is longer than 45000000 dt", 8019),
        ({"pulse_shape": "sawtooth"}, "A sawtooth pulse is not valid", 8042),
        ({"parameters": {"duration": 10**15}}, "A drag pulse has more than 65536 samples", 8022),
        ({"parameters": {"duration": 160, "sigma": "wide"}}, "A drag pulse is not valid", 8042),
        (
            {
                **SHAPE,
                "parameters": {
                    "duration": 160,
                    "sigma": 40,
                    "amp": [3.0, 0.0],
                    "limit_amplitude": False,
                },
            },
            "A pulse has an amplitude above 1",
            8041,
        ),
        ({"name": "fc", "phase": "2 * pi"}, "A phase or a frequency is not a number", 8042),
        ({"name": "setf", "frequency": 9.9}, "Channel d0 lo setting: 9.9 GHz is not within", 8000),
    ],
)
def test_a_bad_instruction(run: Run, armonk: Any, fields: Json, message: str, code: int) -> None:
    said, number = refusal(run, changed(armonk, **fields))
    assert said.startswith(message)
    assert number == code


@pytest.mark.parametrize(
    "samples",
    [[], "noise", [[1]], [["a", "b"]], None, [[0.1, 0.2], [0.3]], {"0": [0.1, 0.2]}],
)
def test_garbage_samples(run: Run, armonk: Any, samples: Any) -> None:
    qobj = changed(armonk)
    qobj["config"]["pulse_library"] = [{"name": "garbage", "samples": samples}]
    said, code = refusal(run, qobj)
    assert (said, code) == (
        "Pulse 0 of the pulse library has no samples of the form [re, im]",
        8042,
    )


def test_samples_that_are_too_strong(run: Run, armonk: Any) -> None:
    qobj = changed(armonk)
    qobj["config"]["pulse_library"] = [{"name": "loud", "samples": [[0.9, 0.9]]}]
    assert refusal(run, qobj)[1] == 8041


def test_pulses_that_overlap(run: Run, armonk: Any) -> None:
    qobj = changed(armonk)
    first = qobj["experiments"][0]["instructions"][0]
    qobj["experiments"][0]["instructions"].append({**first, "t0": 100})
    message = "A pulse at 100 dt overlaps with another on channel d0"
    assert refusal(run, qobj) == (message, 8035)


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"qubits": [3]}, 8026),
        ({"qubits": ["0"]}, 8026),
        ({"memory_slot": []}, 8001),
        ({"memory_slot": [10**9]}, 8001),
        ({"qubits": [0, 0], "memory_slot": [0, 1]}, 8024),
        ({"name": "delay", "ch": "d0"}, 8001),
    ],
)
def test_a_bad_measurement(run: Run, armonk: Any, fields: Json, code: int) -> None:
    qobj = changed(armonk)
    (acquire,) = (i for i in qobj["experiments"][0]["instructions"] if i["name"] == "acquire")
    acquire.update(fields)
    assert refusal(run, qobj)[1] == code


def test_oscillators_that_the_device_has_not(run: Run, armonk: Any) -> None:
    qobj = changed(armonk)
    qobj["config"]["qubit_lo_freq"] = [1.0]
    assert refusal(run, qobj)[1] == 8000
    qobj["config"]["qubit_lo_freq"] = [4.97, 4.97]
    assert refusal(run, qobj)[1] == 8000


def test_a_malformed_qobj_is_named_without_its_contents(run: Run, armonk: Any) -> None:
    qobj = changed(armonk)
    qobj["experiments"][0]["instructions"] = [{"ch": "a secret"}]
    message, code = refusal(run, qobj)
    assert (message, code) == ("The qobj is malformed (KeyError)", 7005)


def test_without_the_extra_the_reason_is_said(
    run: Run, armonk: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = importlib.util.find_spec

    def missing(name: str, *rest: Any) -> Any:
        return None if name == "qiskit_dynamics" else found(name, *rest)

    monkeypatch.setattr("importlib.util.find_spec", missing)
    assert refusal(run, changed(armonk)) == (
        "Pulse jobs cannot be simulated: the service was installed without qtower[pulse]",
        8011,
    )


def test_a_worker_without_pulse_jobs_never_loads_the_extra() -> None:
    program = """
import sys
from qtower.service.simulation import Simulation
Simulation(1)
print("qiskit_dynamics" in sys.modules)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"
