"""From a SELECT statement to a logical plan."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from plutino.errors import PlanError, SqlSyntaxError, UnsupportedError
from plutino.planner.binder import Binder
from plutino.planner.bound import AggregateRef, AliasRef, Bound, ColumnRef, Item, MetaRef, Star, WholeRow, walk
from plutino.planner.plan import Aggregate, Filter, Node, Project, RulePlan, Scan, Window, WindowSpec
from plutino.planner.printing import printed
from plutino.planner.scope import Scope, open_scope
from plutino.spi import Environment, RuleOptions
from plutino.sql import tree

_UNIT_MS = {"dd": 86_400_000, "hh": 3_600_000, "mi": 60_000, "ss": 1000, "ms": 1}


def plan_rule(select: tree.Select, env: Environment, options: RuleOptions, *, rule_id: str) -> RulePlan:
    """Bind a statement against the desired state.

    SqlSyntaxError for what the original refuses while parsing, PlanError for what does not bind, UnsupportedError for clauses that
    the dialect has and this version does not compute.
    """
    scope = open_scope(select, env)
    _refuse_unsupported(select)
    binder = Binder(scope, env)
    items, star = _items(select, scope, binder)
    order = _evaluation_order(items)
    where = None if select.where is None else _without_aggregates(binder, select.where)
    keys = _group_keys(select, binder, items)
    _check_options(select, scope, options)
    node: Node = _scan(scope, items, star, where, keys, binder, options)
    if where is not None:
        node = Filter(node, where)
    if select.window is not None:
        condition = None if select.window.filter is None else binder.bind(select.window.filter)
        node = Window(node, _window_spec(select.window), condition)
    if binder.aggregates or keys:
        node = Aggregate(node, keys, tuple(binder.aggregates))
    root = Project(node, items, star, order)
    names = tuple(i.name for i in items if i.aliased and i.visible) + tuple(i.name for i in items if not i.aliased and i.visible)
    return RulePlan(rule_id, root, tuple(scope.sources.values()), options, names)


def _refuse_unsupported(select: tree.Select) -> None:
    if select.joins:
        raise UnsupportedError("joins are not supported yet; join upstream or split the rule")
    if select.having is not None:
        raise UnsupportedError("HAVING is not supported yet; filter in a second rule that reads this one through a memory topic")
    if select.order_by:
        raise UnsupportedError("ORDER BY is not supported yet; sort where the result is used")
    if select.limit is not None and select.limit >= 0 and select.window is not None:
        raise UnsupportedError("LIMIT is not supported yet; leave it out")
    window = select.window
    if window is None:
        return
    if window.kind != "tumblingwindow":
        raise UnsupportedError(f"{window.kind} is not supported yet; tumblingwindow is")
    if window.partition_by or window.when is not None:
        raise UnsupportedError("OVER at a window is not supported yet")


# --- select list --------------------------------------------------------------------------------------------------------------------


def _items(select: tree.Select, scope: Scope, binder: Binder) -> tuple[tuple[Item, ...], Star | None]:
    """The output items, with wildcards over declared columns written out, and the star over schemaless rows."""
    _refuse_cycles(select.fields, scope)
    items: list[Item] = []
    star: Star | None = None
    numbered = 0
    excepted: set[str] = set()
    for position, field in enumerate(select.fields):
        expr = field.expr
        if isinstance(expr, tree.Wildcard):
            excepted.update(expr.excepted)
            star = _spread(expr, scope, items) or star
            for replaced in expr.replaced:
                assert replaced.alias is not None
                bound = binder.bind(replaced.expr, replaced.alias)
                items.append(Item(replaced.alias, bound, printed(bound), aliased=True))
            continue
        binder.position = position
        name = field.alias or _derived_name(expr, scope)
        if name is None:
            name, numbered = f"kuiper_field_{numbered}", numbered + 1
        bound = binder.bind(expr, field.alias)
        text = "" if isinstance(bound, ColumnRef) else printed(bound, binder.aggregate_texts())
        items.append(Item(name, bound, text, aliased=field.alias is not None, visible=not field.invisible))
    binder.position = None
    kept = _without_overridden([i for i in items if i.name not in excepted or i.aliased], star is not None or _has_wildcard(select))
    if star is not None:
        star = Star(star.source, tuple(sorted(excepted)))
    return tuple(kept), star


def _has_wildcard(select: tree.Select) -> bool:
    return any(isinstance(f.expr, tree.Wildcard) for f in select.fields)


def _spread(expr: tree.Wildcard, scope: Scope, items: list[Item]) -> Star | None:
    """Append the declared columns of the sources a wildcard names; a schemaless source becomes a Star."""
    if expr.stream is not None and expr.stream not in scope.sources:
        raise PlanError(f"stream {expr.stream} not found")
    chosen = [scope.sources[expr.stream]] if expr.stream is not None else list(scope.sources.values())
    star: Star | None = None
    for source in chosen:
        if source.schemaless:
            star = Star(source.name)
            continue
        for name in source.content.schema.names:
            kind = source.type_of(name)
            assert kind is not None
            items.append(Item(name, ColumnRef(source.name, name, kind, True), "*"))
    return star


def _without_overridden(items: list[Item], starred: bool) -> list[Item]:
    """Items with distinct names: what stands beside a star replaces its columns; otherwise a name given twice is refused."""
    kept: dict[str, Item] = {}
    for item in items:
        if item.name in kept and item.visible:
            if not starred or kept[item.name].text != "*":
                raise PlanError(f"duplicate field definition {item.name}")
            del kept[item.name]
        kept[item.name] = item
    return list(kept.values())


def _derived_name(expr: tree.Expr | tree.ArrowLiteral, scope: Scope) -> str | None:
    """The output name of an item without alias (sql reference §3.3); None for the numbered ones."""
    match expr:
        case tree.Column(name=name):
            return name
        case tree.TimeUnit(unit=unit):
            return unit
        case tree.Call(name=name):
            return name.lower()
        case _:
            return None


def _refuse_cycles(fields: Sequence[tree.Field], scope: Scope) -> None:
    references = {
        field.alias: {n for n in _column_names(field.expr) if n in scope.aliases and n != field.alias}
        for field in fields
        if field.alias is not None
    }
    done: set[str] = set()

    def visit(alias: str, path: tuple[str, ...]) -> None:
        if alias in path:
            raise PlanError("select fields have cycled alias")
        if alias not in done:
            for other in references[alias]:
                visit(other, (*path, alias))
            done.add(alias)

    for alias in references:
        visit(alias, ())


def _column_names(node: object) -> Iterable[str]:
    """Unqualified column names anywhere in a tree."""
    if isinstance(node, tree.Column):
        yield node.name if node.stream is None else node.stream
    elif isinstance(node, tree.Node):
        for field in node.__struct_fields__:
            if field != "span":
                yield from _column_names(getattr(node, field))
    elif isinstance(node, tuple):
        for member in node:
            yield from _column_names(member)


def _evaluation_order(items: Sequence[Item]) -> tuple[int, ...]:
    """Items without alias left to right, then aliased ones, each after the aliases that it uses."""
    by_alias = {item.name: i for i, item in enumerate(items) if item.aliased}
    order: list[int] = []
    placed: set[int] = set()

    def place(i: int) -> None:
        if i in placed:
            return
        placed.add(i)
        for part in walk(items[i].expr):
            if isinstance(part, AliasRef):
                place(by_alias[part.name])
        order.append(i)

    for wanted in (False, True):
        for i, item in enumerate(items):
            if item.aliased is wanted:
                place(i)
    return tuple(order)


# --- other clauses ------------------------------------------------------------------------------------------------------------------


def _without_aggregates(binder: Binder, expr: tree.Expr) -> Bound:
    before = len(binder.aggregates)
    bound = binder.bind(expr)
    if len(binder.aggregates) > before:
        raise UnsupportedError("aggregates in WHERE are not supported yet; filter in a second rule")
    return bound


def _group_keys(select: tree.Select, binder: Binder, items: Sequence[Item]) -> tuple[Bound, ...]:
    aggregated = {i.name for i in items if i.aliased and any(isinstance(p, AggregateRef) for p in walk(i.expr))}
    keys: list[Bound] = []
    for expr in select.group_by:
        if isinstance(expr, tree.Window):
            continue
        before = len(binder.aggregates)
        key = binder.bind(expr)
        if len(binder.aggregates) > before or any(isinstance(p, AliasRef) and p.name in aggregated for p in walk(key)):
            raise SqlSyntaxError(f"Not allowed to call aggregate functions in GROUP BY clause: {printed(key, binder.aggregate_texts())}.")
        keys.append(key)
    if keys and select.window is None:
        raise PlanError("select stmt group by should be used with window")
    return tuple(keys)


def _window_spec(window: tree.Window) -> WindowSpec:
    unit, *lengths = window.args
    assert isinstance(unit, tree.TimeUnit)
    numbers = [n.value for n in lengths if isinstance(n, tree.Literal) and isinstance(n.value, int)]
    if any(n <= 0 for n in numbers):
        raise PlanError(f"{window.kind} needs a length above zero, but found {min(numbers)}")
    return WindowSpec(window.kind, unit.unit, numbers[0], numbers[0] * _UNIT_MS[unit.unit])


def _check_options(select: tree.Select, scope: Scope, options: RuleOptions) -> None:
    sources = scope.sources.values()
    if options.send_meta_to_sink and (len(sources) > 1 or select.window is not None or select.group_by):
        raise PlanError("Invalid option sendMetaToSink, it can not be applied to window")
    for source in sources:
        if options.is_event_time and not source.content.is_table and not source.content.option("TIMESTAMP"):
            raise PlanError("preprocessor is set to be event time but stream option TIMESTAMP not found")
        if options.disable_buffer_full_discard and source.content.flag("SHARED"):
            raise PlanError(f"disableBufferFullDiscard can't be enabled with shared stream {source.stream}")
    if select.window is not None and all(s.content.is_table for s in sources):
        raise PlanError("cannot run window for TABLE sources")


def _scan(
    scope: Scope,
    items: Sequence[Item],
    star: Star | None,
    where: Bound | None,
    keys: Sequence[Bound],
    binder: Binder,
    options: RuleOptions,
) -> Scan:
    """What is read of the source: every column named anywhere, whole rows for a star."""
    source = next(iter(scope.sources.values()))
    exprs = [*(i.expr for i in items), *keys, *(a for call in binder.aggregates for a in call.args)]
    if where is not None:
        exprs.append(where)
    parts = [p for e in exprs for p in walk(e)]
    columns = dict.fromkeys(p.name for p in parts if isinstance(p, ColumnRef))
    if options.is_event_time:
        columns.setdefault(source.content.option("TIMESTAMP"))
    whole = star is not None or any(isinstance(p, WholeRow) for p in parts)
    if whole and not source.schemaless:
        columns.update(dict.fromkeys(source.content.schema.names))
    meta = options.send_meta_to_sink or any(isinstance(p, MetaRef) for p in parts)
    return Scan(source, tuple(columns), whole and source.schemaless, meta)
