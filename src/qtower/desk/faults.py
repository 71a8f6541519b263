"""What the provider and `requests` raise, as errors of ours."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from typing import Any

from qtower.desk.scrubbing import scrub
from qtower.errors import AccountError, JobStateError, NetworkError, NotFoundError, QtowerError

_log = logging.getLogger(__name__)

_STRANGE = "gave an answer that is not of this API"


class AccessExpiredError(AccountError):
    """The access token is not valid any more: log in again."""


@contextlib.contextmanager
def endpoint_errors(host: str = "The endpoint") -> Iterator[None]:
    """Turns what the provider and `requests` raise into errors of ours.

    Raises:
        AccessExpiredError, NetworkError, NotFoundError, JobStateError: as the cause was.
    """
    try:
        yield
    except faults() as error:
        if isinstance(error, (ValueError, KeyError, TypeError, AttributeError)) and not is_request(
            error
        ):
            _log.warning("an answer of %s was not as expected", host, exc_info=True)
            raise NetworkError(f"{host} {_STRANGE} ({type(error).__name__}).") from error
        raise explain(error, host) from error


def explain(error: BaseException, host: str = "The endpoint") -> QtowerError:
    """The error of ours that says what `error` of the provider or of `requests` means."""
    from requests import RequestException

    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, RequestException):
        cause = cause.__cause__
    if cause is None:
        return NetworkError(scrub(words(error)))
    if cause.response is None:
        return NetworkError(f"{host} {silence(cause)}.")
    code, said = cause.response.status_code, _said(cause.response)
    if code == 401:
        return AccessExpiredError(f"{host} does not accept the access token any more.")
    if code == 404:
        return NotFoundError(said or f"{host} does not know it.")
    if code == 429:
        return NetworkError(f"{host} asks for fewer requests.")
    if code >= 500:
        return NetworkError(f"{host} failed with status {code}.")
    return JobStateError(said or f"{host} refused with status {code}.")


def is_request(error: BaseException) -> bool:
    """Whether a request failed, and not the reading of its answer."""
    from requests import JSONDecodeError, RequestException

    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, RequestException):
            return not isinstance(cause, JSONDecodeError)
        cause = cause.__cause__
    return False


def silence(error: BaseException) -> str:
    """What a host did that gave no answer: "did not answer in time", ..."""
    import requests

    if isinstance(error, requests.JSONDecodeError):
        return _STRANGE
    if isinstance(error, requests.Timeout):
        return "did not answer in time"
    if isinstance(error, requests.exceptions.SSLError):
        return "has no certificate that is trusted here"
    if "refused" in str(error).lower():
        return "refused the connection"
    if "resolve" in str(error).lower():
        return "cannot be found (no such host)"
    return "dropped the connection"


def _said(response: Any) -> str:
    try:
        error = response.json()["error"]
        return scrub(str(error["message"]))
    except (ValueError, KeyError, TypeError):
        return ""


def words(error: BaseException) -> str:
    """The message of an error of Qiskit or of anybody."""
    # str() of a QiskitError puts its message in quotation marks.
    return str(getattr(error, "message", "") or error) or type(error).__name__


def faults() -> tuple[type[Exception], ...]:
    """What the provider raises: its own errors, those of `requests`, and, because it takes every
    answer for the JSON that it expects, those of a wrong type or a missing key."""
    from qiskit.exceptions import QiskitError
    from requests import RequestException

    return (QiskitError, RequestException, ValueError, KeyError, TypeError, AttributeError)
