"""A graph and the statement that says the same give the same rows."""

from __future__ import annotations

from typing import Any

import pytest

from corpus.in_process import FixedEnvironment, stream_of
from plutino.compiler import compile_plan
from plutino.errors import UnsupportedError
from plutino.model import Ref
from plutino.planner import plan_rule
from plutino.planner.graph import Emitter, read_graph, translate
from plutino.spi import RuleOptions
from plutino.sql import parse_select
from unit.planner.graphs import (
    FILTER,
    PICK,
    compiled_graph,
    compiled_sql,
    graph_of,
    results,
    window,
)

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
