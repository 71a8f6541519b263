"""A websocket of the endpoint, listened to by a thread: signed in, bounded, never in the way.

The provider's own client is not used: its `disconnect` waits ten seconds for the peer, it sleeps
between its retries and cannot be told to stop, so a thread of it would outlive what it follows.
These are its URL, its messages and its close codes (qiskit.providers.ibmq.api.clients.websocket,
0.20.2).
"""

from __future__ import annotations

import json
import logging
import os
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
from requests.utils import DEFAULT_CA_BUNDLE_PATH
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException
from websockets.sync.client import ClientConnection, connect
from websockets.sync.connection import Connection

from qtower.desk.own_services import is_our_own
from qtower.desk.sessions import is_loopback, may_take_token
from qtower.listeners import refuse_strangers

logger = logging.getLogger(__name__)

# What it writes at DEBUG are the messages themselves, the access token among them.
_quiet = logging.getLogger("qtower.websockets")
_quiet.setLevel(logging.WARNING)

_OPEN_SECONDS, _CLOSE_SECONDS = 5.0, 0.5
_SIGN_IN_SECONDS = 10.0
_LOOK_SECONDS = 1.0  # between looks whether anybody still listens
_MOST_BYTES = 1 << 16  # of a message; a status has some 300

_JOB_DONE, _JOB_NOT_FOUND = 4002, 4003
_NO_SUCH_SOCKET = (400, 403, 404, 405, 426, 501)  # others pass, as a gateway's 503 does


class Ending(msgspec.Struct, frozen=True, kw_only=True):
    """How a socket ended."""

    signed_in: bool = False
    final: bool = False  # there is nothing more to hear: the job is done, or not there
    unknown: bool = False  # the endpoint has no such socket
    words: str = ""  # for the log


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where to listen, and as whom."""

    account_url: str
    url: str  # of the websockets
    access_token: str
    trust: bool | str = True  # as `requests` takes it: whether, or by which certificates

    def __repr__(self) -> str:
        return f"Place(url={self.url!r}, ...)"

    __str__ = __repr__


def listen(
    place: Place,
    path: str,
    hear: Callable[[Any], None],
    wanted: Callable[[], bool],
    signed_in: Callable[[], None],
) -> Ending:
    """Calls `hear` with the data of every message at `path`, as long as it is `wanted`.

    Never raises for what the endpoint does: whatever goes wrong is an ending.
    """
    here = False
    try:
        if not may_take_token(place.account_url, _as_http(place.url)):
            return Ending(unknown=True, words="the access token is not taken there")
        with _open(place, path) as socket:
            if is_our_own(place.url):
                refuse_strangers(socket.socket)
            _sign_in(socket, place.access_token)
            here = True
            signed_in()
            while wanted():
                try:
                    message = socket.recv(timeout=_LOOK_SECONDS)
                except TimeoutError:
                    continue
                document = json.loads(message)
                hear(document.get("data") if isinstance(document, dict) else None)
        return Ending(signed_in=True, final=True)
    except ConnectionClosed as closed:
        code = closed.rcvd.code if closed.rcvd is not None else 0
        return Ending(
            signed_in=here,
            final=code in (_JOB_DONE, _JOB_NOT_FOUND),
            words=f"closed with {code}",
        )
    except InvalidStatus as refused:
        code = refused.response.status_code
        return Ending(unknown=code in _NO_SUCH_SOCKET, words=f"refused with {code}")
    # ImportError: a SOCKS proxy without the library for it.
    except (OSError, WebSocketException, ValueError, RecursionError, ImportError) as error:
        return Ending(signed_in=here, words=type(error).__name__)


def _open(place: Place, path: str) -> ClientConnection:
    secure = urlsplit(place.url).scheme == "wss"
    return connect(
        f"{place.url.rstrip('/')}{path}",
        ssl=_tls(place.trust) if secure else None,
        compression=None,
        proxy=None if is_loopback(place.url) else True,
        open_timeout=_OPEN_SECONDS,
        close_timeout=_CLOSE_SECONDS,
        max_size=_MOST_BYTES,
        logger=_quiet,
    )


def _tls(trust: bool | str) -> ssl.SSLContext:
    """Trusts whom `requests` trusts."""
    if trust is False:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return context
    trusted = trust if isinstance(trust, str) else ""
    trusted = trusted or os.environ.get("REQUESTS_CA_BUNDLE", "")
    trusted = trusted or os.environ.get("CURL_CA_BUNDLE", "") or DEFAULT_CA_BUNDLE_PATH
    if Path(trusted).is_dir():
        return ssl.create_default_context(capath=trusted)
    return ssl.create_default_context(cafile=trusted)


def _sign_in(socket: Connection, access_token: str) -> None:
    socket.send(json.dumps({"type": "authentication", "data": access_token}))
    answer = json.loads(socket.recv(timeout=_SIGN_IN_SECONDS))
    if not isinstance(answer, dict) or answer.get("type") != "authenticated":
        raise ValueError("not signed in")


def _as_http(url: str) -> str:
    return f"http{url[2:]}" if url.startswith("ws") else ""
