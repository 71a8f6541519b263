"""Short questions to a service on this machine, without a client library."""

from __future__ import annotations

import hashlib
import http.client
import ssl
from urllib.parse import urlsplit

import msgspec

from qtower.listeners import refuse_strangers

ASK_SECONDS = 2.0


class _LoggedIn(msgspec.Struct):
    id: str


def speaks(url: str) -> bool:
    """True if the server at `url` speaks the API."""
    return _ask(url + "/version") is not None


def log_in(url: str, token: str) -> str | None:
    """Returns an access token; None if the service does not answer, or does not take the token."""
    answer = _ask(url + "/users/loginWithToken", {"apiToken": token})
    try:
        return msgspec.json.decode(answer or b"", type=_LoggedIn).id
    except msgspec.DecodeError:
        return None


def read(address: str, certificate: str = "") -> bytes | None:
    """Returns what the service answers at an address; None if that is not an answer.

    Args:
        address: Plain, or https with the one certificate that is believed.
        certificate: That one's SHA-256, whoever signed it and whatever name it bears.
    """
    return _ask(address, certificate=certificate)


def _ask(
    address: str, content: dict[str, str] | None = None, certificate: str = ""
) -> bytes | None:
    """The body of a 200 answer, else `None`. Past any proxy: the service is on this machine."""
    connection = _connection(address, certificate)
    if connection is None:
        return None
    parts = urlsplit(address)
    body = None if content is None else msgspec.json.encode(content)
    try:
        connection.connect()
        refuse_strangers(connection.sock)
        if not _shows(connection, certificate):
            return None
        connection.request(
            "GET" if body is None else "POST",
            f"{parts.path}?{parts.query}" if parts.query else parts.path,
            body,
            {"Content-Type": "application/json"},
        )
        answer = connection.getresponse()
        received = answer.read()
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
    return received if answer.status == http.client.OK else None


def _connection(address: str, certificate: str) -> http.client.HTTPConnection | None:
    parts = urlsplit(address)
    if parts.hostname is None:
        return None
    if parts.scheme == "http":
        return http.client.HTTPConnection(parts.hostname, parts.port, timeout=ASK_SECONDS)
    if parts.scheme != "https" or not certificate:
        return None  # what qtower starts by itself is on loopback and speaks plainly
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # The certificate itself is compared, and that before anything is said.
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return http.client.HTTPSConnection(
        parts.hostname, parts.port, timeout=ASK_SECONDS, context=context
    )


def _shows(connection: http.client.HTTPConnection, certificate: str) -> bool:
    if not isinstance(connection.sock, ssl.SSLSocket):
        return not certificate
    shown = connection.sock.getpeercert(binary_form=True) or b""
    return hashlib.sha256(shown).hexdigest() == certificate
