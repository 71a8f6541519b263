"""Schedules from the real client to the real service and back."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from qiskit import assemble, pulse
from qiskit.providers.ibmq.job.exceptions import IBMQJobFailureError
from qiskit.providers.ibmq.managed import IBMQJobManager
from qiskit.providers.jobstatus import JobStatus

pytestmark = pytest.mark.filterwarnings("ignore")

pytest.importorskip("qiskit_dynamics", reason="the extra `pulse` is not installed")


@pytest.fixture(scope="module")
def armonk(provider: Any) -> Any:
    return provider.get_backend("ibmq_armonk")


@pytest.fixture(scope="module")
def lagos(provider: Any) -> Any:
    return provider.get_backend("ibm_lagos")


def rotation(backend: Any, share: float = 1.0, name: str = "rotation") -> Any:
    """The device's X pulse at a share of its amplitude, then a measurement."""
    gates = backend.defaults().instruction_schedule_map
    parameters = dict(gates.get("x", 0).instructions[0][1].pulse.parameters)
    parameters["amp"] *= share
    with pulse.build(backend, name=name) as schedule:
        pulse.play(pulse.Drag(**parameters), pulse.drive_channel(0))
        pulse.barrier(0)
        pulse.measure(0)
    return schedule


def test_a_schedule_gives_counts_and_memory(armonk: Any) -> None:
    schedules = [rotation(armonk, share, f"x {share}") for share in (0, 0.5, 1)]
    job = armonk.run(schedules, shots=1000, meas_level=2, memory=True)
    result = job.result()
    assert job.status() is JobStatus.DONE
    ones = [result.get_counts(schedule.name).get("1", 0) / 1000 for schedule in schedules]
    assert ones == pytest.approx([0, 0.5, 1], abs=0.12)
    assert len(result.get_memory("x 1")) == 1000
    assert result.job_id == job.job_id()
    assert result.backend_name == "ibmq_armonk"


def test_a_rabi_sweep_at_level_1(armonk: Any) -> None:
    shares = np.linspace(0, 1, 6)
    schedules = [rotation(armonk, share, f"rabi {share:.1f}") for share in shares]
    result = armonk.run(schedules, shots=4000, meas_level=1, meas_return="avg").result()
    points = [result.get_memory(schedule.name)[0].real for schedule in schedules]
    assert points == sorted(points, reverse=True)
    assert points[0] > 0.8 > 0 > points[-1]


def test_single_points_and_another_oscillator(armonk: Any) -> None:
    own = armonk.defaults().qubit_freq_est[0]
    result = armonk.run(
        rotation(armonk),
        shots=100,
        meas_level=1,
        meas_return="single",
        schedule_los=[{pulse.DriveChannel(0): own + 40e6}, {pulse.DriveChannel(0): own}],
    ).result()
    away, on = (result.get_memory(index) for index in range(2))
    assert away.shape == on.shape == (100, 1)
    assert away.mean().real > 0.7 > 0 > on.mean().real


def test_two_qubits_of_seven(lagos: Any) -> None:
    gates = lagos.defaults().instruction_schedule_map
    with pulse.build(lagos, name="cx") as schedule:
        pulse.call(gates.get("x", 0))
        pulse.barrier(0, 1)
        pulse.call(gates.get("cx", (0, 1)))
        pulse.barrier(0, 1)
        pulse.measure_all()
    counts = lagos.run(schedule, shots=1000).result().get_counts()
    assert max(counts, key=counts.get) == "0000011"


def test_a_job_set_of_schedules(armonk: Any) -> None:
    schedules = [rotation(armonk, index % 2, f"schedule {index}") for index in range(6)]
    jobs = IBMQJobManager().run(
        schedules, backend=armonk, name="pulses", max_experiments_per_job=2, shots=500
    )
    results = jobs.results()
    assert all(status is JobStatus.DONE for status in jobs.statuses())
    # By place: the client does not find a schedule by its name, which disassembling loses.
    ones = [results.get_counts(index).get("1", 0) for index in range(len(schedules))]
    assert [number > 250 for number in ones] == [False, True] * 3


def test_a_schedule_that_drives_too_many_qubits(lagos: Any) -> None:
    with pulse.build(lagos) as schedule:
        for qubit in range(5):
            pulse.x(qubit)
        pulse.barrier(0, 1, 2, 3, 4)
        pulse.measure_all()
    job = lagos.run(schedule, shots=10)
    with pytest.raises(IBMQJobFailureError):
        job.result()
    assert job.status() is JobStatus.ERROR
    assert job.error_message() == (
        "The schedule drives 5 qubits; this service simulates pulses on up to 3. Error code: 1109."
    )


def test_a_channel_that_the_device_has_not(armonk: Any) -> None:
    schedule = pulse.Schedule(pulse.Play(pulse.Constant(160, 0.1), pulse.DriveChannel(4)))
    schedule |= pulse.Acquire(160, pulse.AcquireChannel(0), pulse.MemorySlot(0)) << 160
    job = armonk.run(schedule, shots=10)
    assert job.error_message() == "Channel d4 is not available. Error code: 8027."


def test_raw_signals_are_refused(armonk: Any) -> None:
    qobj = assemble(rotation(armonk), backend=armonk, shots=10, meas_level=1)
    qobj.config.meas_level = 0
    assert armonk.run(qobj).error_message() == (
        "Measurement level 0 is not supported by ibmq_armonk, only 1 and 2. Error code: 8009."
    )


def test_garbage_in_the_pulse_library(armonk: Any) -> None:
    noise = pulse.Waveform(np.full(64, 0.1), name="noise")
    schedule = pulse.Schedule(pulse.Play(noise, pulse.DriveChannel(0)))
    schedule |= pulse.Acquire(160, pulse.AcquireChannel(0), pulse.MemorySlot(0)) << 160
    qobj = assemble(schedule, backend=armonk, shots=10, meas_level=2)
    qobj.config.pulse_library[0].samples = ["garbage"] * 3
    job = armonk.run(qobj)
    assert job.error_message() == (
        "Pulse 0 of the pulse library has no samples of the form [re, im]. Error code: 8042."
    )
