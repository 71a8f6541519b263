"""The jobs that have tags, as conditions in SQL that cost what the rarest tag costs."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Boolean, ColumnElement, and_, func, literal, select, union_all
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from qtower.service.columns import Words
from qtower.service.schema import job_tags, jobs

_COUNTED_TAGS = 10  # the others are looked for among the tags of a job that has these
_COUNTED_JOBS = 500


def tagged(condition: ColumnElement[bool]) -> ColumnElement[bool]:
    """Returns whether a job has a tag that meets a condition on `job_tags`."""
    # By IN, not by a correlated EXISTS: a tag's index then leads to its few jobs.
    return jobs.c.id.in_(select(job_tags.c.job_id).where(condition))


def tagged_with_all(tags: list[str]) -> ColumnElement[bool]:
    """Returns whether a job has all of several tags."""
    wanted = list(dict.fromkeys(tags))
    first, more = wanted[:_COUNTED_TAGS], wanted[_COUNTED_TAGS:]
    planned = [tagged(job_tags.c.tag == tag) for tag in first]
    return _TaggedWithAll(
        and_(tagged(job_tags.c.tag == _rarest(first)), _counted(wanted)),
        and_(*planned, _counted(more)) if more else and_(*planned),
    )


class _TaggedWithAll(FunctionElement[bool]):
    """SQLite does not know which tag is rare and is told; PostgreSQL knows from its statistics."""

    type = Boolean()
    inherit_cache = True

    def self_group(self, against: Any = None) -> Any:
        """It stands as it is: `(...) = 1` would hide its indexes from SQLite."""
        return self


@compiles(_TaggedWithAll, "sqlite")
def _led_by_the_rarest(element: _TaggedWithAll, compiler: SQLCompiler, **options: Any) -> str:
    led, _ = element.clauses
    return f"({compiler.process(led, **options)})"


@compiles(_TaggedWithAll, "postgresql")
def _as_planned(element: _TaggedWithAll, compiler: SQLCompiler, **options: Any) -> str:
    _, plain = element.clauses
    return f"({compiler.process(plain, **options)})"


def _rarest(tags: list[str]) -> ColumnElement[str]:
    """The tag of the fewest jobs, found by counting a bounded number of each."""
    counts = []
    for tag in tags:
        some = select(job_tags.c.job_id).where(job_tags.c.tag == tag).limit(_COUNTED_JOBS)
        count = select(func.count()).select_from(some.subquery()).scalar_subquery()
        counts.append(select(literal(tag, Words()).label("tag"), count.label("jobs")))
    counted = union_all(*counts).subquery()
    return select(counted.c.tag).order_by(counted.c.jobs).limit(1).scalar_subquery()


def _counted(tags: list[str]) -> ColumnElement[bool]:
    """Whether a job that was found has all of these: one look at its few tags."""
    # No index has the sum of a tag and nothing, so it is the job's tags that are looked through.
    among = job_tags.c.tag.concat("").in_(tags)
    count = select(func.count()).select_from(job_tags).where(job_tags.c.job_id == jobs.c.id, among)
    return count.correlate(jobs).scalar_subquery() == len(tags)
