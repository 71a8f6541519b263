"""A paced device: how long it takes, and a queue in which that can be seen."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from qtower.service.devices import Device, load_device
from qtower.service.line import Line
from qtower.service.pacing import JOB_SECONDS, Pacing, device_seconds
from qtower.service.records import Owner
from qtower.service.settings import BackendSettings
from tests.conftest import start_service, stop_service
from tests.service.raw import Api, gate, measure_all, qobj

OWNER = Owner("owner", "ibm-q", "open", "main")
NANOSECONDS = 1e-9

CONFIG = """
[backends.lima]
device = "fake_lima"
pacing = "device"

[backends.fast]
device = "simulator"
"""


@pytest.fixture(scope="module")
def lima() -> Device:
    return load_device("ibmq_lima", "fake_lima")


def on_lima(shots: int, *instructions: dict[str, Any], **config: Any) -> dict[str, Any]:
    found = qobj(2, [*instructions, *measure_all(2)], shots, "paced")
    found["config"] |= config
    return found


def length(device: Device, name: str, *qubits: int) -> float:
    """A gate's length in seconds, as the properties have it."""
    assert device.properties is not None
    (found,) = [
        parameter["value"]
        for described in device.properties["gates"]
        if (described["gate"], described["qubits"]) == (name, list(qubits))
        for parameter in described["parameters"]
        if parameter["name"] == "gate_length"
    ]
    return float(found) * NANOSECONDS


def readout(device: Device) -> float:
    assert device.properties is not None
    return max(
        float(parameter["value"]) * NANOSECONDS
        for qubit in device.properties["qubits"][:2]
        for parameter in qubit
        if parameter["name"] == "readout_length"
    )


def test_a_job_takes_its_shots_and_a_fixed_time(lima: Device) -> None:
    sx, cx = length(lima, "sx", 0), length(lima, "cx", 0, 1)
    period = 250e-6 + 2 * sx + cx + readout(lima)  # 250 us: lima's default_rep_delay
    job = on_lima(1000, gate("sx", [0]), gate("sx", [0]), gate("sx", [1]), gate("cx", [0, 1]))
    assert device_seconds(job, lima) == pytest.approx(JOB_SECONDS + 1000 * period)
    twice = {**job, "experiments": job["experiments"] * 2}
    assert device_seconds(twice, lima) == pytest.approx(JOB_SECONDS + 2000 * period)


def test_a_job_may_set_its_repetition(lima: Device) -> None:
    quick = device_seconds(on_lima(1000, rep_delay=0), lima)
    assert quick == pytest.approx(JOB_SECONDS + 1000 * readout(lima))
    slow = device_seconds(on_lima(1000, rep_time=2000), lima)
    assert slow == pytest.approx(JOB_SECONDS + 2.0)


def test_delays_count_in_samples(lima: Device) -> None:
    delay = {"name": "delay", "qubits": [0], "params": [45_000]}
    more = device_seconds(on_lima(1000, delay), lima) - device_seconds(on_lima(1000), lima)
    assert more == pytest.approx(1000 * 45_000 * lima.configuration["dt"] * NANOSECONDS)


def test_a_schedule_lasts_until_its_last_pulse(lima: Device) -> None:
    instructions = [
        {"name": "drive", "t0": 0, "ch": "d0"},
        {"name": "parametric_pulse", "t0": 160, "ch": "d0", "parameters": {"duration": 320}},
        {"name": "acquire", "t0": 480, "duration": 1000, "qubits": [0]},
    ]
    job = on_lima(1000, pulse_library=[{"name": "drive", "samples": [[0.1, 0.0]] * 160}])
    job["type"] = "PULSE"
    job["experiments"][0]["instructions"] = instructions
    seconds = 1000 * (250e-6 + 1480 * lima.configuration["dt"] * NANOSECONDS)
    assert device_seconds(job, lima) == pytest.approx(JOB_SECONDS + seconds)


@pytest.mark.parametrize("nonsense", ["a", None, -5, [1], {"a": 1}, 1e300])
def test_nonsense_in_a_qobj_is_no_matter(lima: Device, nonsense: Any) -> None:
    odd = {"name": nonsense, "qubits": nonsense if isinstance(nonsense, list) else [nonsense]}
    job = on_lima(100, odd, nonsense, rep_delay=nonsense, rep_time=nonsense, pulse_library=nonsense)
    assert JOB_SECONDS <= device_seconds(job, lima) <= 31 * 24 * 3600
    job["type"] = "PULSE"
    assert JOB_SECONDS <= device_seconds(job, lima) <= 31 * 24 * 3600


def test_only_paced_backends_have_a_time(lima: Device) -> None:
    backends = {
        "lima": BackendSettings(device="fake_lima", pacing="device"),
        "instant": BackendSettings(device="fake_lima"),
    }
    pacing = Pacing(backends, {"lima": lima, "instant": lima})
    raw = msgspec.json.encode(on_lima(100))
    assert pacing.run_seconds("lima", raw) == device_seconds(on_lima(100), lima)
    assert pacing.run_seconds("instant", raw) is None
    assert [pacing.paced(name) for name in ("lima", "instant", "other")] == [True, False, False]


def test_a_paced_backend_is_a_queue_of_its_own_and_needs_a_worker_only_to_begin() -> None:
    line = Line(1, ())
    for number in range(3):
        line.join(number, f"paced {number}", "lima", OWNER, 100.0)
    line.join(3, "instant", "fast", OWNER)
    assert line.take() == "paced 0"
    assert line.take() is None  # no worker
    began = time.time()
    line.began("paced 0", began)
    line.rest("paced 0")
    assert line.take() == "instant"  # the others of its backend wait for the device
    places = [line.place(number) for number in (1, 2)]
    assert [place.position for place in places if place] == [1, 2]
    starts = [place.starts for place in places if place]
    assert starts == pytest.approx([began + 100, began + 200], abs=1)
    line.ended("instant", 0.1)
    assert line.take() is None
    line.ended("paced 0")
    assert line.take() == "paced 1"
    line.give_back("paced 1")
    assert line.take() == "paced 1"


@contextmanager
def paced(directory: Path) -> Iterator[Api]:
    directory.mkdir(exist_ok=True)
    config = directory / "service.toml"
    config.write_text(CONFIG)
    endpoint = start_service(directory, "--workers", "1", "--config", str(config))
    api = Api(endpoint.url, endpoint.token)
    try:
        yield api
    finally:
        api.close()
        stop_service(endpoint)


def moment(text: str) -> float:
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def test_a_living_queue_with_true_estimates(tmp_path: Path) -> None:
    lima, fast = {"backend": {"name": "lima"}}, {"backend": {"name": "fast"}}
    job = on_lima(1000, gate("x", [0]))
    with paced(tmp_path) as api:
        first, second, third = (api.submit(job, **lima) for _ in range(3))
        api.wait(first, "RUNNING")
        seconds = api.job(first)["summaryData"]["summary"]["estimated_seconds"]
        assert seconds == pytest.approx(JOB_SECONDS + 0.26, abs=0.01)
        estimates = {}
        for position, job_id in enumerate((second, third), 1):
            queue = api.wait_in_line(job_id)["infoQueue"]
            assert queue["position"] == position
            estimates[job_id] = moment(queue["estimatedCompleteTime"])
        # Only one worker, and it is free for others while the device is busy.
        assert api.wait(api.submit(job, **fast))["status"] == "COMPLETED"
        assert api.status(first) == "RUNNING"
        ended = api.wait(first)
        steps = {name: moment(text) for name, text in ended["timePerStep"].items()}
        assert steps["COMPLETED"] - steps["RUNNING"] == pytest.approx(seconds, abs=0.05)
        assert api.result(first)["success"] is True
        api.wait(second, "RUNNING")
        assert api.cancel(second) == {"cancelled": True}
        api.wait(third, "RUNNING")  # the device is free at once
        done = api.wait(third)
        assert done["status"] == "COMPLETED"
        assert moment(done["timePerStep"]["COMPLETED"]) <= estimates[third] + 1


def test_a_restart_lets_a_paced_job_run_again(tmp_path: Path) -> None:
    with paced(tmp_path) as api:
        job_id = api.submit(on_lima(100), backend={"name": "lima"})
        api.wait(job_id, "RUNNING")
    with paced(tmp_path) as api:
        assert api.wait(job_id)["status"] == "COMPLETED"
        assert json.dumps(api.result(job_id)["results"][0]["data"]["counts"])
