"""Regular expressions as Go understands them (RE2): no backtracking, so that no pattern can hang the engine.

A pattern is parsed to a small tree. Patterns whose cost is bounded run on Python's engine, the others on a machine that follows all
alternatives at once.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from plutino.model.regex.matching import Regex

__all__ = ["compile_regex"]


@lru_cache(maxsize=1024)
def compile_regex(pattern: str) -> Regex:
    """The pattern, ready to use; EvaluationError with Go's text of the fault."""
    # Most servers have no patterns: the engine is loaded with the first one.
    from plutino.model.regex.matching import Regex
    from plutino.model.regex.parser import parse_pattern

    return Regex(parse_pattern(pattern))
