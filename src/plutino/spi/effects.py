"""Contract of kinds whose objects run, or feed one another: what a change does to them can be told before it is made."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal, Protocol, runtime_checkable

from msgspec import Struct

from plutino.model import Definition
from plutino.spi.host import Host
from plutino.spi.resource import Environment


class Effect(Struct, frozen=True):
    """What happens to a running object.

    - ``action``: it starts, is exchanged for its new version between two batches (``swap``), stops, or stays away although nothing is wrong
      with it, as something that it uses does not run here (``block``)
    - ``state``: what becomes of the state that it has gathered (windows, counters); ``none`` when it has none, ``unknown`` where it is
      kept but may not fit
    - ``reason``: why, in words
    """

    action: Literal["start", "swap", "stop", "block"]
    state: Literal["none", "kept", "lost", "unknown"]
    reason: str = ""


@runtime_checkable
class Foretelling(Protocol):
    """What a ``ResourceSpec`` has besides, when its objects run."""

    def foretell(self, before: Definition | None, after: Definition | None, prepared: Any, host: Host) -> Effect | None:
        """What ``activate`` with the same arguments would do to the running object; None when it leaves it alone."""
        ...


@runtime_checkable
class Chained(Protocol):
    """What a ``ResourceSpec`` has besides, when its objects write to topics of this process, or read them."""

    def writes(self, definition: Definition, env: Environment) -> Iterable[str]:
        """Topics that the object writes to, as its author gave them; a template stays one."""
        ...

    def reads(self, definition: Definition, env: Environment) -> Iterable[str]:
        """Topic filters that the object reads."""
        ...
