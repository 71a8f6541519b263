"""What of the environment the programs that we start may know."""

from __future__ import annotations

import os

SECRET_VARIABLES = ("QTOWER_TOKEN", "QE_TOKEN", "QISKIT_IBM_TOKEN")
"""Variables that hold a token: ours, that of the provider, and that of its successor."""


def for_strangers() -> dict[str, str]:
    """The environment without tokens, for who has no business to know them."""
    return {name: value for name, value in os.environ.items() if name not in SECRET_VARIABLES}


def secrets() -> list[str]:
    """The tokens that are in the environment."""
    return [value for name in SECRET_VARIABLES if (value := os.environ.get(name))]
