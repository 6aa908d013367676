"""The select list in the exact tier: every item computed once, in order, failures named."""

from __future__ import annotations

from collections.abc import Sequence

from plutino.compiler.exact import ExactEmitter
from plutino.model import row_type
from plutino.planner.bound import AggregateRef, AliasRef, Bound, ChangedColumns, ColumnRef, Const, Item, Key, Operation, walk
from plutino.planner.plan import Project
from plutino.spi import RuleOptions

META_COLUMN = "__meta"


class ItemWriter:
    """Writes the lines that compute the select list and return the output.

    ``output``: ``rows`` returns a struct, ``records`` a dict, ``spread`` a list of dicts. ``hits`` are the memories that every output
    counts in.
    """

    def __init__(self, project: Project, emitter: ExactEmitter, options: RuleOptions, output: str) -> None:
        self.project = project
        self.emitter = emitter
        self.options = options
        self.output = output
        self.changes: Sequence[str] = ()
        self.hits: Sequence[str] = ()
        self.lists: Sequence[bool] = ()
        """Per aggregate of the plan whether it is ``collect``."""

    def lines(self) -> list[str]:
        """The lines of a function body, ending with its return."""
        items, emitter = self.project.items, self.emitter
        used = {part.name for item in items for part in walk(item.expr) if isinstance(part, AliasRef)}
        changed = [e for c in self.project.changed for e in (c.prefix, c.ignore_null, *(v for _, v in c.columns))]
        used |= {part.name for e in changed for part in walk(e) if isinstance(part, AliasRef)}
        qualify = [] if self.project.qualify is None else [self.project.qualify]
        used |= {part.name for e in qualify for part in walk(e) if isinstance(part, AliasRef)}
        lines = emitter.reads([*(i.expr for i in items if not _is_copied(i) or i.name in used), *changed, *qualify])
        values: dict[int, str] = {}
        for index in self.project.order:
            item = items[index]
            if _is_copied(item):
                values[index] = self._copied(item)
                if item.aliased and item.name in used:
                    emitter.aliases[item.name] = emitter.emit(item.expr)
                continue
            name = f"a{index}"
            lines += self._computed(item, name)
            emitter.aliases.update({item.name: name} if item.aliased else {})
            values[index] = self._value(item, name)
        for condition in qualify:
            lines += [
                "try:",
                f"    if not holds({emitter.emit(condition)}): return None",
                "except EvaluationError as error:",
                "    raise StageError('qualify', 'run Qualify error: ' + str(error)) from error",
            ]
        shown = [(item.name, values[i]) for i, item in enumerate(items) if item.visible and not item.spread]
        if self.options.send_meta_to_sink:
            source = next(iter(emitter.access.sources))
            shown.append((META_COLUMN, f"dict({emitter.access.sources[source][1]})"))
        lines += [f"{memory}.hit({emitter.access.time})" for memory in self.hits]
        return lines + (self._struct(shown) if self.output == "rows" else self._record(shown, values))

    def _value(self, item: Item, name: str) -> str:
        """The value of a computed item as it is shown: null is absent, but a list collected from nothing is shown as null."""
        if isinstance(item.expr, AggregateRef) and self.lists[item.expr.index]:
            return f"({name} or None)"
        return name if self.options.send_nil_field or item.spread else f"shown({name})"

    def _copied(self, item: Item) -> str:
        assert isinstance(item.expr, ColumnRef)
        text = self.emitter.raw(item.expr)
        if self.options.send_nil_field and not item.of_star:
            return f"filled({text})"
        return f"shown({text})" if item.aliased else text

    def _computed(self, item: Item, name: str) -> list[str]:
        expr = item.expr
        value = self.emitter.emit(expr)
        if isinstance(expr, Const):
            return [f"{name} = {value}"]
        alias = f"alias: {item.name} " if item.aliased else ""
        prefix = self.emitter.constants(f"run Select error: {alias}expr: {item.text} meet error, err:")
        return [
            f"try: {name} = {value}",
            f"except EvaluationError as error: raise StageError('project', {prefix} + str(error)) from error",
        ]

    def _struct(self, shown: list[tuple[str, str]]) -> list[str]:
        made = self.emitter.constants(row_type([name for name, _ in shown]))
        return [f"return {made}({', '.join(value for _, value in shown)})"]

    def _record(self, shown: list[tuple[str, str]], values: dict[int, str]) -> list[str]:
        lines = self._star()
        for name, value in shown:
            lines += [f"x_ = {value}", f"if x_ is not UNSET: d[{self.emitter.constants(name)}] = x_"]
        for changed, memory in zip(self.project.changed, self.changes, strict=True):
            lines += self._changed(changed, memory)
        spread = next(((i, item) for i, item in enumerate(self.project.items) if item.spread), None)
        if spread is None:
            return [*lines, "return d"]
        index, item = spread
        function = {"unnest": "unnested", "extract": "extracted"}.get(item.spread, "listed")
        limit = "" if self.project.limit is None else f"[:{self.emitter.constants(self.project.limit)}]"
        return [*lines, f"return {function}(d, {self.emitter.constants(item.name)}, {values[index]}){limit}"]

    def _star(self) -> list[str]:
        star = self.project.star
        if star is None:
            return ["d = {}"]
        whole = self.emitter.merged(star.sources)
        lines = [f"d = {whole}" if len(star.sources) > 1 else f"d = dict({whole})"]
        return lines + [f"d.pop({self.emitter.constants(name)}, None)" for name in star.excepted]

    def _changed(self, changed: ChangedColumns, memory: str) -> list[str]:
        emit = self.emitter.emit
        pairs = "".join(f"({self.emitter.constants(name)}, {emit(value)}), " for name, value in changed.columns)
        star = f", *{self.emitter.merged(self.emitter.access.merged)}.items()" if changed.star else ""
        return [
            "try: d.update(" + f"{memory}.changed({emit(changed.prefix)}, {emit(changed.ignore_null)}, [{pairs}{star.lstrip(', ')}]))",
            "except EvaluationError as error: raise StageError('project', 'run Select error: ' + str(error)) from error",
        ]


def _is_copied(item: Item) -> bool:
    """Whether an item merely copies a column, whose value then keeps the form it arrived in."""
    return isinstance(item.expr, ColumnRef)


def output_kind(project: Project, options: RuleOptions) -> str:
    """How output rows are made: ``rows`` (structs), ``records`` (dicts), ``pass`` (whole rows unchanged) or ``spread`` (lists of dicts)."""
    if any(i.spread for i in project.items):
        return "spread"
    if project.changed:
        return "records"
    if project.star is None:
        return "rows"
    alone = len(project.star.sources) == 1 and not project.star.excepted
    alone = alone and project.qualify is None
    return "pass" if alone and not options.send_meta_to_sink and not any(i.visible for i in project.items) else "records"


def json_numbers(project: Project) -> frozenset[str] | None:
    """Output columns whose whole numbers stand as schemaless JSON had them, though they are floats of the dialect; None: every column."""
    if project.star is not None:
        return None
    return frozenset(i.name for i in project.items if i.visible and _is_json_number(i.expr))


def _is_json_number(expr: Bound) -> bool:
    """Copies of schemaless columns, and what the fast tier computes of them in Python's integers."""
    match expr:
        case ColumnRef():
            return not expr.exact
        case Operation(op="+" | "-" | "*" | "/" | "%", left=left, right=right):
            return _is_json_number(left) or _is_json_number(right)
        case Key(base=base):
            return _is_json_number(base)
        case _:
            return False
