"""Secrets taken out of text before it reaches a log, a message or a screen."""

from __future__ import annotations

import re

_secrets: set[str] = set()

# Object storage is addressed by URLs whose query is a signature; no query is worth showing.
_QUERY = re.compile(r"([?&][\w%.\-\[\]]+=)[^&\s'\"<>)]+")
_HEADER = re.compile(r"(?i)(access[-_]?token|api[-_]?token)(['\"]?\s*[:=]\s*['\"]?)[^\s'\",}]+")


def conceal(secret: str) -> None:
    """From now on `scrub` replaces this secret wherever it occurs."""
    if len(secret) >= 4:
        _secrets.add(secret)


def scrub(text: str) -> str:
    """Returns `text` without tokens and without the values in the queries of URLs."""
    for secret in tuple(_secrets):
        text = text.replace(secret, "...")
    return _HEADER.sub(r"\1\2...", _QUERY.sub(r"\1...", text))
