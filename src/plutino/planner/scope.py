"""What names mean inside one SELECT: its sources and its aliases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
from msgspec import Struct

from plutino.errors import PlanError, Position
from plutino.model import ANY, DataType, Ref, Schema, StreamContent
from plutino.model.nearest import nearest
from plutino.spi import Environment
from plutino.spi.schemas import with_columns
from plutino.sql import tree


class SourceScope(Struct, frozen=True):
    """One source of FROM or JOIN: ``name`` as the statement uses it, ``stream`` as it is stored.

    ``exact``: its whole numbers without a declared type are bigints (``useInt64ForWholeNumber``, memory topics).
    """

    name: str
    stream: str
    content: StreamContent
    exact: bool = False

    @property
    def schemaless(self) -> bool:
        """Whether any column name may be read."""
        return not self.content.schema.columns

    def type_of(self, column: str) -> DataType | None:
        """The type of a column, ANY for a schemaless source, None when it is not declared."""
        if self.schemaless:
            return ANY
        declared = self.content.schema.get(column)
        return None if declared is None else declared.type


class Scope(Struct, frozen=True):
    """Sources by name and aliased items by alias, in written order; ``order`` is the position of each alias in the select list.

    ``merged``: the sources as they are asked for a column that several have: in written order, but the right side of a RIGHT JOIN in front.
    """

    sources: Mapping[str, SourceScope]
    aliases: Mapping[str, tree.Field]
    order: Mapping[str, int]
    merged: tuple[str, ...]

    @property
    def schemaless(self) -> bool:
        return any(source.schemaless for source in self.sources.values())

    def resolve(self, column: str) -> list[SourceScope]:
        """The sources that an unqualified column may belong to: the one that declares it, else every schemaless one.

        PlanError when two declare it.
        """
        declared = [s for s in self.sources.values() if not s.schemaless and s.content.schema.get(column) is not None]
        if len(declared) > 1:
            raise PlanError(f"ambiguous field {column}")
        return declared or [s for s in self.sources.values() if s.schemaless]

    def suggest(self, column: str) -> str | None:
        """The declared name or alias most like this one."""
        return suggested(column, [*self.aliases, *(n for s in self.sources.values() for n in s.content.schema.names)])


def suggested(name: str, known: Sequence[str]) -> str | None:
    """The one of the known names that was probably meant: the same in other letters, else the most alike."""
    folded = [other for other in known if other.lower() == name.lower()]
    return folded[0] if folded else next(iter(nearest(name, known, 1)), None)


def open_scope(select: tree.Select, env: Environment, text: str = "", derived: Mapping[str, Schema] | None = None) -> Scope:
    """The scope of a statement; PlanError, with its place in ``text``, for a stream that does not exist or an alias given twice.

    ``derived`` gives the columns of queries in FROM, an empty schema where they are not known.
    """
    sources: dict[str, SourceScope] = {}
    for source in (select.source, *(join.source for join in select.joins)):
        scoped = _derived(source.name, derived or {}) if source.query is not None else _source(source, env, text)
        if scoped.name in sources:
            raise error_at(source, f"source {scoped.name} appears twice; give one of them another name with AS", text)
        if source.query is None and scoped.stream in (derived or {}):
            raise error_at(source, f"query {scoped.stream} has the name of a stream that stands beside it; give it another name", text)
        sources[scoped.name] = scoped
    aliases: dict[str, tree.Field] = {}
    order: dict[str, int] = {}
    for position, field in enumerate(select.fields):
        if field.alias is not None:
            if field.alias in aliases:
                raise error_at(field, f"duplicate alias {field.alias}", text)
            if isinstance(field.expr, tree.Call) and field.expr.name.lower() in ("changed_cols", "dedup_trigger"):
                # the columns of the one have names of their own, the value of the other is not known yet: nothing is called by the alias
                continue
            aliases[field.alias] = field
            order[field.alias] = position
    return Scope(sources, aliases, order, merged_order(tuple(sources), [join.kind for join in select.joins]))


def merged_order(names: Sequence[str], kinds: Sequence[str]) -> tuple[str, ...]:
    """Names of sources as the rows of these joins are put together (sql reference §3.2)."""
    first, *others = names
    merged = [first]
    for name, kind in zip(others, kinds, strict=True):
        merged.insert(0 if kind == "RIGHT" else len(merged), name)
    return tuple(merged)


def error_at(node: tree.Node, message: str, text: str, suggestion: str | None = None) -> PlanError:
    """A PlanError at the place of a node."""
    span = getattr(node, "span", tree.NOWHERE)
    return PlanError(message, text=text, position=Position.of(text, *span) if text else None, suggestion=suggestion)


def _derived(name: str, derived: Mapping[str, Schema]) -> SourceScope:
    """A query in FROM as a source: its rows hold values of the dialect."""
    return SourceScope(name, name, StreamContent(name, False, derived[name], {}), exact=True)


def _source(source: tree.Source, env: Environment, text: str) -> SourceScope:
    for kind in ("stream", "table"):
        definition = env.get(Ref(kind, source.name))
        if definition is not None:
            assert isinstance(definition.content, StreamContent)
            content = with_columns(definition.content, env)
            return SourceScope(source.alias or source.name, source.name, content, _exact(content, env))
    near = nearest(source.name, [*env.names("stream"), *env.names("table")], 1)
    raise error_at(source, f"fail to get stream {source.name}, please check if stream is created", text, near[0] if near else None)


def _exact(content: StreamContent, env: Environment) -> bool:
    """Whether whole numbers stay bigints: memory topics carry typed rows; else the property ``useInt64ForWholeNumber`` decides."""
    if content.connector == "memory":
        return True
    connector = env.registry.connectors.get(content.connector)
    if content.is_lookup and connector is not None and connector.lookup is not None and connector.lookup.typed:
        return True
    extra = content.option("EXTRA")
    if extra:
        properties = msgspec.json.decode(extra)
        if isinstance(properties, dict) and "useInt64ForWholeNumber" in properties:
            return properties["useInt64ForWholeNumber"] is True
    config = env.get(Ref("source_config", f"{content.connector}.{content.option('CONF_KEY') or 'default'}"))
    return config is not None and isinstance(config.content, dict) and config.content.get("useInt64ForWholeNumber") is True
