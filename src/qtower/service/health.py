"""Whether the service works, and what it is doing: for `/health`, `/metrics` and `status`."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Literal

import msgspec
from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool

from qtower.service.core import Core
from qtower.service.metrics import Now

_DATABASE_SECONDS = 5.0


class Condition(msgspec.Struct, frozen=True, omit_defaults=True):
    """How the service is: "ok"; "degraded": it takes jobs, but cannot run any now; "failing"."""

    status: Literal["ok", "degraded", "failing"]
    reason: str | None = None  # in words, with what to do


async def condition(core: Core) -> Condition:
    """Returns how the service is, for everybody to read."""
    if (reason := await ailment(core)) is not None:
        return Condition(status="failing", reason=reason)
    if (trouble := core.dispatcher.trouble) is not None:
        # Who is not signed in need not learn where the cluster is.
        address = core.settings.scheduler.address or "the cluster"
        public = trouble.replace(f" at {address}", "").replace(address, "ADDRESS")
        return Condition(status="degraded", reason=public)
    return Condition(status="ok")


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
    if not core.store.in_place:
        return (
            "The database's file was removed or replaced while the service runs; "
            "stop the service, put the file back, and start it again"
        )
    if not core.payloads.usable:
        return "The directory of qobjs and results is gone or cannot be written"
    if core.payloads.full:
        return "The disk of qobjs and results is full; jobs that were taken wait for room"
    return None


def present(core: Core) -> Now:
    """Returns the state of the service; reads the store."""
    return Now(
        jobs=core.store.counts(),
        queues=queues(core),
        workers=core.dispatcher.workers,
        healthy=core.dispatcher.lives,
        able=core.dispatcher.trouble is None,
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
