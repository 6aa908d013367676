"""Graphs with several ends, and with scripts."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from corpus.in_process import registry
from plutino.spi import DecodePlan, Program
from unit.planner.graphs import (
    PICK,
    ROWS,
    START,
    answered,
    compiled_graph,
    graph_of,
    results,
    shown,
    window,
)


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
