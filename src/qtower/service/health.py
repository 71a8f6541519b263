"""Whether the service works, and what it is doing: for `/health`, `/metrics` and `status`."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool

from qtower.service.core import Core
from qtower.service.metrics import Now

_DATABASE_SECONDS = 5.0


async def ailment(core: Core) -> str | None:
    """Returns why the service does not work; None if it does."""
    if not core.dispatcher.lives:
        return "The queue has stopped; the service must be started again"
    try:
        await asyncio.wait_for(run_in_threadpool(core.store.answer), _DATABASE_SECONDS)
    except asyncio.TimeoutError:
        return "The database does not answer"
    except SQLAlchemyError:
        return "The database refuses to answer; the service's log says why"
    return None


def present(core: Core) -> Now:
    """Returns the state of the service; reads the store."""
    return Now(
        jobs=core.store.counts(),
        queues=queues(core),
        workers=core.dispatcher.workers,
        healthy=core.dispatcher.lives,
    )


def queues(core: Core) -> dict[str, int]:
    """Returns how many jobs wait for each backend."""
    return {name: core.dispatcher.queue_length(name) for name in core.devices}


def size_of(directory: Path) -> int:
    """Returns the bytes of all files in `directory`; those that go meanwhile do not count."""
    total = 0
    waiting = [directory]
    while waiting:
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(Path(entry.path))
                    else:
                        total += entry.stat(follow_symlinks=False).st_size
        except OSError:
            continue
    return total
