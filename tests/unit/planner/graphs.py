"""Graphs of the tests, and what comes out of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import msgspec

from corpus.in_process import FixedEnvironment, registry, stream_of
from plutino.compiler import CompiledRule, compile_ends, compile_plan
from plutino.model import Batch, Ref
from plutino.planner import plan_rule
from plutino.planner.graph import Emitter, read_graph, script_functions, translate
from plutino.spi import DecodePlan, LookupAnswer, Program, RuleOptions, Suspended, Suspending, UserFunction
from plutino.sql import parse_select

START = 1_700_000_000_000
ROWS: tuple[dict[str, Any], ...] = (
    {"id": 1, "t": 10, "h": 3.5},
    {"id": 2, "t": -30, "h": 7.25},
    {"id": 1, "t": 25, "h": None},
    {"id": 3, "t": 41},
    {"id": 2, "t": 25, "h": 1.0},
    {"id": 1, "t": 7, "h": 2.0},
)
NAMES = {1: "pump", 2: "fan"}


def environment() -> FixedEnvironment:
    """Two schemaless streams and a lookup table."""
    env = FixedEnvironment()
    for name in ("a", "b"):
        env.definitions[Ref("stream", name)] = stream_of(name, '() WITH (FORMAT="json")')
    env.definitions[Ref("table", "devices")] = stream_of("devices", '() WITH (KIND="lookup", KEY="id", TYPE="memory")', "table")
    return env


def graph_of(*steps: tuple[str, dict[str, Any]], sources: tuple[str, ...] = ("a",)) -> dict[str, Any]:
    """Sources that lead into a line of operators and a sink."""
    nodes: dict[str, Any] = {name: {"type": "source", "nodeType": "mqtt", "props": {}} for name in sources}
    line = [f"n{number}" for number in range(len(steps))]
    nodes |= {name: {"type": "operator", "nodeType": kind, "props": props} for name, (kind, props) in zip(line, steps, strict=True)}
    nodes["out"] = {"type": "sink", "nodeType": "nop", "props": {}}
    edges: dict[str, Any] = {start: [end] for start, end in zip(line, [*line[1:], "out"], strict=True)}
    edges |= {name: [line[0] if line else "out"] for name in sources if name != "devices"}
    if "devices" in sources:
        edges["devices"] = [next(name for name, (kind, _) in zip(line, steps, strict=True) if kind == "join")]
    return {"nodes": nodes, "topo": {"sources": list(sources), "edges": edges}}


@dataclass
class Scripted(FixedEnvironment):
    """The streams, and the functions of script nodes."""

    scripts: dict[str, UserFunction] = field(default_factory=dict)

    def function(self, name: str) -> Any:
        return self.scripts.get(name)


def compiled_graph(document: dict[str, Any], options: RuleOptions = RuleOptions(), id: str = "r") -> CompiledRule:  # noqa: B008
    """A graph rule without the resources around it."""
    graph = read_graph(document, id)
    scripts = {name: UserFunction(spec, Ref("rule", id)) for name, spec in script_functions(graph, id).items()}
    env = Scripted(environment().definitions, scripts=scripts)
    emitters = []
    for name in graph.sources:
        found = env.get(Ref("table", name)) or env.get(Ref("stream", name))
        assert found is not None
        emitters.append(Emitter(name, name, name, found.content))
    translation = translate(graph, tuple(emitters), env, options)
    plans = [plan_rule(ending.query, env, options, rule_id="r") for ending in translation.endings]
    return compile_ends(plans, tuple(translation.shared))


def compiled_sql(sql: str, options: RuleOptions = RuleOptions()) -> CompiledRule:  # noqa: B008
    """An SQL rule."""
    return compile_plan(plan_rule(parse_select(sql), environment(), options, rule_id="r", text=sql))


def results(rule: CompiledRule, *rows: dict[str, Any], streams: tuple[str, ...] = ("a",), end: int | None = None) -> list[Any]:
    """The messages of a rule for rows that come 300 ms apart, to each stream in turn; ``end``: of that end alone."""
    program: Program = rule.factory()
    program.start(START)
    found: list[Any] = []
    now = START
    for number, row in enumerate(rows or ROWS):
        stream = streams[number % len(streams)]
        need, spec = rule.needs[stream], registry().formats["json"]
        decoder = spec.decoder(DecodePlan(need.columns, need.whole, need.kinds), msgspec.convert({}, spec.options))
        batch = decoder.decode([msgspec.json.encode(row)])
        batch.arrival = now
        found += shown(answered(program, program.push(stream, batch)), end)
        now += 300
        found += late(program, now, end)
    return found + late(program, now + 20_000, end)


def late(program: Program, until: int, end: int | None) -> list[Any]:
    """What comes as time goes on."""
    found = []
    while (deadline := program.next_deadline()) is not None and deadline <= until:
        found += shown(answered(program, program.advance(deadline)), end)
    return found


def answered(program: Program, out: Batch | Suspended | None) -> Batch | None:
    """What leaves when the lookup table has answered."""
    while isinstance(out, Suspended):
        assert isinstance(program, Suspending)
        asked: list[list[LookupAnswer]] = [
            [[{"id": query[0], "name": NAMES[query[0]]}] if query[0] in NAMES else [] for query in call.queries] for call in out.calls
        ]
        out = program.resume(out.token, asked)
    return out


def shown(out: Batch | None, end: int | None) -> list[Any]:
    """Messages: a row each, or a list of rows for a window; errors as their text."""
    if out is not None and out.parts is not None and end is not None:
        out = out.parts[end]
    if out is None:
        return []
    rows = [{k: v for k, v in row.items() if v is not msgspec.UNSET} for row in out.dicts()]
    messages: list[Any] = [error.text for error in out.errors or ()]
    if out.sizes is None:
        return messages + rows
    for size in out.sizes:
        messages.append(rows[:size])
        rows = rows[size:]
    return messages


FILTER = ("filter", {"expr": "t > 5"})
PICK = ("pick", {"fields": ["id", "t"]})


def window(kind: str, size: int, interval: int = 0, unit: str = "ss") -> tuple[str, dict[str, Any]]:
    """A window node."""
    return ("window", {"type": kind, "unit": unit, "size": size, "interval": interval})
