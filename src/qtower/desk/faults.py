"""What the provider and `requests` raise, as errors of ours."""

from __future__ import annotations

import contextlib
import logging
import re
import time
from collections.abc import Iterator
from typing import Any

from qtower.desk.scrubbing import scrub
from qtower.errors import (
    AccountError,
    GoneError,
    JobStateError,
    NetworkError,
    NotFoundError,
    QtowerError,
    ReadBeforeError,
)
from qtower.listeners import STRANGER

_log = logging.getLogger(__name__)

# What OpenSSL, or Python about a name, says of a certificate; the place in its source follows.
_UNTRUSTED = re.compile(r"certificate verify failed:? ?([^\n]*?)\.? ?\(_ssl")
LONGEST_WISH = 300.0
"""Seconds that an endpoint is left alone, however much longer it asks for."""

_READ_BEFORE = 2801  # the API's code for a result that is given out once, and was
_STRANGE = "gave an answer that is not of this API"
# What the provider stumbles over; a document that nests too deeply ends its decoder's recursion.
_MISREADINGS = (ValueError, LookupError, TypeError, AttributeError, RecursionError)


class AccessExpiredError(AccountError):
    """The access token is not valid any more: log in again."""


class RedirectError(AccountError):
    """The endpoint says that it is elsewhere, and no token follows it there."""

    def __init__(self, what: str) -> None:
        super().__init__(
            f"{what} Tokens are not taken there.",
            "If it has moved, write the new address into the account's url.",
        )


class BusyError(NetworkError):
    """The endpoint asks to be left alone for `seconds` (0: it does not say how long).

    `asked`: it said so, and did not merely fail.
    """

    def __init__(self, what: str, seconds: float, *, asked: bool = True) -> None:
        super().__init__(what)
        self.seconds = seconds
        self.asked = asked


class CertificateError(NetworkError):
    """The endpoint's certificate is not trusted: nothing was sent to it."""

    def __init__(self, host: str, reason: str) -> None:
        super().__init__(
            f"{host} shows a certificate that is not trusted here ({reason}).",
            "If it is the right one, name the file with the certificate of who signed it as "
            "ca-file in the account's entry of config.toml; verify = false there switches the "
            "check off, and anybody on the way may then read your token.",
        )


class SilentError(NetworkError):
    """The endpoint took the request and did not answer in time."""


@contextlib.contextmanager
def endpoint_errors(host: str = "The endpoint") -> Iterator[None]:
    """Turns what the provider and `requests` raise into errors of ours.

    Raises:
        AccessExpiredError, RedirectError, NetworkError, NotFoundError, JobStateError: as the
            cause was.
    """
    try:
        yield
    except faults() as error:
        if isinstance(error, _MISREADINGS) and not is_request(error):
            _log.warning("an answer of %s was not as expected", host, exc_info=True)
            raise NetworkError(f"{host} {_STRANGE} ({type(error).__name__}).") from error
        raise explain(error, host) from error


@contextlib.contextmanager
def provider_errors(host: str = "The endpoint") -> Iterator[None]:
    """As `endpoint_errors`, around work of ours that asks the endpoint in between.

    A TypeError or the like may then be ours, and is left as it is.
    """
    from qiskit.providers.ibmq.exceptions import IBMQError
    from requests import RequestException

    try:
        yield
    except (IBMQError, RequestException) as error:
        raise explain(error, host) from error


def explain(error: BaseException, host: str = "The endpoint") -> QtowerError:
    """The error of ours that says what `error` of the provider or of `requests` means."""
    from requests import ReadTimeout, RequestException

    from qtower.desk.refused_answers import RedirectedError

    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, RequestException):
        cause = cause.__cause__
    if cause is None:
        return NetworkError(scrub(words(error)))
    if isinstance(cause, RedirectedError):
        return RedirectError(str(cause))
    if cause.response is None:
        if untrusted := _UNTRUSTED.search(str(cause)):
            return CertificateError(host, scrub(untrusted[1].strip()[:200]))
        kind = SilentError if isinstance(cause, ReadTimeout) else NetworkError
        return kind(f"{host} {silence(cause)}.")
    return explain_status(cause.response, host)


def explain_status(response: Any, host: str) -> QtowerError:
    """The error of ours that says what a status of 400 and above means."""
    code, (said, reason) = response.status_code, _said(response)
    if code == 401:
        return AccessExpiredError(f"{host} does not accept the access token any more.")
    if code == 404:
        return NotFoundError(said or f"{host} does not know it.")
    if code == 410:
        what = f"{said.rstrip('.')}." if said else f"{host} does not keep it any more."
        return GoneError(what, "What is known of the job besides stays.")
    if code == 429:
        return BusyError(f"{host} asks for fewer requests.", retry_after(response))
    if code >= 500:
        wish = retry_after(response)
        return BusyError(f"{host} failed with status {code}.", wish, asked=wish > 0)
    if reason == _READ_BEFORE:
        return ReadBeforeError(
            f"{host} gives out the result of this job once, and it has been read.",
            "Whoever read it first has the only copy: another program, or qtower elsewhere.",
        )
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


def is_too_long(error: BaseException) -> bool:
    """Whether an answer had more bytes than are read of one."""
    from qtower.desk.refused_answers import LongAnswerError

    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, LongAnswerError):
        cause = cause.__cause__
    return cause is not None


def silence(error: BaseException) -> str:
    """What a host did that gave no answer: "did not answer in time", ..."""
    import requests

    if isinstance(error, requests.JSONDecodeError):
        return _STRANGE
    if isinstance(error, requests.exceptions.ContentDecodingError):
        return _STRANGE
    if isinstance(error, requests.Timeout):
        return "did not answer in time"
    if isinstance(error, requests.exceptions.SSLError):
        return "does not speak TLS as it should"
    if STRANGER in str(error):
        return f"{STRANGER}: nothing is sent there"
    if "refused" in str(error).lower():
        return "refused the connection"
    if "resolve" in str(error).lower():
        return "cannot be found (no such host)"
    return "dropped the connection"


def retry_after(response: Any) -> float:
    """Seconds that the header `Retry-After` names, as a number or a date; 0 without one."""
    from email.utils import parsedate_to_datetime  # 10 ms that a start can do without

    value = str(response.headers.get("Retry-After", "")).strip()
    if value.isascii() and value.isdigit():
        return float(value[:9])
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, OverflowError):
        return 0.0


def _said(response: Any) -> tuple[str, Any]:
    """What the API says of an error, and its code for that."""
    try:
        error = response.json()["error"]
        return scrub(str(error["message"])), error.get("code")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return "", None


def words(error: BaseException) -> str:
    """The message of an error of Qiskit or of anybody."""
    # str() of a QiskitError puts its message in quotation marks.
    return str(getattr(error, "message", "") or error) or type(error).__name__


def faults() -> tuple[type[Exception], ...]:
    """What the provider raises: its own errors, those of `requests`, and, because it takes every
    answer for the JSON that it expects, those of a wrong type or a missing key."""
    from qiskit.exceptions import QiskitError
    from requests import RequestException

    return (QiskitError, RequestException, *_MISREADINGS)
