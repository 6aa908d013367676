"""Regular expressions as Go understands them (RE2): no backtracking, so that no pattern can hang the engine.

A pattern is parsed to a small tree. Patterns whose cost is bounded run on Python's engine, the others on a machine that follows all
alternatives at once.
"""

from plutino.templates.regex.matching import Regex, compile_regex

__all__ = ["Regex", "compile_regex"]
