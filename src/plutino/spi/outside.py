"""Functions that programs beside the engine compute: what a rule calls, and who carries the call out.

A call waits for another process, which must not hold up the event loop: rules with such functions run on threads of their own
(``Deployment.plugins``), and whoever runs one says there who carries its calls out.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from plutino.errors import EvaluationError


class Caller(Protocol):
    """Carries out calls of one rule, from the thread that runs it."""

    def call(self, plugin: str, symbol: str, args: Sequence[Any]) -> Any:
        """The result of a function as a dialect value; EvaluationError when there is none. Waits."""
        ...


class _Here(threading.local):
    caller: Caller | None = None


_here = _Here()


@contextmanager
def carried_out_by(caller: Caller) -> Iterator[None]:
    """Within the block calls from this thread go through ``caller``."""
    before, _here.caller = _here.caller, caller
    try:
        yield
    finally:
        _here.caller = before


@dataclass(frozen=True, slots=True)
class OutsideFunction:
    """A function of a plugin as rules call it; equal as long as its package is the same (``digest``).

    An aggregate gets the values of its group as a list, and each further argument as a list of that length.
    """

    plugin: str
    symbol: str
    digest: str
    aggregate: bool = False

    def __call__(self, *args: Any) -> Any:
        """EvaluationError when the plugin reports one, does not answer, or nobody can carry the call out here."""
        caller = _here.caller
        if caller is None:
            raise EvaluationError(f"function {self.symbol} of plugin {self.plugin} can only be called by a rule")
        if self.aggregate and args:
            args = (args[0], *([other] * len(args[0]) for other in args[1:]))
        return caller.call(self.plugin, self.symbol, args)
