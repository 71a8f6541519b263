"""Writes docs/protocol.md from the structs of qtower.model: `python tools/protocol.py`."""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType
from typing import get_args

import msgspec

from qtower import model
from qtower.model import (
    base,
    connection,
    details,
    events,
    qobjs,
    requests,
    results,
    rows,
    submission,
    unsent,
)

PAGE = Path(__file__).parent.parent / "docs" / "protocol.md"

_MODULES = (
    *(base, rows, details, results, qobjs, submission, unsent, connection),
    *(requests, events),
)
"""The modules of the structs, in the order of the page."""

_HEAD = f"""# The agent's protocol, version {model.PROTOCOL_VERSION}

Written from `src/qtower/model/` by `tools/protocol.py`; do not edit.

`qtower agent` reads requests from stdin and writes messages to stdout: one JSON object a line,
UTF-8, tagged by `type`. Nothing else is ever written there; logs go to a file in the state
directory. Any program may take the agent's or the screen's part, for example over ssh.

- The first request is `hello`. It is answered by a `Welcome` with the agent's protocol version;
  if that is another than the screen's, the screen hangs up. The rows of the journal and the
  connection follow at once, and from then on whatever changes. A second `hello` is answered by all
  rows again.
- A request carries an `id` of the client's choice. The `answer` or `failure` to it carries the
  same `id`; answers may come in another order than the requests.
- Events (`rows`, `connection`, `notice`) carry no `id`. Rows come in chunks of at most 500, and
  only if they are new or have changed.
- A field that has its default value is left out. Fields that are not known are ignored.
- Times are seconds since 1970-01-01 UTC; durations are seconds; `null` means "not known".
- The agent ends when stdin ends, or at SIGTERM or SIGHUP.

For example:

    > {{"type":"hello","id":1,"version":{model.PROTOCOL_VERSION}}}
    < {{"type":"answer","id":1,"body":{{"version":{model.PROTOCOL_VERSION}, ...}}}}
    < {{"type":"rows","rows":[{{"key":"5f3c.../0","status":"RUNNING", ...}}]}}
    > {{"type":"cancel","id":2,"key":"5f3c.../0"}}
    < {{"type":"answer","id":2,"body":{{"key":"5f3c.../0","outcome":"cancelled", ...}}}}
"""


def page() -> str:
    """The whole page."""
    asked = get_args(model.AnyRequest)
    told = get_args(model.AnyMessage)
    spoken = {*asked, *told, *(model.Request, model.Message, model.Struct)}
    records = [struct for module in _MODULES for struct in _structs_of(module)]
    assert set(records) == set(_structs_of(model)), "a module is missing in _MODULES"
    records = [struct for struct in records if struct not in spoken]
    statuses = ", ".join(f"`{status.value}`" for status in model.Status)
    links = ", ".join(f"`{link.value}`" for link in model.Link)
    return "\n".join(
        [
            _HEAD,
            "## Requests\n",
            *_sections(asked),
            "## Answers and events\n",
            *_sections(told),
            "## Records\n",
            f"`Status`: {statuses}.\n\n`Link`: {links}.\n",
            *_sections(records),
        ]
    )


def _structs_of(module: ModuleType) -> list[type[msgspec.Struct]]:
    """The structs that are written there; of `model`, all that it hands on."""
    return [
        value
        for value in vars(module).values()
        if isinstance(value, type)
        and issubclass(value, msgspec.Struct)
        and (module is model or value.__module__ == module.__name__)
    ]


def _sections(structs: Iterable[type[msgspec.Struct]]) -> list[str]:
    return [_section(struct) for struct in structs]


def _section(struct: type[msgspec.Struct]) -> str:
    tag = struct.__struct_config__.tag
    lines = [
        f"### {f'`{tag}`' if tag else struct.__name__}\n",
        inspect.cleandoc(struct.__doc__ or ""),
    ]
    if tag and issubclass(struct, model.Request):
        lines.append(f"\nAnswered by: {model.ANSWERS[struct].__name__}.")
    rows = [_row(struct, field) for field in msgspec.structs.fields(struct) if field.name != "id"]
    if rows:
        lines += ["", "| field | type | default | |", "|---|---|---|---|", *rows]
    return "\n".join(lines) + "\n"


def _row(struct: type[msgspec.Struct], field: msgspec.structs.FieldInfo) -> str:
    kind = str(struct.__annotations__.get(field.name, "")).replace("|", "\\|")
    if field.default_factory is not msgspec.NODEFAULT:
        default = f"`{field.default_factory()!r}`"
    elif field.default is not msgspec.NODEFAULT:
        value = field.default.value if isinstance(field.default, model.Status) else field.default
        default = f"`{value!r}`"
    else:
        default = ""
    comment = _comments(struct).get(field.name, "").replace("|", "\\|")
    return f"| `{field.name}` | {kind} | {default} | {comment} |"


def _comments(struct: type[msgspec.Struct]) -> dict[str, str]:
    """The comment at the end of each field's line."""
    lines = inspect.getsource(struct).splitlines()
    tree = ast.parse("\n".join(lines)).body[0]
    assert isinstance(tree, ast.ClassDef)
    found = {}
    for node in tree.body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            _, mark, comment = lines[(node.end_lineno or 1) - 1].partition("  # ")
            if mark:
                found[node.target.id] = comment.strip()
    return found


if __name__ == "__main__":
    PAGE.write_text(page())
    sys.stdout.write(f"{PAGE} written\n")
