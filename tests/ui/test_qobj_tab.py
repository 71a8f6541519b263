"""The qobj tab: the drawing in the width there is, the configuration, and the JSON in pages."""

from __future__ import annotations

import pytest

from qtower.model import (
    Drawing,
    Field,
    GetDrawing,
    GetJson,
    GetQobj,
    JsonChildren,
    JsonNode,
    QobjHead,
)
from qtower.ui.app import TowerApp
from qtower.ui.screens.details import DetailsScreen
from tests.ui.conftest import TestLink, Told, job, rows, screen_text, until

KEY = "qobj"
ITEMS = 450


def children_of(request: GetJson) -> JsonChildren:
    if request.path:
        places = range(request.offset, min(request.offset + request.limit, ITEMS))
        nodes = [JsonNode(name=place, preview=f"item {place}", opens=False) for place in places]
        return JsonChildren(
            key=KEY, path=request.path, total=ITEMS, offset=request.offset, nodes=nodes
        )
    nodes = [JsonNode(name="[/b]\x1b", preview="[450 items]", opens=True)]
    return JsonChildren(key=KEY, path=[], total=1, offset=0, nodes=nodes)


@pytest.fixture
def answering(link: TestLink) -> TestLink:
    link.answers[GetQobj] = lambda request: QobjHead(
        key=KEY,
        qobj_id="an-id",
        kind="QASM",
        schema_version="1.3.0",
        config=[Field(label="shots", value="1024")],
        experiments=["one", "two"],
        size=4_400,
    )
    link.answers[GetDrawing] = lambda request: Drawing(
        key=KEY,
        experiment=request.experiment,
        text=f"q_0: drawing {request.experiment}" + "─" * 400 + "end",
    )
    link.answers[GetJson] = children_of
    return link


@pytest.mark.parametrize(("size", "room"), [((80, 24), 78), ((160, 48), 126)])
async def test_the_drawing_is_asked_for_in_the_width_there_is(
    size: tuple[int, int], room: int, tower: TowerApp, answering: TestLink, tell: Told
) -> None:
    async with tower.run_test(size=size) as pilot:
        await tell(pilot, rows(job(KEY)))
        await tower.push_screen(DetailsScreen(KEY, "qobj"))
        await until(pilot, lambda: "q_0: drawing 0" in screen_text(pilot))
        asked = [request for request in answering.asked if isinstance(request, GetDrawing)]
        assert [request.experiment for request in asked] == [0]
        assert room - 2 <= asked[0].width <= room
        await pilot.press("n")
        await until(pilot, lambda: "q_0: drawing 1" in screen_text(pilot))
        await pilot.press(*["right"] * 3)
        await until(pilot, lambda: "q_0:" not in screen_text(pilot))


async def test_the_json_is_read_in_pages_as_it_is_opened(
    tower: TowerApp, answering: TestLink, tell: Told
) -> None:
    async with tower.run_test(size=(80, 24)) as pilot:
        await tell(pilot, rows(job(KEY)))
        await tower.push_screen(DetailsScreen(KEY, "qobj"))
        await until(pilot, lambda: "4.4 kB" in screen_text(pilot))
        await pilot.press("v")
        await until(pilot, lambda: "1024" in screen_text(pilot))
        await pilot.press("v")
        await until(pilot, lambda: "[/b]␛" in screen_text(pilot))
        assert sum(isinstance(request, GetJson) for request in answering.asked) == 1
        await pilot.press("down", "right")
        await until(pilot, lambda: "item 0" in screen_text(pilot))
        await pilot.press("G")
        await until(pilot, lambda: "… 250 more" in screen_text(pilot))
        await pilot.press("enter")
        await until(pilot, lambda: "item 200" in screen_text(pilot))
