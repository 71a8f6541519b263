"""The provider's clients, where what the endpoint says is not taken for granted."""

from __future__ import annotations

import json
import logging
from typing import Annotated, Any

import msgspec
from qiskit.providers.ibmq import accountprovider, ibmqfactory
from qiskit.providers.ibmq.api.clients import account, auth, experiment, runtime, version
from qiskit.providers.ibmq.api.rest.account import Account
from qiskit.providers.ibmq.api.rest.utils.data_mapper import map_job_response
from qiskit.providers.ibmq.ibmqbackendservice import IBMQBackendService

from qtower.desk.kept_results import KeptResults
from qtower.desk.result_downloads import acknowledge, result_pieces
from qtower.desk.sessions import BoundedSession, check_service_url

logger = logging.getLogger(__name__)


class CarefulAuth(auth.AuthClient):  # type: ignore[misc]  # the provider has no types
    """Takes the access token only where it may go."""

    def user_urls(self) -> dict[str, str]:
        """Where the services are.

        Raises:
            AccountError: The API is said to be where the token must not go.
        """
        urls: dict[str, str] = super().user_urls()
        check_service_url(self.auth_url, urls["http"])
        return urls


class CarefulClient(account.AccountClient):  # type: ignore[misc]  # the provider has no types
    """Reads what can be read of a page of jobs, and asks once for what a backend does not have."""

    def __init__(self, credentials: Any, **options: Any) -> None:
        super().__init__(credentials, **options)
        self.account_api = _JobLists(
            session=self._session,
            hub=credentials.hub,
            group=credentials.group,
            project=credentials.project,
        )
        self._without_defaults: set[str] = set()
        self.kept: KeptResults | None = None

    def list_backends(self, timeout: float | None = None) -> list[dict[str, Any]]:
        """Returns the configurations of the backends, without those that are none: for one of
        them the provider would refuse to log in, or qtower to submit anything anywhere.

        Raises:
            ValueError: The answer is no list.
        """
        answer = super().list_backends(timeout)
        if not isinstance(answer, list):
            raise ValueError(f"backends were asked for, and {type(answer).__name__} came")
        found = [document for document in answer if _is_backend(document)]
        if left_out := len(answer) - len(found):
            logger.warning("%d of %d backends have no configuration", left_out, len(answer))
        return found

    def job_submit(
        self,
        backend_name: str,
        qobj_dict: dict[str, Any],
        job_name: str | None = None,
        job_tags: list[str] | None = None,
        experiment_id: str | None = None,
        live_data_enabled: bool | None = None,
    ) -> dict[str, Any]:
        """Creates a job, uploads its qobj, says so, and returns what the endpoint has of it.

        The provider's own cancels a job of which an answer was lost, though it may run already.
        Here whoever sends it looks what has arrived (qtower.desk.arrivals).
        """
        created = self.account_api.create_remote_job(
            backend_name,
            job_name=job_name,
            job_tags=job_tags,
            experiment_id=experiment_id,
            live_data_enabled=live_data_enabled,
        )
        job = self.account_api.job(created["id"])
        job.put_object_storage(created["objectStorageInfo"]["uploadUrl"], qobj_dict)
        document: dict[str, Any] = job.callback_upload()["job"]
        return document

    def job_result(self, job_id: str, use_object_storage: bool) -> dict[str, Any]:
        """The result document of a job, kept before anybody parses it: it may be the only copy."""
        document: dict[str, Any]
        if self.kept is None or not use_object_storage:
            document = super().job_result(job_id, use_object_storage)
            return document
        obtained = self.kept.obtain(
            job_id, lambda: result_pieces(self, job_id), lambda: acknowledge(self, job_id)
        )
        document = json.loads(obtained.raw)
        if not isinstance(document, dict):
            raise ValueError("a result was asked for, and something else came")
        return document

    def backend_pulse_defaults(self, backend_name: str) -> dict[str, Any]:
        """The pulse defaults of a backend; `IBMQBackend` keeps them, but not that there are none.

        Without this, each circuit that is transpiled asks for them again.
        """
        if backend_name in self._without_defaults:
            return {}
        defaults: dict[str, Any] = super().backend_pulse_defaults(backend_name)
        if not defaults:
            self._without_defaults.add(backend_name)
        return defaults


class CarefulProvider(accountprovider.AccountProvider):  # type: ignore[misc]
    """Leaves the reason with its factory, which only logs it, when it cannot be made."""

    def __init__(self, credentials: Any, factory: Any) -> None:
        try:
            super().__init__(credentials, factory)
        except Exception as error:
            factory.failure = error
            raise


class _JobLists(Account):  # type: ignore[misc]  # the provider has no types
    """Lists of jobs in which one bad document does not hide the others."""

    def jobs(
        self,
        limit: int = 10,
        skip: int = 0,
        descending: bool = True,
        extra_filter: dict[str, Any] | None = None,
    ) -> list[dict[str, Any]]:
        """Returns job documents; in the place of what is none stands an empty one.

        Raises:
            ValueError: The answer is no list.
        """
        query: dict[str, Any] = {
            "order": "creationDate " + ("DESC" if descending else "ASC"),
            "limit": limit,
            "skip": skip,
        }
        if extra_filter:
            query["where"] = extra_filter
        url = self.get_url("jobs_status")
        answer = self.session.get(url, params={"filter": json.dumps(query)}).json()
        if not isinstance(answer, list):
            raise ValueError(f"a list of jobs was asked for, and {type(answer).__name__} came")
        documents = [_mapped(document) for document in answer]
        if left_out := documents.count({}):
            logger.warning("%d of %d jobs of a page are no job documents", left_out, len(answer))
        return documents


_Count = Annotated[int, msgspec.Meta(ge=0, lt=10**9)]


class _Configuration(msgspec.Struct):
    """What is used of the configuration of a backend."""

    backend_name: str
    n_qubits: _Count
    basis_gates: list[str]
    max_shots: _Count | None = None
    max_experiments: _Count | None = None
    description: str | None = None


def _is_backend(document: Any) -> bool:
    try:
        configuration = msgspec.convert(document, _Configuration)
    except msgspec.ValidationError:
        return False
    # The provider makes an attribute of the name, in the place of what it needs itself.
    return not hasattr(IBMQBackendService, configuration.backend_name)


def _mapped(document: Any) -> dict[str, Any]:
    if not isinstance(document, dict):
        return {}
    if not isinstance(document.get("infoQueue", {}), dict):
        del document["infoQueue"]
    mapped: dict[str, Any] = map_job_response(document)
    return mapped


def install() -> None:
    """Gives the provider these clients, and sessions with limits, for the life of the process.

    It makes its own by name, in the modules below, before anybody can reach them: the API token
    has been sent by then.
    """
    for module in (account, auth, experiment, runtime, version):
        module.RetrySession = BoundedSession
    ibmqfactory.AuthClient = CarefulAuth
    ibmqfactory.AccountProvider = CarefulProvider
    accountprovider.AccountClient = CarefulClient
