"""Rules that are drawn: several ends, and a status by the nodes of the drawing."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from plutino.errors import EvaluationError
from plutino.execution.composite import CompositeProgram, Part
from plutino.execution.ends import Ends
from plutino.execution.portions import merged_needs
from plutino.spi import Counted, Deployment, Drawing, SinkRequest
from unit.runtime.plant import Plant, rule
from unit.runtime.scripted import Script


def hot(row: dict[str, Any]) -> dict[str, Any] | None:
    """Rows above 10; -1 cannot be looked at."""
    if row["a"] == -1:
        raise EvaluationError("cannot be looked at")
    return row if row["a"] > 10 else None


DRAWING = Drawing(
    sources={"from": "s"},
    operators=(
        ("w", "w", Counted(passes=True)),
        ("f", "f", Counted((0,))),
        ("fn", "fn", Counted((0,), passes=True)),
        ("sw", "sw", Counted((0, 2))),
        ("p", "p", Counted((1,))),
        ("fp", "fp", Counted((1,), passes=True, faults=1)),
    ),
    edges={"from": ("w",), "w": ("f", "all"), "f": ("fn",), "fn": ("sw",), "sw": ("hot",)},
    ends=(0, 1, 0),
)


def drawn(*, sends_errors: bool = False) -> Deployment:
    """Hot rows leave at one end, with two sinks, all rows at the other."""
    scripts = [Script(hot, columns=("a",)), Script(columns=("a",))]
    parts = [Part(script, frozenset({"s"})) for script in scripts]
    inputs = merged_needs([script().inputs for script in scripts])
    sinks = tuple(SinkRequest(name, "plain", {"sendSingle": True}) for name in ("hot", "all", "again"))
    made = rule(lambda: CompositeProgram(parts, inputs, Ends), sinks=sinks, send_error=sends_errors)
    return replace(made, drawing=DRAWING)


async def test_each_end_has_its_sinks(plant: Plant) -> None:
    """An error is sent where it happened; one of the decoder everywhere."""
    await plant.run(drawn(sends_errors=True))
    plant.source().offer({"a": 5}, {"a": 20}, {"a": -1})
    plant.source().offer(b"{")
    await plant.settle()
    refused = "cannot parse JSON: cannot parse object: missing '}'; unparsed tail: \"\""
    assert plant.sink(action="hot").texts == ['{"a":20}', "cannot be looked at", refused]
    assert plant.sink(action="again").texts == plant.sink(action="hot").texts
    assert plant.sink(action="all").texts == ['{"a":5}', '{"a":20}', '{"a":-1}', refused]


async def test_the_status_shows_the_nodes(plant: Plant) -> None:
    """One that lets rows pass shows those of the nodes in front of it; several outputs are added up."""
    await plant.run(drawn())
    plant.source().offer({"a": 5}, {"a": 20}, {"a": -1})
    await plant.settle()
    status = plant.engine.status("r")
    assert status is not None
    counts = {name: (status[f"op_{name}_0_records_in_total"], status[f"op_{name}_0_records_out_total"]) for name in ("w", "f", "fn", "sw")}
    assert counts == {"w": (3, 3), "f": (3, 1), "fn": (1, 1), "sw": (3, 4)}
    assert status["op_p_0_last_exception"] == "cannot be looked at"
    exceptions = {name: status[f"op_{name}_0_exceptions_total"] for name in ("w", "f", "fn", "sw", "p", "fp")}
    assert exceptions == {"w": 0, "f": 1, "fn": 0, "sw": 0, "p": 1, "fp": 0}
    assert {name: status[f"sink_{name}_0_records_out_total"] for name in ("hot", "all", "again")} == {"hot": 1, "all": 3, "again": 1}


async def test_the_topology_is_that_of_the_drawing(plant: Plant) -> None:
    """With the operators that belong to sources and sinks around it."""
    await plant.run(drawn())
    found = plant.engine.topology("r")
    assert found is not None
    assert found["sources"] == ["source_s"]
    assert found["edges"]["source_s"] == ["op_2_decoder"]
    assert found["edges"]["op_2_decoder"] == ["op_w"]
    assert found["edges"]["op_w"] == ["op_f", "op_all_0_transform"]
    assert found["edges"]["op_sw"] == ["op_hot_0_transform"]
    assert found["edges"]["op_hot_1_encode"] == ["sink_hot"]


async def test_listeners_and_traces_see_every_end(plant: Plant) -> None:
    """Live results hold what leaves anywhere; a trace goes on to the sinks that got something."""
    await plant.run(drawn())
    seen: list[Any] = []
    plant.engine.tap("r", seen.extend)
    plant.source().offer({"a": 20})
    await plant.settle()
    assert seen == [{"a": 20}, {"a": 20}]
    assert plant.engine.trace("r", "always")
    plant.source().offer({"a": 5})
    await plant.settle()
    (trace,) = plant.engine.traces("r")
    assert plant.sink(action="hot").values == [{"a": 20}]
    assert plant.sink(action="all").values == [{"a": 20}, {"a": 5}]
    shown = str(plant.engine.trace_of(trace))
    assert "'all'" in shown
    assert "'hot'" not in shown


async def test_a_changed_drawing_keeps_sinks_that_stay_the_same(plant: Plant) -> None:
    """Whichever end they are at."""
    await plant.run(drawn())
    kept = plant.sink(action="all")
    changed = drawn()
    await plant.run(replace(changed, drawing=replace(DRAWING, ends=(1, 0, 1))))
    plant.source().offer({"a": 5}, {"a": 20})
    await plant.settle()
    assert plant.sink(action="all") is kept
    assert kept.values == [{"a": 20}]
    assert plant.sink(action="hot").values == [{"a": 5}, {"a": 20}]
