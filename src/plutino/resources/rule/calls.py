"""Which functions a rule calls."""

from __future__ import annotations

from functools import lru_cache

from plutino.resources.rule.body import select_of
from plutino.sql import calls_in


@lru_cache(maxsize=64)  # checking a rule and following its uses come one after the other
def called_functions(sql: str) -> tuple[str, ...]:
    """Names of all functions in a statement, as written, each once."""
    if "(" not in sql:
        return ()
    return tuple(dict.fromkeys(call.name for call in calls_in(select_of(sql))))
