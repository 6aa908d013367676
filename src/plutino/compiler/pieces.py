"""What every kind of program is generated from: constants, memories, and how expressions reach rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from plutino.compiler.code import Constants
from plutino.compiler.exact import Access, ExactEmitter
from plutino.compiler.items import ItemWriter, output_kind
from plutino.execution.memory import Analytic, Changes, Hits, Memory, RuleClock
from plutino.planner.bound import AliasRef, AnalyticCall, AnalyticRef, Bound, ColumnRef, Item, MetaRef, WholeRow, walk
from plutino.planner.plan import Aggregate, Join, RulePlan
from plutino.planner.plan import Analytic as AnalyticNode
from plutino.planner.scope import merged_order
from plutino.spi import InputNeed

_SPAN = {"window_start": "x[0]", "window_end": "x[1]", "window_trigger": "x[2]"}


Places = tuple[str, str, str]
"""Where a source's row, metadata and whole row are, as Python text."""

_NOWHERE: Places = ("None", "{}", "{}")


class Pieces:
    """The plan of a rule with the constants and memories that its generated functions share."""

    def __init__(self, plan: RulePlan) -> None:
        self.plan = plan
        self.constants = Constants()
        self.memories: list[Callable[[], Memory]] = [RuleClock]
        analytic = plan.find(AnalyticNode)
        self.analytics = () if analytic is None else analytic.calls
        self.memories += [partial(Analytic, call.spec.name, call.spec.call) for call in self.analytics]
        self.changes = [f"s[{len(self.memories) + i}]" for i in range(len(plan.root.changed))]
        self.memories += [Changes for _ in plan.root.changed]
        self.hits: dict[str, str] = {}
        for clause in plan.hits:
            self.hits[clause] = f"s[{len(self.memories)}]"
            self.memories.append(Hits)
        scans = plan.scans
        self.single = len(scans) == 1
        streams = [i for i, scan in enumerate(scans) if not scan.source.content.is_table]
        self.stream = streams[0] if streams else 0
        """The number of the first stream."""
        self.names = [scan.source.name for scan in scans]
        self.homes = _homes(self.analytics, {self.names[i]: i for i in streams}, self.stream, plan.root.items)
        """The analytic calls in the order in which they need each other; per call the number of the stream over whose rows it is
        computed: the first one that it names."""
        kinds = {join.right: join.kind for join in plan.find_all(Join)}
        self.merged = merged_order(self.names, [kinds.get(i, "") for i in range(1, len(scans))])
        schemaless = {scan.source.name for scan in scans if scan.source.schemaless}
        self.undeclared = tuple(name for name in self.merged if name in schemaless)
        aggregate = plan.find(Aggregate)
        self.aggregated = aggregate is not None and aggregate.grouped

    # --- access

    def at_row(self, index: int = 0) -> ExactEmitter:
        """Expressions over a row of source ``index`` as it arrives: ``r``, ``m``, ``w``, ``t``, ``s``; analytic values in ``n0`` …"""
        sources = {name: ("r", "m", "w") if i == index else _NOWHERE for i, name in enumerate(self.names)}
        analytic = [f"n{i}" if self.homes[i] == index else "None" for i in range(len(self.homes))]
        return self._emitter(sources, "t", analytic, partial=not self.single)

    def at_arrival(self) -> ExactEmitter:
        """Expressions over ``e``, the entry of one row that has its analytic values but no partners yet; ``s`` around it."""
        if self.single:
            return self.at_entry(bounded=False)
        analytic = [f"e.values[{i}]" for i in range(len(self.homes))]
        return self._emitter({name: _own(i) for i, name in enumerate(self.names)}, "e.time", analytic, partial=True)

    def at_entry(self, *, of_group: bool = False, bounded: bool = True) -> ExactEmitter:
        """Expressions over ``e`` (an entry, or one per source), with ``g``, ``x``, ``n``, ``s`` around it.

        ``bounded`` False: the window's bounds are null here (in WHERE, which the original evaluates without them).
        """
        if self.single:
            sources = {self.names[0]: ("e.row", "e.meta", "e.whole")}
            time, analytic = "e.time", [f"e.values[{i}]" for i in range(len(self.homes))]
        else:
            sources = {name: (f"e[{i}].row", f"e[{i}].meta", f"e[{i}].whole") for i, name in enumerate(self.names)}
            time, analytic = "e[0].time", [f"e[{self.homes[i]}].values[{i}]" for i in range(len(self.homes))]
        return self._emitter(sources, "x[1]" if of_group else time, analytic, _SPAN if bounded else None)

    def _emitter(
        self, sources: dict[str, Places], time: str, analytic: Sequence[str], span: dict[str, str] | None = None, *, partial: bool = False
    ) -> ExactEmitter:
        context = {**(span or {}), "event_time": time, "rule_id": self.constants(self.plan.rule), "rule_start": "s[0].started"}
        access = Access(sources, self.merged, self.undeclared, time, analytic, context, self.hits, partial)
        return ExactEmitter(self.constants, self.plan.root.items, access)

    def need(self, index: int, kinds: dict[str, str] | None = None) -> InputNeed:
        """What the program needs of source number ``index``."""
        scan = self.plan.scans[index]
        return InputNeed(scan.columns, scan.whole, scan.meta, self.plan.options.is_event_time, kinds or {})

    # --- lines

    def analytic_lines(self, emitter: ExactEmitter, source: int = 0) -> list[str]:
        """Lines that compute the analytic calls over rows of a source into ``n0``, ``n1`` …"""
        lines: list[str] = []
        for i, home in self.homes.items():
            if home != source:
                continue
            call = self.analytics[i]
            lines += emitter.reads([*call.args, *call.partition, *([] if call.when is None else [call.when])])
            args = "".join(f"{emitter.emit(a)}, " for a in call.args)
            if call.whole:
                args += f"*{emitter.whole(self.names[0])}.values(), "
            partition = "".join(f"{emitter.emit(p)}, " for p in call.partition)
            when = "True" if call.when is None else emitter.emit(call.when)
            lines += [
                f"try: n{i} = s[{1 + i}].step(({partition}), {when}, ({args}))",
                "except EvaluationError as error: raise StageError('analytic', str(error)) from error",
            ]
        return lines

    def passing(self, condition: Bound, stage: str, emitter: ExactEmitter, refused: str, clause: str = "") -> list[str]:
        """Lines that leave the function with ``refused`` when a condition does not hold; ``clause`` counts those that pass."""
        lines = emitter.reads([condition])
        lines += [
            "try:",
            f"    if not holds({emitter.emit(condition)}): return {refused}",
            "except EvaluationError as error:",
            f"    raise StageError('{stage}', 'run Where error: ' + str(error)) from error",
        ]
        if clause in self.hits:
            lines.append(f"{self.hits[clause]}.hit({emitter.access.time})")
        return lines

    def select_lines(self, emitter: ExactEmitter, output: str) -> list[str]:
        """Lines that compute the select list and return the output row."""
        writer = ItemWriter(self.plan.root, emitter, self.plan.options, output)
        writer.changes = self.changes
        aggregate = self.plan.find(Aggregate)
        writer.lists = [call.spec.name == "collect" for call in aggregate.calls] if aggregate is not None else ()
        writer.hits = [self.hits[c] for c in ("select", "group", "qualify") if c in self.hits]
        return writer.lines()

    @property
    def output(self) -> str:
        return output_kind(self.plan.root, self.plan.options)


def _homes(calls: Sequence[AnalyticCall], streams: Mapping[str, int], first: int, items: Sequence[Item]) -> dict[int, int]:
    aliases = {item.name: item.expr for item in items if item.aliased}
    homes: dict[int, int] = {}
    for number in range(len(calls)):
        _visit(number, calls, streams, first, aliases, homes)
    return homes


def _visit(
    number: int, calls: Sequence[AnalyticCall], streams: Mapping[str, int], first: int, aliases: Mapping[str, Bound], homes: dict[int, int]
) -> int:
    if number not in homes:
        call = calls[number]
        parts = [p for e in (*call.args, *call.partition, call.when) if e is not None for p in walk(e)]
        for part in parts:
            if isinstance(part, AliasRef):
                parts += walk(aliases[part.name])
        inner = [_visit(p.index, calls, streams, first, aliases, homes) for p in parts if isinstance(p, AnalyticRef)]
        named = [streams[source] for p in parts for source in _sources_of(p) if source in streams]
        homes[number] = next(iter(named or inner), first)
    return homes[number]


def _sources_of(part: Bound) -> tuple[str, ...]:
    match part:
        case ColumnRef(source=source) | MetaRef(source=source):
            return (source,)
        case WholeRow(sources=sources):
            return sources
        case _:
            return ()


def _own(index: int) -> Places:
    """The parts of entry ``e`` where it is a row of this source."""
    own = f"e.source == {index}"
    return f"(e.row if {own} else None)", f"(e.meta if {own} else {{}})", f"(e.whole if {own} else {{}})"


def define(name: str, arguments: str, lines: Sequence[str]) -> str:
    """The text of a function."""
    return f"def {name}({arguments}):\n" + "\n".join(f"    {line}" for line in lines)


def returning(name: str, arguments: str, exprs: Sequence[Bound], emitter: ExactEmitter, form: str = "{}") -> str:
    """The text of a function that returns the values of expressions, put into ``form`` one after the other."""
    lines = emitter.reads(exprs)
    texts = [emitter.emit(e) for e in exprs]
    return define(name, arguments, [*lines, "return " + form.format(*texts)])


def tuple_form(count: int) -> str:
    """The form of a tuple of ``count`` values."""
    return "(" + "{}, " * count + ")"
