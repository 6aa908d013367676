"""Memory topics match as MQTT matches."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from plutino.errors import ProvisionError
from plutino.spi.bus import Bus, check_filter, matches
from plutino.testing import collect


@pytest.mark.parametrize(
    ("topic_filter", "topic", "expected"),
    [
        ("a/b", "a/b", True),
        ("a/+", "a/b", True),
        ("a/+", "x/a/b/c", False),
        ("a/+", "a/b/c", False),
        ("a/#", "a", True),
        ("a/#", "a/b/c", True),
        ("#", "a/b", True),
        ("+/b", "a/b", True),
        ("#", "$log/r", False),
        ("+/r", "$log/r", False),
        ("$log/+", "$log/r", True),
    ],
)
def test_filters(topic_filter: str, topic: str, expected: bool) -> None:
    """One level, the rest, and topics that only their own filters reach."""
    assert matches(topic_filter, topic) is expected


@pytest.mark.parametrize("topic_filter", ["a/#/b", "a+", "a/b#"])
def test_wildcards_stand_alone(topic_filter: str) -> None:
    """A wildcard in the middle or within a level is refused."""
    with pytest.raises(ProvisionError, match="invalid topic"):
        check_filter(topic_filter)


def test_a_subscription_ends() -> None:
    """What is published after the end is not delivered."""
    bus = Bus()
    seen: list[Any] = []

    def take(rows: list[Any], meta: Mapping[str, Any]) -> bool:
        seen.append((rows, dict(meta)))
        return False

    leave = [bus.subscribe("a/b", take), bus.subscribe("a/+", take)]
    assert not bus.publish("a/b", [{"x": 1}], {"rowkind": "delete", "key": 1})
    assert seen == [([{"x": 1}], {"topic": "a/b", "rowkind": "delete", "key": 1})] * 2
    for end in leave:
        end()
    assert bus.publish("a/b", [{"x": 2}])
    assert len(seen) == 2


def test_collect_keeps_rows() -> None:
    """The test kit's list grows with what is published."""
    bus = Bus()
    rows = collect(bus, "a/#")
    bus.publish("a/b", [{"x": 1}, {"x": 2}])
    assert rows == [{"x": 1}, {"x": 2}]
