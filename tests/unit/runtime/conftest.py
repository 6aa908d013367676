"""Fixtures of the engine tests."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from unit.runtime.plant import Plant


@pytest_asyncio.fixture
async def plant() -> AsyncIterator[Plant]:
    """An engine with played sources and kept sinks, closed after the test."""
    plant = Plant()
    yield plant
    await plant.engine.close()
