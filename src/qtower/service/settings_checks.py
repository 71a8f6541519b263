"""What no single field of `service.toml` shows: whether its parts fit each other."""

from __future__ import annotations

import difflib
import itertools
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeAlias

from qtower.errors import StorageError
from qtower.service.devices import MODEL_SIMULATOR, fake_devices, load_devices
from qtower.service.settings import ServiceSettings

Field: TypeAlias = tuple["str | int", ...]


class FieldError(Exception):
    """A field is wrong, why, and what to do: sentences in which no value stands."""

    def __init__(self, field: Field, reason: str, next_step: str = "Correct that field.") -> None:
        super().__init__(reason)
        self.field = field
        self.reason = reason  # without its full stop
        self.next_step = next_step


def check(settings: ServiceSettings) -> None:
    """Looks at the settings as a whole.

    Raises:
        FieldError: A field names what there is not, or does not go with another.
    """
    parts = (_of_users, _of_places, _of_backends, _of_reservations, _of_database)
    for wrong in itertools.chain.from_iterable(part(settings) for part in parts):
        raise wrong


_Problems: TypeAlias = Iterator[FieldError]


def _of_users(settings: ServiceSettings) -> _Problems:
    hashes: dict[str, str] = {}
    for name, user in settings.users.items():
        if len(set(user.projects)) != len(user.projects):
            yield FieldError(("users", name, "projects"), "A project is named twice")
        if user.token_hash and hashes.setdefault(user.token_hash, name) != name:
            yield FieldError(("users", name, "token-hash"), "Two users have the same token")


def _of_places(settings: ServiceSettings) -> _Problems:
    """A limit of a project whose name is misspelt would hold for nobody."""
    if not settings.users:
        return
    projects = {path for user in settings.users.values() for path in user.projects}
    groups = {path.rpartition("/")[0] for path in projects}
    hubs = {path.partition("/")[0] for path in projects}
    for section, named, known in (
        ("projects", settings.projects, projects),
        ("groups", settings.groups, groups),
        ("hubs", settings.hubs, hubs),
    ):
        yield from _unused(section, named, known)
    for index, reservation in enumerate(settings.reservations):
        if reservation.project not in projects:
            yield FieldError(("reservations", index, "project"), "No user works in this project")


def _unused(section: str, named: Iterable[str], known: set[str]) -> _Problems:
    for name in named:
        if name not in known:
            yield FieldError((section, name), f"No user works in this {section[:-1]}")


def _of_backends(settings: ServiceSettings) -> _Problems:
    devices = {f"fake_{stem}" for stem in fake_devices()} if settings.backends else set()
    for name, backend in settings.backends.items():
        if backend.device != MODEL_SIMULATOR and backend.device not in devices:
            yield FieldError(("backends", name, "device"), _no_such_device(backend.device, devices))
        if backend.device == MODEL_SIMULATOR and backend.pacing == "device":
            yield FieldError(("backends", name, "pacing"), "A simulator has no real device's times")


def _no_such_device(device: str, devices: set[str]) -> str:
    known = sorted({MODEL_SIMULATOR, *devices})
    close = difflib.get_close_matches(device, known, n=1)
    hint = f"the nearest is {close[0]}" if close else f"there are {', '.join(known)}"
    return f"There is no such device; {hint}"


def _of_reservations(settings: ServiceSettings) -> _Problems:
    if not settings.reservations:
        return
    backends = set(settings.backends) or set(load_devices())
    for index, reservation in enumerate(settings.reservations):
        if reservation.end <= reservation.start:
            yield FieldError(("reservations", index, "end"), "It is not after the start")
        if reservation.backend not in backends:
            yield FieldError(("reservations", index, "backend"), "There is no such backend")


def _of_database(settings: ServiceSettings) -> _Problems:
    if settings.database.url is None:
        return
    from qtower.service.databases import place_of  # with SQLAlchemy, which takes a moment

    try:
        place_of(settings.database, Path())
    except StorageError as error:
        yield FieldError(
            ("database", "url"), f"{error.what.rstrip('.')}: {error.next_step.rstrip('.')}"
        )
