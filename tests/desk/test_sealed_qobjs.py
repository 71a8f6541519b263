"""What is sent is what was taken down, whatever backend it is for."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from qiskit import QuantumCircuit

from qtower.desk.planning import Part
from qtower.desk.sealed_qobjs import encoded, seal, unseal


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("instructions", [None, ["id", "delay", "measure"]])
def test_what_was_sealed_is_sent_as_it_is(provider: Any, instructions: list[str] | None) -> None:
    backend = copy.copy(provider.get_backend("ibmq_montreal"))
    backend._configuration = copy.copy(backend.configuration())
    backend._configuration.supported_instructions = instructions or []
    circuit = QuantumCircuit(1, 1)
    circuit.id(0)
    circuit.measure(0, 0)
    raw = seal(Part([circuit], 1, 0, "one", 100, {"shots": 100}), backend)
    named = {each["name"] for each in json.loads(raw)["experiments"][0]["instructions"]}
    assert named == {"delay" if instructions else "id", "measure"}
    sent = []
    backend._submit_job = lambda qobj, *_: sent.append(encoded(qobj.to_dict()))
    type(backend).run(backend, unseal(raw))
    assert sent == [raw]
