"""Endpoints of traces (rest reference §1.11): what became of single rows of a rule."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from plutino.errors import PlutinoError
from plutino.model import Ref
from plutino.spi import Action, Answer, Call
from plutino.spi.gojson import GoJsonError, Shape, bind, decode
from plutino.spi.wire import json_answer, text_answer, with_prefix

_HEAD = "head"
_ALWAYS = "always"
_STRATEGY = Shape("server.EnableRuleTraceRequest", {"strategy": "string"})
_TRACER = Shape("server.EnableTracerRequest", {"service_name": "string", "action": "string", "collector_url": "string"})
_INVALID = "Invalid body"

_STRATEGY_SCHEMA = {"type": "object", "properties": {"strategy": {"type": "string", "enum": [_ALWAYS, _HEAD], "default": _ALWAYS}}}
_TRACER_SCHEMA = {"type": "object", "properties": {name: {"type": "string"} for name in _TRACER.fields}}
_SPAN: dict[str, Any] = {"type": "object"}
_IDS = {"type": "array", "items": {"type": "string"}}


def tracing_endpoints() -> Sequence[Action]:
    """The actions about traces."""
    tags, limit = ("traces",), {"limit": "how many at most, newest first"}
    start = "Trace the rows of a running rule until it stops"
    return (
        Action("POST", "/rules/{id}/trace/start", _start, start, body=_STRATEGY_SCHEMA, tags=tags),
        Action("POST", "/rules/{id}/trace/stop", _stop, "Trace the rows of a rule no more", tags=tags),
        Action("GET", "/trace/rule/{id}", _list, "Ids of the traces that are kept of a rule", reply=_IDS, query=limit, tags=tags),
        Action("GET", "/trace/{trace}", _describe, "A trace with all its spans", reply=_SPAN, tags=tags),
        Action("POST", "/tracer", _export, "Send traces to a collector (action start), or no more", body=_TRACER_SCHEMA, tags=tags),
    )


async def _start(call: Call) -> Answer:
    try:
        request = bind(decode(call.body, exact=False), _STRATEGY)
    except GoJsonError as error:
        with_prefix(error, f"{_INVALID}: Error decoding json")
        raise
    return _set(call, _HEAD if request.get("strategy") == _HEAD else _ALWAYS)


async def _stop(call: Call) -> Answer:
    return _set(call, "")


def _set(call: Call, strategy: str) -> Answer:
    id = call.params["id"]
    definition = call.control.environment.get(Ref("rule", id))
    if definition is None:
        raise PlutinoError(f"rule {id} isn't existed")
    if not call.control.host.trace(id, strategy):
        name = (definition.content or {}).get("name", "")
        raise PlutinoError(f"rule {name} set trace failed due to rule didn't started")
    return Answer(media="")


async def _list(call: Call) -> Answer:
    found, limit = call.control.host.traces(call.params["id"]), call.query.get("limit", "")
    if limit:
        try:
            most = int(limit)
        except ValueError:
            most = 0  # as if there were none
        found = found[:most] if most > 0 else found
    return json_answer(list(found))


async def _describe(call: Call) -> Answer:
    found = call.control.host.trace_of(call.params["trace"])
    return text_answer("Not Found\n", 404) if found is None else json_answer(found)


async def _export(call: Call) -> Answer:
    try:
        request = bind(decode(call.body, exact=True), _TRACER)
    except GoJsonError as error:
        with_prefix(error, _INVALID)
        raise
    if request.get("action") == "start":
        await call.control.host.export_traces(request.get("collector_url", ""), request.get("service_name", ""))
    else:
        await call.control.host.keep_traces()
    return text_answer("success")
