"""The kinds behind their endpoints, for tests of this folder."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from unit.rest.kit import Api, open_api


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    """An empty server without an engine."""
    async with open_api(tmp_path / "data") as opened:
        yield opened
