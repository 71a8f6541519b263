"""The jobs that have tags, as conditions in SQL that cost what the rarest tag costs."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Boolean, ColumnElement, and_, func, literal, select, union_all
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from qtower.service.columns import Words
from qtower.service.schema import job_tags, jobs

_COUNTED_TAGS = 10
_COUNTED_JOBS = 500


def tagged(condition: ColumnElement[bool]) -> ColumnElement[bool]:
    """Returns whether a job has a tag that meets a condition on `job_tags`."""
    # By IN, not by a correlated EXISTS: a tag's index then leads to its few jobs.
    return jobs.c.id.in_(select(job_tags.c.job_id).where(condition))


def tagged_with_all(tags: list[str]) -> ColumnElement[bool]:
    """Returns whether a job has all of several tags."""
    rarest = tagged(job_tags.c.tag == _rarest(tags[:_COUNTED_TAGS]))
    return _TaggedWithAll(
        and_(rarest, *map(_also_tagged, tags)),
        and_(*(tagged(job_tags.c.tag == tag) for tag in tags)),
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


def _also_tagged(tag: str) -> ColumnElement[bool]:
    # Among the few tags of the job: no index has the sum of a tag and nothing.
    of_this_job = (job_tags.c.job_id == jobs.c.id, job_tags.c.tag.concat("") == tag)
    return select(job_tags.c.tag).where(*of_this_job).correlate(jobs).exists()
