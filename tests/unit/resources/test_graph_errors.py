"""What is refused of a graph, worded as the original does (runtime reference §6)."""

from __future__ import annotations

from typing import Any

import pytest

from unit.rest.kit import Api


def source(kind: str = "memory", **props: Any) -> dict[str, Any]:
    """A source node."""
    return {"type": "source", "nodeType": kind, "props": {"datasource": "t", **props} if kind == "memory" and not props else props}


def operator(kind: str, **props: Any) -> dict[str, Any]:
    """An operator node; a trailing underscore is for words that Python keeps."""
    return {"type": "operator", "nodeType": kind, "props": {name.rstrip("_"): value for name, value in props.items()}}


SINK: dict[str, Any] = {"type": "sink", "nodeType": "memory", "props": {"topic": "o"}}
WINDOW = operator("window", type="tumblingwindow", unit="ss", size=1)


def graph(nodes: dict[str, Any], edges: dict[str, Any], sources: tuple[str, ...] = ("src",)) -> dict[str, Any]:
    """Nodes, with a source ``src`` and a sink ``out`` beside them."""
    return {"nodes": {"src": source(), "out": SINK, **nodes}, "topo": {"sources": list(sources), "edges": edges}}


def with_operator(node: dict[str, Any]) -> dict[str, Any]:
    """``src``, the node ``n`` and ``out``."""
    return graph({"n": node}, {"src": ["n"], "n": ["out"]})


def behind_window(*nodes: dict[str, Any]) -> dict[str, Any]:
    """A window and nodes behind it."""
    names = ["w", *(f"n{i}" for i in range(len(nodes)))]
    edges = {start: [end] for start, end in zip(["src", *names], [*names, "out"], strict=True)}
    return graph({"w": WINDOW, **dict(zip(names[1:], nodes, strict=True))}, edges)


def two_sources(node: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Two sources that lead into one node."""
    return graph({"b": source(), "n": node, **more}, {"src": ["n"], "b": ["n"], "n": ["out"]}, ("src", "b"))


STRUCTURE = [
    ({}, "Rule r has a graph with nothing; nodes and topo are expected"),
    ({"nodes": {"src": source()}}, "Rule r has a graph with nodes; nodes and topo are expected"),
    (graph({}, {"src": ["out"]}, ("nope",)), "source node nope not defined"),
    (graph({}, {}), "no edge defined for source node src"),
    (graph({"n": operator("filter", expr="a > 1")}, {"src": ["n", "out"]}), "no edge defined for operator node n"),
    (graph({}, {"src": ["out"], "out": ["src"]}), "sink out has edge"),
    (with_operator(operator("wat")), "unknown operator type wat"),
    (graph({"n": {"type": "wat", "nodeType": "x", "props": {}}}, {"src": ["out"]}), "unknown node type wat"),
    (graph({}, {"src": ["missing"]}), "node missing is not defined"),
    (graph({}, {"src": ["out"], "missing": ["out"]}), "node missing is not defined"),
    (graph({}, {"src": [1]}), "invalid edge toNode 1; the name of a node is expected"),
    (graph({"n": operator("filter", expr="a > 1")}, {"src": ["out"], "n": ["out"]}), "operator n of type filter has no input"),
    (graph({"o2": SINK}, {"src": ["out"]}), "can't find node o2: no edge leads to it"),
    (graph({"b": source()}, {"src": ["out"]}), "can't find node b: it is missing in topo.sources"),
    (
        graph({"n": operator("filter", expr="a > 1")}, {"src": [["out"], ["n"]], "n": ["out"]}),
        "node src is not a switch node but have multiple output",
    ),
    (
        graph(
            {"n": operator("watermark", emitters=["src"]), "m": operator("filter", expr="a > 1")},
            {"src": ["n"], "n": ["m"], "m": ["n", "out"]},
        ),
        "graph: nodes out, n, m lead back to themselves; a way from sources to sinks is expected",
    ),
    (
        {"nodes": {"src": source(), "n": WINDOW}, "topo": {"sources": ["src"], "edges": {"src": ["n"], "n": []}}},
        "graph has no sink; a node of type sink is expected",
    ),
]

INPUTS = [
    (two_sources(operator("filter", expr="a > 1")), "operator n of type filter does not allow multiple inputs"),
    (
        two_sources(operator("join", from_="src", joins=[{"name": "b", "type": "inner", "on": "src.a = b.a"}])),
        "join node n does not allow multiple stream inputs",
    ),
    (
        with_operator(operator("aggfunc", expr="avg(a) as m")),
        "node src output does not match node n input: input type mismatch, expect collection, got row",
    ),
    (
        with_operator(operator("groupby", dimensions=["a"])),
        "node src output does not match node n input: input type mismatch, expect collection, got row",
    ),
    (
        with_operator(operator("orderby", sorts=[{"field": "a"}])),
        "node src output does not match node n input: input type mismatch, expect collection, got row",
    ),
    (behind_window(WINDOW), "node w output does not match node n0 input: input type mismatch, expect row, got collection"),
    (
        behind_window(operator("groupby", dimensions=["a"]), operator("function", expr="abs(a)")),
        "node n0 output does not match node n1 input: collection type mismatch, expect non-grouped collection, got grouped collection",
    ),
]

PROPERTIES = [
    (operator("filter"), "parse filter n with map[] error: no expr"),
    (operator("filter", expr=1), "parse filter n with map[expr:1] error: expr 1 is not string"),
    (operator("filter", expr="a >"), 'parse filter n with map[expr:a >] error: found "EOF", expected expression.'),
    (operator("filter", expr="nofunc(a) > 1"), "parse filter n with map[expr:nofunc(a) > 1] error: function nofunc not found"),
    (operator("function"), "parse function n with map[] error: no expr"),
    (operator("function", expr="a + 1"), "parse function n with map[expr:a + 1] error: expr a + 1 is not ast.Call"),
    (
        operator("function", expr="abs()"),
        "parse function n with map[expr:abs()] error: validate function abs error: Expect 1 arguments but found 0.",
    ),
    (operator("pick", fields=[]), 'parse pick n with map[fields:[]] error: found "FROM", expected expression.'),
    (operator("pick", fields=["a", "b as a"]), "duplicate field definition a"),
    (
        operator("window", type="tumblingwindow", unit="ss"),
        "parse window conf n with map[type:tumblingwindow unit:ss] error: window size 0 is invalid",
    ),
    (operator("window", type="x", size=1), "parse window conf n with map[size:1 type:x] error: unknown window type x"),
    (
        operator("window", type="tumblingwindow", size=1, unit="x"),
        "parse window conf n with map[size:1 type:tumblingwindow unit:x] error: Invalid unit x",
    ),
    (operator("window", type="tumblingwindow", size=2, interval=1), "…tumbling window interval must equal to size"),
    (operator("window", type="hoppingwindow", size=2), "…hopping window interval must be greater than 0"),
    (operator("window", type="hoppingwindow", size=2, interval=3), "…hopping window interval must be less than size"),
    (operator("window", type="sessionwindow", size=2), "…hopping window interval must be greater than 0"),
    (operator("window", type="countwindow", size=2, interval=3), "…count window interval must be less than size"),
    (operator("window", type="countwindow", size=2, interval=-3), "…count window interval must be greater or equal to 0"),
    (operator("groupby"), "parse groupby n with map[] error: groupby must have at least one dimension"),
    (operator("groupby", dimensions=["a,"]), '…invalid join statement error: found "EOF", expected expression.'),
    (operator("groupby", dimensions=["a having b > 1"]), "…more than one clause; the properties of this node hold group by alone"),
    (operator("orderby"), "parse orderby n with map[] error: order by statement is empty"),
    (operator("orderby", sorts=[{"field": "a", "order": "up"}]), "…order up; asc or desc is expected"),
    (operator("switch", cases=[]), "parse switch n with map[cases:[]] error: switch node must have at least one case"),
    (operator("switch", cases=["a >"]), '…parse case 0 error: found "EOF", expected expression.'),
    (operator("watermark", emitters=[]), "parse watermark n with map[emitters:[]] error: watermark must have at least one emitter"),
    (operator("watermark", emitters=["x"]), "parse watermark n with map[emitters:[x]] error: emitter x does not exist"),
    (operator("join", from_="x", joins=[{"name": "y", "type": "inner", "on": "x.a = y.a"}]), "…join source x is not a stream"),
    (
        operator("join", from_="src", joins=[{"name": "y", "type": "inner", "on": "src.a = y.a"}]),
        "…join target y is no source of the graph; src are",
    ),
    (operator("join", from_="src", joins=[]), "…no joins; at least one is expected"),
    (operator("script"), "parse script n with map[] error: script node must have script"),
    (operator("script", script="function other(msg) { return msg }"), '…error: cannot find function "exec" in script'),
    (operator("script", script="function exec(msg) {"), "…"),
]

SOURCES = [
    (source("nosuchtype"), "parse source src with map[] error: source type nosuchtype not found"),
    (source("mqtt", sourceName="gone"), "…fail to get stream gone, please check if stream is created"),
    (
        source("mqtt", sourceName="demo", sourceType="x"),
        "parse source src with map[sourceName:demo sourceType:x] error: source type x not supported",
    ),
    (source("mqtt", sourceName="demo", sourceType="table"), "…stream demo is not a table"),
    (source("memory", sourceName="scan"), "…table scan is not a stream"),
    (source("httppush", sourceName="demo"), "…source type httppush does not match the stream type memory"),
    (source("memory", datasource=["a"]), "…'datasource': [a]; a text is expected"),
]


async def refusal(api: Api, document: dict[str, Any], **fields: Any) -> str:
    """The message for a rule with this graph."""
    answer = await api.ask("POST", "/rules", {"id": "r", "graph": document, **fields})
    assert (answer.status, answer.json["error"]) == (400, 1000), answer.text
    assert (await api.ask("GET", "/rules/r")).status == 404
    message: str = answer.json["message"]
    return message


@pytest.mark.parametrize(("document", "message"), [*STRUCTURE, *INPUTS], ids=lambda value: value if isinstance(value, str) else "")
async def test_what_does_not_belong_together(api: Api, document: dict[str, Any], message: str) -> None:
    """Nodes and edges."""
    assert await refusal(api, document) == message


@pytest.mark.parametrize(("node", "message"), PROPERTIES, ids=lambda value: value if isinstance(value, str) else "")
async def test_wrong_properties(api: Api, node: dict[str, Any], message: str) -> None:
    """The kind, the node and its properties stand in front."""
    found = await refusal(api, with_operator(node))
    assert found == message or (message.startswith("…") and found.endswith(message[1:])), found


@pytest.mark.parametrize(("node", "message"), SOURCES, ids=lambda value: value if isinstance(value, str) else "")
async def test_wrong_sources(api: Api, node: dict[str, Any], message: str) -> None:
    """Of a type, or with the name of a stream."""
    await api.stream()
    await api.ask("POST", "/tables", {"sql": 'CREATE TABLE scan () WITH (TYPE="memory", DATASOURCE="x", FORMAT="json")'})
    document = graph({}, {"src": ["out"]})
    document["nodes"]["src"] = node
    found = await refusal(api, document)
    assert found == message or (message.startswith("…") and found.endswith(message[1:])), found


async def test_tables_in_joins(api: Api) -> None:
    """Scan tables are not joined, lookup tables with one stream alone."""
    await api.ask("POST", "/tables", {"sql": 'CREATE TABLE scan () WITH (TYPE="memory", DATASOURCE="x", FORMAT="json")'})
    await api.ask("POST", "/tables", {"sql": 'CREATE TABLE look () WITH (TYPE="memory", DATASOURCE="x", KIND="lookup", KEY="a")'})
    document = graph(
        {
            "t": source("memory", sourceName="scan", sourceType="table"),
            "l": source("memory", sourceName="look", sourceType="table"),
            "w": WINDOW,
            "n": operator("join", from_="src", joins=[{"name": "scan", "type": "inner", "on": "src.a = scan.a"}]),
        },
        {"src": ["w"], "w": ["n"], "t": ["n"], "l": ["n"], "n": ["out"]},
        ("src", "t", "l"),
    )
    assert (await refusal(api, document)).endswith("error: do not support scan table [scan] yet")
    joins = [{"name": name, "type": "inner", "on": f"src.a = {name}.a"} for name in ("look", "scan")]
    document["nodes"]["n"]["props"]["joins"] = joins
    assert (await refusal(api, document)).endswith("error: only support to join one lookup table with one stream")
    del document["nodes"]["t"], document["topo"]["edges"]["t"]
    document["topo"]["sources"] = ["src", "l"]
    document["nodes"]["n"]["props"]["joins"] = [{"name": "look", "type": "inner", "on": "src.a > look.a"}]
    assert (await refusal(api, document)).endswith("is invalid, at least one equi-join predicate is required")


async def test_columns_that_were_not_picked_are_gone(api: Api) -> None:
    """A node that reads one behind the pick could never work."""
    nodes = {"p": operator("pick", fields=["a"]), "f": operator("filter", expr="b > 1")}
    message = await refusal(api, graph(nodes, {"src": ["p"], "p": ["f"], "f": ["out"]}))
    assert message == "node f reads b; the nodes before it have picked a"


async def test_outputs_of_a_switch_that_are_no_case(api: Api) -> None:
    """Nothing would ever leave there."""
    nodes = {"s": operator("switch", cases=["a > 1"]), "o2": SINK}
    message = await refusal(api, graph(nodes, {"src": ["s"], "s": [["out"], ["o2"]]}))
    assert message == "switch has 1 cases, but output 1 is connected"


async def test_slice_tuples_are_not_for_graphs(api: Api) -> None:
    """As the original says."""
    message = await refusal(api, graph({}, {"src": ["out"]}), options={"experiment": {"useSliceTuple": True}})
    assert message == "graph mode does not support slice-tuple mode"


async def test_unknown_sinks(api: Api) -> None:
    """As for actions."""
    document = graph({}, {"src": ["out"]})
    document["nodes"]["out"] = {"type": "sink", "nodeType": "nosuchsink", "props": {}}
    answer = await api.ask("POST", "/rules", {"id": "r", "graph": document})
    assert answer.json["message"] == "sink nosuchsink is not defined"


async def test_ways_that_part_and_meet_again_have_an_end(api: Api) -> None:
    """Each doubles the ways, so that a graph of a few nodes could take for ever."""
    nodes: dict[str, Any] = {}
    edges: dict[str, Any] = {"src": ["a0", "b0"]}
    for level in range(20):
        nodes |= {f"{side}{level}": operator("filter", expr="a > 1") for side in "ab"}
        nodes[f"m{level}"] = operator("watermark", emitters=["src"])
        edges |= {f"a{level}": [f"m{level}"], f"b{level}": [f"m{level}"], f"m{level}": [f"a{level + 1}", f"b{level + 1}"]}
    edges["m19"] = ["out"]
    assert "more than 10000 steps" in await refusal(api, graph(nodes, edges))
