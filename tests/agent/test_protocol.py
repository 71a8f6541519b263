"""docs/protocol.md is what tools/protocol.py writes."""

from __future__ import annotations

import importlib.util
from pathlib import Path

TOOL = Path(__file__).parents[2] / "tools" / "protocol.py"


def test_the_page_is_current() -> None:
    spec = importlib.util.spec_from_file_location("protocol_tool", TOOL)
    assert spec is not None and spec.loader is not None
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    assert tool.PAGE.read_text() == tool.page(), "run: python tools/protocol.py"
