"""Regular expressions as Go understands them (RE2): no backtracking, so that no pattern can hang the engine.

A pattern is parsed to a small tree. Patterns whose cost is bounded run on Python's engine, the others on a machine that follows all
alternatives at once.
"""

from plutino.model.regex.machine import TooLongError
from plutino.model.regex.matching import Regex, Span, compile_regex

__all__ = ["Regex", "Span", "TooLongError", "compile_regex"]
