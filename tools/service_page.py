"""Writes docs/service.md from qtower.service.settings: `python tools/service_page.py`."""

from __future__ import annotations

import ast
import inspect
import re
import sys
import typing
from pathlib import Path
from typing import Any

import msgspec

from qtower.service import fairshare, settings

PAGE = Path(__file__).parent.parent / "docs" / "service.md"

EXAMPLE = """\
[users.ada]
projects = ["lab/physics/main", "lab/physics/thesis"]   # HUB/GROUP/PROJECT, the default first

[users.ben]
projects = ["lab/teaching/main"]
weight = 0.5

[projects."lab/teaching/main"]
job-limit = 5

[projects."lab/physics/thesis"]
read-once = true

[backends.ibmq_qasm_simulator]
device = "simulator"

[backends.ibmq_lima]
device = "fake_lima"
pacing = "device"

[[reservations]]
backend = "ibmq_lima"
project = "lab/teaching/main"
start = 2030-01-07T09:00:00+01:00
end = 2030-01-07T12:00:00+01:00

[limits]
jobs = 100
job-seconds = 600
memory-bytes = 4_000_000_000

[retention]
payload-seconds = 7_776_000      # 90 days
"""

_HEAD = f"""# The service and its configuration

Written from `src/qtower/service/settings.py` by `tools/service_page.py`; do not edit.

`qtower serve` runs a service with the API of the IBM Quantum Experience. Without a file it is for
one person: one user, whose token is in `--token-file`, the project `{settings.DEFAULT_PROJECT}`,
all built-in backends, no limits. A lab gives it a file: `qtower serve --config service.toml`.

```toml
{EXAMPLE}```

The file is checked when the service starts, and by `qtower serve --config service.toml --check`,
which starts nothing; an error names file, line and field:

    service.toml, line 5: limits.jobs: It takes a number of at least 1. Correct that field.

It is read once: a change holds after a restart, which loses no job. Tokens are another matter.

## Users and tokens

A user of the file gets a token on the machine of the service, in its data directory:

    qtower service token add ada --data-dir DIR           # writes a new token, this once
    qtower service token add ada --given --data-dir DIR   # asks for one that ada has already
    qtower service token list --data-dir DIR              # ids, dates and users
    qtower service token revoke ID --data-dir DIR

`DIR` is that of `qtower serve --data-dir`; without it, both mean qtower's own
(`~/.local/share/qtower/service`). Run this as the user who runs the service, and send a new token
nowhere but into a file of the user's own: `(umask 077; qtower service token add ada > ada.token)`.
`qtower service status --data-dir DIR` says who has no token yet.

It holds at once, also for a service that runs; a revoked token ends everything that was logged in
with it. The data directory has the SHA-256 of each token, never the token; a token is never an
argument of a command. Tokens that are given have at least 32 characters, so that their digests
tell nothing. `qtower service token hash` writes a digest for `token-hash`, if you would rather
have it in the file. Tokens are compared in constant time.

With it a program logs in, once, and receives an access token. That ends when it has not been used
for `limits.access-seconds`, and lasts while it is used: the client of IBM's API cannot log in
again in the midst of its work, so that a job that is followed for weeks is not lost to it.
qtower's own monitor logs in again by itself.

A job belongs to the user who made it, in the project in which it was made. Nobody else sees it, by
any route, filter, storage address or websocket, not even in the same project. Storage addresses
are signed, for one object, one method and a short time.

## Who runs next

{{rule}}

`infoQueue` shows the place in that order, the times that follow from it if jobs run as long as
they did lately, and how much of its share each of hub, group and project has left to claim:
`hubPriority`, `groupPriority` and `projectPriority`, in (0, 1]. It is 1 for who has used no more
than a fair share, else the fair share divided by what was used.

While a backend is reserved it begins only jobs of the project that has it, or of the projects if
reservations overlap. Those of others stay
QUEUED, and hold up nobody: jobs for other backends pass them. What runs when the time begins runs
to its end.

## Retention

With `retention.payload-seconds`, qobj and result of a job are removed so long after it has ended or
was last changed. The job itself stays in listings, with its tags, its times and its error.
`summaryData.note` says when it was, the log has a line for each, and whoever asks for the qobj or
the result is refused with status 410 and code 3253. Results of projects and backends with
`read-once` are removed when they have been read; the next read is refused with status 400 and
code 2801.

A job that waits longer than `limits.upload-seconds` for its qobj is CANCELLED: until then it counts
as unfinished. The limit of jobs counts every unfinished one; the next is refused with code 3458,
upon which the provider's job manager waits by itself.

## How long a job may run

A job that runs for `limits.job-seconds` ends in ERROR with code 5201. Circuits for a device with
noise are weighed before they run, because each qubit that a circuit uses doubles its cost, twice
where shots abound:

    seconds = sum over circuits of  min(shots, 2^qubits) x operations x 2^qubits x 10 ns / threads

What would take more than `job-seconds` by this ends in ERROR at once, with the estimate and code
8031: with 1,024 shots, 300 operations, one thread and the default of four hours, 23 qubits and
more. Wider circuits run with `method="matrix_product_state"` (if they entangle little), or on a
backend with `noise = false`.

## Reference

Durations are seconds, sizes are bytes. A name is made of letters, digits, dots, hyphens and
underscores.
"""

_SECTIONS = (
    settings.UserSettings,
    settings.HubSettings,
    settings.GroupSettings,
    settings.ProjectSettings,
    settings.BackendSettings,
    settings.ReservationSettings,
    settings.LimitSettings,
    settings.RetentionSettings,
    settings.QueueSettings,
    settings.DatabaseSettings,
    settings.SchedulerSettings,
)


def page() -> str:
    """The whole page."""
    rule = inspect.cleandoc(fairshare.__doc__ or "").split("The rule. ")[1]
    rule = rule.split("\n\nPure:")[0]
    return "\n".join([_HEAD.replace("{rule}", rule), *(_section(table) for table in _SECTIONS)])


def _section(table: type[msgspec.Struct]) -> str:
    title, _, about = _one_line(table.__doc__ or "").partition(": ")
    lines = [f"### {title}\n", f"{about[0].upper()}{about[1:]}\n"]
    lines += ["| field | value | default | |", "|---|---|---|---|"]
    told = _docstrings(table)
    for field in msgspec.structs.fields(table):
        value = _kind(field.type)
        row = (f"`{field.encode_name}`", value, _default(field), told[field.name])
        lines.append(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |")
    return "\n".join(lines) + "\n"


def _docstrings(table: type[msgspec.Struct]) -> dict[str, str]:
    """The text below each field."""
    (tree,) = ast.parse(inspect.getsource(table)).body
    assert isinstance(tree, ast.ClassDef)
    found: dict[str, str] = {}
    name = ""
    for node in tree.body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            name = node.target.id
        elif name and isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            found[name] = _one_line(str(node.value.value))
            name = ""
    return found


def _kind(kind: Any) -> str:
    parts = [part for part in typing.get_args(kind) if part is not type(None)]
    if typing.get_origin(kind) is typing.Annotated:
        return _kind(parts[0])
    if typing.get_origin(kind) is typing.Literal:
        return " or ".join(f'`"{part}"`' for part in parts)
    if typing.get_origin(kind) is tuple:
        return f"list of {_kind(parts[0])}s"
    if parts:
        return _kind(parts[0])
    names = {"bool": "true or false", "str": "text", "int": "whole number", "float": "number"}
    return names.get(kind.__name__, "date")


def _default(field: msgspec.structs.FieldInfo) -> str:
    if field.required:
        return "required"
    if field.default is None:
        return ""
    value = field.default
    if isinstance(value, int | float) and not isinstance(value, bool):
        return f"`{value:_.15g}`"
    return f"`{msgspec.json.encode(value).decode()}`"


def _one_line(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()


if __name__ == "__main__":
    PAGE.write_text(page())
    sys.stdout.write(f"{PAGE} written\n")
