"""First boundaries of time windows."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from plutino.execution.alignment import first_boundary
from plutino.model.moment import set_zone


def _ms(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


@pytest.mark.parametrize(
    ("unit", "step", "now", "boundary"),
    [
        ("ss", 10, "2024-03-05T10:00:07", "2024-03-05T10:00:10"),
        ("ss", 10, "2024-03-05T10:00:12", "2024-03-05T10:00:20"),
        ("ss", 1, "2024-03-05T10:00:01.5", "2024-03-05T10:00:01"),
        ("mi", 1, "2024-03-05T10:01:30", "2024-03-05T10:01:00"),
        ("mi", 7, "2024-03-05T10:09:30", "2024-03-05T10:14:00"),
        ("hh", 4, "2024-03-05T10:09:30", "2024-03-05T12:00:00"),
        ("dd", 2, "2024-03-05T10:09:30", "2024-03-07T00:00:00"),
        ("ms", 500, "2024-03-05T10:00:00.700", "2024-03-05T10:00:01.000"),
    ],
)
def test_boundaries_follow_the_calendar_unit_above(unit: str, step: int, now: str, boundary: str) -> None:
    """The first boundary is a multiple of the step within the next larger unit."""
    set_zone("UTC")
    assert first_boundary(unit, step, _ms(now)) == _ms(boundary)
