"""Which parts of a set are on the server, by the set's tag and the index in each job's name.

A job whose qobj never came is an empty shell: it will never run. A shell of ours whose sender is
gone is cancelled, so that a late upload is refused, and then removed; if it turns out that the
upload was quicker, the part has arrived.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

from qtower.desk.faults import endpoint_errors
from qtower.desk.pages import JobPages
from qtower.desk.rows import Document, read_membership
from qtower.errors import QtowerError

_log = logging.getLogger(__name__)

# What may be on record of a job whose qobj never came.
_SHELL_STEPS = frozenset({"CREATING", "CANCELLED", "ERROR_CREATING_JOB"})


def set_tag(set_id: str) -> str:
    """The tag that the jobs of a set bear."""
    return f"ibmq_jobset_{set_id}_"


class Arrivals:
    """Asks an endpoint for the jobs of one set. Its methods raise what the provider raises."""

    def __init__(self, provider: Any, set_id: str) -> None:
        self._client = provider._api_client
        self._pages = JobPages(provider)
        self._set_id = set_id

    def read(self) -> dict[int, list[Document]]:
        """All jobs of the set, by index."""
        found: dict[int, dict[str, Document]] = {}
        for page in self._pages.tagged(set_tag(self._set_id)):
            for document in page:
                index = self._index(document)
                if index is not None:
                    found.setdefault(index, {})[str(document.get("job_id"))] = document
        return {index: list(documents.values()) for index, documents in found.items()}

    def accepted(self, documents: Iterable[Document]) -> str:
        """The id of the job among `documents`, all of one part, that has its qobj; "" if none.

        Removes the shells among them if there is none.
        """
        shells = []
        for document in documents:
            job_id = str(document["job_id"])
            if str(document.get("status")) not in _SHELL_STEPS or not self._is_shell(job_id):
                return job_id
            shells.append(job_id)
        for job_id in shells:
            self._client.job_cancel(job_id)
            if not self._is_shell(job_id):
                return job_id  # its upload was quicker
            self._remove(job_id)
        return ""

    def _is_shell(self, job_id: str) -> bool:
        document = self._client.job_get(job_id)
        steps = document.get("time_per_step")
        # Where nothing is on record, nothing proves that it is empty.
        known = isinstance(steps, dict) and bool(steps)
        return known and set(steps) <= _SHELL_STEPS and document.get("status") in _SHELL_STEPS

    def _remove(self, job_id: str) -> None:
        try:
            with endpoint_errors():
                self._client.job_delete(job_id)
        except QtowerError as error:  # it stays, as a cancelled job beside the one that is sent
            _log.info("the empty job %s was not removed: %s", job_id, error)

    def _index(self, document: Document) -> int | None:
        name, tags = document.get("name"), document.get("tags")
        if not isinstance(name, str) or not isinstance(tags, list):
            return None
        place = read_membership(name, [tag for tag in tags if isinstance(tag, str)])
        return place.index if place.set_id == self._set_id else None
