"""The provider's HTTP session with limits: where a token may go, and how long an answer may take.

Every request, repetitions included, is counted in the budget of the account; an answer that asks
to be left alone holds it, whoever got it.

The provider's own follows redirects with both tokens, to any host; waits without end for an
answer; sleeps as long as the endpoint tells it to (`Retry-After`); and reads what comes, however
much and however slowly.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from ipaddress import ip_address
from typing import Any
from urllib.parse import SplitResult, urlsplit

import requests
from qiskit.providers.ibmq.api.session import STATUS_FORCELIST, PostForcelistRetry, RetrySession
from urllib3.exceptions import DecodeError, HTTPError, MaxRetryError, ReadTimeoutError

from qtower.desk.budget import Budget, budget_of_thread
from qtower.desk.faults import LONGEST_WISH, retry_after
from qtower.desk.own_services import CarefulAdapter
from qtower.desk.refused_answers import LongAnswerError, RedirectedError
from qtower.desk.scrubbing import conceal
from qtower.desk.timed_answers import TimedResponse
from qtower.errors import AccountError

CONNECT_SECONDS = 5.0
_READ_LOCAL_SECONDS, _READ_REMOTE_SECONDS = 5.0, 15.0
# A request that changes something is not repeated lightly: its answer is waited for.
_WRITE_SECONDS = 60.0
_PATIENCE = 3  # an answer that has begun may take so many times as long as a silence
_MOST_BYTES = 1 << 29  # of a payload in object storage
# Of any other answer. It is read as a whole, and of every three bytes Python may make a list of 60.
_MOST_ANSWER_BYTES = 1 << 25
_CHUNK = 1 << 16
_BUSY = (429, 503)
_ACCESS_HEADER = "X-Access-Token"
_PORTS = {"http": 80, "https": 443}


class BoundedSession(RetrySession):  # type: ignore[misc]  # the provider has no types
    """A session that follows no redirect and ends every wait."""

    def __init__(self, base_url: str, *args: Any, **options: Any) -> None:
        self.budget = budget_of_thread()
        super().__init__(base_url, *args, **options)
        self._timeout = (CONNECT_SECONDS, read_seconds(base_url))

    def _initialize_retry(self, *_: Any, **__: Any) -> None:
        retry = _Retry(
            total=1,
            backoff_factor=0.2,
            status_forcelist=STATUS_FORCELIST,
            respect_retry_after_header=False,  # who asks decides how long to wait
            raise_on_status=False,  # the answer itself says more
        )
        retry.budget = self.budget
        adapter = CarefulAdapter(max_retries=retry)
        self.mount("http://", adapter)
        self.mount("https://", adapter)

    @property
    def access_token(self) -> str | None:
        """The access token that goes with every request."""
        known: str | None = self._access_token
        return known

    @access_token.setter
    def access_token(self, value: str | None) -> None:
        conceal(value or "")  # before anything can go wrong with it
        RetrySession.access_token.fset(self, value)

    def merge_environment_settings(self, *args: Any, **options: Any) -> Any:
        """What the account says of certificates stands before `REQUESTS_CA_BUNDLE`."""
        settings = super().merge_environment_settings(*args, **options)
        if self.verify is not True:
            settings["verify"] = self.verify
        return settings

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        """Refuses a redirect before it is followed."""
        if resp.is_redirect:
            resp.close()
            raise RedirectedError(redirect_words(resp))
        return None

    def send(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:
        """Sends a request and reads the whole answer, as long as both stay within the limits.

        An answer that was asked for with `stream` is not read: `pieces` does that.
        """
        if not same_origin(request.url or "", self.base_url):
            request.headers.pop(_ACCESS_HEADER, None)
        asked = options.get("timeout")
        read, total = self._limits(request, asked)
        in_pieces = bool(options.get("stream"))
        options.update(timeout=(CONNECT_SECONDS, read), stream=True)
        self.budget.take()
        response: requests.Response = super().send(request, **options)
        if response.status_code in _BUSY and (wish := retry_after(response)):
            self.budget.hold(min(wish, LONGEST_WISH))
        most = _MOST_BYTES if _is_payload(asked) else _MOST_ANSWER_BYTES
        deadline = time.monotonic() + total
        vars(response).update(deadline=deadline, most=most)
        if isinstance(answer := getattr(response.raw, "_fp", None), TimedResponse):
            answer.end_by(deadline)
        if in_pieces and response.ok:
            return response  # who asked reads it, with `pieces`
        try:
            # Where `requests` itself puts what it has read.
            content = b"".join(pieces(response))
            vars(response).update(_content=content, _content_consumed=True)
        except BaseException:
            response.close()
            raise
        return response

    def _limits(self, request: requests.PreparedRequest, asked: Any) -> tuple[float, float]:
        """Seconds of silence, and seconds until the whole answer is here."""
        read: float = self._timeout[1]
        if _is_payload(asked):  # large, and made while one waits
            return min(float(asked), _WRITE_SECONDS), float(asked)
        if request.method != "GET" and self.access_token:
            read = _WRITE_SECONDS
        return read, _PATIENCE * read


class _Retry(PostForcelistRetry):  # type: ignore[misc]  # the provider has no types
    """Once more after a lost connection or a failure, but not after a long silence."""

    budget: Budget

    def new(self, **options: Any) -> Any:
        successor = super().new(**options)
        successor.budget = self.budget
        return successor

    def increment(self, *args: Any, error: Exception | None = None, **options: Any) -> Any:
        if isinstance(error, ReadTimeoutError):
            raise error
        if options.get("response") is not None and creates_a_job(*args[:2]):
            # There may be a job already: whoever sends it asks first (qtower.desk.sending).
            raise MaxRetryError(options["_pool"], args[1])
        successor = super().increment(*args, error=error, **options)
        self.budget.spend()
        return successor


def _is_payload(asked: Any) -> bool:
    """Whether a time-out is that of a request to object storage: the provider gives no other."""
    return isinstance(asked, (int, float))


def creates_a_job(method: str, url: str) -> bool:
    """Whether a request is the one that makes a job."""
    return method.upper() == "POST" and urlsplit(url).path.endswith("/Jobs")


def read_seconds(url: str) -> float:
    """Seconds of silence that are borne from the endpoint at `url`."""
    return _READ_LOCAL_SECONDS if _is_loopback(urlsplit(url)) else _READ_REMOTE_SECONDS


def redirect_words(response: requests.Response) -> str:
    """What a redirect says, as a sentence without the query, which may be secret."""
    there = response.headers.get("location", "")
    try:
        target = urlsplit(requests.compat.urljoin(response.url, there))
        host = target.netloc.rpartition("@")[2]
        shown = target._replace(netloc=host, query="", fragment="").geturl()
    except ValueError:
        shown = "somewhere that is no address"
    return f"{urlsplit(response.url).netloc.rpartition('@')[2]} redirects to {shown[:200]}."


def same_origin(one: str, other: str) -> bool:
    """Whether two addresses have the same scheme, host and port; loopback has many names."""
    first, second = urlsplit(one), urlsplit(other)
    hosts = first.hostname == second.hostname or (_is_loopback(first) and _is_loopback(second))
    return hosts and first.scheme == second.scheme and _port(first) == _port(second)


def may_take_token(account_url: str, url: str) -> bool:
    """Whether the access token may go to `url`: the account's own place, or encrypted all the way.

    Raises:
        ValueError: It is no address at all.
    """
    return same_origin(account_url, url) or (
        urlsplit(account_url).scheme == urlsplit(url).scheme == "https"
    )


def check_service_url(account_url: str, api_url: Any) -> None:
    """Checks where the endpoint says that its API is, before the access token goes there.

    Raises:
        AccountError: It is another place, and the way there is not encrypted from end to end.
    """
    try:
        if isinstance(api_url, str) and may_take_token(account_url, api_url):
            return
        shown = urlsplit(str(api_url))._replace(query="", fragment="").geturl()[:200]
    except ValueError:  # no address at all
        shown = "somewhere that is no address"
    host = urlsplit(account_url).netloc.rpartition("@")[2]
    raise AccountError(
        f"{host} says that its API is at {shown}: the token is not taken there.",
        "If that is right, write that address into the account's url.",
    )


def is_loopback(url: str) -> bool:
    """Whether `url` is on this machine."""
    return _is_loopback(urlsplit(url))


def pieces(response: requests.Response) -> Iterator[bytes]:
    """Yields what an answer of `BoundedSession` holds, as it comes, within the session's limits.

    Raises:
        RequestException: It broke off, came too slowly, or is too long.
    """
    deadline: float = vars(response)["deadline"]
    most: int = vars(response)["most"]
    size = 0
    try:
        while chunk := response.raw.read1(_CHUNK, decode_content=True):
            size += len(chunk)
            if time.monotonic() > deadline:
                raise requests.ReadTimeout("the answer came too slowly")
            if size > most:
                raise LongAnswerError("the answer is too long")
            yield chunk
    except requests.RequestException:  # ours; some are errors of urllib3 as well
        raise
    except ReadTimeoutError as error:
        raise requests.ReadTimeout(error) from error
    except DecodeError as error:
        raise requests.exceptions.ContentDecodingError(error) from error
    except HTTPError as error:
        raise requests.ConnectionError(error) from error


def _is_loopback(parts: SplitResult) -> bool:
    host = parts.hostname or ""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _port(parts: SplitResult) -> int | None:
    return parts.port or _PORTS.get(parts.scheme)
