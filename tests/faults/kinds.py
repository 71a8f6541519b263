"""The faults of a network, each as what it does to one exchange."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from urllib.parse import parse_qsl, urlencode

from tests.faults.proxy import Answer, Exchange, Fault

_PAGE = b"<!DOCTYPE html><html><body><h1>\x1b[31mBack soon</h1></body></html>"
_DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z")


def hang_before(exchange: Exchange) -> None:
    """The service never hears of it, and the client never hears why."""
    exchange.pause()
    exchange.reset()


def hang_after(exchange: Exchange) -> None:
    """The service has done what was asked, and the client never hears of it."""
    exchange.forward()
    exchange.pause()
    exchange.reset()


def reset_before(exchange: Exchange) -> None:
    """The connection breaks off before the service hears of it."""
    exchange.reset()


def reset_after(exchange: Exchange) -> None:
    """The connection breaks off after the service has done what was asked."""
    exchange.forward()
    exchange.reset()


def reset_within(exchange: Exchange) -> None:
    """The connection breaks off in the middle of the answer."""
    answer = exchange.forward()
    exchange.begin(answer, len(answer.body))
    exchange.write(answer.body[: len(answer.body) // 2])
    exchange.reset()


def answers(status: int, retry_after: str = "") -> Fault:
    """Answers everything with that status, as a gateway does."""
    headers = [("Retry-After", retry_after)] if retry_after else []
    return lambda exchange: exchange.give(Answer(status, b"{}", headers))


def says(body: bytes, kind: str = "application/json") -> Fault:
    """Answers everything with that body, and calls it a success."""
    return lambda exchange: exchange.give(Answer(200, body, [("Content-Type", kind)]))


def html_page(exchange: Exchange) -> None:
    """Answers with a page for people."""
    says(_PAGE, "text/html")(exchange)


def slow_bytes(exchange: Exchange) -> None:
    """The answer comes a byte at a time."""
    answer = exchange.forward()
    exchange.begin(answer, len(answer.body))
    for byte in answer.body:
        if exchange.pause(0.1):
            exchange.reset()
            return
        exchange.write(bytes([byte]))


def truncated(exchange: Exchange) -> None:
    """Half of the answer comes, and it is said that this is all."""
    answer = exchange.forward()
    answer.body = answer.body[: len(answer.body) // 2]
    exchange.give(answer)


def broken_off(exchange: Exchange) -> None:
    """Half of the answer comes, and the connection ends in an orderly way."""
    answer = exchange.forward()
    whole = len(answer.body)
    answer.body = answer.body[: whole // 2]
    exchange.give(answer, whole)


def expired(tokens: set[str]) -> Fault:
    """No access token is accepted that is among `tokens`; a login gives a new one."""

    def meet(exchange: Exchange) -> None:
        if exchange.access_token in tokens:
            exchange.give(Answer(401, b"{}"))
        else:
            exchange.give(exchange.forward())

    return meet


def noting(tokens: set[str]) -> Fault:
    """Everything passes, and the access tokens are noted."""

    def meet(exchange: Exchange) -> None:
        if exchange.access_token:
            tokens.add(exchange.access_token)
        exchange.give(exchange.forward())

    return meet


def skewed(seconds: float) -> Fault:
    """The service's clock goes that much ahead of the client's."""

    def meet(exchange: Exchange) -> None:
        path, _, query = exchange.path.partition("?")
        if query:
            fields = [(name, _shifted(text, -seconds)) for name, text in parse_qsl(query)]
            exchange.path = f"{path}?{urlencode(fields)}"
        answer = exchange.forward()
        answer.body = _shifted(answer.body.decode(), seconds).encode()
        exchange.give(answer)

    return meet


def _shifted(text: str, seconds: float) -> str:
    def shift(found: re.Match[str]) -> str:
        moment = datetime.fromisoformat(found[0].replace("Z", "+00:00"))
        later = moment + timedelta(seconds=seconds)
        return later.isoformat(timespec="microseconds").replace("+00:00", "Z")

    return _DATE.sub(shift, text)
