"""Jobs that are being sent, or are not sent yet, in words."""

from __future__ import annotations

from collections.abc import Sequence

from qtower.fitting import cut
from qtower.model import Submitted, UnsentSet
from qtower.ui import words


def sending_words(sets: Sequence[UnsentSet]) -> str:
    """The progress of what is being sent, for a header: "sending sweep 12/40"; "" if nothing is."""
    going = [each for each in sets if each.state != "offered"]
    waiting = sum(each.unsent for each in sets if each.state == "offered")
    parts = []
    if going:
        first = going[0]
        verb = "paused" if first.state == "paused" else "sending"
        parts.append(f"{verb} {cut(first.name, 20)} {first.sent}/{first.jobs}")
        if first.waits_for:
            parts[0] += f" ({cut(first.waits_for, 60)})"
        if len(going) > 1:
            parts.append(f"{len(going) - 1} more")
    if waiting:
        parts.append(f"{waiting} unsent: U")
    return ", ".join(parts)


def sent_words(sent: Submitted) -> str:
    """What was begun, in a sentence."""
    verb = "is" if len(sent.keys) == 1 else "are"
    return f"{sent.name}: {words.jobs(len(sent.keys))} {verb} being sent."
