"""Rule documents (rest reference §3.1, §3.2): what the JSON must be, and its options as the engine takes them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any

import msgspec

from plutino.errors import DefinitionError, PlutinoError, SqlSyntaxError
from plutino.model import parse_duration
from plutino.runtime import check_schedule
from plutino.spi import RuleOptions
from plutino.spi.gojson import DURATION, Shape, bind, decode
from plutino.spi.host import RestartStrategy
from plutino.spi.linting import Advice, shape_advice
from plutino.spi.wire import check_id
from plutino.sql import is_select, parse_select, parse_statement
from plutino.sql.tree import Query

INVALID = "Invalid rule json"
"""In front of everything that is wrong with a document by itself."""

_RESTART = Shape(
    "def.RestartStrategy",
    {"attempts": "int", "delay": DURATION, "multiplier": "float64", "maxDelay": DURATION, "jitterFactor": "float64"},
)
_RANGE = Shape("schedule.DatetimeRange", {"begin": "string", "end": "string", "beginTimestamp": "int", "endTimestamp": "int"})
_OPTIONS = Shape(
    "def.RuleOption",
    {
        "debug": "bool",
        "logFilename": "string",
        "isEventTime": "bool",
        "lateTolerance": DURATION,
        "idleTimeout": DURATION,
        "concurrency": "int",
        "bufferLength": "int",
        "sendMetaToSink": "bool",
        "sendNilField": "bool",
        "sendError": "bool",
        "qos": "int",
        "checkpointInterval": DURATION,
        "restartStrategy": _RESTART,
        "cron": "string",
        "duration": "string",
        "cronDatetimeRange": (_RANGE,),
        "planOptimizeStrategy": "map[string]interface {}",
        "notifySub": "bool",
        "disableBufferFullDiscard": "bool",
        "enableSaveStateBeforeStop": "bool",
        "forceExitTimeout": DURATION,
        "experiment": "map[string]interface {}",
    },
)
_GRAPH = Shape(
    "def.RuleGraph",
    {
        "nodes": "map[string]interface {}",
        "topo": Shape("def.PrintableTopo", {"sources": "[]string", "edges": "map[string]interface {}"}),
    },
)
_NODE = Shape(
    "def.GraphNode",
    {"type": "string", "nodeType": "string", "props": "map[string]interface {}", "ui": "map[string]interface {}"},
)
_NODES = Shape("def.Rule", {"graph": Shape("def.RuleGraph", {"nodes": _NODE})})
"""One node at the place where all are, for the wording of what is wrong with it."""

_EDGES = Shape("def.Rule", {"graph": Shape("def.RuleGraph", {"topo": Shape("def.PrintableTopo", {"edges": "[]interface {}"})})})
"""Targets that are no list, likewise."""

_RULE = Shape(
    "def.Rule",
    {
        "triggered": "bool",
        "id": "string",
        "name": "string",
        "version": "string",
        "temp": "bool",
        "sql": "string",
        "graph": _GRAPH,
        "actions": "[]map[string]interface {}",
        "options": _OPTIONS,
        "tags": "[]string",
    },
)
RULE_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "id": {"type": "string"},
        "name": {"type": "string"},
        "sql": {"type": "string", "description": "A SELECT statement"},
        "actions": {"type": "array", "items": {"type": "object"}, "description": 'Sinks, such as {"mqtt": {"topic": "out"}}'},
        "graph": {
            "type": "object",
            "description": "In the place of sql and actions: nodes, and which leads to which",
            "properties": {"nodes": {"type": "object"}, "topo": {"type": "object"}},
        },
        "options": {"type": "object"},
        "triggered": {"type": "boolean", "default": True},
        "tags": {"type": "array", "items": {"type": "string"}},
        "version": {"type": "string"},
        "temp": {"type": "boolean", "default": False, "description": "Lives in memory only"},
    },
    "required": ["id"],
    "anyOf": [{"required": ["sql", "actions"]}, {"required": ["graph"]}],
}


def read(text: str | bytes) -> dict[str, Any]:
    """A rule document as a dict: known fields under their own names and checked for their types, unknown ones as written.

    DefinitionError with the wire text, without a prefix.
    """
    try:
        value = decode(text, exact=True)
        known = bind(value, _RULE)
        nodes = known.get("graph", {}).get("nodes")
        if nodes is not None:
            known["graph"]["nodes"] = {name: _node(node) for name, node in nodes.items()}
        for targets in known.get("graph", {}).get("topo", {}).get("edges", {}).values():
            if not isinstance(targets, list):
                bind({"graph": {"topo": {"edges": targets}}}, _EDGES)
        options = known.get("options", {})
        for found in (
            *(options.get(name) for name in ("lateTolerance", "idleTimeout", "checkpointInterval", "forceExitTimeout")),
            *((options.get("restartStrategy") or {}).get(name) for name in ("delay", "maxDelay")),
        ):
            if isinstance(found, str):
                parse_duration(found)
    except (PlutinoError, ValueError) as error:
        shown = text if isinstance(text, str) else text.decode("utf-8", "replace")
        raise DefinitionError(f"Parse rule {shown} error : {error}.") from error
    fields = {name: item for name, item in (value or {}).items() if name.lower() not in _LOWER_NAMES}
    return {**fields, **known}


def _node(node: Any) -> dict[str, Any]:
    """A node of a graph, checked for the types of its fields."""
    found: dict[str, Any] = bind({"graph": {"nodes": node}}, _NODES).get("graph", {}).get("nodes", {})
    return found


_LOWER_NAMES = frozenset(name.lower() for name in _RULE.fields)


def validate(content: Mapping[str, Any], rule: str) -> None:
    """Refuse a document that is wrong by itself, its statement aside. ``rule`` is the id it is stored under, if that is known."""
    id = content.get("id") or rule
    if not id:
        raise DefinitionError("Missing rule id.")
    if rule and id != rule:
        raise DefinitionError("RuleId is not consistent with rule id.")
    check_id(id)
    sql, graph = content.get("sql"), content.get("graph")
    if sql and graph is not None:
        raise DefinitionError(f"Rule {id} has both sql and graph.")
    if not sql and graph is None:
        raise DefinitionError(f"Rule {id} has neither sql nor graph.")
    if graph is None and not content.get("actions"):
        raise DefinitionError("Missing rule actions.")
    faults = _option_faults(content.get("options") or {})
    if faults:
        raise DefinitionError(f"Rule {id} has invalid options: {chr(10).join(faults)}.")


@lru_cache(maxsize=256)  # rules of a document may say the same; reading, checking and following the uses of a rule come one after the other
def select_of(sql: str) -> Query:
    """The statement of a rule; its refusal is worded as a fault of the document, with the place inside the SQL text."""
    try:
        return parse_select(sql)
    except SqlSyntaxError as error:
        if is_select(sql):
            raise sql_fault(sql, error) from error
    try:
        parse_statement(sql)
    except SqlSyntaxError as error:
        raise sql_fault(sql, error) from error
    raise DefinitionError(f"SQL {sql} is not a select statement.")


def sql_fault(sql: str, error: SqlSyntaxError) -> SqlSyntaxError:
    """A refused statement as a fault of its rule document."""
    fault = SqlSyntaxError(
        f"Parse SQL {sql} error: {error.message}.",
        text=error.text or sql,
        position=error.position,
        expected=error.expected,
        suggestion=error.suggestion,
        advice=error.advice,
    )
    fault.code = DefinitionError.code
    return fault


def field_advice(written: Mapping[str, Any]) -> Iterator[Advice]:
    """Advice on the fields and options of a rule as written: names that mean nothing."""
    yield from shape_advice(written, _RULE)
    graph = next((value for name, value in written.items() if name.lower() == "graph"), None)
    nodes = next((value for name, value in graph.items() if name.lower() == "nodes"), None) if isinstance(graph, dict) else None
    for name, node in nodes.items() if isinstance(nodes, dict) else ():
        if isinstance(node, dict):
            yield from shape_advice(node, _NODE, ("graph", "nodes", name))


def _option_faults(options: Mapping[str, Any]) -> list[str]:
    checks = (
        ("concurrency", "invalidConcurrency:concurrency"),
        ("bufferLength", "invalidBufferLength:bufferLength"),
        ("lateTolerance", "invalidLateTol:lateTol"),
        ("idleTimeout", "invalidIdleTimeout:idleTimeout"),
    )
    faults = [f"{text} must be greater than 0" for name, text in checks if _milliseconds(options.get(name)) < 0]
    if (options.get("restartStrategy") or {}).get("attempts", 0) < 0:
        faults.append("invalidRestartAttempts:restart attempts must be greater than 0")
    for window in options.get("cronDatetimeRange") or ():
        fault = _range_fault(window)
        if fault:
            faults.append(f"validate cronDatetimeRange failed, err:{fault}")
            break
    return faults


def _range_fault(window: Mapping[str, Any]) -> str | None:
    if window.get("beginTimestamp", 0) > 0 and window.get("endTimestamp", 0) > 0:
        ordered = window["beginTimestamp"] <= window["endTimestamp"]
        return None if ordered else "begin time shouldn't after end time"
    edges = []
    for name in ("begin", "end"):
        text = window.get(name, "")
        try:
            edges.append(datetime.strptime(text, "%Y-%m-%d %H:%M:%S"))
        except ValueError:
            return f"Can't parse string as time: {text}"
    return None if edges[0] <= edges[1] else "begin time shouldn't after end time"


def _milliseconds(value: Any) -> int:
    return 0 if value is None else parse_duration(value)


_DEFAULTS = RuleOptions()
_options_seen: dict[bytes, RuleOptions] = {}
_OPTIONS_KEPT = 1024


def options_of(content: Mapping[str, Any]) -> RuleOptions:
    """The options that the engine honours; equal ones are one object."""
    written = content.get("options")
    if not written:
        return _DEFAULTS
    key = msgspec.json.encode(written, order="sorted")
    found = _options_seen.get(key)
    if found is None:
        if len(_options_seen) >= _OPTIONS_KEPT:
            _options_seen.clear()
        found = _options_seen[key] = _decoded(written)
    return found


def _decoded(options: Mapping[str, Any]) -> RuleOptions:
    restart = options.get("restartStrategy") or {}
    window = _window_option(options)
    given: dict[str, Any] = {
        "is_event_time": options.get("isEventTime"),
        "late_tolerance": _given_duration(options.get("lateTolerance")),
        "idle_timeout": _given_duration(options.get("idleTimeout")),
        "buffer_length": options.get("bufferLength"),
        "send_meta_to_sink": options.get("sendMetaToSink"),
        "send_nil_field": options.get("sendNilField"),
        "send_error": options.get("sendError"),
        "qos": options.get("qos"),
        "checkpoint_interval": _given_duration(options.get("checkpointInterval")),
        "restart": _restart(restart) if restart else None,
        "cron": options.get("cron"),
        "duration": _lenient_duration(options.get("duration")),
        "cron_datetime_range": tuple(options.get("cronDatetimeRange") or ()),
        "disable_buffer_full_discard": options.get("disableBufferFullDiscard"),
        "window_version": _given(window, "windowVersion", str),
        "send_sliding_window_twice": _given(window, "enableSendSlidingWindowTwice", bool),
    }
    return RuleOptions(**{name: value for name, value in given.items() if value is not None})


def _window_option(options: Mapping[str, Any]) -> Mapping[str, Any]:
    """How the rule wants its windows; what stands there is checked by nobody else, so anything may."""
    strategy = options.get("planOptimizeStrategy")
    found = strategy.get("windowOption") if isinstance(strategy, dict) else None
    return found if isinstance(found, dict) else {}


def _given(written: Mapping[str, Any], name: str, kind: type) -> Any:
    value = written.get(name)
    return value if isinstance(value, kind) else None


def _restart(written: Mapping[str, Any]) -> RestartStrategy:
    given: dict[str, Any] = {
        "attempts": written.get("attempts"),
        "delay": _given_duration(written.get("delay")),
        "multiplier": written.get("multiplier"),
        "max_delay": _given_duration(written.get("maxDelay")),
        "jitter_factor": written.get("jitterFactor"),
    }
    return RestartStrategy(**{name: value for name, value in given.items() if value is not None})


def _given_duration(value: Any) -> int | None:
    return None if value is None else parse_duration(value)


def _lenient_duration(value: str | None) -> int | None:
    """The schedule's duration; a wrong one is refused by ``check_options``, when the rule is to run."""
    try:
        return parse_duration(value) if value else None
    except ValueError:
        return None


def check_options(content: Mapping[str, Any]) -> None:
    """Refuse a schedule that says nothing; the dialect lets these texts pass until a rule is created."""
    written = (content.get("options") or {}).get("duration")
    if written:
        try:
            parse_duration(written)
        except ValueError as error:
            raise DefinitionError(f"options.duration: {written}; {error}") from None
    options = options_of(content)
    if options.cron or options.cron_datetime_range:
        check_schedule(options)
