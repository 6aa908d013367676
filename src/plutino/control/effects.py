"""What a change does to running rules, and why: told before it is made."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from msgspec import Struct

from plutino.control.checker import Item
from plutino.control.pacer import Pacer
from plutino.control.progress import Progress
from plutino.model import Ref
from plutino.spi import Host
from plutino.spi.effects import Effect, Foretelling


class RuleEffect(Struct, frozen=True):
    """What happens to one rule; ``why`` names the objects whose change is the reason, the rule itself first."""

    ref: Ref
    effect: Effect
    why: tuple[Ref, ...]

    def to_wire(self) -> dict[str, Any]:
        """``{"rule": "r1", "action": "swap", "state": "lost", "reason": "its window is another", "why": ["rule r1"]}``."""
        shown = {self.ref.kind: self.ref.name, "action": self.effect.action, "state": self.effect.state}
        if self.effect.reason:
            shown["reason"] = self.effect.reason
        return {**shown, "why": [str(ref) for ref in self.why]}


async def effects_of(steps: Iterable[Item], removals: Iterable[Item], host: Host, progress: Progress) -> tuple[RuleEffect, ...]:
    """The effects of a set of changes on what runs, in the order in which they come about."""
    items = (*steps, *removals)
    changed = {item.ref for item in items if item.changed}
    pacer = Pacer(progress)
    found = []
    # Asked once per kind: the check for a protocol is slow.
    running: dict[str, Foretelling | None] = {}
    for item in items:
        kind = item.ref.kind
        if kind not in running:
            running[kind] = item.spec if isinstance(item.spec, Foretelling) else None
        spec = running[kind]
        if spec is not None:
            effect = spec.foretell(item.before, item.after, item.prepared, host)
            if effect is not None:
                own = (item.ref,) if item.ref in changed else ()
                found.append(RuleEffect(item.ref, effect, (*own, *(used for used in item.uses if used in changed))))
        if pacer.due():
            await pacer.rest()
    return tuple(found)
