"""Traces of rows: what a trace shows, which rows have one, and what it costs when it is off."""

from __future__ import annotations

import json
from typing import Any

from plutino.errors import EvaluationError
from plutino.runtime.traces import BREADTH, CAPACITY, CHARACTERS, Span, Traces, shown
from plutino.spi import Guard
from unit.runtime.plant import Plant, action, feed, rule
from unit.runtime.scripted import Script


def _newest(plant: Plant, name: str = "r") -> dict[str, Any]:
    found = plant.engine.trace_of(plant.engine.traces(name)[0])
    assert found is not None
    return dict(found)


def _chain(span: dict[str, Any]) -> list[str]:
    names = [span["name"]]
    for child in span["ChildSpan"] or ():
        names += _chain(child)
    return names


def _last(span: dict[str, Any]) -> dict[str, Any]:
    return span if not span["ChildSpan"] else _last(span["ChildSpan"][0])


async def test_a_trace_follows_one_row_from_the_source_to_the_sink(plant: Plant) -> None:
    """Each row of a delivery has its own, with the data that came in and the message that went out."""
    await plant.run(rule(Script(row=lambda r: {"a": r["a"] * 10}, columns=("a",))))
    assert plant.engine.trace("r", "always")
    assert plant.engine.traced("r")
    plant.source().offer({"a": 1}, {"a": 2})
    assert plant.sink().texts == ['[{"a":10}]', '[{"a":20}]']
    assert len(plant.engine.traces("r")) == 2
    root = _newest(plant)
    assert _chain(root) == ["s", "3_filter", "4_project", "plain_0"]
    assert json.loads(root["attribute"]["data"]) == {"a": 2}
    assert _last(root)["attribute"]["data"] == '[{"a":20}]'
    assert root["traceID"] == plant.engine.traces("r")[0] == _last(root)["traceID"]
    assert root["ruleID"] == "r"
    assert "parentSpanID" not in root
    assert root["ChildSpan"][0]["parentSpanID"] == root["spanID"]


async def test_a_row_that_is_filtered_out_shows_where_it_ended(plant: Plant) -> None:
    """Also when its guard would have kept it away from the rule; the numbers of the status stay the same."""
    script = Script(row=lambda r: r if r["a"] > 5 else None, guard=Guard("a", ">", 5))
    await plant.run(rule(script))
    plant.source().offer({"a": 1, "b": "x"})
    plant.engine.trace("r", "always")
    plant.source().offer({"a": 2, "b": "x"})
    assert _chain(_newest(plant)) == ["s", "3_filter"]
    assert _newest(plant)["ChildSpan"][0]["attribute"] == {"in": 1, "out": 0}
    assert plant.status()["op_3_filter_0_records_in_total"] == 2
    plant.engine.trace("r", "")
    plant.source().offer({"a": 3, "b": "x"})
    assert plant.status()["op_3_filter_0_records_in_total"] == 3


async def test_a_row_that_fails_shows_its_error(plant: Plant) -> None:
    """And counts as ever."""

    def fail(row: dict[str, Any]) -> dict[str, Any]:
        raise EvaluationError("no such thing")

    await plant.run(rule(Script(row=fail)))
    plant.engine.trace("r", "always")
    plant.source().offer({"a": 1, "b": "x"})
    assert "no such thing" in _newest(plant)["ChildSpan"][0]["attribute"]["error"]
    assert plant.status()["op_4_project_0_exceptions_total"] == 1


async def test_the_strategy_head_traces_rows_that_bring_an_id(plant: Plant) -> None:
    """Under that id; others pass by."""
    await plant.run(rule())
    plant.engine.trace("r", "head")
    plant.source().offer({"a": 1, "b": "x"}, {"a": 2, "b": "y"}, meta=[{}, {"traceId": "f" * 32}])
    assert plant.engine.traces("r") == ("f" * 32,)
    assert json.loads(_newest(plant)["attribute"]["data"])["a"] == 2
    assert len(plant.sink().texts) == 2


async def test_a_trace_goes_on_in_the_rules_behind_a_memory_topic(plant: Plant) -> None:
    """One trace for the whole chain, however many rules it has."""
    await plant.run(rule(sinks=[action("memory", topic="t")]))
    await plant.run(rule(name="next", feeds=[feed("m", "memory", "t")], program=Script(streams=("m",))))
    plant.engine.trace("r", "always")
    plant.engine.trace("next", "head")
    plant.source().offer({"a": 1, "b": "x"})
    assert plant.engine.traces("next") == plant.engine.traces("r")
    assert _chain(_newest(plant)) == ["s", "3_filter", "4_project", "memory_0", "m", "2_filter", "3_project", "plain_0"]


async def test_the_output_of_a_window_is_linked_to_its_rows(plant: Plant) -> None:
    """It has a trace of its own, as it comes from many."""
    await plant.run(rule(Script(every=1000)))
    plant.engine.trace("r", "always")
    plant.source().offer({"a": 1, "b": "x"}, {"a": 2, "b": "y"})
    rows = plant.engine.traces("r")
    await plant.clock.advance(1000)
    window = _newest(plant)
    assert [link["TraceID"] for link in window["links"]] == list(reversed(rows))
    assert _chain(window) == ["4_project", "plain_0"]
    assert json.loads(window["attribute"]["data"]) == [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]


async def test_rows_that_a_rule_without_state_drops_are_linked_to_nothing(plant: Plant) -> None:
    """They are in no later output."""
    await plant.run(rule(Script(row=lambda r: None), send_error=True))
    plant.engine.trace("r", "always")
    plant.source().offer({"a": 1, "b": "x"})
    plant.source().offer(b"{")
    assert "links" not in _newest(plant)
    assert len(plant.engine.traces("r")) == 2


async def test_a_rule_that_is_not_traced_is_pushed_whole_batches(plant: Plant) -> None:
    """Before a trace and after it nothing stands between feed, program and sink."""
    script = Script()
    await plant.run(rule(script))
    assert not plant.engine.traced("r")
    for strategy in ("always", ""):
        plant.engine.trace("r", strategy)
    plant.source().offer({"a": 1, "b": "x"}, {"a": 2, "b": "y"})
    assert [len(batch.rows) for batch in script.made[0].pushed] == [2]
    assert plant.engine.traces("r") == ()


async def test_tracing_ends_with_the_run_and_needs_one(plant: Plant) -> None:
    """What was traced can still be read, until the rule is removed."""
    await plant.run(rule())
    plant.engine.trace("r", "always")
    plant.source().offer({"a": 1, "b": "x"})
    await plant.engine.stop("r")
    assert not plant.engine.traced("r")
    assert not plant.engine.trace("r", "always")
    assert not plant.engine.trace("unknown", "")
    assert len(plant.engine.traces("r")) == 1
    await plant.engine.start("r")
    assert not plant.engine.traced("r")
    await plant.engine.remove("r")
    assert plant.engine.traces("r") == ()


def test_memory_for_traces_is_bounded() -> None:
    """The oldest trace gives way, an id that comes again and again keeps so many spans, and long data is cut."""
    traces = Traces()
    for k in range(CAPACITY + 1):
        traces.add(Span("s", str(k), "r", 0), None)
    assert len(traces.of("r")) == CAPACITY
    assert traces.get("0") is None
    for _ in range(BREADTH + 10):
        traces.add(Span("s", "same", "q", 0), None)
    found = traces.get("same")
    assert found is not None
    assert len(found["ChildSpan"]) == BREADTH - 1
    assert traces.of("q") == ("same",)
    assert len(shown({"a": "x" * 10000})) == CHARACTERS + 1
    assert shown({"a": 2**70}) == '{"a":1180591620717411303424}'
