"""The fields of an order that need no file: name, tags, numbers and the backend's state."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from qiskit.providers.ibmq import IBMQBackend
from qiskit.providers.ibmq.managed import ManagedJobSet

from qtower.desk.faults import endpoint_errors
from qtower.model import Order, Problem

MAX_NAME = 200  # characters
MAX_TAG = 128
MAX_TAGS = 20
# The provider knows the jobs of a set by a tag with this prefix (ManagedJobSet, 0.20.2).
SET_TAG_PREFIX: str = ManagedJobSet._id_prefix


def check_fields(order: Order, backend: IBMQBackend) -> Iterator[Problem]:
    """Yields a problem for each field that `backend` or the provider would refuse.

    Raises:
        QtowerError: The backend's status could not be read.
    """
    configuration = backend.configuration()
    with endpoint_errors():
        status = backend.status()
    if not status.operational:
        reason = f" ({status.status_msg})" if status.status_msg else ""
        yield Problem(
            field="backend",
            message=f"{backend.name()} takes no jobs now{reason}: choose another, or wait.",
        )
    if not order.files:
        yield Problem(field="files", message="No file is chosen: choose at least one.")
    yield from _check_numbers(order, configuration)
    yield from _check_name(order.name)
    yield from _check_tags(order.tags)


def default_name(files: list[str], now: float) -> str:
    """Returns a name for a set: the first file's name and the time (UTC)."""
    stem = Path(files[0]).stem if files else ""
    printable = "".join(c if c.isprintable() else "_" for c in stem)[:100]
    return f"{printable or 'jobs'} {time.strftime('%Y-%m-%d %H:%M:%S', time.gmtime(now))}"


def _check_numbers(order: Order, configuration: Any) -> Iterator[Problem]:
    name = configuration.backend_name
    most = getattr(configuration, "max_shots", None)
    if order.shots is not None and (order.shots < 1 or (most and order.shots > most)):
        limit = f"from 1 to {most}" if most else "at least 1"
        yield Problem(
            field="shots", message=f"{order.shots} shots are not possible: {name} takes {limit}."
        )
    if order.memory and not configuration.memory:
        yield Problem(
            field="memory", message=f"{name} keeps no memory of single shots: leave it off."
        )
    chunk, most = order.experiments_per_job, getattr(configuration, "max_experiments", None)
    if chunk is not None and (chunk < 1 or (most and chunk > most)):
        limit = f"from 1 to {most}" if most else "at least 1"
        yield Problem(
            field="experiments_per_job",
            message=f"{chunk} experiments per job are not possible: {name} takes {limit}.",
        )


def _check_name(name: str) -> Iterator[Problem]:
    if name and not name.strip():
        yield Problem(field="name", message="The name is blank: write one, or leave it empty.")
    # The provider finds a set's jobs again by a pattern on their name that ends at a line break.
    if not name.isprintable():
        yield Problem(
            field="name", message="The name holds control characters or line breaks: remove them."
        )
    if len(name) > MAX_NAME:
        yield Problem(
            field="name",
            message=f"The name has {len(name)} characters: use at most {MAX_NAME}.",
        )


def _check_tags(tags: list[str]) -> Iterator[Problem]:
    if len(tags) > MAX_TAGS:
        yield Problem(field="tags", message=f"{len(tags)} tags: use at most {MAX_TAGS}.")
    for tag in tags:
        if not tag.strip():
            yield Problem(field="tags", message="A tag is empty: write it, or remove it.")
        elif not tag.isprintable():
            yield Problem(
                field="tags", message="A tag holds control characters or line breaks: remove them."
            )
        elif tag.startswith(SET_TAG_PREFIX):
            yield Problem(
                field="tags",
                message=f'Tags that begin with "{SET_TAG_PREFIX}" belong to the provider, which '
                "finds job sets by them: choose another.",
            )
        elif len(tag) > MAX_TAG:
            yield Problem(
                field="tags",
                message=f'The tag "{tag[:20]}…" has {len(tag)} characters: use at most {MAX_TAG}.',
            )
