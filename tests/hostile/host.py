"""A screen full of hostile text in a terminal of its own: `... host`. Its agent is made up."""

from __future__ import annotations

from itertools import cycle

from qtower import model
from qtower.cli.standard import make_inert
from qtower.ui.app import TowerApp
from tests.hostile.test_screens import answers, some_rows
from tests.hostile.texts import EVERYTHING, SEQUENCES
from tests.ui.conftest import NOW, TestLink, connected, rows


def main() -> None:
    """What `qtower monitor` does once it has an agent."""
    make_inert()
    link, each = TestLink(), cycle([*SEQUENCES, EVERYTHING])
    link.answers.update(answers(each))
    app = TowerApp(link.connect, next(each), clock=lambda: NOW)

    def tell() -> None:
        link.on_event(connected(detail=next(each), endpoint=next(each), account=next(each)))
        link.on_event(rows(*some_rows(each)))
        link.on_event(model.Notice(level="error", title=next(each), text=next(each)))

    app.call_later(tell)
    app.run()


if __name__ == "__main__":
    main()
