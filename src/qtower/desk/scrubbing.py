"""Secrets taken out of text before it reaches a log, a message or a screen."""

from __future__ import annotations

import json
import logging
import re
import sys
import threading
from types import TracebackType
from urllib.parse import quote, quote_plus

from qtower import surroundings

_secrets: tuple[str, ...] = ()  # the longest first: one may be the beginning of another
_lock = threading.Lock()

_SHORTEST = 4

# Object storage is addressed by URLs whose query is a signature; no query is worth showing.
_QUERY = re.compile(r"([?&][\w%.\-\[\]]+=)[^&\s'\"<>)]+")
_HEADER = re.compile(r"(?i)(access[-_]?token|api[-_]?token)(['\"]?\s*[:=]\s*['\"]?)[^\s'\",}]+")
_USER = re.compile(r"(?i)(\b[a-z][a-z0-9+.\-]*://)[^\s/@'\"]+@")


def conceal(secret: str) -> None:
    """From now on `scrub` replaces this secret wherever it occurs, also in URLs and in JSON."""
    global _secrets
    if len(secret) < _SHORTEST:
        return
    forms = {secret, quote(secret, safe=""), quote_plus(secret)}
    forms |= {json.dumps(secret)[1:-1], repr(secret)[1:-1]}
    with _lock:
        _secrets = tuple(sorted({*_secrets, *forms}, key=len, reverse=True))


def scrub(text: str) -> str:
    """Returns `text` without tokens, without users of URLs, and without what their queries say."""
    for secret in _secrets:
        text = text.replace(secret, "...")
    return _HEADER.sub(r"\1\2...", _QUERY.sub(r"\1...", _USER.sub(r"\1", text)))


class ScrubbingFormatter(logging.Formatter):
    """No token and no signed URL gets into the log, whoever logs it."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as one text, traceback included."""
        return scrub(super().format(record))


def guard_tracebacks() -> None:
    """Conceals the tokens of the environment, and scrubs what Python says of errors nobody caught.

    Without this a traceback goes to standard error as it is: its last line is a message from
    anywhere.
    """
    for secret in surroundings.secrets():
        conceal(secret)
    sys.excepthook = _tell
    threading.excepthook = _tell_of_thread


def _tell(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
    from traceback import format_exception  # which nobody needs as long as all is well

    if sys.stderr is not None and not issubclass(kind, KeyboardInterrupt):
        sys.stderr.write(scrub("".join(format_exception(kind, error, traceback))))


def _tell_of_thread(arguments: threading.ExceptHookArgs) -> None:
    if arguments.exc_value is not None and arguments.exc_type is not SystemExit:
        _tell(arguments.exc_type, arguments.exc_value, arguments.exc_traceback)
