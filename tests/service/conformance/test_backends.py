"""IBMQBackend, BackendJobLimit, BackendReservation, and least_busy."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from qiskit.providers.ibmq import IBMQError, least_busy
from qiskit.providers.ibmq.exceptions import (
    IBMQBackendApiError,
    IBMQBackendError,
    IBMQBackendJobLimitError,
)
from qiskit.providers.ibmq.ibmqfactory import IBMQFactory
from qiskit.providers.jobstatus import JobStatus

from tests.service.conformance.conftest import Lab, place
from tests.service.raw import Api

pytestmark = pytest.mark.filterwarnings("ignore")


def test_properties_are_those_of_a_time(device: Any, simulator: Any) -> None:
    properties = device.properties()
    assert device.properties() is properties
    assert device.properties(refresh=True).backend_name == device.name()
    updated = properties.last_update_date
    assert device.properties(datetime=datetime.now()).last_update_date == updated
    assert device.properties(datetime=updated + timedelta(seconds=1)).qubits
    assert device.properties(datetime=updated) is None  # older than that there is nothing
    assert properties.t1(0) > 0
    assert simulator.properties() is None
    with pytest.raises(TypeError):
        device.properties(refresh="yes")
    with pytest.raises(TypeError):
        device.properties(datetime="2020")


def test_defaults_are_there_for_pulses_only(provider: Any, simulator: Any) -> None:
    assert simulator.defaults() is None
    for backend in provider.backends(simulator=False):
        defaults = backend.defaults(refresh=True)
        if backend.configuration().open_pulse:
            assert len(defaults.qubit_freq_est) == backend.configuration().n_qubits
            assert defaults.instruction_schedule_map.instructions
        else:
            assert defaults is None


def test_a_status_says_how_a_backend_does(simulator: Any) -> None:
    status = simulator.status()
    assert status.backend_name == simulator.name()
    assert (status.operational, status.status_msg) == (True, "active")
    assert status.backend_version == simulator.configuration().backend_version
    assert status.pending_jobs >= 0


def test_a_limit_counts_every_unfinished_job(ada: IBMQFactory, bell: Any) -> None:
    backend = place(ada, "lab/physics/small").get_backend("ibmq_qasm_simulator")
    other = place(ada, "lab/physics/main").get_backend("ibmq_qasm_simulator")
    assert (other.job_limit().maximum_jobs, other.remaining_jobs_count()) == (None, None)
    limit = backend.job_limit()
    assert (limit.maximum_jobs, limit.active_jobs) == (2, 0)
    client = backend._api_client.account_api
    phantoms = [client.create_remote_job(backend.name())["id"] for _ in range(2)]
    assert backend.job_limit().active_jobs == 2
    assert backend.remaining_jobs_count() == 0
    with pytest.raises(IBMQBackendJobLimitError, match="Error code: 3458"):
        backend.run(bell)
    other.run(bell).wait_for_final_state()  # another project has its own limit
    for job_id in phantoms:
        assert backend.retrieve_job(job_id).cancel()
    assert backend.remaining_jobs_count() == 2
    assert backend.run(bell).result().success


def test_active_jobs_are_those_that_have_not_ended(simulator: Any, api: Api) -> None:
    made = [api.create()["id"] for _ in range(3)]
    api.cancel(made[1])
    active = [job.job_id() for job in simulator.active_jobs(limit=100)]
    assert made[0] in active
    assert made[1] not in active
    assert len(simulator.active_jobs(limit=2)) == 2
    assert all(job.status() is JobStatus.INITIALIZING for job in simulator.active_jobs(limit=2))
    for job_id in made:
        api.cancel(job_id)


def test_a_job_is_retrieved_from_its_own_backend(simulator: Any, device: Any, api: Api) -> None:
    job_id = api.create()["id"]
    assert simulator.retrieve_job(job_id).job_id() == job_id
    with pytest.raises(IBMQBackendError, match="does not belong"):
        device.retrieve_job(job_id)
    with pytest.raises(IBMQBackendApiError, match="Error code: 3250"):
        device.retrieve_job("nothing")
    api.cancel(job_id)


def test_reservations_are_told_in_full_only_to_whose_they_are(ada: IBMQFactory, lab: Lab) -> None:
    backend = place(ada, "lab/physics/main").get_backend("ibmq_lima")
    found = backend.reservations()
    assert [r.start_datetime for r in found] == [
        lab.now + timedelta(hours=hours) for hours in (-4, -2, 2)
    ]
    assert {r.backend_name for r in found} == {"ibmq_lima"}
    assert [r.duration for r in found] == [120, 240, 120]
    assert [r.mode for r in found] == ["exclusive", "exclusive", "calibration"]
    assert [(r.hub, r.group, r.project) for r in found] == [
        *(("lab", "physics", "small"), ("lab", "physics", "main"), ("lab", "biology", "main"))
    ]
    assert len({r.reservation_id for r in found}) == 3
    assert backend.reservations() == found  # they keep their names


def test_reservations_of_others_are_told_by_their_time_alone(bob: IBMQFactory) -> None:
    backend = place(bob, "lab/chemistry/main").get_backend("ibmq_lima")
    told = [(r.mode is None, r.reservation_id is None, r.hub) for r in backend.reservations()]
    assert told == [(True, True, None), (False, False, "lab"), (True, True, None)]


@pytest.mark.parametrize(
    ("start", "end", "count"),
    [
        (None, None, 3),
        (1, None, 2),
        (3, None, 1),
        (None, -3, 1),
        (-1, 1, 1),
        (5, 6, 0),
        (-9, -5, 0),
    ],
)
def test_reservations_are_found_by_a_window(
    ada: IBMQFactory, lab: Lab, start: int | None, end: int | None, count: int
) -> None:
    backend = place(ada, "lab/physics/main").get_backend("ibmq_lima")

    def moment(hours: int | None) -> datetime | None:
        local = (lab.now + timedelta(hours=hours or 0)).astimezone().replace(tzinfo=None)
        return None if hours is None else local

    found = backend.reservations(start_datetime=moment(start), end_datetime=moment(end))
    assert len(found) == count


def test_my_reservations_are_upcoming_and_mine(ada: IBMQFactory, bob: IBMQFactory) -> None:
    mine = place(ada, "lab/physics/main").backend.my_reservations()
    assert [r.project for r in mine] == ["main", "main"]
    assert all(r.end_datetime > datetime.now(timezone.utc) for r in mine)
    assert [r.group for r in place(bob, "lab/chemistry/main").backend.my_reservations()] == [
        "physics"
    ]


def test_least_busy_takes_the_one_with_fewest_jobs_and_no_reservation(ada: IBMQFactory) -> None:
    provider = place(ada, "lab/biology/main")
    reserved = provider.get_backend("ibmq_lima")
    free = provider.get_backend("ibmq_qasm_simulator")
    assert least_busy([reserved, free]).name() == free.name()
    assert least_busy([reserved], reservation_lookahead=None).name() == reserved.name()
    with pytest.raises(IBMQError):
        least_busy([reserved])
    with pytest.raises(IBMQError):
        least_busy([])
