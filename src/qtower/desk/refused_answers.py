"""Answers that a session of qtower does not take, as errors of `requests`, which this imports."""

from __future__ import annotations

import requests


class RedirectedError(requests.TooManyRedirects):
    """The endpoint names another address for what was asked of it."""


class LongAnswerError(requests.exceptions.ContentDecodingError):
    """An answer has more bytes than are read of one."""
