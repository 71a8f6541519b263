"""What the running service says of itself, and that in words."""

from __future__ import annotations

import msgspec

from qtower.service import asking
from qtower.service.local import LocalService

_UNITS = ("bytes", "kB", "MB", "GB", "TB")


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to `/service/status`; what is about everybody's jobs only the one user gets."""

    version: str
    workers: int
    engine: str
    trouble: str | None = None  # of the engine: why jobs wait
    jobs: dict[str, int]  # by status
    queue: dict[str, int]  # by backend, where jobs wait
    database: str | None = None
    retention_seconds: float | None = None
    data_bytes: int | None = None


def read_report(service: LocalService) -> Report | None:
    """Asks the service; None if it does not say, within some seconds."""
    access_token = asking.log_in(service.url, service.token)
    if access_token is None:
        return None
    answer = asking.read(service.url, "/service/status", access_token)
    try:
        return msgspec.json.decode(answer or b"", type=Report)
    except msgspec.DecodeError:
        return None


def in_words(report: Report) -> list[str]:
    """Returns the report as lines for a person."""
    jobs = [f"{count:,} {status}" for status, count in sorted(report.jobs.items())]
    waiting = [f"{count:,} for {backend}" for backend, count in sorted(report.queue.items())]
    lines = [
        f"Version: {report.version}",
        f"Jobs: {', '.join(jobs) or 'none'}",
        f"In line: {', '.join(waiting) or 'none'}",
        f"Workers: {report.workers} ({report.engine})",
    ]
    if report.trouble is not None:
        lines.append(f"Trouble: {report.trouble}")
    if report.data_bytes is not None:
        lines.append(f"Data: {_size(report.data_bytes)}, jobs in {report.database}")
    if report.retention_seconds is not None:
        days = report.retention_seconds / 86400
        lines.append(f"Retention: qobjs and results go {days:g} days after the end of a job")
    return lines


def _size(count: float) -> str:
    for unit in _UNITS[:-1]:
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "bytes" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} {_UNITS[-1]}"
