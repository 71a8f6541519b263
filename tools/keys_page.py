"""Writes docs/keys.md from the action table: `python tools/keys_page.py`."""

from __future__ import annotations

import sys
from pathlib import Path

from qtower.ui.actions import ACTIONS, JOB_LIST, Scope, key_word

PAGE = Path(__file__).parent.parent / "docs" / "keys.md"

_HEAD = """# Keys

Written from `src/qtower/ui/action_tables/` by `tools/keys_page.py`; do not edit.

`?` (in a field that is typed in: F1) shows the keys of the screen that is looked at, Ctrl+P the
commands of that screen by name, and the last line the most important of them; a click there does
what the key does. What changes jobs (*) is not there with `--read-only`. The id is how the
action is called in the code; two keys of one line do the same.
"""

_LAST = (Scope.APP,)


def page() -> str:
    """The whole page."""
    others = [scope for scope in Scope if scope not in (*JOB_LIST, *_LAST)]
    sections = [_section(scope) for scope in (*JOB_LIST, *others, *_LAST)]
    return "\n".join([_HEAD, *sections])


def _section(scope: Scope) -> str:
    rows = [
        f"| {' '.join(f'`{key_word(key)}`' for key in action.keys)} | {action.title} | "
        f"{action.tooltip}{' *' if action.changes else ''} | `{action.id}` |"
        for action in ACTIONS
        if action.scope is scope and action.keys
    ]
    return "\n".join([f"## {scope.value}\n", "| keys | | | id |", "|---|---|---|---|", *rows, ""])


if __name__ == "__main__":
    PAGE.write_text(page())
    sys.stdout.write(f"{PAGE} written\n")
