"""The provider's HTTP session with limits: where a token may go, and how long an answer may take.

The provider's own follows redirects with both tokens, to any host; waits without end for an
answer; sleeps as long as the endpoint tells it to (`Retry-After`); and reads what comes, however
much and however slowly.
"""

from __future__ import annotations

import time
from ipaddress import ip_address
from typing import Any
from urllib.parse import SplitResult, urlsplit

import requests
from qiskit.providers.ibmq.api.session import STATUS_FORCELIST, PostForcelistRetry, RetrySession
from urllib3.exceptions import DecodeError, HTTPError, ReadTimeoutError

from qtower.errors import AccountError

CONNECT_SECONDS = 5.0
_READ_LOCAL_SECONDS, _READ_REMOTE_SECONDS = 5.0, 15.0
# A request that changes something is not repeated lightly: its answer is waited for.
_WRITE_SECONDS = 60.0
_PATIENCE = 3  # an answer that has begun may take so many times as long as a silence
_MOST_BYTES = 1 << 29
_CHUNK = 1 << 16
_ACCESS_HEADER = "X-Access-Token"
_PORTS = {"http": 80, "https": 443}


class RedirectedError(requests.TooManyRedirects):
    """The endpoint names another address for what was asked of it."""


class BoundedSession(RetrySession):  # type: ignore[misc]  # the provider has no types
    """A session that follows no redirect and ends every wait."""

    def __init__(self, base_url: str, *args: Any, **options: Any) -> None:
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
        adapter = requests.adapters.HTTPAdapter(max_retries=retry)
        self.mount("http://", adapter)
        self.mount("https://", adapter)

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        """Refuses a redirect before it is followed."""
        if resp.is_redirect:
            resp.close()
            raise RedirectedError(redirect_words(resp))
        return None

    def send(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:
        """Sends a request and reads the whole answer, as long as both stay within the limits."""
        if not same_origin(request.url or "", self.base_url):
            request.headers.pop(_ACCESS_HEADER, None)
        read, total = self._limits(request, options.get("timeout"))
        options.update(timeout=(CONNECT_SECONDS, read), stream=True)
        deadline = time.monotonic() + total
        response: requests.Response = super().send(request, **options)
        try:
            # Where `requests` itself puts what it has read.
            vars(response).update(_content=_read(response, deadline), _content_consumed=True)
        except BaseException:
            response.close()
            raise
        return response

    def _limits(self, request: requests.PreparedRequest, asked: Any) -> tuple[float, float]:
        """Seconds of silence, and seconds until the whole answer is here."""
        read: float = self._timeout[1]
        if isinstance(asked, (int, float)):  # object storage: large, and made while one waits
            return min(float(asked), _WRITE_SECONDS), float(asked)
        if request.method != "GET" and self.access_token:
            read = _WRITE_SECONDS
        return read, _PATIENCE * read


class _Retry(PostForcelistRetry):  # type: ignore[misc]  # the provider has no types
    """Once more after a lost connection or a failure, but not after a long silence."""

    def increment(self, *args: Any, error: Exception | None = None, **options: Any) -> Any:
        if isinstance(error, ReadTimeoutError):
            raise error
        return super().increment(*args, error=error, **options)


def read_seconds(url: str) -> float:
    """Seconds of silence that are borne from the endpoint at `url`."""
    return _READ_LOCAL_SECONDS if _is_loopback(urlsplit(url)) else _READ_REMOTE_SECONDS


def redirect_words(response: requests.Response) -> str:
    """What a redirect says, as a sentence without the query, which may be secret."""
    there = response.headers.get("location", "")
    target = urlsplit(requests.compat.urljoin(response.url, there))
    shown = target._replace(netloc=target.netloc.rpartition("@")[2], query="", fragment="").geturl()
    return f"{urlsplit(response.url).netloc.rpartition('@')[2]} redirects to {shown[:200]}."


def same_origin(one: str, other: str) -> bool:
    """Whether two addresses have the same scheme, host and port; loopback has many names."""
    first, second = urlsplit(one), urlsplit(other)
    hosts = first.hostname == second.hostname or (_is_loopback(first) and _is_loopback(second))
    return hosts and first.scheme == second.scheme and _port(first) == _port(second)


def check_service_url(account_url: str, api_url: Any) -> None:
    """Checks where the endpoint says that its API is, before the access token goes there.

    Raises:
        AccountError: It is another place, and the way there is not encrypted from end to end.
    """
    try:
        if isinstance(api_url, str) and (
            same_origin(account_url, api_url)
            or urlsplit(account_url).scheme == urlsplit(api_url).scheme == "https"
        ):
            return
        shown = urlsplit(str(api_url))._replace(query="", fragment="").geturl()[:200]
    except ValueError:  # no address at all
        shown = "somewhere that is no address"
    host = urlsplit(account_url).netloc.rpartition("@")[2]
    raise AccountError(
        f"{host} says that its API is at {shown}: the token is not taken there.",
        "If that is right, write that address into the account's url.",
    )


def _read(response: requests.Response, deadline: float) -> bytes:
    chunks: list[bytes] = []
    size = 0
    try:
        while chunk := response.raw.read1(_CHUNK, decode_content=True):
            chunks.append(chunk)
            size += len(chunk)
            if time.monotonic() > deadline:
                raise requests.ReadTimeout("the answer came too slowly")
            if size > _MOST_BYTES:
                raise requests.exceptions.ContentDecodingError("the answer is too long")
    except ReadTimeoutError as error:
        raise requests.ReadTimeout(error) from error
    except DecodeError as error:
        raise requests.exceptions.ContentDecodingError(error) from error
    except HTTPError as error:
        raise requests.ConnectionError(error) from error
    return b"".join(chunks)


def _is_loopback(parts: SplitResult) -> bool:
    host = parts.hostname or ""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _port(parts: SplitResult) -> int | None:
    return parts.port or _PORTS.get(parts.scheme)
