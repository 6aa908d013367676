"""Messages to measure with, always the same ones."""

from __future__ import annotations

import random
from typing import Any

import msgspec

WORDS = ["pump", "valve", "boiler", "conveyor", "mixer", "furnace", "press", "lathe", "robot", "cooler"]
KEYS = 50


def small(count: int) -> list[bytes]:
    """About 100 bytes: five columns."""
    source = random.Random(1)
    return [msgspec.json.encode(_small(source, i)) for i in range(count)]


def large(count: int) -> list[bytes]:
    """About 2 KB: 40 columns, some of them nested."""
    source = random.Random(2)
    return [msgspec.json.encode(_large(source, i)) for i in range(count)]


def _small(source: random.Random, i: int) -> dict[str, Any]:
    return {
        "id": i,
        "device": f"d{source.randrange(KEYS)}",
        "temperature": round(source.uniform(10, 40), 2),
        "humidity": round(source.uniform(20, 90), 1),
        "status": source.choice(WORDS),
    }


def _large(source: random.Random, i: int) -> dict[str, Any]:
    row = _small(source, i)
    row |= {f"sensor{k}": round(source.uniform(0, 1000), 3) for k in range(24)}
    row |= {f"text{k}": " ".join(source.choices(WORDS, k=6)) for k in range(8)}
    row["position"] = {"hall": source.choice(WORDS), "row": source.randrange(20), "geo": {"lat": source.random(), "lon": source.random()}}
    row["events"] = [{"code": source.randrange(100), "text": source.choice(WORDS)} for _ in range(8)]
    row["tags"] = source.sample(WORDS, 5)
    return row
