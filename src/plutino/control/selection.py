"""Selected export: rules and exactly what they need, with a reason for each object."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from plutino.control.environment import Committed
from plutino.control.graph import Graph
from plutino.control.pacer import Pacer
from plutino.control.sections import entry_of
from plutino.model import Definition, Ref
from plutino.spi import ResourceSpec
from plutino.spi.bus import matches
from plutino.spi.effects import Chained

_ASKED = "asked for"
_TEMPLATE = re.compile(r"\{\{.*?\}\}")


@dataclass(slots=True)
class Selection:
    """The objects of a selected export, and why each is there."""

    reasons: dict[Ref, list[str]] = field(default_factory=dict)

    def add(self, ref: Ref, reason: str) -> bool:
        """Note a reason; whether the object is new."""
        new = ref not in self.reasons
        known = self.reasons.setdefault(ref, [])
        if reason not in known:
            known.append(reason)
        return new

    def to_wire(self, specs: Mapping[str, ResourceSpec]) -> dict[str, dict[str, list[str]]]:
        """``{"streams": {"s1": ["rule r1 uses it"]}}`` in the sections and entries of the document; keys as ``mqtt.key1``."""
        shown: dict[str, dict[str, list[str]]] = {}
        for ref, reasons in sorted(self.reasons.items()):
            section = specs[ref.kind].section
            entry, key = entry_of(ref, section)
            shown.setdefault(section, {})[f"{entry}.{key}" if key else entry] = reasons
        return shown


async def select(refs: Sequence[Ref], committed: Committed, graph: Graph, specs: Mapping[str, ResourceSpec], *, memory: bool) -> Selection:
    """``refs`` and everything stored that they use, directly or through others; with ``memory`` also what feeds them."""
    selection, pacer = Selection(), Pacer()
    for ref in refs:
        selection.add(ref, _ASKED)
    feeders = _Feeders(committed, specs) if memory else None
    todo = list(refs)
    for ref in todo:  # grows on the way
        for used in graph.uses(ref):
            found = committed.get(used)
            if found is not None and not found.temporary and used != ref and selection.add(used, f"{ref} uses it"):
                todo.append(used)
        if feeders is not None:
            for feeder, topic in feeders.of(committed.get(ref)):
                if selection.add(feeder, f"it feeds {ref} through memory topic {topic}"):
                    todo.append(feeder)
        if pacer.due():
            await pacer.rest()
    return selection


class _Feeders:
    """Which objects write to topics of this process."""

    def __init__(self, committed: Committed, specs: Mapping[str, ResourceSpec]) -> None:
        self._committed = committed
        self._specs: dict[str, Any] = {kind: spec for kind, spec in specs.items() if isinstance(spec, Chained)}
        self._writers: dict[str, list[Ref]] = {}
        for definition in committed.everything():
            spec = self._specs.get(definition.ref.kind)
            if spec is not None and definition.content is not None and not definition.temporary:
                for topic in spec.writes(definition, committed):
                    self._writers.setdefault(topic, []).append(definition.ref)

    def of(self, definition: Definition | None) -> list[tuple[Ref, str]]:
        """What writes to a topic that the object reads, with the topic."""
        if definition is None or definition.content is None or definition.ref.kind not in self._specs:
            return []
        found = []
        for wanted in self._specs[definition.ref.kind].reads(definition, self._committed):
            for topic, refs in self._writers.items():
                if may_match(wanted, topic):
                    found += [(ref, topic) for ref in refs]
        return found


def may_match(topic_filter: str, topic: str) -> bool:
    """Whether a topic can fall under a filter, when the topic may be a template: each ``{{…}}`` stands for any text in its level."""
    if "{{" not in topic:
        return matches(topic_filter, topic)
    wanted, levels = topic_filter.split("/"), _TEMPLATE.sub("\0", topic).split("/")
    for i, part in enumerate(wanted):
        if part == "#":
            return True
        if i >= len(levels):
            return False
        pattern = ".*".join(map(re.escape, levels[i].split("\0")))
        if part != "+" and re.fullmatch(pattern, part) is None:
            return False
    return len(wanted) == len(levels)
