"""Statements of SQL rules, compiled: once for all rules of a document that say the same about the same streams."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from weakref import ref as weak

from plutino.compiler import CompiledRule
from plutino.model import Definition
from plutino.spi import Environment, RuleOptions

Inputs = Sequence[Definition | None]
"""What a statement is about: definitions of streams, tables and their configurations, None for those that are not there."""


class Compiled:
    """What was compiled during one check. The next check, against another desired state, starts afresh: nothing can be out of date."""

    def __init__(self) -> None:
        self._env: Callable[[], Environment | None] = lambda: None
        self._found: dict[tuple[str, RuleOptions], tuple[Inputs, CompiledRule]] = {}

    def once(self, sql: str, options: RuleOptions, inputs: Inputs, env: Environment, make: Callable[[], CompiledRule]) -> CompiledRule:
        """The compiled statement; raises what ``make`` raises, which is asked again then."""
        if self._env() is not env:
            self._env, self._found = weak(env), {}
        key = (sql, options)
        known = self._found.get(key)
        if known is not None and all(a is b for a, b in zip(known[0], inputs, strict=True)):
            return known[1]
        made = make()
        self._found[key] = (inputs, made)
        return made
