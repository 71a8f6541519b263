"""Qobjs as they would be sent, taken down as JSON, and sent again exactly so."""

from __future__ import annotations

import copy
import json
from types import SimpleNamespace
from typing import Any

from qiskit.providers.ibmq import IBMQBackend
from qiskit.providers.ibmq.utils.json_encoder import IQXJsonEncoder
from qiskit.qobj import PulseQobj, QasmQobj

from .planning import Part


def seal(part: Part, backend: IBMQBackend) -> bytes:
    """Returns the JSON of the qobj that `backend.run` would send for `part`; sends nothing."""
    # All that `run` does but the last step, so that what is kept is what would have been sent.
    recorder = copy.copy(backend)
    recorder._submit_job = lambda qobj, *_: qobj
    qobj = type(backend).run(recorder, part.content, **part.run_config)
    return encoded(qobj.to_dict())


def encoded(document: dict[str, Any]) -> bytes:
    """A qobj document as the provider writes it into its upload."""
    return json.dumps(document, cls=IQXJsonEncoder).encode()


def unseal(raw: bytes) -> _SealedQasm | _SealedPulse:
    """Returns the qobj of `seal`, which `backend.run` sends as it is."""
    document = json.loads(raw)
    return _SealedPulse(document) if document.get("type") == "PULSE" else _SealedQasm(document)


class _Sealed:
    """Read as nothing, and written as it came: a round trip through the classes may change it."""

    def __init__(self, document: dict[str, Any]) -> None:
        self._document = document
        # `run` looks here for a simulation method, which it set before this was sealed.
        self.config = SimpleNamespace(**{"method": None, **document.get("config", {})})
        # For backends with delays it looks for `id` gates, which it has replaced by then too.
        self.experiments: list[Any] = []

    def to_dict(self) -> dict[str, Any]:
        return self._document


class _SealedQasm(_Sealed, QasmQobj):  # type: ignore[misc]
    pass


class _SealedPulse(_Sealed, PulseQobj):  # type: ignore[misc]
    pass
