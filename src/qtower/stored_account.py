"""The account that `qiskit-ibmq-provider` would load: QE_TOKEN and QE_URL, else its qiskitrc file.

Read here, and not by the provider, because importing that takes a second.
Source: qiskit.providers.ibmq.credentials (configrc, environ), version 0.20.2.
"""

from __future__ import annotations

import configparser
from collections.abc import Mapping
from pathlib import Path

import msgspec

from qtower import paths


class StoredAccount(msgspec.Struct, frozen=True, kw_only=True):
    """What is stored, unchecked; `file` is where, None for the environment."""

    token: str
    url: str
    hub: str | None = None
    group: str | None = None
    project: str | None = None
    verify: bool = True
    file: Path | None = None

    def __repr__(self) -> str:
        return f"StoredAccount(file={self.file!r}, ...)"

    __str__ = __repr__


def read(environment: Mapping[str, str]) -> StoredAccount | None:
    """The stored account; None if there is none, or nothing that can be read."""
    token, url = environment.get("QE_TOKEN", "").strip(), environment.get("QE_URL", "").strip()
    if token and url:
        return StoredAccount(token=token, url=url)
    parser = configparser.RawConfigParser()
    try:
        file = Path(environment.get("HOME") or "~").expanduser() / ".qiskit" / "qiskitrc"
        parser.read_string(paths.read_plain(file).decode())
    except (configparser.Error, OSError, ValueError, RuntimeError):
        return None
    if not parser.has_section("ibmq"):
        return None
    section = dict(parser.items("ibmq"))
    token, url = section.get("token", "").strip(), section.get("url", "").strip()
    if not token or not url:
        return None
    place = section.get("default_provider", "").split("/")
    hub, group, project = place if len(place) == 3 and all(place) else (None, None, None)
    return StoredAccount(
        token=token,
        url=url,
        hub=hub,
        group=group,
        project=project,
        verify=section.get("verify", "").lower() != "false",
        file=file,
    )
