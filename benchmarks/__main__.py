"""Runs benchmarks: `python -m benchmarks [NAME ...] [--json FILE] [--markdown FILE]`.

A benchmark is a module here with a `TITLE` and a `run()` that yields figures, and remarks as text.
Each runs in a process of its own, so that none pays for what another has loaded or left behind.
What was not reached is said at the end, and is no error; a benchmark that breaks is one.
"""

from __future__ import annotations

import argparse
import importlib
import os
import pkgutil
import platform
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import msgspec

import benchmarks
from benchmarks.figures import Figure, paragraph, table

_BEGIN, _END = "<!-- figures -->", "<!-- end of figures -->"

_ABOUT = "Measures qtower against what a user would run instead."


class Record(msgspec.Struct, kw_only=True):
    """What one benchmark gave."""

    name: str
    title: str
    figures: list[Figure] = []
    remarks: list[str] = []
    seconds: float = 0.0
    problem: str = ""


class Report(msgspec.Struct, kw_only=True):
    """What a run gave, on which machine."""

    date: str
    python: str
    system: str
    processors: int
    records: list[Record] = []


def main() -> int:
    """Runs what the command line asks for; 1 if a benchmark broke."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=_ABOUT)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(_names()))
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures as JSON")
    parser.add_argument(
        "--markdown", type=Path, metavar="FILE", help="put them as a table in its marked place"
    )
    parser.add_argument("--from", type=Path, metavar="FILE", dest="earlier", help="of a JSON file")
    parser.add_argument("--raw", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    for name in asked.names:
        if name not in _names():
            parser.error(f"there is no benchmark {name}; there are {', '.join(_names())}")
    if asked.raw:
        _run_here(asked.names[0])
        return 0
    if asked.earlier:
        report = msgspec.json.decode(asked.earlier.read_bytes(), type=Report)
    else:
        report = _run_all(asked.names or _names())
    if asked.json:
        asked.json.write_bytes(as_json(report))
    if asked.markdown:
        _write_table(asked.markdown, _markdown(report))
    return _conclude(report)


def _names() -> list[str]:
    """Modules that are benchmarks, by name; none is imported for that."""
    place = Path(benchmarks.__file__).parent
    found = [module.name for module in pkgutil.iter_modules([str(place)])]
    return [name for name in found if "\ndef run() ->" in (place / f"{name}.py").read_text()]


def _module(name: str) -> ModuleType:
    return importlib.import_module(f"benchmarks.{name}")


def _run_here(name: str) -> None:
    """Prints each figure or remark as a line of JSON."""
    warnings.simplefilter("ignore")
    output = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)  # what a benchmark or its libraries print is no figure
    module = _module(name)
    output.write(msgspec.json.encode(module.TITLE) + b"\n")
    for item in module.run():
        output.write(msgspec.json.encode(item) + b"\n")


def _run_all(names: list[str]) -> Report:
    report = Report(
        date=time.strftime("%Y-%m-%d"),
        python=platform.python_version(),
        system=f"{platform.system()} {platform.machine()}",
        processors=os.cpu_count() or 1,
    )
    for name in names:
        record = Record(name=name, title=name)
        report.records.append(record)
        began = time.perf_counter()
        for text in _follow(record):
            print(text, flush=True)
        record.seconds = round(time.perf_counter() - began, 1)
    return report


def _follow(record: Record) -> Iterator[str]:
    """Runs a benchmark, fills its record, and yields what is to be read of it."""
    command = [sys.executable, "-m", "benchmarks", "--raw", record.name]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout
        for number, line in enumerate(process.stdout):
            item = msgspec.json.decode(line, type=Figure | str)
            if isinstance(item, Figure):
                record.figures.append(item)
                yield _indented(paragraph(item))
            elif number == 0:
                record.title = item
                yield f"{record.name}: {item}"
            else:
                record.remarks.append(item)
                yield _indented(item)
    if process.returncode:
        record.problem = f"it ended with {process.returncode}"
        yield _indented(f"BROKEN: {record.problem}")


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.splitlines())


def as_json(report: Report) -> bytes:
    """Returns a report as indented JSON, with what follows from each figure."""
    plain = msgspec.to_builtins(report)
    for record, known in zip(plain["records"], report.records, strict=True):
        record["figures"] = [figure.plain() for figure in known.figures]
    return msgspec.json.format(msgspec.json.encode(plain)) + b"\n"


def _markdown(report: Report) -> str:
    machine = f"Python {report.python}, {report.system}, {report.processors} processors"
    head = f"Measured on {report.date}: {machine}.\n"
    figures = [figure for record in report.records for figure in record.figures]
    return f"{head}\n{table(figures)}\n"


def _write_table(file: Path, content: str) -> None:
    """Puts a table between the marks of a page, or makes a page of it."""
    page = file.read_text() if file.exists() else ""
    before, found, rest = page.partition(_BEGIN)
    _, closed, after = rest.partition(_END)
    if not (found and closed):
        before, after = page, ""
    file.write_text(f"{before}{_BEGIN}\n{content}{_END}{after or chr(10)}")


def _conclude(report: Report) -> int:
    """Says what was not reached; 1 if a benchmark broke."""
    asked = [
        (record.name, figure)
        for record in report.records
        for figure in record.figures
        if figure.reached is not None
    ]
    missed = [(name, figure) for name, figure in asked if not figure.reached]
    print(f"\n{len(asked) - len(missed)} of {len(asked)} figures are as good as they must be.")
    for name, figure in missed:
        print(f"NOT REACHED ({name}): {' '.join(paragraph(figure).split())}")
    broken = [record for record in report.records if record.problem]
    for record in broken:
        print(f"BROKEN ({record.name}): {record.problem}")
    return 1 if broken else 0


if __name__ == "__main__":
    raise SystemExit(main())
