"""QPY files: circuits as Qiskit itself stores them, read without trusting them."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

from qiskit import QuantumCircuit, qpy
from qiskit.qpy.binary_io import circuits as circuit_readers
from qiskit.qpy.binary_io import value as value_readers

from qtower.errors import SubmissionError

from .qasm_text import MAX_REGISTER

MAGIC = b"QISKIT"
_lock = threading.Lock()


def load_qpy(content: bytes) -> list[QuantumCircuit]:
    """Returns the circuits that QPY `content` holds, at least one.

    Raises:
        SubmissionError: It is damaged, from a newer Qiskit, or holds what cannot be submitted.
    """
    try:
        with _lock, _guarded():
            programs = qpy.load(io.BytesIO(content))
    except SubmissionError:
        raise
    except Exception as error:
        words = " ".join(str(getattr(error, "message", "") or error).split()).strip("'\"")
        raise SubmissionError(
            f"The QPY file is damaged or too new ({type(error).__name__}: {words})."
        ) from error
    if not programs:
        raise SubmissionError("The QPY file holds no circuits.")
    if not all(isinstance(program, QuantumCircuit) for program in programs):
        raise SubmissionError("The QPY file holds pulse schedules; only circuits are read.")
    return list(programs)


@contextmanager
def _guarded() -> Iterator[None]:
    """While it lasts, Qiskit's reader refuses what it would otherwise believe.

    Expressions are refused because reading them runs what the file says as Python (CVE-2025-2000),
    and a job needs every parameter bound: no file that could be submitted has any. Headers are
    looked at because the reader allocates as many bits as they name.
    """
    guards: list[tuple[Any, str, Callable[[Any], Callable[..., Any]]]] = [
        (value_readers, "_read_parameter_expression", lambda _: _refuse_expression),
        (value_readers, "_read_parameter_expression_v3", lambda _: _refuse_expression),
        (circuit_readers, "_read_header", _checked),
        (circuit_readers, "_read_header_v2", _checked),
    ]
    originals = [(module, name, getattr(module, name)) for module, name, _ in guards]
    try:
        for module, name, guard in guards:
            setattr(module, name, guard(getattr(module, name)))
        yield
    finally:
        for module, name, original in originals:
            setattr(module, name, original)


def _refuse_expression(*_: Any, **__: Any) -> NoReturn:
    raise SubmissionError(
        "The QPY file holds expressions of unbound parameters.",
        "Bind every parameter before you save it.",
    )


def _checked(read_header: Callable[..., Any]) -> Callable[..., Any]:
    def read(*args: Any, **kwargs: Any) -> Any:
        header, name, metadata = read_header(*args, **kwargs)
        for bits in ("num_qubits", "num_clbits"):
            if header[bits] > MAX_REGISTER:
                raise SubmissionError(
                    f"The QPY file is damaged: a circuit of {header[bits]:,} bits."
                )
        return header, name, metadata

    return read
