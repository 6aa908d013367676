"""Which functions a rule calls."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from plutino.resources.rule.body import select_of
from plutino.spi import FunctionSpec
from plutino.spi.outside import OutsideFunction
from plutino.sql import calls_in


@lru_cache(maxsize=256)  # checking a rule and following its uses come one after the other
def called_functions(sql: str) -> tuple[str, ...]:
    """Names of all functions in a statement, as written, each once."""
    if "(" not in sql:
        return ()
    return tuple(dict.fromkeys(call.name for call in calls_in(select_of(sql))))


def plugins_of(functions: Iterable[FunctionSpec]) -> tuple[str, ...]:
    """The portable plugins that functions belong to: a rule that calls them must not run on the event loop."""
    return tuple(sorted({function.call.plugin for function in functions if isinstance(function.call, OutsideFunction)}))
