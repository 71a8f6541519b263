"""Two users at once, also in one project: each works as if alone, and sees nothing of the other."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from qiskit.providers.ibmq.api.exceptions import WebsocketError
from qiskit.providers.ibmq.exceptions import IBMQBackendApiError
from qiskit.providers.ibmq.ibmqfactory import IBMQFactory
from qiskit.providers.ibmq.job.exceptions import IBMQJobApiError
from qiskit.providers.ibmq.managed import IBMQJobManager
from qiskit.providers.ibmq.managed.exceptions import IBMQJobManagerUnknownJobSet

from tests.service.conformance.conftest import place
from tests.service.conformance.test_queue import follow
from tests.service.raw import Api

pytestmark = pytest.mark.filterwarnings("ignore")

SHARED = "lab/physics/main"


def test_two_users_work_at_once_and_each_alone(
    ada: IBMQFactory, bob: IBMQFactory, bell: Any
) -> None:
    providers = [place(factory, SHARED) for factory in (ada, bob)]

    def work(provider: Any) -> tuple[str, list[str]]:
        backend = provider.get_backend("ibmq_qasm_simulator")
        job_set = IBMQJobManager().run(
            [bell] * 6, backend=backend, max_experiments_per_job=2, job_tags=["two users"]
        )
        assert job_set.results().success
        return job_set.job_set_id(), sorted(job.job_id() for job in job_set.jobs())

    with ThreadPoolExecutor(2) as pool:
        (set_a, jobs_a), (set_b, jobs_b) = pool.map(work, providers)
    assert not set(jobs_a) & set(jobs_b)
    for provider, mine, theirs, their_set in (
        (providers[0], jobs_a, jobs_b, set_b),
        (providers[1], jobs_b, jobs_a, set_a),
    ):
        listed = provider.backend.jobs(limit=100, job_tags=["two users"])
        assert sorted(job.job_id() for job in listed) == mine
        named = provider.backend.job_ids(limit=100, job_tags=["two users"])
        assert sorted(job["id"] for job in named) == mine
        assert provider.backend.jobs(db_filter={"id": {"inq": theirs}}) == []
        with pytest.raises(IBMQBackendApiError, match="Error code: 3250"):
            provider.backend.retrieve_job(theirs[0])
        with pytest.raises(IBMQJobManagerUnknownJobSet):
            IBMQJobManager().retrieve_job_set(their_set, provider)


def test_a_job_of_somebody_else_is_beyond_every_method(
    ada: IBMQFactory, bob: IBMQFactory, bob_api: Api, bell: Any
) -> None:
    job = place(ada, SHARED).get_backend("ibmq_qasm_simulator").run(bell, job_name="hers")
    job.wait_for_final_state()
    his = place(bob, SHARED)
    stolen = job.__class__(
        backend=his.get_backend("ibmq_qasm_simulator"),
        api_client=his._api_client,
        job_id=job.job_id(),
        creation_date=job.creation_date().isoformat(),
        status="RUNNING",
        kind="q-object-external-storage",
    )
    for attempt in (
        stolen.status,
        stolen.refresh,
        stolen.cancel,
        stolen.properties,
        stolen.circuits,
        lambda: stolen.update_name("his"),
        lambda: stolen.update_tags(additional_tags=["his"]),
    ):
        with pytest.raises(IBMQJobApiError, match="Error code: 3250"):
            attempt()
    with pytest.raises(Exception, match="3250"):
        his._api_client.job_delete(job.job_id())
    with pytest.raises(Exception, match="3250"):
        his._api_client.job_result(job.job_id(), True)
    with pytest.raises(WebsocketError, match="not found"):
        follow(stolen.backend(), job.job_id())
    job.refresh()
    assert (job.name(), job.tags()) == ("hers", [])


def test_a_user_in_another_project_does_not_find_his_own_job_there(
    ada: IBMQFactory, bell: Any
) -> None:
    job = place(ada, SHARED).get_backend("ibmq_qasm_simulator").run(bell, job_tags=["my place"])
    elsewhere = place(ada, "lab/biology/main")
    with pytest.raises(IBMQBackendApiError, match="Error code: 3250"):
        elsewhere.backend.retrieve_job(job.job_id())
    assert elsewhere.backend.jobs(job_tags=["my place"]) == []
    assert job.result().success
