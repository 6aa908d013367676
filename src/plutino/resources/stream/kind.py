"""The kinds ``stream`` and ``table``: what a definition must be, and what may replace it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from plutino.errors import ConflictError, NotFoundError, PlutinoError, SqlSyntaxError, StreamError
from plutino.model import Definition, Ref, StreamContent
from plutino.model.nearest import nearest
from plutino.resources.stream.content import content_of
from plutino.resources.stream.endpoints import endpoints
from plutino.resources.stream.lookup import table_request
from plutino.runtime.intake import FeedOptions
from plutino.runtime.lookups import TableOptions
from plutino.spi import Action, Environment, Host, LookupRequest, Mode, SourceSpec
from plutino.spi.layers import SELECTOR, source_refs
from plutino.spi.linting import (
    CODES,
    DOUBTFUL,
    INVALID,
    UNKNOWN,
    Advice,
    connection_advice,
    format_advice,
    format_models,
    property_advice,
    type_advice,
    value_advice,
)
from plutino.spi.options import secret_paths
from plutino.spi.rewriting import Change, Literal
from plutino.spi.schemas import FORMATS, message_of
from plutino.spi.wire import check_id
from plutino.sql import parse_statement
from plutino.sql.rewriting import rewrite_options
from plutino.sql.tree import CreateStream

_OTHER = {"stream": "table", "table": "stream"}
_REPLACING = (Mode.UPDATE, Mode.PARTIAL)
_EXTRA = "EXTRA"
_MEMORY = "memory"
_COMPARED = 1000
"""Names among which one is looked for that was meant."""


class SourceKind:
    """Spec of ``stream`` or ``table``. A definition's content is a ``StreamContent``."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.section = f"{kind}s"

    @property
    def actions(self) -> Sequence[Action]:
        return endpoints(self.kind)

    def parse(self, ref: Ref, text: str) -> Definition:
        """Refuses everything but a CREATE of this kind and name."""
        if not text.strip():
            raise StreamError(f"Invalid stream statement: {text}")
        try:
            statement = parse_statement(text)
        except SqlSyntaxError as error:
            error.code = StreamError.code
            raise
        if not isinstance(statement, CreateStream):
            raise StreamError(f"Invalid stream statement: {text}")
        if statement.kind != self.kind:
            raise NotFoundError(f"{self.kind} {ref.name} is not found")
        if statement.name != ref.name:
            raise StreamError(f"Replace {ref.name} fails: the sql statement must update the {ref.name} source.")
        content = content_of(statement)
        return Definition(ref, text, content, temporary=content.flag("TEMP"))

    def depends_on(self, definition: Definition, env: Environment) -> Iterable[Ref]:
        """What its properties come from, the schema of its payloads, uploads that it reads, and what brings its type."""
        return dict.fromkeys(source_refs(definition.content, env))

    def writes(self, definition: Definition, env: Environment) -> Iterable[str]:
        """Nothing: rules do."""
        return ()

    def reads(self, definition: Definition, env: Environment) -> Iterable[str]:
        """The topic filter of a memory stream."""
        content: StreamContent = definition.content
        return (content.option("DATASOURCE"),) if content.connector == _MEMORY else ()

    def check(self, before: Definition | None, after: Definition | None, env: Environment, mode: Mode) -> LookupRequest | None:
        """Name space, transition rules, format and what a lookup table is opened with.

        Whether a stream may be deleted is up to who reads it: see the endpoint.
        """
        if after is None:
            return None
        content: StreamContent = after.content
        self._check_name(before, after, env, mode)
        if mode in _REPLACING:
            self._check_replace(before.content if before else None, content)
        written = content.option("FORMAT")
        if written:
            spec = env.registry.formats.get(written.lower())
            if spec is None and written.lower() not in FORMATS:
                raise StreamError(f"option 'format={written}' is invalid")
            if spec is not None and spec.check is not None:
                spec.check(content.is_table, content.schema)
        return table_request(content, env) if content.is_lookup else None

    async def activate(self, before: Definition | None, after: Definition | None, prepared: Any, host: Host) -> None:
        """A lookup table is open as long as it exists. Nothing runs for a stream: feeds come and go with the rules."""
        if prepared is not None:
            await host.open_table(prepared)
        elif before is not None and before.content.is_lookup:
            await host.close_table(before.ref.name)

    def secrets(self, definition: Definition, env: Environment) -> Iterable[tuple[str, ...]]:
        """Secret properties inside of EXTRA."""
        content: StreamContent | None = definition.content
        if content is None or not content.option(_EXTRA):
            return
        connector = env.registry.connectors.get(content.connector)
        sides = (connector.source, connector.lookup, connector.connection) if connector is not None else ()
        models = [side.options for side in sides if side is not None]
        for path in secret_paths(models, _properties(content.option(_EXTRA))):
            yield ("options", _EXTRA, *path)

    def lint(self, definition: Definition, env: Environment, codes: Collection[str] = CODES) -> Iterable[Advice]:
        """Types that are not installed, what options name and is not there, unknown names, wrong values and secrets inside of EXTRA."""
        content: StreamContent = definition.content
        yield from _missing(content, env)
        spec, path = env.registry.connectors.get(content.connector), ("options", _EXTRA)
        if INVALID in codes and spec is not None and spec.source is not None and not content.is_lookup:
            yield from _wrong_datasource(content, spec.source)
        sides = (spec.source, spec.lookup, spec.connection) if spec is not None else ()
        models = [side.options for side in sides if side is not None]
        if not models:
            brought = env.connector("source", content.connector)
            if brought is None:
                known = [name for name, found in env.registry.connectors.items() if found.source is not None or found.lookup is not None]
                yield type_advice(content.connector, known, "source", ("options", "TYPE"))
            elif brought.declared.unavailable:
                yield Advice(DOUBTFUL, ("options", "TYPE"), brought.declared.unavailable)
            return
        extra = _properties(content.option(_EXTRA)) if content.option(_EXTRA) else {}
        if extra:
            engine: list[type[Struct]] = [FeedOptions, TableOptions, *format_models(env.registry)]
            yield from property_advice(content.connector, [*models, *engine], extra, path, others=(SELECTOR,), codes=codes)
            yield from value_advice(models, extra, path, engine=engine)
            if INVALID in codes:
                yield from connection_advice(content.connector, extra, path, env)
                yield from format_advice(extra, path, env, ("payloadFormat", "payloadSchemaId"))

    def rewritten(self, text: str, change: Change) -> str:
        """Changes the values of options, and of the properties inside of EXTRA."""

        def option(name: str, value: str) -> str | None:
            found = change(("options", name), value)
            return found.token if isinstance(found, Literal) else found

        return rewrite_options(text, option)

    def _check_name(self, before: Definition | None, after: Definition, env: Environment, mode: Mode) -> None:
        ref = after.ref
        if mode is not Mode.BOOT:
            check_id(ref.name)
        other = env.get(Ref(_OTHER[self.kind], ref.name)) is not None
        # A temporary definition gives way to one that stays.
        known = before is not None and (after.temporary or not before.temporary)
        if mode is Mode.CREATE and (known or other):
            raise ConflictError(f"Create {self.kind} fails: Item {ref.name} already exists.", code=StreamError.code)
        if other and mode is not Mode.BOOT:
            raise ConflictError(f"Replace {ref.name} fails: a {_OTHER[self.kind]} has this name.", code=StreamError.code)

    def _check_replace(self, before: StreamContent | None, after: StreamContent) -> None:
        if after.flag("TEMP"):
            raise StreamError(f"Replace {after.name} fails: cannot replace with temp option.")
        if before is None:
            return
        if before.flag("SHARED") != after.flag("SHARED"):
            raise StreamError(f"Replace {after.name} fails: do not support to change stream SHARED option.")
        old, new = before.option("VERSION"), after.option("VERSION")
        if (old or new) and new <= old:
            raise StreamError(f"source {after.name} already exists with version ({old}), new version ({new}) is lower")


def _wrong_datasource(content: StreamContent, source: SourceSpec) -> Iterator[Advice]:
    datasource = content.option("DATASOURCE")
    if source.datasource is not None and source.datasource.check is not None and "${" not in datasource:
        try:
            source.datasource.check(datasource)
        except PlutinoError as error:
            yield Advice(INVALID, ("options", "DATASOURCE"), error.message)


def _missing(content: StreamContent, env: Environment) -> Iterator[Advice]:
    """What options name and nobody knows: the stream is taken as it is, and reads with defaults, without times, or not at all."""
    key = content.option("CONF_KEY")
    if key and key != "default" and not _is_configured(content.connector, key, env):
        known = [name.partition(".")[2] for name in env.names("source_config") if name.startswith(f"{content.connector}.")]
        near = nearest(key, known, 1) if len(known) <= _COMPARED else []
        hint = f"did you mean {near[0]}?" if near else "the defaults hold until it is"
        yield Advice(UNKNOWN, ("options", "CONF_KEY"), f"source configuration {content.connector}.{key}: not there; {hint}")
    try:
        message_of(content.format, content.option("SCHEMAID"), env)
    except PlutinoError as error:
        what = "table" if content.is_table else "stream"
        yield Advice(INVALID, ("options", "SCHEMAID"), f"{error.message}; until it is there, no rule can read the {what}")
    column = content.option("TIMESTAMP")
    if column and content.schema and content.schema.get(column) is None:
        near = nearest(column, content.schema.names, 1)
        hint = f"did you mean {near[0]}?" if near else f"it has {', '.join(content.schema.names)}"
        yield Advice(UNKNOWN, ("options", "TIMESTAMP"), f"column {column}: not among the columns; {hint}")


def _is_configured(connector: str, key: str, env: Environment) -> bool:
    """Whether there is such a configuration, stored or shipped; names count in lower case as well."""
    spec = env.registry.connectors.get(connector)
    source = spec.source if spec is not None else None
    brought = env.connector("source", connector) if source is None else None
    presets = source.presets if source is not None else brought.declared.presets if brought is not None else {}
    return any(name in presets or env.get(Ref("source_config", f"{connector}.{name}")) is not None for name in (key.lower(), key))


def _properties(extra: str) -> dict[str, Any]:
    try:
        found: dict[str, Any] = msgspec.json.decode(extra, type=dict[str, Any])
    except (msgspec.DecodeError, RecursionError):
        return {}
    return found
