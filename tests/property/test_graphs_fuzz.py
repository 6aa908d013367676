"""Graphs that nobody would draw are refused in words; those that are taken compile, and run over any row."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.in_process import FixedEnvironment, registry, stream_of
from plutino.compiler import compile_ends, positions
from plutino.errors import PlutinoError
from plutino.model import Ref
from plutino.planner import plan_rule
from plutino.planner.graph import Emitter, read_graph, translate
from plutino.spi import DecodePlan, Program, RuleOptions, Suspended
from plutino.templates.go.printing import show

NAMES = ("a", "b", "look", "n1", "n2", "n3", "n4", "n5", "o1", "o2")
COLUMNS = st.sampled_from(["t", "x", "id", "a.t", "b.t", "look.id", "rows.t", "lag(t)", "count(*)", "t + x", "max(x)"])
CONDITIONS = st.builds(lambda column, op: f"{column} {op}", COLUMNS, st.sampled_from(["> 1", "= 1", "> x", "in (1, 2)"]))
CALLS = st.sampled_from(
    [
        "abs(t) as t",
        "abs(t) as x",
        "abs(x) as id",
        "rand() as x",
        "newuuid() as id",
        "lag(t) as x",
        "avg(t) as x",
        "count(*) as t",
        "unnest(x) as t",
    ]
)
FIELDS = st.one_of(COLUMNS, st.sampled_from(["*", "t as x", "x as t", "id as t", "a.*", "* except(t)"]))

PROPS: dict[str, st.SearchStrategy[dict[str, Any]]] = {
    "filter": st.fixed_dictionaries({"expr": CONDITIONS}),
    "function": st.fixed_dictionaries({"expr": CALLS}),
    "aggfunc": st.fixed_dictionaries({"expr": CALLS}),
    "pick": st.fixed_dictionaries({"fields": st.lists(FIELDS, min_size=1, max_size=3)}),
    "window": st.fixed_dictionaries(
        {
            "type": st.sampled_from(["tumblingwindow", "hoppingwindow", "slidingwindow", "sessionwindow", "countwindow"]),
            "unit": st.just("ss"),
            "size": st.integers(2, 3),
            "interval": st.just(2),
        }
    ),
    "groupby": st.fixed_dictionaries({"dimensions": st.lists(COLUMNS, min_size=1, max_size=2)}),
    "orderby": st.fixed_dictionaries({"sorts": st.lists(st.fixed_dictionaries({"field": COLUMNS}), min_size=1, max_size=2)}),
    "switch": st.fixed_dictionaries({"cases": st.lists(CONDITIONS, min_size=1, max_size=2), "stopAtFirstMatch": st.booleans()}),
    "watermark": st.fixed_dictionaries({"emitters": st.just(["a"])}),
    "join": st.fixed_dictionaries(
        {
            "from": st.sampled_from(["a", "a", "b"]),
            "joins": st.lists(
                st.fixed_dictionaries(
                    {
                        "name": st.sampled_from(["b", "look", "a"]),
                        "type": st.sampled_from(["inner", "left", "full"]),
                        "on": st.sampled_from(["a.id = b.id", "a.id = look.id", "b.id = look.id and a.t > 1"]),
                    }
                ),
                min_size=1,
                max_size=1,
            ),
        }
    ),
}


FOLLOWS = {
    "rows": ("filter", "function", "pick", "switch", "watermark", "window", "join"),
    "window": ("filter", "function", "aggfunc", "groupby", "orderby", "pick", "switch", "join"),
    "groups": ("aggfunc", "filter", "orderby", "pick", "switch"),
}
LEAVES = {"window": "window", "groupby": "groups", "aggfunc": "groups", "join": "window"}


@st.composite
def graphs(draw: st.DrawFn) -> dict[str, Any]:
    """Up to six operators behind one another or beside; what flows into each is mostly what it takes."""
    nodes: dict[str, Any] = {name: {"type": "source", "nodeType": "mqtt", "props": {}} for name in ("a", "b", "look")}
    edges: dict[str, list[Any]] = {}
    flow = {"a": "rows", "b": "rows"}
    for number in range(draw(st.integers(0, 6))):
        name = f"n{number}"
        start = draw(st.sampled_from(list(flow)[-2:]))
        odd = draw(st.integers(0, 15)) == 0
        kind = draw(st.sampled_from(sorted(PROPS) if odd else FOLLOWS[flow[start]]))
        nodes[name] = {"type": "operator", "nodeType": kind, "props": draw(PROPS[kind])}
        lead(nodes, edges, start, name)
        if kind in ("window", "watermark") and start != "b" and draw(st.booleans()):
            lead(nodes, edges, "b", name)
        if kind == "join":
            edges.setdefault("look", []).append(name)
        flow[name] = LEAVES.get(kind, flow[start])
    sinks = ["o1", "o2"]
    for number, name in enumerate(name for name in flow if name not in edges):
        lead(nodes, edges, name, sinks[number % 2])
    nodes |= {name: {"type": "sink", "nodeType": "nop", "props": {}} for name in sinks if any(name in str(ends) for ends in edges.values())}
    sources = [name for name in ("a", "b", "look") if name in edges]
    return {"nodes": {k: v for k, v in nodes.items() if k in edges or v["type"] == "sink"}, "topo": {"sources": sources, "edges": edges}}


def lead(nodes: dict[str, Any], edges: dict[str, list[Any]], start: str, end: str) -> None:
    """An edge; of a switch one for each case in turn."""
    cases = nodes[start]["props"].get("cases")
    targets = edges.setdefault(start, [])
    if cases is None:
        targets.append(end)
    elif len(targets) < len(cases):
        targets.append([end])
    else:
        targets[-1].append(end)


def environment() -> FixedEnvironment:
    """Two streams and a lookup table."""
    env = FixedEnvironment({Ref("stream", name): stream_of(name, '() WITH (FORMAT="json")') for name in ("a", "b")})
    env.definitions[Ref("table", "look")] = stream_of("look", '() WITH (KIND="lookup", KEY="id", TYPE="memory")', "table")
    return env


ENV = environment()
ROWS = ({"t": 1, "x": 2, "id": 1}, {"t": -5, "x": [1, 2], "id": 2}, {"t": None, "id": 1}, {"x": "text"}, {})


@settings(max_examples=300)
@given(graphs())
def test_graphs_are_refused_or_run(document: dict[str, Any]) -> None:
    """Whatever the nodes do, and in whatever order."""
    emitters = []
    for name in document["topo"]["sources"]:
        found = ENV.get(Ref("table", name)) or ENV.get(Ref("stream", name))
        assert found is not None
        emitters.append(Emitter(name, name, name, found.content))
    options = RuleOptions()
    try:
        graph = read_graph(document, "r")
        translation = translate(graph, tuple(emitters), ENV, options)
        ends = [plan_rule(ending.query, ENV, options, rule_id="r") for ending in translation.endings]
        rule = compile_ends(ends, tuple(translation.shared))
    except PlutinoError:
        return
    places = positions(rule, translation.roles)
    program: Program = rule.factory()
    assert all(at < len(program.operators) for place in places.values() for at in place.operators)
    program.start(0)
    json = registry().formats["json"]
    for stream, need in rule.needs.items():
        decoder = json.decoder(DecodePlan(need.columns, need.whole, need.kinds), msgspec.convert({}, json.options))
        out = program.push(stream, decoder.decode([msgspec.json.encode(row) for row in ROWS]))
        if not isinstance(out, Suspended) and out is not None:
            assert out.parts is None or len(out.parts) == len(ends)
    fresh: Program = rule.factory()
    fresh.start(0)
    fresh.restore(program.snapshot())
    fresh.advance(10_000)
    assert len(fresh.operators) == len(fresh.counters)


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=3), st.sampled_from(NAMES)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(("expr", "cases", "fields", "joins", "sorts", "dimensions", "from", "size", "type", *NAMES)), inner, max_size=3
        ),
    ),
    max_leaves=8,
)


@settings(max_examples=300)
@given(
    st.sampled_from(sorted(PROPS)),
    st.dictionaries(
        st.sampled_from(("expr", "cases", "fields", "joins", "sorts", "dimensions", "from", "size", "type", "interval", "emitters")),
        JSON,
        max_size=3,
    ),
)
def test_any_properties_are_refused_in_words(kind: str, props: dict[str, Any]) -> None:
    """With the node and what it was given in the message."""
    nodes = {
        "a": {"type": "source", "nodeType": "mqtt", "props": {}},
        "n": {"type": "operator", "nodeType": kind, "props": props},
        "o": {"type": "sink", "nodeType": "nop", "props": {}},
    }
    content = ENV.definitions[Ref("stream", "a")].content
    graph = read_graph({"nodes": nodes, "topo": {"sources": ["a"], "edges": {"a": ["n"], "n": ["o"]}}}, "r")
    text = refusal(lambda: translate(graph, (Emitter("a", "a", "a", content),), ENV, RuleOptions()))
    assert not text.startswith("parse ") or f" n with {show(props)} error: " in text


def refusal(act: Callable[[], object]) -> str:
    """What an error of ours says; empty without one."""
    try:
        act()
    except PlutinoError as error:
        return str(error)
    return ""
