"""Reads `service.toml`; of a wrong one it says file, line, field, and in words what is wrong."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import tomli

from qtower.errors import ConfigError
from qtower.service.settings import (
    BackendSettings,
    GroupPath,
    GroupSettings,
    HubSettings,
    Name,
    ProjectPath,
    ProjectSettings,
    ServiceSettings,
    UserSettings,
)
from qtower.service.settings_checks import Field, FieldError, check
from qtower.service.settings_words import in_words
from qtower.service.toml_lines import line_of

_NAMED = {
    "users": (Name, UserSettings),
    "hubs": (Name, HubSettings),
    "groups": (GroupPath, GroupSettings),
    "projects": (ProjectPath, ProjectSettings),
    "backends": (Name, BackendSettings),
}


def load(path: Path) -> ServiceSettings:
    """Reads a `service.toml`.

    Raises:
        ConfigError: It cannot be read, is not TOML, or a field is wrong; with file, line, field.
    """
    text = _text(path)
    try:
        document = tomli.loads(text)
    except (tomli.TOMLDecodeError, RecursionError) as error:
        # The decoder's own message quotes positions, never values.
        raise ConfigError(f"{path} is not valid TOML: {error}.", "Correct that line.") from None
    try:
        settings = _convert(document)
        check(settings)
    except FieldError as error:
        line = line_of(text, error.field)
        where = f"{path}, line {line}" if line else f"{path}"
        field = ".".join(str(part) for part in error.field)
        raise ConfigError(f"{where}: {field}: {error.reason}.", error.next_step) from None
    return settings


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError(f"There is no file {path}.", "Give the path of a service.toml.") from None
    except OSError as error:
        reason = error.strerror or "it does not open"
        raise ConfigError(f"{path} cannot be read: {reason}.", "Check its permissions.") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path} is not UTF-8 text.", "Save it as UTF-8.") from None


def _convert(document: dict[str, Any]) -> ServiceSettings:
    # Entry by entry, because msgspec does not say which key of a table it was.
    whole = dict(document)
    named: dict[str, Any] = {}
    for section, (key_type, entry_type) in _NAMED.items():
        entries = _read((section,), whole.pop(section, {}), dict[str, Any])
        named[section] = {
            _read((section, name), name, key_type): _read((section, name), entry, entry_type)
            for name, entry in entries.items()
        }
    rest: ServiceSettings = _read((), whole, ServiceSettings)
    return msgspec.structs.replace(rest, **named)


def _read(field: Field, value: Any, wanted: Any) -> Any:
    try:
        return msgspec.convert(value, wanted)
    except msgspec.ValidationError as error:
        reason, _, path = str(error).partition(" - at `$")
        parts = (*field, *_parts(path.rstrip("`"), reason))
        raise FieldError(parts, in_words(reason, parts)) from None


def _parts(path: str, reason: str) -> Iterator[str | int]:
    """The parts of `[0].start-time`, and the unknown field that only the reason names."""
    for part in path.replace("[", ".[").split("."):
        if part.startswith("["):
            index = part.strip("[]")
            yield int(index) if index.isdigit() else index
        elif part:
            yield part
    if reason.startswith("Object contains unknown field `"):
        yield reason.split("`")[1]
