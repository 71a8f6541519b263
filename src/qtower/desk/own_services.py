"""Connections: nobody is told a token in the place of the service that qtower starts by itself.

What comes over them has its time (qtower.desk.timed_answers).
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import NewConnectionError

from qtower.desk.timed_answers import TimedResponse
from qtower.listeners import ForeignListenerError, refuse_strangers

_places: set[str] = set()  # HOST:PORT


def expect_our_own(url: str) -> None:
    """From now on only a program of this user's is taken for the service at `url`."""
    _places.add(urlsplit(url).netloc)


def is_our_own(url: str) -> bool:
    """Whether what is at `url` has to be a program of this user's."""
    return urlsplit(url).netloc in _places


class CarefulAdapter(HTTPAdapter):
    """Connects as `requests` does, and looks who is there before anything is sent."""

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        """Makes the connections; those that are kept open lead where they led."""
        super().init_poolmanager(*args, **options)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _SecurePool}


class _Connection(HTTPConnection):
    response_class = TimedResponse

    def connect(self) -> None:
        super().connect()
        if f"{self.host}:{self.port}" not in _places or self.sock is None:
            return
        try:
            refuse_strangers(self.sock)
        except ForeignListenerError as error:
            self.close()
            raise NewConnectionError(self, str(error)) from error


class _SecureConnection(HTTPSConnection):
    response_class = TimedResponse


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection
