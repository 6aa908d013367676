"""From a SELECT statement to a logical plan."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import Struct
from msgspec.structs import replace

from plutino.errors import PlanError, Position, SqlSyntaxError, UnsupportedError
from plutino.model import ANY, Column, Schema
from plutino.planner.binder import Binder
from plutino.planner.bound import (
    AggregateCall,
    AggregateRef,
    AliasRef,
    AnalyticRef,
    Bound,
    ColumnRef,
    ContextValue,
    Dedup,
    FunctionCall,
    HitValue,
    Item,
    MetaRef,
    Operation,
    SortKey,
    WholeRow,
    walk,
)
from plutino.planner.listing import as_listed, before_wildcard
from plutino.planner.lookups import Matching, matching_of, refuse_early, split_where
from plutino.planner.plan import (
    Aggregate,
    Analytic,
    Filter,
    Gather,
    Having,
    Join,
    LookupJoin,
    Node,
    Order,
    Plan,
    Project,
    RulePlan,
    Scan,
    UnionPlan,
    Window,
)
from plutino.planner.printing import printed
from plutino.planner.scope import Scope, SourceScope, error_at, open_scope
from plutino.planner.select_list import DEDUP, SelectList, bind_select_list, evaluation_order
from plutino.planner.windows import bind_interval, bind_window
from plutino.spi import Environment, RuleOptions
from plutino.sql import calls_in, tree

PUSHED_WINDOWS = frozenset(("tumblingwindow", "hoppingwindow", "sessionwindow", "statewindow"))
"""Windows that, in processing time, see only rows that pass WHERE; for all others WHERE looks at what comes out (sql reference §3.12)."""


class _Clauses(Struct):
    """The bound clauses of a statement."""

    listed: SelectList
    where: Bound | None
    where_aggregates: tuple[AggregateCall, ...]
    keys: tuple[Bound, ...]
    having: Bound | None
    qualify: Bound | None
    order: tuple[SortKey, ...]
    window: Window | None
    joins: tuple[tuple[str, Bound | None], ...]
    lookups: dict[int, Matching]
    """The joins with lookup tables, by number of the source."""
    tables: tuple[SourceScope, ...]
    grouped: bool

    @property
    def streamed(self) -> tuple[tuple[int, str, Bound | None], ...]:
        """The joins with streams and scan tables: number of the source, kind, condition."""
        return tuple((i, kind, on) for i, (kind, on) in enumerate(self.joins, 1) if i not in self.lookups)

    @property
    def aliased(self) -> dict[str, Item]:
        """Aliased items by name."""
        return {item.name: item for item in self.listed.items if item.aliased}


def plan_rule(query: tree.Query, env: Environment, options: RuleOptions, *, rule_id: str, text: str = "") -> Plan:
    """Bind a statement against the desired state; ``text`` is the statement as written, for the places of errors.

    SqlSyntaxError for what the original refuses while parsing, PlanError for what does not bind, UnsupportedError for clauses that
    the dialect has and this version does not compute.
    """
    if isinstance(query, tree.Select):
        return _plan_select(query, env, options, rule_id, text)
    parts = tuple(_plan_select(select, env, options, rule_id, text) for select in query.selects)
    return UnionPlan(rule_id, parts, tuple(dict.fromkeys(name for part in parts for name in part.columns)))


def _plan_select(select: tree.Select, env: Environment, options: RuleOptions, rule_id: str, text: str) -> RulePlan:
    derived = {
        source.name: plan_rule(source.query, env, options, rule_id=rule_id, text=text)
        for source in (select.source, *(join.source for join in select.joins))
        if source.query is not None
    }
    if derived and options.is_event_time:
        if select.window is not None or any(join.within is not None or join.latest for join in select.joins):
            raise UnsupportedError("a window over a query in FROM cannot follow event time; put the window into that query")
        # rows leave the inner query in the order of their time
        options = replace(options, is_event_time=False)
    scope = open_scope(select, env, text, {name: schema_of(plan) for name, plan in derived.items()})
    binder = Binder(scope, env, text)
    clauses = _bind(select, scope, binder, options)
    _check(select, binder, options, clauses)
    _check_early(select, clauses, binder)
    items = clauses.listed.items
    node = _placed(clauses, _bottom(scope, clauses, binder, options), binder, options)
    root = Project(
        node,
        items,
        clauses.listed.star,
        evaluation_order(items),
        clauses.listed.changed,
        tuple(binder.numberings),
        None if select.limit is None or select.limit < 0 else select.limit,
        clauses.listed.dedup,
        clauses.qualify,
        clauses.listed.place,
    )
    columns = _listed_names(root, schemaless=any(s.schemaless for s in scope.sources.values()))
    return RulePlan(rule_id, root, tuple(scope.sources.values()), options, columns, derived, tuple(sorted(binder.hits)))


def _listed_names(root: Project, *, schemaless: bool) -> tuple[str, ...]:
    """The output names that are written in the statement."""
    listed = as_listed(root.items, root.place, schemaless=schemaless)
    shown = [i for i in listed if i is not None and i.visible and i.name not in Dedup.COLUMNS]
    names = [i.name for i in shown]
    if root.dedup is not None:
        names.insert(sum(i.aliased for i in shown), root.dedup.name)
    return tuple(names)


def _names(root: Project) -> tuple[str, ...]:
    """All output names, those of aliased items first."""
    shown = [i for i in root.items if i.visible and i.name not in Dedup.COLUMNS]
    given = () if root.dedup is None else (root.dedup.name,)
    return (*(i.name for i in shown if i.aliased), *given, *(i.name for i in shown if not i.aliased))


def schema_of(plan: Plan) -> Schema:
    """The columns that a query gives, of any type; empty where they are not known beforehand."""
    parts = plan.parts if isinstance(plan, UnionPlan) else (plan,)
    if any(part.root.star is not None or part.root.changed or any(i.spread for i in part.root.items) for part in parts):
        return Schema()
    return Schema(tuple(Column(name, ANY) for name in dict.fromkeys(name for part in parts for name in _names(part.root))))


def _bind(select: tree.Select, scope: Scope, binder: Binder, options: RuleOptions) -> _Clauses:
    listed = bind_select_list(select, scope, binder)
    selected = len(binder.aggregates)
    with binder.within("where") as where_aggregates:
        where = None if select.where is None else binder.bind(select.where)
    with binder.within("group"):
        keys = _group_keys(select, binder)
    with binder.within("having"):
        having = None if select.having is None else binder.bind(select.having)
    if select.having is not None and having is not None:
        _check_having(select.having, having, listed.items, binder)
    with binder.within("qualify"):
        qualify = None if select.qualify is None else binder.bind(select.qualify)
    with binder.within("order"):
        order = tuple(SortKey(binder.bind(k.expr), k.descending) for k in select.order_by)
    with binder.within("when"):
        window = bind_interval(select, scope, binder)
        if select.window is not None:
            with binder.placing(select.window):
                window = bind_window(select.window, binder, options)
        joins = tuple((j.kind, None if j.on is None else binder.bind(j.on)) for j in select.joins)
    grouped = bool(select.group_by) or selected > 0
    tables = tuple(source for source in scope.sources.values() if source.content.is_lookup)
    lookups = _lookups(select, joins, scope, binder)
    return _Clauses(listed, where, tuple(where_aggregates), keys, having, qualify, order, window, joins, lookups, tables, grouped)


def _lookups(select: tree.Select, joins: tuple[tuple[str, Bound | None], ...], scope: Scope, binder: Binder) -> dict[int, Matching]:
    first, *others = scope.sources.values()
    if first.content.is_lookup:
        message = f"cannot find lookup table {first.name} in any join; a lookup table stands behind JOIN, FROM needs a stream"
        raise error_at(select.source, message, binder.text)
    found: dict[int, Matching] = {}
    for right, (source, (_, on)) in enumerate(zip(others, joins, strict=True), 1):
        if source.content.is_lookup:
            matching = matching_of(on, source)
            if matching is None:
                shown = "<nil>" if on is None else printed(on, binder.texts())
                message = f"join condition {shown} is invalid, at least one equi-join predicate is required"
                raise error_at(select.joins[right - 1], message, binder.text)
            found[right] = matching
    return found


def _placed(clauses: _Clauses, node: Node, binder: Binder, options: RuleOptions) -> Node:
    """The clauses as nodes, in the order in which the dialect runs them (sql reference §3.12)."""
    if binder.analytics:
        node = Analytic(node, tuple(binder.analytics))
    where, window = clauses.where, clauses.window
    early: Bound | None = None
    if clauses.lookups and where is not None and not clauses.where_aggregates:
        early, where = split_where(where, clauses.tables, clauses.aliased)
    elif not clauses.lookups and _pushed(clauses, binder, options):
        early, where = where, None
    pushed = _pushed(clauses, binder, options)
    if early is not None and pushed:
        node = Filter(node, early)
    if window is not None:
        node = Window(node, window.window, window.condition)
    for right, kind, on in clauses.streamed:
        node = Join(node, kind, right, on)
    if early is not None and not pushed:
        node = Filter(node, early)
    for right, matching in clauses.lookups.items():
        kind, on = clauses.joins[right - 1]
        node = LookupJoin(node, right, kind == "LEFT", matching.keys, matching.values, matching.rest, kind, on)
    if where is not None:
        node = Filter(node, where, clauses.where_aggregates)
    if binder.aggregates or clauses.keys:
        node = Aggregate(node, clauses.keys, tuple(binder.aggregates), clauses.grouped)
    if clauses.having is not None:
        node = Having(node, clauses.having)
    if clauses.order and window is not None:
        node = Order(node, clauses.order)
    return node


def _pushed(clauses: _Clauses, binder: Binder, options: RuleOptions) -> bool:
    """Whether WHERE stands in front of the window. Without a window there is only one place."""
    if clauses.window is None:
        return not clauses.streamed and not clauses.where_aggregates
    if clauses.streamed or clauses.where_aggregates or binder.analytics or options.is_event_time:
        return False
    return clauses.window.window.kind in PUSHED_WINDOWS


def _group_keys(select: tree.Select, binder: Binder) -> tuple[Bound, ...]:
    keys: list[Bound] = []
    for expr in select.group_by:
        if isinstance(expr, tree.Window):
            continue
        key = binder.bind(expr)
        if any(isinstance(p, AggregateRef) or (isinstance(p, AliasRef) and binder.is_aggregated(p.name)) for p in walk(key)):
            with binder.placing(expr):
                raise SqlSyntaxError(f"Not allowed to call aggregate functions in GROUP BY clause: {printed(key, binder.texts())}.")
        keys.append(key)
    if keys and select.window is None:
        place = Position.of(binder.text, *select.group_by[0].span) if binder.text else None
        advice = "add a window: GROUP BY …, TUMBLINGWINDOW(ss, 10)"
        raise PlanError("select stmt group by should be used with window", text=binder.text, position=place, advice=advice)
    # a state window has groups of its own (PARTITION BY); plain keys beside it mean nothing
    return () if select.window is not None and select.window.kind == "statewindow" else tuple(keys)


def _check_having(written: tree.Expr, having: Bound, items: Sequence[Item], binder: Binder) -> None:
    """HAVING looks at groups: each column and each call must be, or hold, an aggregate (or the alias of one)."""
    by_alias = {i.name: i.expr for i in items if i.aliased}

    def of_groups(part: Bound) -> bool:
        match part:
            case AggregateRef() | HitValue():
                return True
            case AliasRef(name):
                return binder.is_aggregated(name) or any(isinstance(p, HitValue) for p in walk(by_alias[name]))
            case _:
                return False

    def at_fault(expr: Bound) -> bool:
        named = (p for p in walk(expr) if isinstance(p, ColumnRef | AliasRef | FunctionCall | AnalyticRef | ContextValue | MetaRef))
        return any(not any(of_groups(p) for p in walk(part)) for part in named)

    if not at_fault(having):
        return
    text = f"Not allowed to call non-aggregate functions in HAVING clause: {printed(having, binder.texts())}."
    node, expr = written, having
    while isinstance(node, tree.Binary) and isinstance(expr, Operation):
        node, expr = (node.left, expr.left) if at_fault(expr.left) else (node.right, expr.right)
    with binder.placing(node):
        raise PlanError(text, advice="HAVING looks at whole groups; put what is asked of each row into WHERE")


def _check(select: tree.Select, binder: Binder, options: RuleOptions, clauses: _Clauses) -> None:
    """PlanError for what clauses and options rule out together."""
    fault = next(_faults(select, binder.scope, options, clauses), None)
    if fault is not None:
        with binder.placing(fault[0]):
            raise PlanError(fault[1])


def _faults(select: tree.Select, scope: Scope, options: RuleOptions, clauses: _Clauses) -> Iterator[tuple[tree.Node | None, str]]:
    written = (select.source, *(join.source for join in select.joins))
    streams = [(source, node) for source, node in zip(scope.sources.values(), written, strict=True) if not source.content.is_table]
    first = select.window or next(iter((*select.group_by, *select.joins)), None)
    if options.send_meta_to_sink and first is not None:
        yield first, "Invalid option sendMetaToSink, it can not be applied to window"
    for source, node in streams:
        if options.is_event_time and not source.content.option("TIMESTAMP"):
            yield node, "preprocessor is set to be event time but stream option TIMESTAMP not found"
        if options.disable_buffer_full_discard and source.content.flag("SHARED"):
            yield node, f"disableBufferFullDiscard can't be enabled with shared stream {source.stream}"
    if select.window is not None and not streams:
        yield select.window, "cannot run window for TABLE sources"
    if len(streams) > 1 and (clauses.window is None or clauses.window.window.kind == "statewindow"):
        yield streams[1][1], "a time window or count window is required to join multiple streams"
    if clauses.listed.dedup is not None and (select.joins or select.window is not None or clauses.grouped):
        told = f"{DEDUP} with a window, a join or aggregates: it takes the rows of one stream as they come"
        yield _call_of(select, DEDUP), told
    hits = (p for i in clauses.listed.items for p in walk(i.expr) if isinstance(p, HitValue) and p.clause == "select")
    if clauses.grouped and (hit := next(hits, None)) is not None:
        name = f"last_hit_{'time' if hit.time else 'count'}"
        yield _call_of(select, name), f"function {name} is not allowed in an aggregate query"


def _call_of(select: tree.Select, name: str) -> tree.Call | None:
    """The first call of a function in the select list."""
    return next((call for call in calls_in(select.fields) if call.name.lower() == name), None)


def _check_early(select: tree.Select, clauses: _Clauses, binder: Binder) -> None:
    """Windows and analytic functions see rows before lookup tables are asked."""
    for call, site in zip(binder.analytics, binder.analytic_sites, strict=True):
        with binder.placing(site):
            refuse_early(f"analytic function {call.spec.name}", (*call.args, *call.partition, call.when), clauses.tables, clauses.aliased)
    if clauses.window is not None:
        spec = clauses.window.window
        exprs = (clauses.window.condition, spec.when, spec.begin, spec.emit, *spec.partition)
        with binder.placing(select.window):
            refuse_early(f"the window {spec.kind}", exprs, clauses.tables, clauses.aliased)


# --- what is read -----------------------------------------------------------------------------------------------------------------------


def _bottom(scope: Scope, clauses: _Clauses, binder: Binder, options: RuleOptions) -> Scan | Gather:
    """What is read of each source: every column named anywhere, whole rows for a star."""
    parts = [p for e in _expressions(clauses, binder) for p in walk(e)]
    star = clauses.listed.star
    whole = {s for p in parts if isinstance(p, WholeRow) for s in p.sources} | set(star.sources if star is not None else ())
    counted = {
        s for call in _aggregates(clauses, binder) if call.counts_rows for p in call.args if isinstance(p, WholeRow) for s in p.sources
    }
    if any(c.star for c in clauses.listed.changed):
        whole.update(scope.sources)
    if any(a.whole for a in binder.analytics):
        whole.add(next(iter(scope.sources)))
    before: list[ColumnRef] | None = None
    if whole or counted:
        listed = as_listed(clauses.listed.items, clauses.listed.place, schemaless=any(s.schemaless for s in scope.sources.values()))
        before = before_wildcard(listed, binder.aggregates, binder.analytics)
    scans = [_scan(s, parts, s.name in whole, s.name in counted, before, options) for s in scope.sources.values()]
    return scans[0] if len(scans) == 1 else Gather(tuple(scans))


def _scan(
    source: SourceScope, parts: Sequence[Bound], whole: bool, counted: bool, before: list[ColumnRef] | None, options: RuleOptions
) -> Scan:
    columns = _columns_of(source, parts, options)
    if whole and not source.schemaless:
        columns.update(dict.fromkeys(source.content.schema.names))
    meta = options.send_meta_to_sink or any(isinstance(p, MetaRef) and p.source == source.name for p in parts)
    shown = columns if before is None or not source.schemaless else _columns_of(source, before, options)
    named = dict.fromkeys((*shown, *(source.content.schema.names if counted else ())))
    return Scan(source, tuple(columns), whole and source.schemaless, meta, tuple(named))


def _columns_of(source: SourceScope, parts: Sequence[Bound], options: RuleOptions) -> dict[str, None]:
    columns = dict.fromkeys(
        p.name for p in parts if isinstance(p, ColumnRef) and (p.source == source.name or (p.source == "" and source.schemaless))
    )
    if options.is_event_time and not source.content.is_table:
        columns.setdefault(source.content.option("TIMESTAMP"))
    return columns


def _aggregates(clauses: _Clauses, binder: Binder) -> tuple[AggregateCall, ...]:
    return (*binder.aggregates, *clauses.where_aggregates)


def _expressions(clauses: _Clauses, binder: Binder) -> list[Bound]:
    """Every expression of a statement, aliases as they are written out in the select list."""
    found: list[Bound | None] = [*(i.expr for i in clauses.listed.items), clauses.qualify]
    found += [clauses.where, clauses.having, *clauses.keys, *(k.expr for k in clauses.order), *(on for _, _, on in clauses.streamed)]
    found += [e for matching in clauses.lookups.values() for e in (*matching.values, matching.rest)]
    found += [a for call in _aggregates(clauses, binder) if not call.counts_rows for a in call.args]
    for call in binder.analytics:
        found += [*call.args, *call.partition, call.when]
    for changed in clauses.listed.changed:
        found += [changed.prefix, changed.ignore_null, *(e for _, e in changed.columns)]
    for numbering in binder.numberings:
        found += [*numbering.partition, *(k.expr for k in numbering.order)]
    if clauses.window is not None:
        spec = clauses.window.window
        found += [clauses.window.condition, spec.when, spec.begin, spec.emit, *spec.partition]
    return [e for e in found if e is not None]
