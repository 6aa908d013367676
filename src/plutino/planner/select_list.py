"""The select list: items, wildcards, output names, and the order in which items are computed (sql reference §3.2 to §3.4)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from itertools import pairwise

from msgspec import Struct

from plutino.errors import PlanError, Position, SqlSyntaxError
from plutino.planner.binder import Binder
from plutino.planner.bound import AliasRef, ChangedColumns, ColumnRef, Dedup, FunctionCall, Item, Star, walk
from plutino.planner.calls import check_call, find_function
from plutino.planner.printing import printed
from plutino.planner.scope import Scope, SourceScope, suggested
from plutino.spi import FunctionKind
from plutino.sql import calls_in, columns_in, tree
from plutino.sql.lexer import tokenize

DEDUP = "dedup_trigger"


class SelectList(Struct, frozen=True):
    """What a statement gives: items, the star over undeclared columns, and the columns that show only changes.

    ``place``: how many items stand before the first wildcard, None without one.
    """

    items: tuple[Item, ...]
    star: Star | None
    changed: tuple[ChangedColumns, ...]
    dedup: Dedup | None = None
    place: int | None = None


def bind_select_list(select: tree.Select, scope: Scope, binder: Binder) -> SelectList:
    """The select list of a statement, with wildcards over declared columns written out."""
    _refuse_cycles(select.fields, scope, binder)
    _refuse_misplaced(select, binder)
    building = _Building(scope, binder)
    for position, field in enumerate(select.fields):
        binder.position = position
        with binder.placing(field.expr):
            building.take(field)
    binder.position = None
    return building.finished()


class _Building:
    def __init__(self, scope: Scope, binder: Binder) -> None:
        self.scope = scope
        self.binder = binder
        self.items: list[Item] = []
        self.written: dict[int, tree.Field] = {}
        """Where items stand, by their identity."""
        self.changed: list[ChangedColumns] = []
        self.starred: list[str] = []
        self.excepted: set[str] = set()
        self.numbered = 0
        self.spread_all = False
        self.dedup: Dedup | None = None
        self.before: list[Item] | None = None
        self.stars: list[tree.Wildcard] = []

    def take(self, field: tree.Field) -> None:
        expr = field.expr
        if isinstance(expr, tree.Wildcard):
            self._wildcard(expr)
            return
        if isinstance(expr, tree.Call) and expr.name.lower() == "changed_cols":
            self.changed.append(_changed(expr, self.binder))
            return
        if isinstance(expr, tree.Call) and expr.name.lower() == DEDUP:
            self._deduplicated(expr, field.alias or DEDUP)
            return
        name = field.alias or derived_name(expr)
        if name is None:
            name, self.numbered = f"kuiper_field_{self.numbered}", self.numbered + 1
        bound = self.binder.bind(expr, field.alias)
        spread = ""
        if isinstance(bound, FunctionCall) and bound.spec.kind is FunctionKind.MULTI_ROW:
            spread = bound.spec.name
        text = "" if isinstance(bound, ColumnRef) else printed(bound, self.binder.texts())
        self._add(Item(name, bound, text, field.alias is not None, not field.invisible, spread), field)

    def _add(self, item: Item, field: tree.Field) -> None:
        self.items.append(item)
        self.written[id(item)] = field

    def _deduplicated(self, expr: tree.Call, name: str) -> None:
        """``dedup_trigger``: its three columns go along as items."""
        if self.dedup is not None:
            raise PlanError(f"{DEDUP} stands twice; a rule has one")
        if len(expr.args) != 4:
            raise SqlSyntaxError(f"validate function {DEDUP} error: Expect 4 arguments but found {len(expr.args)}.")
        *columns, expire = expr.args
        shown: list[str] = []
        for number, (column, own) in enumerate(zip(columns, Dedup.COLUMNS, strict=True), 1):
            if not isinstance(column, tree.Column):
                with self.binder.placing(column):
                    raise SqlSyntaxError(f"validate function {DEDUP} error: Expect column for parameter {number}")
            shown.append(column.name)
            self.items.append(Item(own, self.binder.bind(column), printed(self.binder.bind(column))))
        if not isinstance(expire, tree.Literal) or type(expire.value) is not int:
            with self.binder.placing(expire):
                raise SqlSyntaxError(f"validate function {DEDUP} error: Expect int literal for parameter 4")
        self.dedup = Dedup(name, (shown[0], shown[1], shown[2]), expire.value)

    def _wildcard(self, expr: tree.Wildcard) -> None:
        self.stars.append(expr)
        self.excepted.update(expr.excepted)
        self.spread_all = True
        if self.before is None:
            self.before = list(self.items)
        if expr.stream is not None and expr.stream not in self.scope.sources:
            raise PlanError(f"stream {expr.stream} not found")
        chosen = self._sources_of(expr)
        if len(chosen) > 1 or chosen[0].schemaless:
            self.starred += [s.name for s in chosen]
        else:
            for name in chosen[0].content.schema.names:
                kind = chosen[0].type_of(name)
                assert kind is not None
                self.items.append(Item(name, ColumnRef(chosen[0].name, name, kind, True), "*"))
        for replaced in expr.replaced:
            with self.binder.placing(replaced):
                self._replaced(replaced)

    def _sources_of(self, star: tree.Wildcard) -> list[SourceScope]:
        names = self.scope.merged if star.stream is None else (star.stream,)
        return [self.scope.sources[name] for name in names]

    def _refuse_unknown(self, name: str, sources: Sequence[SourceScope], others: Collection[str], place: tree.Span) -> None:
        """PlanError for a name that a star does not stand for, where all its columns are declared."""
        if any(source.schemaless or source.type_of(name) is not None for source in sources) or name in others:
            return
        text = self.binder.text
        declared = [column for source in sources for column in source.content.schema.names]
        position = Position.of(text, *place) if text and place != tree.NOWHERE else None
        raise PlanError(f"unknown field {name}", text=text, position=position, suggestion=suggested(name, declared))

    def _replaced(self, field: tree.Field) -> None:
        """A column that takes the place of another, or is added."""
        if field.alias is None:
            raise PlanError("every expression of REPLACE needs a name; write it as REPLACE(expression AS name)")
        if field.alias in self.scope.aliases:
            raise PlanError(f"duplicate alias {field.alias}")
        bound = self.binder.bind(field.expr, field.alias)
        self._add(Item(field.alias, bound, printed(bound, self.binder.texts()), aliased=True), field)

    def finished(self) -> SelectList:
        others = {item.name for item in self.items if not item.aliased and not item.of_star}
        for written in self.stars:
            for name in written.excepted:
                self._refuse_unknown(name, self._sources_of(written), others, _place_of(name, written, self.binder.text))
        kept = [i for i in self.items if i.name not in self.excepted or i.aliased]
        star = Star(tuple(dict.fromkeys(self.starred)), tuple(sorted(self.excepted))) if self.starred else None
        items = tuple(self._distinct(kept))
        place = None if self.before is None else sum(any(i is other for other in self.before) for i in items)
        return SelectList(items, star, tuple(self.changed), self.dedup, place)

    def _distinct(self, items: Sequence[Item]) -> list[Item]:
        """Items with distinct names: what stands beside a star replaces its columns; otherwise a name given twice is refused."""
        shown: dict[str, Item] = {}
        replaced: set[int] = set()
        for item in items:
            if not item.visible:
                continue
            other = shown.get(item.name)
            if other is not None and item.of_star:
                replaced.add(id(item))
                continue
            if other is not None:
                if not self.spread_all or not other.of_star:
                    with self.binder.placing(self.written.get(id(item))):
                        raise PlanError(f"duplicate field definition {item.name}", advice="give one of the two another name with AS")
                replaced.add(id(other))
            shown[item.name] = item
        return [item for item in items if id(item) not in replaced]


def _place_of(name: str, star: tree.Wildcard, text: str) -> tree.Span:
    """Where a name stands in the EXCEPT of a wildcard."""
    start, end = star.span
    listed = False
    for kind, shown, at, until in tokenize(text[start:end]):
        if kind in ("EXCEPT", ")"):
            listed = kind == "EXCEPT"
        elif listed and shown == name:
            return start + at, start + until
    return star.span


def _changed(expr: tree.Call, binder: Binder) -> ChangedColumns:
    check_call(expr, find_function(expr, binder.env))
    prefix, ignore, *others = expr.args
    columns = tuple((derived_name(a) or "", binder.bind(a)) for a in others if not isinstance(a, tree.Wildcard))
    return ChangedColumns(binder.bind(prefix), binder.bind(ignore), columns, any(isinstance(a, tree.Wildcard) for a in others))


def derived_name(expr: tree.Expr | tree.ArrowLiteral) -> str | None:
    """The output name of an item without alias; None for the numbered ones."""
    match expr:
        case tree.Column(name=name):
            return name
        case tree.TimeUnit(unit=unit):
            return unit
        case tree.Call(name=name):
            return name.lower()
        case tree.Window(kind=kind):
            return kind
        case _:
            return None


# --- checks ---------------------------------------------------------------------------------------------------------------------------


def _refuse_cycles(fields: Sequence[tree.Field], scope: Scope, binder: Binder) -> None:
    references = {
        field.alias: {n for c in columns_in(field.expr) if (n := c.stream or c.name) in scope.aliases and n != field.alias}
        for field in fields
        if field.alias is not None
    }
    done: set[str] = set()
    for alias in references:
        cycle = _cycle(alias, (), references, done)
        if cycle:
            told = ", ".join(f"{name} is made of {other}" for name, other in pairwise((*cycle, cycle[0])))
            with binder.placing(scope.aliases[cycle[0]]):
                raise PlanError("select fields have cycled alias", advice=told)


def _cycle(alias: str, path: tuple[str, ...], references: Mapping[str, set[str]], done: set[str]) -> tuple[str, ...]:
    """The aliases that need each other, as far as one of them is needed for this one; nothing when there are none."""
    if alias in path:
        return path[path.index(alias) :]
    if alias not in done:
        for other in sorted(references[alias]):
            found = _cycle(other, (*path, alias), references, done)
            if found:
                return found
        done.add(alias)
    return ()


def _refuse_misplaced(select: tree.Select, binder: Binder) -> None:
    """Set-returning functions stand once, at the top of a select item or inside an expression, and nowhere else."""
    functions = binder.env.registry.functions
    called = [functions.get(call.name.lower()) for call in calls_in(select)]
    if not any(spec is not None and spec.kind is FunctionKind.MULTI_ROW for spec in called):
        return
    found = [maker for field in select.fields for maker in _row_makers(field.expr, binder)]
    others = (select.where, select.group_by, select.having, select.qualify, select.order_by, tuple(j.on for j in select.joins))
    faults = (
        ([call for call, depth in found if depth > 1], "select clause shouldn't has nested set-returning-functions"),
        ([call for call, _ in found[1:]], "select clause shouldn't has multi set-returning-functions"),
        ([call for other in others for call, _ in _row_makers(other, binder)], "select statement shouldn't has srf except fields"),
    )
    for calls, text in faults:
        if calls:
            with binder.placing(calls[0]):
                raise SqlSyntaxError(text)


def _row_makers(node: object, binder: Binder, depth: int = 0) -> list[tuple[tree.Call, int]]:
    """The set-returning calls anywhere in a tree, with how deep they stand in each other."""
    found: list[tuple[tree.Call, int]] = []
    if isinstance(node, tree.Call):
        spec = binder.env.registry.functions.get(node.name.lower())
        if spec is not None and spec.kind is FunctionKind.MULTI_ROW:
            depth += 1
            found.append((node, depth))
    if isinstance(node, tree.Node):
        for field in node.__struct_fields__:
            if field != "span":
                found += _row_makers(getattr(node, field), binder, depth)
    elif isinstance(node, tuple):
        for member in node:
            found += _row_makers(member, binder, depth)
    return found


def evaluation_order(items: Sequence[Item]) -> tuple[int, ...]:
    """Items without alias left to right, then aliased ones, each after the aliases that it uses."""
    by_alias = {item.name: i for i, item in enumerate(items) if item.aliased}
    # No local function that calls itself: it would be garbage that only the collector finds, for each of thousands of rules.
    order: list[int] = []
    placed: set[int] = set()
    for wanted in (False, True):
        for i, item in enumerate(items):
            if item.aliased is wanted:
                _place(i, items, by_alias, placed, order)
    return tuple(order)


def _place(i: int, items: Sequence[Item], by_alias: Mapping[str, int], placed: set[int], order: list[int]) -> None:
    if i in placed:
        return
    placed.add(i)
    for part in walk(items[i].expr):
        if isinstance(part, AliasRef):
            _place(by_alias[part.name], items, by_alias, placed, order)
    order.append(i)
