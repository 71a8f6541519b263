"""Short questions to a service on this machine, without a client library."""

from __future__ import annotations

import http.client
from urllib.parse import urlsplit

import msgspec

ASK_SECONDS = 2.0


class _LoggedIn(msgspec.Struct):
    id: str


def speaks(url: str) -> bool:
    """True if the server at `url` speaks the API."""
    return _ask(url, "GET", "/version") is not None


def log_in(url: str, token: str) -> str | None:
    """Returns an access token; None if the service does not answer, or does not take the token."""
    answer = _ask(url, "POST", "/users/loginWithToken", {"apiToken": token})
    try:
        return msgspec.json.decode(answer or b"", type=_LoggedIn).id
    except msgspec.DecodeError:
        return None


def read(url: str, path: str, access_token: str) -> bytes | None:
    """Returns what the service answers at `path`; None if that is not an answer."""
    return _ask(url, "GET", path, headers={"X-Access-Token": access_token})


def _ask(
    url: str,
    method: str,
    path: str,
    content: dict[str, str] | None = None,
    headers: dict[str, str] | None = None,
) -> bytes | None:
    """The body of a 200 answer, else `None`. Past any proxy: the service is on this machine."""
    parts = urlsplit(url)
    if parts.scheme != "http" or parts.hostname is None:
        return None  # qtower's own service is on loopback and speaks plainly
    body = None if content is None else msgspec.json.encode(content)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=ASK_SECONDS)
    try:
        connection.request(
            method, parts.path + path, body, {"Content-Type": "application/json", **(headers or {})}
        )
        answer = connection.getresponse()
        received = answer.read()
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
    return received if answer.status == http.client.OK else None
