"""A minute of `make soak`, with QTOWER_SOAK=1."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from tests.soak.__main__ import soak

pytestmark = [
    pytest.mark.skipif(not os.environ.get("QTOWER_SOAK"), reason="takes minutes: QTOWER_SOAK=1"),
    pytest.mark.timeout(900),
]


def test_nothing_is_lost_or_doubled_in_a_minute(tmp_path: Path) -> None:
    seed = random.randrange(1 << 30)
    print(f"seed {seed}")
    report = soak(1, seed, tmp_path)
    assert report["problems"] == []
    assert report["jobs"] > 0
