"""Qiskit's documents as plain JSON: complex numbers as [re, im], arrays as lists."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np

from qtower.text import encodable


def encode(document: Any) -> bytes:
    """Returns `document` as JSON. Times become ISO 8601; what JSON lacks becomes its text."""
    try:
        return msgspec.json.encode(document, enc_hook=_plain)
    except UnicodeEncodeError:  # somewhere a lone surrogate, which other writers of JSON let pass
        return msgspec.json.encode(_encodable(msgspec.to_builtins(document, enc_hook=_plain)))


def decode(raw: bytes) -> Any:
    """Returns what JSON `raw` holds, as plain Python values."""
    return msgspec.json.decode(raw)


def indented(document: Any) -> str:
    """Returns `document` as JSON to be read by a person."""
    return msgspec.json.format(encode(document), indent=2).decode()


def _encodable(value: Any) -> Any:
    if isinstance(value, str):
        return encodable(value)
    if isinstance(value, dict):
        return {_encodable(name): _encodable(child) for name, child in value.items()}
    if isinstance(value, list):
        return [_encodable(child) for child in value]
    return value


def _plain(value: Any) -> Any:
    if isinstance(value, complex):
        return [value.real, value.imag]
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, np.generic):
        return value.item()
    if hasattr(value, "to_dict"):
        return value.to_dict()
    return str(value)
