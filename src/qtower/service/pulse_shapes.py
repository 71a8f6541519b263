"""What a pulse plays: samples of a qobj's library, or of a shape with parameters; checked.

Samples are complex amplitudes of at most 1, one each dt of the device.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, TypeAlias, TypeGuard

import numpy as np
import numpy.typing as npt
from qiskit.pulse.exceptions import PulseError
from qiskit.qobj.converters.pulse_instruction import ParametricPulseShapes

from qtower.service.instructions import BadInstruction

LONGEST_PULSE = 65_536  # samples: 14.6 us at 4.5 samples a nanosecond
_STRONGEST = 1 + 1e-6  # samples are rounded on their way

# Codes of the IBM API.
_TOO_LONG = 8022  # "Pulse {} has too many samples ({} > {})."
_NO_INTEGER = 8023  # "{0} should be a positive integer."
_TOO_STRONG = 8041  # "An amplitude was requested with a norm of greater than 1."
_BAD_PULSE = 8042  # "The input pulse had some parameters which were not validated."

Json: TypeAlias = dict[str, Any]
Samples: TypeAlias = npt.NDArray[np.complex128]


def library_of(items: list[Json]) -> Mapping[str, Samples]:
    """Returns the samples of each pulse of a `pulse_library`, by name.

    Raises:
        BadInstruction: A pulse of it is none.
    """
    pulses = {}
    for index, item in enumerate(items):
        try:
            parts = np.asarray(item["samples"], dtype=float)
        except (TypeError, ValueError):
            parts = np.empty(0)
        if parts.ndim != 2 or parts.shape[1] != 2 or not len(parts):
            message = f"Pulse {index} of the pulse library has no samples of the form [re, im]"
            raise BadInstruction(message, _BAD_PULSE)
        what = f"Pulse {index} of the pulse library"
        pulses[str(item["name"])] = _checked(parts[:, 0] + 1j * parts[:, 1], what)
    return pulses


def parametric_samples(instruction: Json) -> Samples:
    """Returns the samples of a pulse that is given by its shape, as Qiskit defines that shape.

    Raises:
        BadInstruction: There is no such shape, or it cannot have those parameters.
    """
    name = str(instruction["pulse_shape"])
    shape = shown(name)
    parameters = dict(instruction["parameters"])
    duration = parameters.get("duration")
    if not whole(duration) or duration < 1:
        raise BadInstruction(f"The duration of a {shape} pulse is not valid", _NO_INTEGER)
    if duration > LONGEST_PULSE:
        message = f"A {shape} pulse has more than {LONGEST_PULSE} samples"
        raise BadInstruction(message, _TOO_LONG)
    try:
        _set_amplitude(parameters)
        pulse = ParametricPulseShapes.to_type(name)(**parameters)
        samples = np.asarray(pulse.get_waveform().samples, dtype=complex)
    except PulseError as error:
        message = f"A {shape} pulse is not valid: {shown(error.message, 160).rstrip('.')}"
        raise BadInstruction(message, _BAD_PULSE) from None
    except (KeyError, TypeError, ValueError, ArithmeticError, AttributeError):
        raise BadInstruction(f"A {shape} pulse is not valid", _BAD_PULSE) from None
    return _checked(samples, f"A {shape} pulse")


def _set_amplitude(parameters: Json) -> None:
    """A qobj's amplitude is complex; Qiskit's shapes take its size and its angle."""
    amplitude = parameters.get("amp")
    if isinstance(amplitude, list):
        value = complex(*amplitude)
        amplitude = abs(value)
        parameters["amp"], parameters["angle"] = amplitude, math.atan2(value.imag, value.real)
    if amplitude is not None and not abs(amplitude) <= _STRONGEST:
        raise BadInstruction("A pulse has an amplitude above 1", _TOO_STRONG)


def _checked(samples: Samples, what: str) -> Samples:
    if len(samples) > LONGEST_PULSE:
        message = f"{what} has more than {LONGEST_PULSE} samples"
        raise BadInstruction(message, _TOO_LONG)
    if not np.isfinite(samples).all():
        raise BadInstruction(f"{what} has samples that are not numbers", _BAD_PULSE)
    if np.abs(samples).max() > _STRONGEST:
        raise BadInstruction(f"{what} has an amplitude above 1", _TOO_STRONG)
    return samples


def shown(value: Any, most: int = 40) -> str:
    """A qobj's word for a message to its sender: short, on one line, without control characters."""
    return "".join(character for character in str(value)[:most] if character.isprintable())


def whole(value: Any) -> TypeGuard[int]:
    """Whether a qobj's value is a whole number, which True is not."""
    return isinstance(value, int) and not isinstance(value, bool)
