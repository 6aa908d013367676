"""Which stored streams and tables a query reads."""

from __future__ import annotations

from plutino.sql.tree import Query, Select, Union


def sources_of(query: Query) -> tuple[str, ...]:
    """Names in FROM and JOIN, also of queries inside, each once and in order of the text."""
    return tuple(dict.fromkeys(_names(query)))


def _names(query: Query) -> list[str]:
    if isinstance(query, Union):
        return [name for select in query.selects for name in _names(select)]
    assert isinstance(query, Select)
    found: list[str] = []
    for source in (query.source, *(join.source for join in query.joins)):
        found += [source.name] if source.query is None else _names(source.query)
    return found
