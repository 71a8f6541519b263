"""The first word with an endpoint: who is there, before anything secret is sent or waited for."""

from __future__ import annotations

import contextlib
from typing import Any

import requests
from urllib3.exceptions import HTTPError

from qtower.desk.own_services import CarefulAdapter
from qtower.desk.sessions import CONNECT_SECONDS, read_seconds

_MOST_SAID = 1 << 16  # bytes of what a refusal says


class _Visitor(requests.Session):
    """Goes nowhere else: where it is sent is not even looked at."""

    def get_redirect_target(self, resp: Any) -> None:
        return None


def knock(url: str, trust: bool | str) -> requests.Response:
    """Asks for the version; returns the answer, of which the body is only there if it refuses.

    Raises:
        RequestException: There was no answer in time.
    """
    with _Visitor() as visitor:
        for scheme in ("http://", "https://"):
            visitor.mount(scheme, CarefulAdapter())
        with visitor.get(
            f"{url.rstrip('/')}/version",
            timeout=(CONNECT_SECONDS, read_seconds(url)),
            allow_redirects=False,
            verify=trust,
            stream=True,  # what it says is read by the provider
        ) as answer:
            said = b""
            if not answer.ok:
                with contextlib.suppress(HTTPError, OSError):
                    said = answer.raw.read(_MOST_SAID, decode_content=True)
            vars(answer).update(_content=said, _content_consumed=True)
            return answer
