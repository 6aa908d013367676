"""Lines of nodes mean what they do one after the other, however they become statements."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from plutino.errors import UnsupportedError
from unit.planner.graphs import compiled_graph, graph_of, results

Row = dict[str, Any]
Step = tuple[str, dict[str, Any]]

NAMES = ("t", "id", "x", "y")
SIZE = 3


class Line:
    """Steps as they are drawn, and what each does: ``names`` are the columns that rows have at this place."""

    def __init__(self, draw: Callable[[Any], Any]) -> None:
        self.draw = draw
        self.names = ["t", "id"]
        self.steps: list[Step] = []
        self.acts: list[Callable[[Any], Any]] = []
        self.values: set[str] = set()
        """Of groups: columns that aggregates made."""

    def filter(self, names: list[str] | None = None) -> Callable[[Row], bool]:
        name, limit = self.draw(st.sampled_from(names or self.names)), self.draw(st.integers(-5, 5))
        self.steps.append(("filter", {"expr": f"{name} > {limit}"}))
        return lambda row: bool(row[name] > limit)

    def function(self) -> Callable[[Row], Row]:
        source, made = self.draw(st.sampled_from(self.names)), self.draw(st.sampled_from(NAMES))
        self.steps.append(("function", {"expr": f"abs({source}) as {made}"}))
        self.names = [*dict.fromkeys([*self.names, made])]
        return lambda row: {**row, made: abs(row[source])}

    def running(self) -> Callable[[list[Row]], list[Row]]:
        """A sum over the rows so far."""
        source, made = self.draw(st.sampled_from(self.names)), self.draw(st.sampled_from(NAMES))
        self.steps.append(("function", {"expr": f"acc_sum({source}) as {made}"}))
        self.names = [*dict.fromkeys([*self.names, made])]
        return lambda rows: [{**row, made: sum(r[source] for r in rows[: i + 1])} for i, row in enumerate(rows)]

    def pick(self) -> Callable[[Row], Row]:
        chosen = self.draw(st.lists(st.sampled_from(self.names), min_size=1, max_size=3, unique=True))
        called = self.draw(st.permutations(NAMES))[: len(chosen)] if self.draw(st.booleans()) else chosen
        self.steps.append(("pick", {"fields": [a if a == b else f"{a} as {b}" for a, b in zip(chosen, called, strict=True)]}))
        self.names = list(called)
        return lambda row: {b: row[a] for a, b in zip(chosen, called, strict=True)}

    def aggregate(self) -> Callable[[list[Row]], Row]:
        source, made = (
            self.draw(st.sampled_from(self.names)),
            self.draw(st.sampled_from([n for n in NAMES if n not in self.names] or ["z"])),
        )
        self.steps.append(("aggfunc", {"expr": f"sum({source}) as {made}"}))
        self.names = [*self.names, made]
        self.values = {*self.values, made}
        return lambda rows: {made: sum(row[source] for row in rows)}


@st.composite
def lines(draw: st.DrawFn) -> tuple[list[Step], Callable[[list[Row]], list[Any]]]:
    """Steps over rows, perhaps a window with steps over its rows, perhaps groups; and what comes out for rows."""
    line = Line(draw)
    rows_do = [_step(line, draw, running=True) for _ in range(draw(st.integers(0, 5)))]
    if not draw(st.booleans()):
        return line.steps, lambda rows: _through(rows_do, rows)
    line.steps.append(("window", {"type": "countwindow", "size": SIZE}))
    window_do = [_step(line, draw, running=False) for _ in range(draw(st.integers(0, 3)))]
    finish: Callable[[list[Row]], list[Row]] = list
    if draw(st.booleans()):
        finish = _groups(line, draw)

    def windows(rows: list[Row]) -> list[Any]:
        passed = _through(rows_do, rows)
        chunks = [passed[i : i + SIZE] for i in range(0, len(passed) - SIZE + 1, SIZE)]
        return [made for chunk in chunks if (made := finish(_through(window_do, chunk)))]

    return line.steps, windows


def _step(line: Line, draw: st.DrawFn, *, running: bool) -> Callable[[list[Row]], list[Row]]:
    kind = draw(st.sampled_from(["filter", "function", "pick", *(["running"] if running else [])]))
    if kind == "running":
        return line.running()
    if kind == "filter":
        passes = line.filter()
        return lambda rows: [row for row in rows if passes(row)]
    change = line.function() if kind == "function" else line.pick()
    return lambda rows: [change(row) for row in rows]


def _through(steps: list[Callable[[list[Row]], list[Row]]], rows: list[Row]) -> list[Row]:
    for step in steps:
        rows = step(rows)
    return rows


def _groups(line: Line, draw: st.DrawFn) -> Callable[[list[Row]], list[Row]]:
    keyed = draw(st.booleans())
    key = draw(st.sampled_from(line.names))
    if keyed:
        line.steps.append(("groupby", {"dimensions": [key]}))
    aggregate = line.aggregate()
    passes = line.filter() if draw(st.booleans()) else lambda row: True
    picked = line.pick() if draw(st.booleans()) else dict

    def finish(rows: list[Row]) -> list[Row]:
        groups: dict[Any, list[Row]] = {}
        for row in rows:
            groups.setdefault(row[key] if keyed else 0, []).append(row)
        made = [{**group[0], **aggregate(group)} for group in groups.values()]
        return [picked(row) for row in made if passes(row)]

    return finish


VALUES = st.fixed_dictionaries({"t": st.integers(-9, 9), "id": st.integers(0, 2)})


@settings(max_examples=300)
@given(lines(), st.lists(VALUES, min_size=1, max_size=8))
def test_a_line_does_what_its_nodes_do(line: tuple[list[Step], Callable[[list[Row]], list[Any]]], rows: list[Row]) -> None:
    """Rows, windows and groups; messages without rows do not count."""
    steps, meaning = line[0] or [("pick", {"fields": ["*"]})], line[1]
    try:
        rule = compiled_graph(graph_of(*steps))
    except UnsupportedError:
        return
    assert [message for message in results(rule, *rows) if message] == meaning(rows)
