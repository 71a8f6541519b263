"""What the running service says of itself, and that in words."""

from __future__ import annotations

from pathlib import Path

import msgspec

from qtower.service import asking
from qtower.service.notes import Note
from qtower.service.signing import KEY_FILE, STATUS, Signer

_UNITS = ("bytes", "kB", "MB", "GB", "TB")
_SIGNED_SECONDS = 60.0


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to `/status`: how the service is, and how many jobs everybody has."""

    version: str
    workers: int
    engine: str
    trouble: str | None = None  # of the engine: why jobs wait
    jobs: dict[str, int]  # by status
    queue: dict[str, int]  # by backend, where jobs wait
    reserved: dict[str, str] = {}  # of these, until when for one project's jobs alone
    shared: bool = False  # by named users
    without_token: list[str] = []  # users as whom nobody can log in yet
    database: str | None = None
    retention_seconds: float | None = None
    data_bytes: int | None = None
    free_bytes: int | None = None  # on the disk of the data directory


def read_report(note: Note, data_dir: Path) -> Report | None:
    """Asks the service of a note, as one who can read its data directory; None if it does not say,
    within some seconds."""
    key = data_dir / KEY_FILE
    if not note.url or not key.is_file():
        return None
    signed = Signer(key).query(STATUS, _SIGNED_SECONDS)
    root = note.url.removesuffix("/api")
    answer = asking.read(f"{root}/status?{signed}", note.certificate)
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
    for backend, until in sorted(report.reserved.items()):
        lines.append(f"Reserved: {backend}, until {until}; other projects' jobs wait for that")
    if report.without_token:
        lines.append(f"Without a token: {', '.join(report.without_token)}")
    if report.trouble is not None:
        lines.append(f"Trouble: {report.trouble}")
    if report.data_bytes is not None:
        lines.append(f"Data: {_size(report.data_bytes)}, jobs in {report.database}")
    if report.free_bytes is not None:
        lines.append(f"Free on that disk: {_size(report.free_bytes)}")
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
