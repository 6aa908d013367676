"""What a change would do to a running rule, and which memory topics a rule writes to."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from msgspec import Struct

from plutino.compiler import why_other
from plutino.errors import PlutinoError
from plutino.resources.rule.properties import sink_properties
from plutino.spi import Deployment, Environment, FunctionSpec
from plutino.spi.effects import Effect

_MEMORY = "memory"


class Version(Struct, frozen=True):
    """How a deployed rule makes its program, the shape of the program's state, and what it calls that is not built in."""

    program: Callable[[], Any]
    shape: str
    functions: tuple[FunctionSpec, ...]
    plugins: tuple[str, ...]

    @property
    def has_state(self) -> bool:
        """Whether a program of this version gathers state."""
        return bool(self.program().snapshot())


def version_of(deployment: Deployment, functions: tuple[FunctionSpec, ...]) -> Version:
    """A deployment as a version of its rule."""
    return Version(deployment.program, deployment.shape, functions, tuple(deployment.plugins))


def swap_effect(old: Version | None, new: Version) -> Effect:
    """What becomes of a running rule's state when it goes on as another version."""
    if old is None or not old.has_state:
        return Effect("swap", "none")
    if not new.has_state:
        return Effect("swap", "lost", "it gathers nothing any more")
    why = why_other(old.shape, new.shape)
    if why:
        return Effect("swap", "lost", why)
    if new.plugins:
        return Effect("swap", "unknown", f"plugin {', '.join(new.plugins)} may keep state of its own")
    changed = [spec.name for spec in new.functions if spec not in old.functions]
    if changed:
        return Effect("swap", "unknown", f"function {', '.join(changed)} is another: what was gathered came from the one before")
    return Effect("swap", "kept", "what it gathers is the same")


def stop_effect(old: Version | None) -> Effect:
    """What becomes of a running rule's state when it stops."""
    return Effect("stop", "lost") if old is not None and old.has_state else Effect("stop", "none")


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
