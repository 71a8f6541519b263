"""A result document from the endpoint, as it comes, piece by piece."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from typing import Any

from qiskit.providers.ibmq.api.exceptions import RequestsApiError

from qtower.desk.sessions import pieces
from qtower.errors import QtowerError

_log = logging.getLogger(__name__)

_SECONDS = 600.0  # as long as the provider waits for object storage


class LongResultError(QtowerError):
    """The result is longer than it may be; the endpoint still has it."""


def result_pieces(client: Any, job_id: str, most: int | None = None) -> Iterator[bytes]:
    """Yields the result document of a job, so that each piece can be written down as it comes.

    With `acknowledge` after it, this is what `AccountClient.job_result`, version 0.20.2, does.

    Args:
        client: The provider's `AccountClient`.
        job_id: Whose result.
        most: Bytes that are read at most; None: any number.

    Raises:
        LongResultError: It has more than `most` bytes.
        RequestsApiError, RequestException: The endpoint did not give it.
    """
    job = client.account_api.job(job_id)
    address = job.result_url()["url"]
    response = job.session.get(address, bare=True, timeout=_SECONDS, stream=True)
    with contextlib.closing(response):
        length = response.headers.get("Content-Length", "")
        size = (
            int(length) if length.isdecimal() and "Content-Encoding" not in response.headers else 0
        )
        _refuse_longer(size, most)
        size = 0
        for piece in pieces(response):
            size += len(piece)
            _refuse_longer(size, most)
            yield piece


def _refuse_longer(size: int, most: int | None) -> None:
    if most is not None and size > most:
        raise LongResultError(f"The result has more than {most:,} bytes.")


def acknowledge(client: Any, job_id: str) -> None:
    """Tells the endpoint that the result is here, and on disk: it may forget it now."""
    try:
        client.account_api.job(job_id).callback_download()
    except (RequestsApiError, ValueError) as error:
        _log.info("the endpoint was not told that the result of job %s is here: %s", job_id, error)
