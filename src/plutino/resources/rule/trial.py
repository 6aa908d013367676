"""Endpoints of trial runs (rest reference §1.11): a statement on made-up data, of which nothing is stored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import uuid4

import msgspec
from msgspec.structs import replace

from plutino.compiler import compile_plan
from plutino.errors import PlutinoError, SqlSyntaxError
from plutino.planner import plan_rule
from plutino.resources.rule.body import select_of, sql_fault
from plutino.resources.rule.calls import called_functions, plugins_of
from plutino.resources.rule.provision import Provision
from plutino.runtime import check_feed, check_sink
from plutino.runtime.channels import EVENTS, with_channels
from plutino.runtime.trials import trial_path
from plutino.spi import Action, Answer, Call, Deployment, Environment, FeedRequest, LookupRequest, RuleOptions, SinkRequest
from plutino.spi.gojson import GoJsonError, Shape, bind, decode
from plutino.spi.options import decode_options
from plutino.spi.wire import text_answer, with_prefix

_TRIAL = Shape(
    "trial.RunDef",
    {"id": "string", "sql": "string", "mockSource": "map[string]interface {}", "sinkProps": "map[string]interface {}"},
)
_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "id": {"type": "string", "description": "Made up when it is missing"},
        "sql": {"type": "string", "description": "A SELECT statement"},
        "mockSource": {
            "type": "object",
            "description": "Data of streams by their names, in the place of what they are connected to",
            "additionalProperties": {
                "type": "object",
                "properties": {
                    "data": {"type": "array", "items": {"type": "object"}},
                    "interval": {"description": "Milliseconds between two rows"},
                    "loop": {"type": "boolean"},
                },
            },
        },
        "sinkProps": {"type": "object", "description": "Properties that every sink has, such as sendSingle"},
    },
    "required": ["sql"],
}
_REPLY = {"type": "object", "properties": {"id": {"type": "string"}, "port": {"type": "integer"}}}
_MOCK = "simulator"
_CODE = 1000


def trial_endpoints(provision: Provision) -> Sequence[Action]:
    """The actions about trial runs; ``provision`` makes requests for what is not made up."""
    on, tags = _Endpoints(provision), ("trials",)
    listen = "Prepare a trial run; its results are events on GET /test/{id} of the data server"
    return (
        Action("POST", "/ruletest", on.create, listen, body=_SCHEMA, reply=_REPLY, tags=tags),
        Action("POST", "/ruletest/{id}/start", on.start, "Start a trial run", tags=tags),
        Action("DELETE", "/ruletest/{id}", on.end, "Stop a trial run and forget it", tags=tags),
    )


class _Endpoints:
    def __init__(self, provision: Provision) -> None:
        self._provision = provision

    async def create(self, call: Call) -> Answer:
        document = _read(call.body)
        id = document.get("id") or uuid4().hex
        try:
            deployment = self._deployment(id, document, call.control.environment)
        except PlutinoError as error:
            with_prefix(error, f"fail to run rule {id}", code=_CODE)
            error.status = 400
            raise
        port = await call.control.host.try_out(id, deployment)
        return Answer(msgspec.json.encode({"id": id, "port": port}))

    async def start(self, call: Call) -> Answer:
        id = call.params["id"]
        try:
            await call.control.host.start_trial(id)
        except PlutinoError as error:
            with_prefix(error, "start rule error", code=_CODE)
            error.status = 400
            raise
        return text_answer(f"Test rule {id} was started")

    async def end(self, call: Call) -> Answer:
        id = call.params["id"]
        await call.control.host.end_trial(id)
        return text_answer(f"Test rule {id} was stopped.")

    def _deployment(self, id: str, document: Mapping[str, Any], env: Environment) -> Deployment:
        """The rule of a trial, made as any other; streams with made-up data read that."""
        sql, options, mocks = document.get("sql", ""), RuleOptions(send_error=True), document.get("mockSource", {})
        name = f"$$_{uuid4().hex}{id}"
        try:
            compiled = compile_plan(plan_rule(select_of(sql), env, options, rule_id=name, text=sql))
        except SqlSyntaxError as error:
            if isinstance(error.__cause__, SqlSyntaxError):  # worded already
                raise
            raise sql_fault(sql, error) from error
        feeds = (_mocked_feed(self._provision.feed(stream, True, env), mocks.get(stream), env) for stream in compiled.streams)
        tables = (_mocked_table(self._provision.table(table, True, env), mocks.get(table), env) for table in compiled.tables)
        sink = SinkRequest("sse_0", EVENTS, {**document.get("sinkProps", {}), "path": trial_path(id)})
        check_sink(sink, with_channels(env.registry, {}))
        called = (env.function(function) for function in called_functions(sql))
        return Deployment(
            name,
            compiled.factory,
            tuple(feeds),
            (sink,),
            options,
            triggered=False,
            shape=compiled.shape,
            tables=tuple(tables),
            plugins=plugins_of(function.spec for function in called if function is not None),
        )


def _read(body: bytes) -> dict[str, Any]:
    """The fields of a request."""
    try:
        document = bind(decode(body, exact=True), _TRIAL)
        for mock in document.get("mockSource", {}).values():
            if not isinstance(mock, dict):
                bind({"mockSource": [mock]}, Shape("trial.RunDef", {"mockSource": "[]map[string]interface {}"}))
    except GoJsonError as error:
        with_prefix(error, f"fail to parse rule definition {body.decode('utf-8', 'replace')}")
        raise
    return document


def _mocked_feed(request: FeedRequest, mock: Mapping[str, Any] | None, env: Environment) -> FeedRequest:
    """A stream as it is, or with made-up data. What is declared about its columns and times holds for these, too."""
    if mock is None:
        return request
    mocked = replace(request, connector=_MOCK, datasource="", properties=dict(mock), connection="", shared=False)
    check_feed(mocked, RuleOptions(), env.registry)
    return mocked


def _mocked_table(request: LookupRequest, mock: Mapping[str, Any] | None, env: Environment) -> LookupRequest:
    """A lookup table as it is, or with made-up rows."""
    if mock is None:
        return request
    spec = env.registry.connectors[_MOCK].lookup
    assert spec is not None
    decode_options(spec.options, mock)
    return LookupRequest(request.table, _MOCK, "", dict(mock))
