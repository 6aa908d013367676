"""What the operators of a graph do: properties read into syntax trees, with the wire texts of what is wrong (runtime reference §6)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, TypeAlias, assert_never, cast

from msgspec import Struct

from plutino.errors import PlanError, PlutinoError
from plutino.planner.calls import check_call, find_function
from plutino.planner.graph.document import OPERATOR, Graph, Node, check_role
from plutino.planner.graph.scripting import function_name, script_of
from plutino.spi import Environment
from plutino.spi.options import decode_options
from plutino.sql import calls_in, parse_expression, parse_select, tree
from plutino.templates.go.printing import show


class Watermark(Struct, frozen=True):
    """Nothing is computed: rows are put into the order of their time."""


class Function(Struct, frozen=True):
    """A call whose result is a column from here on; of a collection where it aggregates."""

    name: str
    call: tree.Call


class Filter(Struct, frozen=True):
    """Rows, or groups, for which a condition is true."""

    condition: tree.Expr


class Pick(Struct, frozen=True):
    """The columns that go on."""

    fields: tuple[tree.Field, ...]


class Window(Struct, frozen=True):
    """Rows gathered into windows."""

    window: tree.Window


class Join(Struct, frozen=True):
    """``source`` joined with streams of the same window, or with a lookup table."""

    source: str
    joins: tuple[tree.Join, ...]


class GroupBy(Struct, frozen=True):
    """Windows taken apart into groups."""

    keys: tuple[tree.Expr, ...]


class OrderBy(Struct, frozen=True):
    """Rows of a window, sorted."""

    keys: tuple[tree.SortKey, ...]


class Switch(Struct, frozen=True):
    """One output per case; with ``first`` a row leaves through the first case that holds alone."""

    cases: tuple[tree.Expr, ...]
    first: bool


class Script(Struct, frozen=True):
    """JavaScript that makes rows of each row, or with ``whole`` of all rows of a window."""

    function: str
    whole: bool


Operation: TypeAlias = Watermark | Function | Filter | Pick | Window | Join | GroupBy | OrderBy | Switch | Script


class Emitters(Struct, frozen=True):
    """The streams and tables of a graph by the names that its expressions use."""

    streams: Collection[str]
    lookups: Collection[str] = ()
    scans: Collection[str] = ()


class _WindowProps(Struct, rename="camel"):
    type: str = ""
    unit: str = ""
    size: int = 0
    interval: int = 0


class _PickProps(Struct, rename="camel"):
    fields: list[str] = []


class _GroupProps(Struct, rename="camel"):
    dimensions: list[str] = []


class _WatermarkProps(Struct, rename="camel"):
    emitters: list[str] = []
    send_watermark: bool = False


class _SwitchProps(Struct, rename="camel"):
    cases: list[str] = []
    stop_at_first_match: bool = False


class _ScriptProps(Struct, rename="camel"):
    is_agg: bool = False


class _JoinProps(Struct, rename="camel"):
    from_: str = ""
    joins: list[Any] = []


_WINDOWS: Mapping[str, tree.WindowKind] = {
    "tumblingwindow": "tumblingwindow",
    "hoppingwindow": "hoppingwindow",
    "slidingwindow": "slidingwindow",
    "sessionwindow": "sessionwindow",
    "countwindow": "countwindow",
}
_CLAUSES = ("joins", "where", "group_by", "window", "having", "qualify", "order_by", "limit")
_UNITS = ("dd", "hh", "mi", "ss", "ms")


def read_operations(graph: Graph, emitters: Emitters, env: Environment) -> dict[str, Operation]:
    """The operators of a graph by name; PlanError with the wire text for unknown kinds and wrong properties."""
    found: dict[str, Operation] = {}
    for node in graph.nodes.values():
        check_role(node, graph)
        if node.role != OPERATOR:
            continue
        try:
            found[node.name] = _operation(node, emitters, env)
        except PlutinoError as error:
            what = "window conf" if node.operation == "window" else node.operation
            raise PlanError(f"parse {what} {node.name} with {show(dict(node.props))} error: {error.message}") from error
    return found


def expression_texts(node: Node) -> list[str]:
    """Every text in the properties of an operator that holds an expression, as SELECT would list it."""
    props = {name.lower(): value for name, value in node.props.items()}
    match node.operation:
        case "function" | "aggfunc" | "filter":
            found = [props.get("expr")]
        case "pick":
            found = _members(props.get("fields"))
        case "groupby":
            found = _members(props.get("dimensions"))
        case "switch":
            found = _members(props.get("cases"))
        case "orderby":
            found = [sort.get("field") for sort in _members(props.get("sorts")) if isinstance(sort, dict)]
        case "join":
            found = [join.get("on") for join in _members(props.get("joins")) if isinstance(join, dict)]
        case _:
            found = []
    return [text for text in found if isinstance(text, str) and text.strip()]


def _members(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _operation(node: Node, emitters: Emitters, env: Environment) -> Operation:
    match node.operation:
        case "watermark":
            return _watermark(node, emitters)
        case "function" | "aggfunc":
            return _function(node, env)
        case "filter":
            return Filter(_known(_condition(_expr(node)), env))
        case "pick":
            return _pick(node, env)
        case "window":
            return Window(_window(decode_options(_WindowProps, node.props)))
        case "join":
            return _join(node, emitters, env)
        case "groupby":
            return _group_by(node, env)
        case "orderby":
            return _order_by(node, env)
        case "switch":
            return _switch(node, env)
        case "script":
            script_of(node)
            return Script(function_name(node.name), decode_options(_ScriptProps, node.props).is_agg)
        case _:
            raise PlanError(f"unknown operator type {node.kind}")


def _watermark(node: Node, emitters: Emitters) -> Watermark:
    props = decode_options(_WatermarkProps, node.props)
    if not props.emitters:
        raise PlanError("watermark must have at least one emitter")
    for name in props.emitters:
        if name not in emitters.streams:
            raise PlanError(f"emitter {name} does not exist")
    return Watermark()


def _expr(node: Node) -> str:
    if "expr" not in node.props:
        raise PlanError("no expr")
    found = node.props["expr"]
    if not isinstance(found, str):
        raise PlanError(f"expr {show(found)} is not string")
    return found


def _condition(text: str) -> tree.Expr:
    return parse_expression(text)


def _function(node: Node, env: Environment) -> Function:
    text = _expr(node)
    (field, *_) = _select(f"select {text} from nonexist", "fields").fields
    call = field.expr
    if not isinstance(call, tree.Call):
        raise PlanError(f"expr {text} is not ast.Call")
    _known(call, env)
    return Function(field.alias or call.name.lower(), call)


def _pick(node: Node, env: Environment) -> Pick:
    fields = _select(f"select {','.join(decode_options(_PickProps, node.props).fields)} from nonexist", "fields").fields
    for field in fields:
        _known(field.expr, env)
    return Pick(fields)


def _group_by(node: Node, env: Environment) -> GroupBy:
    dimensions = decode_options(_GroupProps, node.props).dimensions
    if not dimensions:
        raise PlanError("groupby must have at least one dimension")
    try:
        select = _select(f"SELECT * FROM unknown Group By {','.join(dimensions)}", "group_by")
    except PlutinoError as error:
        raise PlanError(f"invalid join statement error: {error.message}") from error
    for key in select.group_by:
        _known(key, env)
    return GroupBy(select.group_by)


def _order_by(node: Node, env: Environment) -> OrderBy:
    """The sort keys; ``order`` says the same as ``desc``, as it is documented."""
    sorts = [sort for name, value in node.props.items() if name.lower() == "sorts" for sort in _members(value)]
    keys = []
    for sort in sorts:
        if not isinstance(sort, dict) or not isinstance(sort.get("field"), str):
            raise PlanError(f"sort {show(sort)}; an object with a field is expected")
        keys.append(sort["field"] + (" DESC" if _descends(sort) else ""))
    if not keys:
        raise PlanError("order by statement is empty")
    try:
        found = _select(f"SELECT * FROM unknown ORDER BY {', '.join(keys)}", "order_by").order_by
    except PlutinoError as error:
        raise PlanError(f"invalid order by statement error: {error.message}") from error
    for key in found:
        _known(key.expr, env)
    return OrderBy(found)


def _descends(sort: Mapping[str, Any]) -> bool:
    desc, order = sort.get("desc", False), sort.get("order", "")
    if not isinstance(desc, bool):
        raise PlanError(f"sort {show(dict(sort))}: desc {show(desc)}; true or false is expected")
    if not isinstance(order, str) or order.lower() not in ("", "asc", "desc"):
        raise PlanError(f"sort {show(dict(sort))}: order {show(order)}; asc or desc is expected")
    return desc or order.lower() == "desc"


def _switch(node: Node, env: Environment) -> Switch:
    props = decode_options(_SwitchProps, node.props)
    if not props.cases:
        raise PlanError("switch node must have at least one case")
    cases = []
    for number, text in enumerate(props.cases):
        try:
            cases.append(_known(_condition(text), env))
        except PlutinoError as error:
            raise PlanError(f"parse case {number} error: {error.message}") from error
    return Switch(tuple(cases), props.stop_at_first_match)


def _window(props: _WindowProps) -> tree.Window:
    size, interval = props.size, props.interval
    if size <= 0:
        raise PlanError(f"window size {size} is invalid")
    kind = _WINDOWS.get(props.type.lower())
    if kind is None:
        raise PlanError(f"unknown window type {props.type}")
    _check_interval(kind, size, interval)
    if kind == "countwindow":
        return tree.Window(kind, (tree.Literal(size), tree.Literal(interval or size)))
    unit = props.unit.lower()
    if unit not in _UNITS:
        raise PlanError(f"Invalid unit {props.unit}")
    lengths = (size, interval) if kind in ("hoppingwindow", "sessionwindow") else (size,)
    return tree.Window(kind, (tree.TimeUnit(cast(tree.Unit, unit)), *map(tree.Literal, lengths)))


def _check_interval(kind: tree.WindowKind, size: int, interval: int) -> None:
    match kind:
        case "tumblingwindow" | "slidingwindow":
            if interval not in (0, size):
                raise PlanError("tumbling window interval must equal to size")
        case "hoppingwindow" | "sessionwindow":
            if interval <= 0:
                raise PlanError("hopping window interval must be greater than 0")
            if kind == "hoppingwindow" and interval > size:
                raise PlanError("hopping window interval must be less than size")
        case "countwindow":
            if interval < 0:
                raise PlanError("count window interval must be greater or equal to 0")
            if interval > size:
                raise PlanError("count window interval must be less than size")
        case "statewindow":
            raise PlanError(f"unknown window type {kind}")
        case _:
            assert_never(kind)


def _join(node: Node, emitters: Emitters, env: Environment) -> Join:
    select = _select(_join_text(node), "joins")
    source = select.source.name
    if source not in emitters.streams:
        raise PlanError(f"join source {source} is not a stream")
    asked = [join for join in select.joins if join.source.name in emitters.lookups]
    if asked and len(select.joins) > 1:
        raise PlanError("only support to join one lookup table with one stream")
    if not asked and select.joins and emitters.scans:
        raise PlanError(f"do not support scan table {show(list(emitters.scans))} yet")
    for join in select.joins:
        if join.source.name not in (*emitters.streams, *emitters.lookups):
            raise PlanError(f"join target {join.source.name} is no source of the graph; {', '.join(emitters.streams)} are")
        if join.on is not None:
            _known(join.on, env)
    if not select.joins:
        raise PlanError("no joins; at least one is expected")
    return Join(source, select.joins)


def _join_text(node: Node) -> str:
    props = {name.lower(): value for name, value in node.props.items()}
    source = props.get("from", "")
    parts = [f"SELECT * FROM {source if isinstance(source, str) else show(source)}"]
    for join in decode_options(_JoinProps, {"joins": props.get("joins", [])}).joins:
        if not isinstance(join, dict):
            raise PlanError(f"join {show(join)}; an object with name, type and on is expected")
        written = {name.lower(): value for name, value in join.items()}
        kind, name, on = (str(written.get(key) or "") for key in ("type", "name", "on"))
        parts.append(f"{kind} JOIN {name}" + (f" ON {on}" if on or kind.lower() != "cross" else ""))
    return " ".join(parts)


def _select(text: str, clause: str) -> tree.Select:
    """A statement made of properties; what they say beyond ``clause`` would be lost, and is refused."""
    found = parse_select(text)
    if not isinstance(found, tree.Select) or any(getattr(found, other) for other in _CLAUSES if other != clause):
        raise PlanError(f"{text}: more than one clause; the properties of this node hold {clause.replace('_', ' ')} alone")
    return found


def _known(expr: Any, env: Environment) -> Any:
    """The expression, whose functions exist and are called as they must be."""
    for call in calls_in(expr):
        if call.name.lower() not in ("meta", "mqtt"):
            check_call(call, find_function(call, env))
    return expr
