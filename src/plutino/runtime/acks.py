"""Late acknowledgement: a delivery is acknowledged when every rule has filtered it out, delivered it or absorbed it."""

from __future__ import annotations

from collections.abc import Callable


class Receipt:
    """Counts who still holds a delivery; calls its acknowledgement once, when nobody does.

    The feed holds it while the rules run; an outlet holds it as long as output of it is pending; a rule with qos ≥ 1 and state holds it
    until the next checkpoint.

    ``inside``: it does not stand for a delivery but for somebody in the engine who waits, and must not be left without an answer.
    """

    __slots__ = ("_ack", "_holders", "inside")

    def __init__(self, ack: Callable[[], None], *, inside: bool = False) -> None:
        self._ack = ack
        self._holders = 1
        self.inside = inside

    def hold(self) -> None:
        """One more holder, who will call ``release``."""
        self._holders += 1

    def release(self) -> None:
        """A holder is done."""
        self._holders -= 1
        if self._holders == 0:
            self._ack()


class Flow:
    """What is going on right now, shared by all feeds and outlets of an engine: processing is synchronous, so there is one at a time.

    - ``lossy``: output that finds a full buffer is dropped and counted (push sources, timers); else the source waits, and it is kept
    - ``receipt``: of the delivery that is being processed, None when the source wants no acknowledgement
    - ``now``: epoch ms at which it was taken
    - ``depth``: how many feeds are nested (a rule that writes to a memory topic feeds the readers at once)
    """

    __slots__ = ("depth", "lossy", "now", "receipt")

    def __init__(self) -> None:
        self.lossy = True
        self.receipt: Receipt | None = None
        self.now = 0
        self.depth = 0
