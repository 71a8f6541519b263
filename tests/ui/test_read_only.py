"""Read-only: what changes jobs is on no key, in no palette, help or footer; the header says so."""

from __future__ import annotations

from typing import Any

import pytest
from textual.screen import Screen

from qtower.model import Sending, Status
from qtower.ui.actions import ACTIONS, Scope, footer_hints, key_word, offered
from qtower.ui.app import TowerApp
from qtower.ui.commands import ActionCommands
from qtower.ui.header import Standing, header_lines
from qtower.ui.screens.details import DetailsScreen
from qtower.ui.screens.help import help_rows
from qtower.ui.screens.monitor import MonitorScreen
from qtower.ui.screens.unsent import UnsentScreen
from qtower.ui.signs import UNICODE
from tests.ui.conftest import NOW, TestLink, Told, connected, job, rows, screen_text, until
from tests.ui.test_unsent import unsent_set

READ_ONLY = connected(read_only=True)


def shows(tower: TowerApp) -> type[Screen[Any]]:
    return type(tower.screen)


def test_what_changes_something_is_known() -> None:
    changing = {action.id for action in ACTIONS if action.changes}
    assert changing == {
        *("submit", "samples", "cancel", "details.cancel", "submit.send", "coverage.fill"),
        *("unsent.send", "unsent.always", "unsent.background"),
        *("unsent.pause", "unsent.stop", "unsent.leave"),
        *("leave.background", "leave.stop"),
    }


def test_it_is_in_no_help_and_no_footer() -> None:
    gone = [action for action in ACTIONS if action.changes]
    assert not set(gone) & set(offered(read_only=True))
    assert tuple(ACTIONS) == offered(read_only=False)
    for empty in (True, False):
        assert not set(gone) & set(footer_hints(empty, read_only=True))
    for scope in Scope:
        rows = dict(help_rows(UNICODE, [scope], read_only=True))
        for action in gone:
            assert action.tooltip not in rows.values()
            assert action.scope is not scope or key_word(action.keys[0]) not in rows


def test_the_header_says_it_and_an_unchecked_certificate_in_red() -> None:
    plain = header_lines(Standing("lab"), {}, None, NOW, 80, 2)[0]
    assert not {"read-only", "TLS not verified"} & {part.text.strip() for part in plain}
    told = connected(insecure=True, read_only=True, local_service=False).connection
    for width in (40, 80, 160):
        standing = Standing("lab", told, read_only=True)
        line = header_lines(standing, {}, None, NOW, width, 2)[0]
        roles = {part.text.strip(): part.role for part in line}
        assert roles["TLS not verified"] == "bad"
        assert roles.get("read-only") == "busy" or width == 40


@pytest.mark.parametrize("by_agent", [True, False])
async def test_no_key_changes_anything(link: TestLink, tell: Told, by_agent: bool) -> None:
    tower = TowerApp(link.connect, "local", clock=lambda: NOW, read_only=not by_agent)
    async with tower.run_test(size=(120, 30)) as pilot:
        news = READ_ONLY if by_agent else connected()
        await tell(pilot, news, Sending(sets=[unsent_set()]))
        assert "read-only" in screen_text(pilot)
        await pilot.press("d", "n", "c")
        assert "Press  d" not in screen_text(pilot)
        await tell(pilot, rows(job("a", Status.RUNNING)))
        await pilot.press("c", "n")
        assert shows(tower) is MonitorScreen
        assert not {"cancel", "submit"} & set(screen_text(pilot).splitlines()[-1].split())
        await pilot.press("space", "c")  # marked jobs neither
        assert shows(tower) is MonitorScreen
        await pilot.press("enter")
        await until(pilot, lambda: shows(tower) is DetailsScreen)
        await pilot.press("c")
        assert shows(tower) is DetailsScreen
        assert "cancel job" not in screen_text(pilot)
        await pilot.press("escape", "U")
        await until(pilot, lambda: shows(tower) is UnsentScreen)
        await pilot.press("s", "enter", "a", "b", "p", "x", "l")
        await pilot.pause()
        assert shows(tower) is UnsentScreen
        assert "give" not in screen_text(pilot)
        assert "background" not in screen_text(pilot).splitlines()[-1]
        changing = {"Cancel", "Submit", "SubmitSamples", "SteerSet", "FillHoles"}
        assert not changing & {type(request).__name__ for request in link.asked}


async def test_the_palette_does_not_offer_it(link: TestLink, tell: Told) -> None:
    tower = TowerApp(link.connect, "local", clock=lambda: NOW, read_only=True)
    async with tower.run_test(size=(120, 30)) as pilot:
        await tell(pilot, connected())
        provider = ActionCommands(tower.screen)
        titles = [hit.text or "" async for hit in provider.discover()]
        assert any(title.startswith("Refresh now") for title in titles)
        assert not [title for title in titles if title.startswith(("Submit", "Cancel"))]
