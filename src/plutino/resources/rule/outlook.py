"""What a change would do to a running rule, and which memory topics a rule writes to."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from plutino.errors import PlutinoError
from plutino.resources.rule.properties import sink_properties
from plutino.spi import Environment
from plutino.spi.effects import Effect

_MEMORY = "memory"

Version = tuple[Callable[[], Any], str]
"""How a deployed rule makes its program, and the shape of the program's state."""


def swap_effect(old: Version | None, new: Version) -> Effect:
    """What becomes of a running rule's state when it goes on as another version."""
    if old is None or not has_state(old):
        return Effect("swap", "none")
    return Effect("swap", "kept" if old[1] == new[1] and has_state(new) else "lost")


def stop_effect(old: Version | None) -> Effect:
    """What becomes of a running rule's state when it stops."""
    return Effect("stop", "lost" if old is not None and has_state(old) else "none")


def has_state(version: Version) -> bool:
    """Whether a program of this version gathers state."""
    return bool(version[0]().snapshot())


def memory_topics(sinks: Iterable[tuple[str, str, Any]], env: Environment) -> Iterator[str]:
    """Topics of memory sinks, as written. ``sinks``: name, type and properties."""
    for _, connector, properties in sinks:
        if connector == _MEMORY and isinstance(properties, dict):
            try:
                merged, _ = sink_properties(connector, properties, env)
            except PlutinoError:
                continue  # such a rule does not run, so it feeds nobody
            topic = merged.get("topic")
            if isinstance(topic, str) and topic:
                yield topic
