"""One pass through the door: what was found, what it does to running rules, and in which order it is done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from plutino.control.checker import Draft, Item
from plutino.control.effects import RuleEffect
from plutino.control.failure import Failure
from plutino.model import Ref
from plutino.spi import Change

_NAMED = 2


@dataclass(slots=True)
class Run:
    """A checked draft on its way.

    - ``failures``: what was refused, and later what could not be brought to the engine
    - ``steps``: creates and replaces, and users of them, with what is used first; ``removals``: deletes in the reverse order
    - ``effects``: what happens to running rules
    - ``owners``: on whose behalf objects are kept afterwards, where that changes
    - ``triggers``: of rules, before and after the commit, where it has changed them
    - ``touched``: what the engine has heard of so far
    """

    draft: Draft
    failures: list[Failure]
    steps: list[Item] = field(default_factory=list)
    removals: list[Item] = field(default_factory=list)
    effects: tuple[RuleEffect, ...] = ()
    owners: dict[Ref, str] = field(default_factory=dict)
    triggers: dict[str, tuple[bool | None, bool | None]] = field(default_factory=dict)
    touched: list[Item] = field(default_factory=list)

    def changes(self, unchanged: bool) -> tuple[Change, ...]:
        """What is done to which object, in order; another spelling is ``unchanged`` but kept. ``unchanged`` adds the rest at the end."""
        items = self.draft.items
        made = [item for item in self.steps if item.ref in items and (item.changed or item.respelled)]
        rest = [i for i in items.values() if i.after is not None and not i.changed and not self.draft.forced and (unchanged or i.respelled)]
        return tuple(item.change for item in (*made, *self.removals, *rest))

    def told(self) -> str:
        """``rule r1 updated, stream s1 created and 3 more``: what the history says of a change that nobody has named."""
        return named([f"{change.ref} {change.verb}" for change in self.changes(False)])

    def outcome(self) -> str:
        """``created 2, updated 1, deleted 0, refused 0`` for the history."""
        created = sum(item.stored is None for item in self.steps)
        updated = sum(item.stored is not None and item.changed for item in self.steps)
        refused = len({failure.object_path for failure in self.failures})
        return f"created {created}, updated {updated}, deleted {len(self.removals)}, refused {refused}"


def named(done: Sequence[str]) -> str:
    """The first of what was done, and how much more there was."""
    first = ", ".join(done[:_NAMED])
    return f"{first} and {len(done) - _NAMED} more" if len(done) > _NAMED else first
