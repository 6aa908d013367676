"""A graph and the statement that says the same give the same rows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest

from corpus.in_process import FixedEnvironment, registry, stream_of
from plutino.compiler import CompiledRule, compile_ends, compile_plan
from plutino.errors import UnsupportedError
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


SINGLE: list[tuple[str, list[tuple[str, dict[str, Any]]], str]] = [
    ("nothing", [("pick", {"fields": ["*"]})], "SELECT * FROM a"),
    ("filter", [FILTER, PICK], "SELECT id, t FROM a WHERE t > 5"),
    ("two filters", [FILTER, ("filter", {"expr": "id = 1"})], "SELECT * FROM a WHERE t > 5 AND id = 1"),
    ("function", [("function", {"expr": "abs(t) as x"})], "SELECT *, abs(t) AS x FROM a"),
    ("function without alias", [("function", {"expr": "abs(t)"}), ("pick", {"fields": ["abs"]})], "SELECT abs(t) FROM a"),
    (
        "filter on what a function gave",
        [("function", {"expr": "abs(t) as x"}), ("filter", {"expr": "x > 20"}), ("pick", {"fields": ["x", "t"]})],
        "SELECT abs(t) AS x, t FROM a WHERE abs(t) > 20",
    ),
    (
        "a function over a column that a filter has read",
        [FILTER, ("function", {"expr": "power(t, 2) as t"}), ("filter", {"expr": "t > 100"}), ("pick", {"fields": ["t"]})],
        "SELECT power(a.t, 2) AS t FROM a WHERE a.t > 5 AND power(a.t, 2) > 100",
    ),
    (
        "a result of the same name twice",
        [("function", {"expr": "abs(t) as t"}), ("filter", {"expr": "t > 9"}), ("function", {"expr": "sqrt(t) as t"}), PICK],
        "SELECT id, sqrt(abs(a.t)) AS t FROM a WHERE abs(a.t) > 9",
    ),
    ("names exchanged", [("pick", {"fields": ["id as t", "t as id"]})], "SELECT a.id AS t, a.t AS id FROM a"),
    (
        "pick after pick",
        [("pick", {"fields": ["t as x", "id"]}), ("filter", {"expr": "x > 5"}), ("pick", {"fields": ["x + id as y", "x"]})],
        "SELECT t + id AS y, t AS x FROM a WHERE t > 5",
    ),
    ("a function after pick", [PICK, ("function", {"expr": "abs(t) as x"})], "SELECT id, t, abs(t) AS x FROM a"),
    (
        "an analytic function before a filter",
        [("function", {"expr": "lag(t) as p"}), ("filter", {"expr": "t > 5"}), ("pick", {"fields": ["p"]})],
        "SELECT lag(t) AS p FROM a WHERE t > 5",
    ),
    (
        "an analytic function behind a filter",
        [FILTER, ("function", {"expr": "lag(t) as p"}), ("pick", {"fields": ["p"]})],
        "SELECT lag(t) AS p FROM (SELECT * FROM a WHERE t > 5) AS a",
    ),
    (
        "aggregates of windows",
        [FILTER, window("tumblingwindow", 1), ("aggfunc", {"expr": "avg(t) as m"}), ("pick", {"fields": ["m"], "isAgg": True})],
        "SELECT avg(t) AS m FROM a WHERE t > 5 GROUP BY TUMBLINGWINDOW(ss, 1)",
    ),
    (
        "a filter in front of a count window",
        [FILTER, window("countwindow", 2), ("aggfunc", {"expr": "sum(t) as s"}), ("pick", {"fields": ["s"]})],
        "SELECT sum(t) AS s FROM (SELECT * FROM a WHERE t > 5) AS a GROUP BY COUNTWINDOW(2)",
    ),
    (
        "a filter behind a count window",
        [window("countwindow", 3), FILTER, PICK],
        "SELECT id, t FROM a WHERE t > 5 GROUP BY COUNTWINDOW(3)",
    ),
    (
        "groups, a condition on them, and an order",
        [
            window("tumblingwindow", 2),
            ("groupby", {"dimensions": ["id"]}),
            ("aggfunc", {"expr": "count(*) as c"}),
            ("filter", {"expr": "c > 1"}),
            ("orderby", {"sorts": [{"field": "id", "desc": True}]}),
            ("pick", {"fields": ["id", "c"]}),
        ],
        "SELECT id, count(*) AS c FROM a GROUP BY id, TUMBLINGWINDOW(ss, 2) HAVING count(*) > 1 ORDER BY id DESC",
    ),
    (
        "a condition on the keys of groups",
        [window("tumblingwindow", 2), ("groupby", {"dimensions": ["id"]}), ("filter", {"expr": "id < 3"}), ("pick", {"fields": ["id"]})],
        "SELECT id FROM a WHERE id < 3 GROUP BY id, TUMBLINGWINDOW(ss, 2)",
    ),
    (
        "an order by two keys",
        [window("tumblingwindow", 2), ("orderby", {"sorts": [{"field": "id"}, {"field": "t", "order": "desc"}]}), PICK],
        "SELECT id, t FROM a GROUP BY TUMBLINGWINDOW(ss, 2) ORDER BY id, t DESC",
    ),
    (
        "hopping windows",
        [window("hoppingwindow", 1000, 500, "ms"), ("aggfunc", {"expr": "max(t) as m"}), ("pick", {"fields": ["m"]})],
        "SELECT max(t) AS m FROM a GROUP BY HOPPINGWINDOW(ms, 1000, 500)",
    ),
    (
        "sliding windows",
        [FILTER, window("slidingwindow", 1), ("aggfunc", {"expr": "count(*) as c"}), ("pick", {"fields": ["c"]})],
        "SELECT count(*) AS c FROM (SELECT * FROM a WHERE t > 5) AS a GROUP BY SLIDINGWINDOW(ss, 1)",
    ),
    (
        "session windows",
        [FILTER, window("sessionwindow", 10, 1), ("aggfunc", {"expr": "count(*) as c"}), ("pick", {"fields": ["c"]})],
        "SELECT count(*) AS c FROM (SELECT * FROM a WHERE t > 5) AS a GROUP BY SESSIONWINDOW(ss, 10, 1)",
    ),
]


@pytest.mark.parametrize(("name", "steps", "sql"), SINGLE, ids=[case[0] for case in SINGLE])
def test_a_line_of_nodes(name: str, steps: list[tuple[str, dict[str, Any]]], sql: str) -> None:
    """One source, one sink."""
    expected = results(compiled_sql(sql))
    assert results(compiled_graph(graph_of(*steps))) == expected
    assert expected


def test_an_aggregate_without_pick_shows_the_columns_too() -> None:
    """As the original, which sends what its windows hold."""
    rule = compiled_graph(graph_of(window("countwindow", 6), ("aggfunc", {"expr": "count(*) as c"})))
    assert results(rule) == results(compiled_sql("SELECT *, count(*) AS c FROM a GROUP BY COUNTWINDOW(6)"))


def test_a_filter_behind_a_session_does_not_end_it() -> None:
    """Rows that it drops still hold the session together."""
    rule = compiled_graph(graph_of(window("sessionwindow", 10_000, 400, "ms"), ("filter", {"expr": "t > 20"}), PICK))
    assert results(rule) == [[{"id": 1, "t": 25}, {"id": 3, "t": 41}, {"id": 2, "t": 25}]]


@pytest.mark.parametrize("kind", ["inner", "left", "full"])
def test_streams_of_a_window_are_joined(kind: str) -> None:
    """By the names of the sources; conditions in front of the window hold for one stream."""
    join = ("join", {"from": "a", "joins": [{"name": "b", "type": kind, "on": "a.id = b.id"}]})
    pick = ("pick", {"fields": ["a.t as x", "b.t as y"]})
    rule = compiled_graph(graph_of(window("tumblingwindow", 10), join, pick, sources=("a", "b")))
    sql = f"SELECT a.t AS x, b.t AS y FROM a {kind} JOIN b ON a.id = b.id GROUP BY TUMBLINGWINDOW(ss, 10)"
    assert results(rule, streams=("a", "b")) == results(compiled_sql(sql), streams=("a", "b"))


def test_a_filter_in_front_of_the_window_of_a_join() -> None:
    """Belongs to its stream alone."""
    join = ("join", {"from": "a", "joins": [{"name": "b", "type": "left", "on": "a.id = b.id"}]})
    document = graph_of(window("tumblingwindow", 10), join, ("pick", {"fields": ["a.t as x", "b.t as y"]}), sources=("a", "b"))
    document["nodes"]["f"] = {"type": "operator", "nodeType": "filter", "props": {"expr": "t > 5"}}
    document["topo"]["edges"] |= {"b": ["f"], "f": ["n0"]}
    sql = "SELECT a.t AS x, b.t AS y FROM a LEFT JOIN (SELECT * FROM b WHERE t > 5) AS b ON a.id = b.id GROUP BY TUMBLINGWINDOW(ss, 10)"
    assert results(compiled_graph(document), streams=("a", "b")) == results(compiled_sql(sql), streams=("a", "b"))


def test_rows_are_joined_with_a_lookup_table() -> None:
    """The original gives none."""
    join = ("join", {"from": "a", "joins": [{"name": "devices", "type": "inner", "on": "a.id = devices.id"}]})
    steps = [FILTER, join, ("filter", {"expr": 'devices.name = "pump"'}), ("pick", {"fields": ["a.t", "devices.name"]})]
    rule = compiled_graph(graph_of(*steps, sources=("a", "devices")))
    assert rule.tables == ("devices",)
    assert results(rule) == [[{"t": t, "name": "pump"}] for t in (10, 25, 7)]


def test_rows_of_several_streams_share_a_window() -> None:
    """Without a join they are put together."""
    count = ("aggfunc", {"expr": "count(*) as c"})
    rule = compiled_graph(graph_of(window("countwindow", 4), count, ("pick", {"fields": ["c"]}), sources=("a", "b")))
    assert results(rule, streams=("a", "b")) == [[{"c": 4}]]


def test_a_sink_takes_rows_of_several_nodes() -> None:
    """Each by itself."""
    document = graph_of(FILTER)
    document["nodes"]["g"] = {"type": "operator", "nodeType": "filter", "props": {"expr": "t < 0"}}
    document["topo"]["edges"] |= {"a": ["n0", "g"], "g": ["out"]}
    assert [row["t"] for row in results(compiled_graph(document))] == [10, -30, 25, 41, 25, 7]


def switching(*cases: str, first: bool) -> dict[str, Any]:
    """A switch with a sink for each case."""
    document = graph_of(("switch", {"cases": list(cases), "stopAtFirstMatch": first}))
    del document["nodes"]["out"]
    sinks = [f"s{number}" for number in range(len(cases))]
    document["nodes"] |= {name: {"type": "sink", "nodeType": "nop", "props": {}} for name in sinks}
    document["topo"]["edges"]["n0"] = [[name] for name in sinks]
    return document


@pytest.mark.parametrize(("first", "second"), [(False, [25, 41, 25]), (True, [])])
def test_a_switch_has_an_end_for_each_case(first: bool, second: list[int]) -> None:
    """With ``stopAtFirstMatch`` a row leaves once; what no case takes is dropped."""
    rule = compiled_graph(switching("t > 5", "t > 20", "h = 7.25", first=first))
    assert [row["t"] for row in results(rule, end=0)] == [10, 25, 41, 25, 7]
    assert [row["t"] for row in results(rule, end=1)] == second
    assert [row["t"] for row in results(rule, end=2)] == [-30]


def test_a_switch_asks_aggregates_of_the_whole_window() -> None:
    """The window goes where its condition holds, with all its rows."""
    document = switching("max(t) > 40", "max(t) <= 40", first=True)
    document["nodes"]["w"] = {"type": "operator", "nodeType": "window", "props": {"type": "countwindow", "size": 3}}
    document["topo"]["edges"] |= {"a": ["w"], "w": ["n0"]}
    assert [[row["t"] for row in message] for message in results(compiled_graph(document), end=0) if message] == [[41, 25, 7]]
    assert [[row["t"] for row in message] for message in results(compiled_graph(document), end=1) if message] == [[10, -30, 25]]


def test_columns_of_groups_are_those_of_the_first_row() -> None:
    """In a filter behind groups, and in a switch behind a window, which goes one way as a whole."""
    steps = [window("countwindow", 6), ("groupby", {"dimensions": ["id"]}), ("filter", {"expr": "h < 4"}), ("pick", {"fields": ["id"]})]
    assert results(compiled_graph(graph_of(*steps))) == [[{"id": 1}]]
    document = switching("t < 0", "t >= 0", first=True)
    document["nodes"]["w"] = {"type": "operator", "nodeType": "window", "props": {"type": "countwindow", "size": 2}}
    document["topo"]["edges"] |= {"a": ["w"], "w": ["n0"]}
    assert [[row["t"] for row in message] for message in results(compiled_graph(document), end=1) if message] == [
        [10, -30],
        [25, 41],
        [25, 7],
    ]


def test_a_filter_may_compare_rows_with_their_window() -> None:
    """Aggregates are those of the whole window, row by row."""
    rule = compiled_graph(graph_of(window("countwindow", 6), ("filter", {"expr": "t > avg(t)"}), ("pick", {"fields": ["t"]})))
    assert results(rule) == [[{"t": 25}, {"t": 41}, {"t": 25}]]
    kept = ("filter", {"expr": "t > 8"})
    average = ("filter", {"expr": "t >= avg(t)"})
    expected = [[{"t": 41}]]
    for steps in ([kept, window("tumblingwindow", 10), average], [window("tumblingwindow", 10), kept, average]):
        assert results(compiled_graph(graph_of(*steps, ("pick", {"fields": ["t"]})))) == expected
    with pytest.raises(UnsupportedError, match="node n2 compares rows with their window behind another filter"):
        compiled_graph(graph_of(window("countwindow", 6), kept, average))


def test_aggregates_that_depend_on_an_order_stand_in_front_of_it() -> None:
    """A statement sorts what it has aggregated; for the others it is all the same."""
    order = ("orderby", {"sorts": [{"field": "t"}]})
    total = [window("countwindow", 6), order, ("aggfunc", {"expr": "sum(t) as s"}), ("pick", {"fields": ["s"]})]
    assert results(compiled_graph(graph_of(*total))) == [[{"s": 78}]]
    with pytest.raises(UnsupportedError, match="node n2 calls collect behind an orderby"):
        compiled_graph(graph_of(window("countwindow", 6), order, ("aggfunc", {"expr": "collect(t) as l"})))


def test_several_ends_go_on_after_a_restart() -> None:
    """Each with its own state."""
    document = graph_of(window("countwindow", 4), ("aggfunc", {"expr": "sum(t) as s"}), ("pick", {"fields": ["s"]}))
    document["nodes"]["raw"] = {"type": "sink", "nodeType": "nop", "props": {}}
    document["topo"]["edges"]["a"] = ["n0", "raw"]
    rule = compiled_graph(document)
    program: Program = rule.factory()
    program.start(START)
    need, spec = rule.needs["a"], registry().formats["json"]
    decoder = spec.decoder(DecodePlan(need.columns, need.whole, need.kinds), msgspec.convert({}, spec.options))
    found = []
    for row in ROWS[:4]:
        fresh: Program = rule.factory()
        fresh.start(START)
        fresh.restore(program.snapshot())
        program = fresh
        batch = decoder.decode([msgspec.json.encode(row)])
        batch.arrival = START
        found += shown(answered(program, program.push("a", batch)), 0)
    assert found == [[{"s": 46}]]


def test_event_time_keeps_nodes_in_front_of_the_window_in_one_statement() -> None:
    """A filter and a function are no reason to lose the time of the rows."""
    options = RuleOptions(is_event_time=True)
    env_text = '() WITH (FORMAT="json", TIMESTAMP="id")'
    env = FixedEnvironment({Ref("stream", "a"): stream_of("a", env_text)})
    document = graph_of(
        ("watermark", {"emitters": ["a"]}),
        ("function", {"expr": "abs(t) as x"}),
        ("filter", {"expr": "x > 5"}),
        window("countwindow", 2),
        ("aggfunc", {"expr": "sum(x) as s"}),
        ("pick", {"fields": ["s"]}),
    )
    content = env.definitions[Ref("stream", "a")].content
    ending, *_ = translate(read_graph(document, "r"), (Emitter("a", "a", "a", content),), env, options).endings
    assert compile_plan(plan_rule(ending.query, env, options, rule_id="r")).streams == ("a",)


@pytest.mark.parametrize("kind", ["inner", "left"])
def test_filters_in_front_of_a_join_in_event_time(kind: str) -> None:
    """They are asked behind the window, as the rows must keep their times; the rows are the same."""
    streams = {Ref("stream", name): stream_of(name, '() WITH (FORMAT="json", TIMESTAMP="ts")') for name in ("a", "b")}
    env, options = FixedEnvironment(streams), RuleOptions(is_event_time=True)
    document = graph_of(
        ("watermark", {"emitters": ["a", "b"]}),
        window("tumblingwindow", 1),
        ("join", {"from": "a", "joins": [{"name": "b", "type": kind, "on": "a.id = b.id"}]}),
        ("pick", {"fields": ["a.t as x", "b.t as y"]}),
        sources=("a", "b"),
    )
    for name in ("a", "b"):
        document["nodes"][f"f{name}"] = {"type": "operator", "nodeType": "filter", "props": {"expr": "t > 5"}}
        document["topo"]["edges"] |= {name: [f"f{name}"], f"f{name}": ["n0"]}
    emitters = tuple(Emitter(name, name, name, streams[Ref("stream", name)].content) for name in ("a", "b"))
    (ending,) = translate(read_graph(document, "r"), emitters, env, options).endings
    sql = f"SELECT a.t AS x, b.t AS y FROM a {kind} JOIN b ON a.id = b.id AND b.t > 5 WHERE a.t > 5 GROUP BY TUMBLINGWINDOW(ss, 1)"
    assert ending.query == parse_select(sql)


def script(text: str, **props: Any) -> tuple[str, dict[str, Any]]:
    """A script node whose function has this body."""
    return ("script", {"script": f"function exec(msg, meta) {{ {text} }}", **props})


SCRIPTED: list[tuple[str, list[tuple[str, dict[str, Any]]], list[Any]]] = [
    ("a row changed", [script("msg.t = msg.t * 2; return msg"), PICK], [{"id": r["id"], "t": r["t"] * 2} for r in ROWS]),
    ("rows left out", [script("return msg.t > 20 ? {big: msg.t} : null")], [{"big": 25}, {"big": 41}, {"big": 25}]),
    ("several rows", [("filter", {"expr": "t > 40"}), script("return [{a: 1}, {a: msg.t}]")], [{"a": 1}, {"a": 41}]),
    (
        "what nodes in front have computed",
        [("filter", {"expr": "t > 40"}), ("function", {"expr": "abs(t) as x"}), PICK, script("return {k: Object.keys(msg).sort().join()}")],
        [{"k": "id,t"}],
    ),
    (
        "a filter behind",
        [("function", {"expr": "abs(t) as x"}), script("return {y: msg.x + 1}"), ("filter", {"expr": "y > 30"})],
        [{"y": 31}, {"y": 42}],
    ),
    ("rows of a window", [window("countwindow", 3), script("return {n: msg.length}", isAgg=True)], [[{"n": 3}], [{"n": 3}]]),
    (
        "each row of a window",
        [window("countwindow", 3), script("return {t: msg.t}")],
        [[{"t": 10}, {"t": -30}, {"t": 25}], [{"t": 41}, {"t": 25}, {"t": 7}]],
    ),
    (
        "a group",
        [
            window("countwindow", 6),
            ("groupby", {"dimensions": ["id"]}),
            ("aggfunc", {"expr": "max(t) as m"}),
            script("return {r: msg.id + msg.m}"),
        ],
        [[{"r": 26}, {"r": 27}, {"r": 44}]],
    ),
    (
        "a window behind",
        [script("return {v: msg.t}"), window("countwindow", 6), ("aggfunc", {"expr": "max(v) as m"}), ("pick", {"fields": ["m"]})],
        [[{"m": 41}]],
    ),
    ("no row", [("filter", {"expr": "t > 40"}), script("return 5")], ["call func"]),
]


@pytest.mark.parametrize(("name", "steps", "expected"), SCRIPTED, ids=[case[0] for case in SCRIPTED])
def test_scripts(name: str, steps: list[tuple[str, dict[str, Any]]], expected: list[Any]) -> None:
    """They get a row, or with ``isAgg`` all rows of a window, and give an object, an array of objects, or nothing."""
    pytest.importorskip("quickjs")
    found = results(compiled_graph(graph_of(*steps)))
    if name == "no row":
        assert "exec of the script gives 5; an object, or an array of objects, is expected" in found[0]
    else:
        assert found == expected


def parting(*steps: tuple[str, dict[str, Any]]) -> dict[str, Any]:
    """A line of operators that leads to two sinks, one of them through a filter."""
    document = graph_of(*steps)
    document["nodes"] |= {"f": {"type": "operator", "nodeType": "filter", "props": {"expr": "t > 0"}}, "o2": document["nodes"]["out"]}
    document["topo"]["edges"] |= {f"n{len(steps) - 1}": ["out", "f"], "f": ["o2"]}
    return document


def test_what_may_differ_is_computed_once_for_all_ends() -> None:
    """Both sinks see the same id; what is the same each time is computed where it is needed."""
    document = parting(("function", {"expr": "newuuid() as key"}), ("function", {"expr": "abs(t) as x"}))
    rule = compiled_graph(document)
    first, second = results(rule, end=0), results(rule, end=1)
    assert [row["x"] for row in first] == [abs(row["t"]) for row in ROWS]
    assert [row["x"] for row in second] == [row["t"] for row in ROWS if row["t"] > 0]
    program: Program = rule.factory()
    program.start(START)
    need, spec = rule.needs["a"], registry().formats["json"]
    decoder = spec.decoder(DecodePlan(need.columns, need.whole, need.kinds), msgspec.convert({}, spec.options))
    out = answered(program, program.push("a", decoder.decode([msgspec.json.encode({"t": 1})])))
    assert shown(out, 0) == shown(out, 1)
    assert len(shown(out, 0)[0]["key"]) == 36


def test_stages_that_all_ends_share_read_one_another() -> None:
    """In their order; a script runs once for each row."""
    pytest.importorskip("quickjs")
    count = script("globalThis.n = (globalThis.n || 0) + 1; msg.n = globalThis.n; return msg")
    document = parting(("function", {"expr": "newuuid() as key"}), count)
    assert [row["n"] for row in results(compiled_graph(document, id="first"), end=0)] == [1, 2, 3, 4, 5, 6]
    assert [row["n"] for row in results(compiled_graph(document, id="second"), end=1)] == [1, 3, 4, 5, 6]


def test_what_fails_before_the_ways_part_fails_for_every_end() -> None:
    """Once in the status, and beside the rows that did not fail."""
    pytest.importorskip("quickjs")
    rule = compiled_graph(parting(script('if (msg.t < 0) throw "below"; return msg')), id="failing")
    program: Program = rule.factory()
    program.start(START)
    need, spec = rule.needs["a"], registry().formats["json"]
    decoder = spec.decoder(DecodePlan(need.columns, need.whole, need.kinds), msgspec.convert({}, spec.options))
    out = answered(program, program.push("a", decoder.decode([msgspec.json.encode(row) for row in ROWS])))
    assert out is not None
    assert len(out.errors or ()) == 1
    for end, times in ((0, [10, 25, 41, 25, 7]), (1, [10, 25, 41, 25, 7])):
        failed, *rows = shown(out, end)
        assert "below" in failed
        assert [row["t"] for row in rows] == times


def test_rows_that_were_made_once_are_joined_by_the_name_of_their_stream() -> None:
    """Behind a window, and with a lookup table."""
    join = ("join", {"from": "a", "joins": [{"name": "b", "type": "inner", "on": "a.id = b.id and a.t = b.t"}]})
    document = graph_of(window("tumblingwindow", 10), join, ("pick", {"fields": ["a.t as x"]}), sources=("a", "b"))
    document["nodes"] |= {
        "u": {"type": "operator", "nodeType": "function", "props": {"expr": "newuuid() as key"}},
        "o2": document["nodes"]["out"],
    }
    document["topo"]["edges"] |= {"a": ["u"], "u": ["n0", "o2"]}
    rows = [row for row in ROWS for _ in range(2)]
    (joined,) = results(compiled_graph(document), *rows, streams=("a", "b"), end=0)
    assert sorted(row["x"] for row in joined) == [-30, 7, 10, 25, 25, 41]
    look = ("join", {"from": "a", "joins": [{"name": "devices", "type": "inner", "on": "a.id = devices.id"}]})
    document = graph_of(
        ("function", {"expr": "newuuid() as key"}), look, ("pick", {"fields": ["a.t", "devices.name"]}), sources=("a", "devices")
    )
    document["nodes"]["o2"] = document["nodes"]["out"]
    document["topo"]["edges"]["n0"] = ["n1", "o2"]
    assert [row for message in results(compiled_graph(document), end=0) for row in message][:1] == [{"t": 10, "name": "pump"}]
