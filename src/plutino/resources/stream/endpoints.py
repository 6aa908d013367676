"""Endpoints of streams and tables (rest reference §1.5)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import assert_never

from plutino.errors import NotFoundError, PlanError, PlutinoError, StreamError
from plutino.model import Ref, StreamContent
from plutino.resources.stream import views
from plutino.resources.stream.content import content_of
from plutino.resources.stream.lookup import probe, refuse_in_use
from plutino.spi import Action, Answer, Call, Environment, Mode, Origin
from plutino.spi.gojson import Shape, bind, decode
from plutino.spi.schemas import with_columns
from plutino.spi.wire import check_id, escaped, json_answer, text_answer, truth, with_prefix
from plutino.sql import parse_statement, tree

_BODY = Shape("server.statementDescriptor", {"sql": "string"})
_BODY_SCHEMA = {"type": "object", "properties": {"sql": {"type": "string"}}, "required": ["sql"]}
_DETAIL_SCHEMA = {"type": "array", "items": {"type": "object", "additionalProperties": {"type": "string"}}}
_NAMES_SCHEMA = {"type": "array", "items": {"type": "string"}}

Handler = Callable[[Call], Awaitable[Answer]]


def endpoints(kind: str) -> Sequence[Action]:
    """The actions of ``stream`` or ``table``."""
    on = _Endpoints(kind)
    path, tags = f"/{kind}s", (f"{kind}s",)
    kinds = {"kind": "scan or lookup"} if kind == "table" else {}
    return (
        Action("GET", path, on.names, f"Names of all {kind}s", reply=_NAMES_SCHEMA, tags=tags, query=kinds),
        Action("POST", path, on.execute, f"Run a statement about {kind}s", body=_BODY_SCHEMA, status=201, tags=tags),
        Action("GET", f"/{kind}details", on.details, f"Type and format of all {kind}s", reply=_DETAIL_SCHEMA, tags=tags, query=kinds),
        Action("GET", f"{path}/{{name}}", on.describe, f"Columns and options of a {kind}", reply={"type": "object"}, tags=tags),
        Action("PUT", f"{path}/{{name}}", on.replace, f"Create or replace a {kind}", body=_BODY_SCHEMA, tags=tags),
        Action("DELETE", f"{path}/{{name}}", on.drop, f"Delete a {kind}", tags=tags, query={"force": "true: also while rules read it"}),
        Action("GET", f"{path}/{{name}}/schema", on.schema, f"Declared columns of a {kind}", reply={"type": "object"}, tags=tags),
    )


class _Endpoints:
    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.title = kind.capitalize()

    async def names(self, call: Call) -> Answer:
        return json_answer([content.name for content in self._contents(call)])

    async def details(self, call: Call) -> Answer:
        return json_answer([views.detail(content) for content in self._contents(call)])

    async def describe(self, call: Call) -> Answer:
        name = _name(call)
        try:
            return json_answer(views.describe(_described(self.kind, name, call.control.environment)))
        except PlutinoError as error:
            with_prefix(error, f"describe {self.kind} error")
            raise

    async def schema(self, call: Call) -> Answer:
        try:
            content = _described(self.kind, call.params["name"], call.control.environment)
            content = with_columns(content, call.control.environment)
        except PlutinoError as error:
            with_prefix(error, f"get schema of {self.kind} error", code=StreamError.code if isinstance(error, PlanError) else None)
            raise
        return json_answer(views.schema_object(content.schema))

    async def execute(self, call: Call) -> Answer:
        sql = _statement(call)
        try:
            return text_answer(escaped(await _execute(sql, call)), 201)
        except PlutinoError as error:
            self._refused(error)
            raise

    async def replace(self, call: Call) -> Answer:
        name = _name(call)
        sql = _statement(call)
        try:
            statement = parse_statement(sql) if sql.strip() else None
            if isinstance(statement, tree.CreateStream):
                await probe(content_of(statement), call, f"Replace {name}")
            await call.control.put(Ref(self.kind, name), sql, mode=Mode.UPDATE, origin=_origin(call))
        except PlutinoError as error:
            self._refused(error)
            raise
        return text_answer(f"{self.title} {name} is replaced.")

    async def drop(self, call: Call) -> Answer:
        name = _name(call)
        ref = Ref(self.kind, name)
        if call.control.environment.get(ref) is None:
            raise NotFoundError(f"delete {self.kind} error: {self.kind} {name} is not found")
        if not truth(call.query.get("force", "")) and call.control.host.readers(name):
            raise PlutinoError(f"stream {name} has been referenced by other rules")
        try:
            _refuse_in_use(ref, call)
            await call.control.delete(ref, origin=_origin(call))
        except PlutinoError as error:
            with_prefix(error, f"delete {self.kind} error")
            raise
        return text_answer(f"{self.title} {name} is dropped.")

    def _contents(self, call: Call) -> list[StreamContent]:
        contents = _all(self.kind, call.control.environment)
        match call.query.get("kind", "") if self.kind == "table" else "":
            case "scan":
                return [c for c in contents if not c.is_lookup]
            case "lookup":
                return [c for c in contents if c.is_lookup]
            case _:
                return contents

    def _refused(self, error: PlutinoError) -> None:
        code = None if isinstance(error, NotFoundError) else StreamError.code
        with_prefix(error, f"{self.title} command error", code=code)


def _name(call: Call) -> str:
    name = call.params["name"]
    check_id(name)
    return name


def _refuse_in_use(ref: Ref, call: Call) -> None:
    definition = call.control.environment.get(ref)
    if definition is not None and definition.content is not None:
        refuse_in_use(definition.content, call)


def _origin(call: Call) -> Origin:
    return Origin("rest", call.client)


def _statement(call: Call) -> str:
    try:
        sql: str = bind(decode(call.body, exact=False), _BODY).get("sql", "")
    except PlutinoError as error:
        with_prefix(error, "Invalid body: Error decoding the statement descriptor")
        raise
    return sql


def _all(kind: str, env: Environment) -> list[StreamContent]:
    found = [env.get(Ref(kind, name)) for name in env.names(kind)]
    return [definition.content for definition in found if definition is not None and definition.content is not None]


def _described(kind: str, name: str, env: Environment) -> StreamContent:
    found = env.get(Ref(kind, name))
    if found is None:
        other = "table" if kind == "stream" else "stream"
        subject = f"{kind} {name}" if env.get(Ref(other, name)) is not None else name
        raise StreamError(f"Describe {kind} fails, {subject} is not found.")
    content: StreamContent | None = found.content
    if content is None:
        raise StreamError(f"Describe {kind} fails, the statement of {name} cannot be read: {found.text}")
    return content


async def _execute(sql: str, call: Call) -> str:
    """Run any statement about streams and tables; the result is its success text."""
    if not sql.strip():
        raise StreamError(f"Invalid stream statement: {sql}")
    statement = parse_statement(sql)
    env = call.control.environment
    match statement:
        case tree.CreateStream(kind=kind, name=name):
            if env.get(Ref(kind, name)) is None:
                await probe(content_of(statement), call, f"Create {kind}")
            await call.control.put(Ref(kind, name), sql, mode=Mode.CREATE, origin=_origin(call))
            return f"{kind.capitalize()} {name} is created."
        case tree.Show(kind=kind):
            return "\n".join(env.names(kind)) or f"No {kind} definitions are found."
        case tree.Describe(kind=kind, name=name):
            return views.describe_text(_described(kind, name, env))
        case tree.Explain():
            return "TO BE SUPPORTED"
        case tree.Drop(kind=kind, name=name):
            if env.get(Ref(kind, name)) is None:
                raise StreamError(f"Drop {kind} fails: {kind} {name} is not found.")
            _refuse_in_use(Ref(kind, name), call)
            await call.control.delete(Ref(kind, name), origin=_origin(call))
            return f"{kind.capitalize()} {name} is dropped."
        case tree.Select() | tree.Union():
            raise StreamError(f"Invalid stream statement: {sql}")
        case _:
            assert_never(statement)
