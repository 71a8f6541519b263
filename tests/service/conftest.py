"""A signed-in user of the shared service."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conftest import Endpoint
from tests.service.raw import Api


@pytest.fixture
def api(service: Endpoint) -> Iterator[Api]:
    """One user at the shared service; tests tell their jobs apart by tags of their own."""
    user = Api(service.url, service.token)
    yield user
    user.close()
