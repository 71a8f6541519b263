"""Jobs as a laboratory's account has them after some years: sets, single jobs, every status."""

from __future__ import annotations

import random
from collections.abc import Iterator

import msgspec

from qtower.model import JobRow, Status

BACKENDS = {
    "ibmq_qasm_simulator": 12,
    "ibmq_guadalupe": 5,
    "ibmq_montreal": 4,
    "ibmq_lima": 4,
    "ibmq_bogota": 3,
    "ibm_lagos": 2,
}
"""Backends by how many jobs they get, of those that the service has by itself."""

_SINGLE = (
    *("bell", "ghz-5", "vqe-h2", "qaoa-ring-12", "readout cal", "t1 sweep", "rb 2q", "tomography"),
    *("grover-3", "zne λ=1.5", "teleportation", "test", "", "qv-8", "Mermin–GHZ, 2. Versuch"),
    *("shor-15 with the long name that somebody gave it so as to find it again", "[draft] x/y"),
)
_SETS = ("ramsey", "t2-echo", "calibration", "vqe-lih", "rb-sweep", "error-mitigation", "qaoa-grid")
_EXPERIMENTS = ("bell", "ghz", "ramsey_delay", "rb_length", "ansatz", "cal_0x1", "circuit")
_TAGS = (
    *("production", "thesis", "alice", "bob", "carol", "nightly", "calibration", "paper-2", "lab"),
    *("cooldown-14", "rerun", "baseline", "mitigated", "raw", "week-31", "week-32", "Übung"),
)
_ERRORS = (
    "Qubit measurement is followed by instructions. Error code: 7006.",
    "The number of shots in the Qobj (20001) is higher than the number of shots supported by the "
    "device (20000). Error code: 1102.",
    "Internal error. Error code: 9999.",
    "Instruction mcx is not supported on this device. Error code: 7001.",
)
_ENDS = {Status.DONE: 880, Status.ERROR: 60, Status.CANCELLED: 60}
_PER_BACKEND = 2  # jobs of a backend that run at once


class Invented(msgspec.Struct, frozen=True, kw_only=True):
    """A job: its row, the tags as the endpoint has them, and the names of its experiments."""

    row: JobRow
    all_tags: tuple[str, ...]
    experiments: tuple[str, ...]


def invent(count: int, live: int, now: float, seed: int = 1) -> list[Invented]:
    """Returns `count` jobs, the newest first, of which the newest `live` have not ended at `now`.

    The same arguments give the same jobs. Times of creation strictly decrease.
    """
    chance = random.Random(seed)
    queue = dict.fromkeys(BACKENDS, 0)
    jobs: list[Invented] = []
    created = now - 1.0
    while len(jobs) < count:
        members = list(_submission(chance, min(count - len(jobs), _size(chance))))
        # The newest is the last of its set, and the first in the queue is the oldest.
        for shape in reversed(members):
            created -= 0.02 + chance.random()
            jobs.append(_job(chance, shape, created, now))
        created -= chance.expovariate(1 / 900.0)
    for number in range(min(live, count) - 1, -1, -1):
        jobs[number] = _live(chance, jobs[number], queue, now)
    return jobs


class _Shape(msgspec.Struct, frozen=True, kw_only=True):
    """What all jobs of a submission share, and the place of one among them."""

    backend: str
    name: str
    set_id: str
    set_name: str
    index: int | None
    first: int
    experiments: tuple[str, ...]
    shots: int
    tags: tuple[str, ...]


def _size(chance: random.Random) -> int:
    """Jobs of a submission: mostly one, often a small set, at times a large one."""
    kind = chance.random()
    if kind < 0.6:
        return 1
    return chance.randint(2, 30) if kind < 0.95 else chance.randint(50, 300)


def _submission(chance: random.Random, size: int) -> Iterator[_Shape]:
    backend = chance.choices(list(BACKENDS), list(BACKENDS.values()))[0]
    shots = chance.choice((1024, 1024, 4000, 8192, 20000))
    tags = tuple(chance.sample(_TAGS, chance.choice((0, 1, 1, 2, 3))))
    in_set = size > 1
    set_name = f"{chance.choice(_SETS)}-{chance.randint(1, 99)}" if in_set else ""
    set_id = f"{chance.getrandbits(128):032x}-{chance.getrandbits(40)}" if in_set else ""
    names = _experiments(chance)
    for index in range(size):
        yield _Shape(
            backend=backend,
            name=f"{set_name}_{index}_" if in_set else chance.choice(_SINGLE),
            set_id=set_id,
            set_name=set_name,
            index=index if in_set else None,
            first=index * len(names),
            experiments=names,
            shots=shots,
            tags=tags,
        )


def _experiments(chance: random.Random) -> tuple[str, ...]:
    count = chance.choice((1, 1, 1, 3, 10, 75))
    name = chance.choice(_EXPERIMENTS)
    return (name,) if count == 1 else tuple(f"{name}_{number}" for number in range(count))


def _job(chance: random.Random, shape: _Shape, created: float, now: float) -> Invented:
    """A job that has ended."""
    status = chance.choices(list(_ENDS), list(_ENDS.values()))[0]
    job_id = f"{int(created):08x}{chance.getrandbits(64):016x}"
    waited, ran = chance.expovariate(1 / 120.0), chance.expovariate(1 / 6.0) + 0.02
    ended = min(created + 0.5 + waited + ran, now)
    more = len(shape.experiments) - 1
    row = JobRow(
        key=f"{shape.set_id}/{shape.index}" if shape.set_id else job_id,
        status=status,
        name=shape.name,
        label=shape.experiments[0] + (f" +{more}" if more else ""),
        job_id=job_id,
        set_id=shape.set_id,
        set_name=shape.set_name,
        index=shape.index,
        start_index=shape.first,
        end_index=shape.first + more,
        backend=shape.backend,
        shots=shape.shots,
        created=created,
        since=ended,
        run_seconds=ran if status is Status.DONE else None,
        tags=shape.tags,
        error=chance.choice(_ERRORS) if status is Status.ERROR else "",
        confirmed=ended + 1.0,
    )
    set_tag = (f"ibmq_jobset_{shape.set_id}_",) if shape.set_id else ()
    return Invented(row=row, all_tags=set_tag + shape.tags, experiments=shape.experiments)


def _live(chance: random.Random, job: Invented, queue: dict[str, int], now: float) -> Invented:
    """The same job before its end: running, if it is among the first in its backend's queue."""
    row = job.row
    queue[row.backend] += 1
    position = queue[row.backend] - _PER_BACKEND
    created = row.created or now
    queued = position > 0
    row = msgspec.structs.replace(
        row,
        status=Status.QUEUED if queued else Status.RUNNING,
        queue_position=position if queued else None,
        estimated_start=now + 6.0 * position if queued else None,
        since=created + chance.random() if queued else now - 2.0,
        run_seconds=None,
        error="",
        confirmed=now,
    )
    return msgspec.structs.replace(job, row=row)
