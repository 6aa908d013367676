"""Which object uses which, in both directions."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from plutino.control.pacer import Pacer
from plutino.model import Ref


class Graph:
    """Uses of all objects. What is used need not exist: a rule waits for its stream."""

    def __init__(self) -> None:
        self._uses: dict[Ref, tuple[Ref, ...]] = {}
        self._users: dict[Ref, dict[Ref, None]] = {}

    def put(self, ref: Ref, uses: tuple[Ref, ...]) -> None:
        """Set what ``ref`` uses (each once); nothing when empty."""
        old = self._uses.get(ref, ())
        if old == uses:
            return
        for used in old:
            users = self._users[used]
            users.pop(ref, None)
            if not users:
                del self._users[used]
        if not uses:
            self._uses.pop(ref, None)
            return
        self._uses[ref] = uses
        for used in uses:
            self._users.setdefault(used, {})[ref] = None

    def uses(self, ref: Ref) -> tuple[Ref, ...]:
        """What an object uses directly."""
        return self._uses.get(ref, ())

    def users(self, refs: Iterable[Ref]) -> list[Ref]:
        """Everything that uses one of ``refs``, directly or through others; ``refs`` themselves only when they use each other."""
        found: dict[Ref, None] = {}
        todo = list(refs)
        while todo:
            for user in self._users.get(todo.pop(), ()):
                if user not in found:
                    found[user] = None
                    todo.append(user)
        return list(found)


async def in_order(refs: Iterable[Ref], uses: Callable[[Ref], Iterable[Ref]], pacer: Pacer) -> list[Ref]:
    """``refs`` so that what is used stands before its users; otherwise in the given order. A circle is cut where it was entered."""
    wanted = dict.fromkeys(refs)
    done: dict[Ref, None] = {}
    entered: set[Ref] = set()
    for root in wanted:
        if root in entered:
            continue
        entered.add(root)
        path = [(root, iter(uses(root)))]
        while path:
            ref, rest = path[-1]
            for used in rest:
                if used not in entered:
                    entered.add(used)
                    path.append((used, iter(uses(used))))
                    break
            else:
                path.pop()
                if ref in wanted:
                    done[ref] = None
        if pacer.due():
            await pacer.rest()
    return list(done)
