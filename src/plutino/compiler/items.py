"""The select list in the exact tier: every item computed once, in order, failures named."""

from __future__ import annotations

from plutino.compiler.exact import ExactEmitter
from plutino.model import attribute, row_type
from plutino.planner.bound import AliasRef, Bound, ColumnRef, Const, Item, Key, Operation, walk
from plutino.planner.plan import Project
from plutino.spi import RuleOptions

META_COLUMN = "__meta"


def emit_items(project: Project, emitter: ExactEmitter, options: RuleOptions, output: str, *, raw: str = "r") -> list[str]:
    """Lines that compute the items and return the output row (``rows``: a struct, ``records``: ``w`` with the items put in).

    ``raw`` is the variable of the row that plain columns are taken from.
    """
    items = project.items
    used = {part.name for item in items for part in walk(item.expr) if isinstance(part, AliasRef)}
    lines = emitter.reads([i.expr for i in items if not _is_copied(i) or i.name in used])
    values: dict[int, str] = {}
    for index in project.order:
        item = items[index]
        if _is_copied(item):
            values[index] = _copied(item, raw, options)
            if item.aliased and item.name in used:
                emitter.aliases[item.name] = emitter.emit(item.expr)
            continue
        name = f"a{index}"
        lines += _guarded(item, name, emitter)
        emitter.aliases.update({item.name: name} if item.aliased else {})
        values[index] = name if options.send_nil_field else f"shown({name})"
    shown = [(items[i].name, values[i]) for i in range(len(items)) if items[i].visible]
    if options.send_meta_to_sink:
        shown.append((META_COLUMN, "dict(m)"))
    return lines + (_struct(shown, emitter) if output == "rows" else _record(project, shown, emitter))


def _is_copied(item: Item) -> bool:
    """Whether an item merely copies a column, whose value then keeps the form it arrived in."""
    return isinstance(item.expr, ColumnRef)


def _copied(item: Item, raw: str, options: RuleOptions) -> str:
    assert isinstance(item.expr, ColumnRef)
    text = f"{raw}.{attribute(item.expr.name)}"
    if options.send_nil_field:
        return f"filled({text})"
    return f"shown({text})" if item.aliased else text


def _guarded(item: Item, name: str, emitter: ExactEmitter) -> list[str]:
    value = emitter.emit(item.expr)
    if isinstance(item.expr, Const):
        return [f"{name} = {value}"]
    alias = f"alias: {item.name} " if item.aliased else ""
    prefix = emitter.constants(f"run Select error: {alias}expr: {item.text} meet error, err:")
    return [
        f"try: {name} = {value}",
        f"except EvaluationError as error: raise StageError('project', {prefix} + str(error)) from error",
    ]


def _struct(shown: list[tuple[str, str]], emitter: ExactEmitter) -> list[str]:
    made = emitter.constants(row_type([name for name, _ in shown]))
    return [f"return {made}({', '.join(value for _, value in shown)})"]


def _record(project: Project, shown: list[tuple[str, str]], emitter: ExactEmitter) -> list[str]:
    assert project.star is not None
    lines = ["d = dict(w)"]
    lines += [f"d.pop({emitter.constants(name)}, None)" for name in project.star.excepted]
    for name, value in shown:
        lines += [f"x = {value}", f"if x is not UNSET: d[{emitter.constants(name)}] = x"]
    return [*lines, "return d"]


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
