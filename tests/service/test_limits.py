"""Limits of a job's time and memory: the watch, and what a client is told."""

from __future__ import annotations

import os
from pathlib import Path

from qtower.service.limits import Limits, Watch
from tests.conftest import start_service, stop_service
from tests.service.raw import Api, bell_qobj, gate, long_qobj, measure_all, qobj

CONFIG = """
[limits]
job-seconds = 6
memory-bytes = 600_000_000
"""


def test_without_limits_nothing_is_watched() -> None:
    watch = Watch(Limits(), os.getpid())
    assert watch.seconds_to_next_look() is None
    assert watch.breach() is None


def test_time_is_looked_at_when_it_is_over() -> None:
    watch = Watch(Limits(seconds=1000), os.getpid())
    seconds = watch.seconds_to_next_look()
    assert seconds is not None
    assert 900 < seconds <= 1000
    assert watch.breach() is None
    over = Watch(Limits(seconds=1e-9), os.getpid()).breach()
    assert over is not None
    assert over.code == 5201


def test_memory_is_what_the_process_holds() -> None:
    assert Watch(Limits(memory_bytes=10**12), os.getpid()).breach() is None
    over = Watch(Limits(memory_bytes=1_000_000), os.getpid()).breach()
    assert over is not None
    assert (over.message, over.code) == ("The job needs more memory than 1 MB", 5204)


def test_a_process_that_has_just_gone_holds_nothing() -> None:
    assert Watch(Limits(memory_bytes=1_000), 2**31 - 1).breach() is None


def test_a_job_beyond_its_limits_ends_in_error_and_others_go_on(tmp_path: Path) -> None:
    config = tmp_path / "service.toml"
    config.write_text(CONFIG)
    endpoint = start_service(tmp_path, "--workers", "1", "--config", str(config))
    api = Api(endpoint.url, endpoint.token)
    layers = [gate(name, [qubit]) for name in ("h", "t", "h") for qubit in range(26)]
    large = qobj(26, [*layers, *measure_all(26)], 100, "large")
    large["config"]["method"] = "statevector"
    try:
        slow, big, fine = (api.submit(content) for content in (long_qobj(), large, bell_qobj()))
        ended = api.wait(slow)
        assert ended["status"] == "ERROR_RUNNING_JOB"
        assert ended["error"] == {
            "message": "The job timed out: it may run for 6 seconds",
            "code": 5201,
        }
        ended = api.wait(big)
        assert ended["status"] == "ERROR_RUNNING_JOB"
        assert ended["error"] == {"message": "The job needs more memory than 600 MB", "code": 5204}
        assert api.wait(fine)["status"] == "COMPLETED"
    finally:
        api.close()
        stop_service(endpoint)
