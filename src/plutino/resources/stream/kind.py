"""The kinds ``stream`` and ``table``: what a definition must be, and what may replace it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from plutino.errors import ConflictError, NotFoundError, SqlSyntaxError, StreamError
from plutino.model import Definition, Ref, StreamContent
from plutino.resources.stream.content import content_of
from plutino.resources.stream.endpoints import endpoints
from plutino.spi import Action, Environment, Host, Mode
from plutino.spi.schemas import FORMATS, schema_ref
from plutino.spi.wire import check_id
from plutino.sql import parse_statement
from plutino.sql.tree import CreateStream

_OTHER = {"stream": "table", "table": "stream"}
_REPLACING = (Mode.UPDATE, Mode.PARTIAL)


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
        """The configuration keys that it reads, and the schema of its payloads."""
        content: StreamContent = definition.content
        key = content.option("CONF_KEY")
        names = {"default", key, key.lower()} - {""}
        schema = schema_ref(content.format, content.option("SCHEMAID"))
        keys = [Ref("source_config", f"{content.connector}.{name}") for name in names]
        return keys if schema is None else [*keys, schema]

    def check(self, before: Definition | None, after: Definition | None, env: Environment, mode: Mode) -> None:
        """Name space, transition rules and format. Whether a stream may be deleted is up to who reads it: see the endpoint."""
        if after is None:
            return
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

    async def activate(self, before: Definition | None, after: Definition | None, prepared: Any, host: Host) -> None:
        """Nothing runs for a stream by itself: feeds come and go with the rules."""

    def secrets(self, definition: Definition, env: Environment) -> Iterable[tuple[str, ...]]:
        return ()

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
