"""Writes a syntax tree as text that parses to an equal tree (``parse(to_sql(tree)) == tree``).

Names are quoted with backquotes only where they must be; parentheses stand only where the operators need them.
"""

from __future__ import annotations

import re
from decimal import Decimal
from math import isfinite
from typing import Final, TypeAlias, assert_never

from plutino.sql.lexer import KEYWORDS
from plutino.sql.tree import (
    ArrayType,
    Arrow,
    ArrowLiteral,
    Between,
    Binary,
    Branch,
    Call,
    Case,
    Column,
    ColumnDef,
    ColumnType,
    CreateStream,
    Describe,
    Drop,
    Explain,
    Expr,
    Field,
    In,
    Index,
    IsNull,
    Join,
    Like,
    Literal,
    Over,
    Select,
    Show,
    SimpleType,
    Slice,
    SortKey,
    Source,
    Statement,
    StructType,
    TimeUnit,
    Union,
    Value,
    Wildcard,
    Window,
)

Printable: TypeAlias = Statement | Expr | Field | Source | Join | SortKey | Over | Branch | ColumnDef | ColumnType

_POWERS: Final = {
    **dict.fromkeys(("OR",), 1),
    **dict.fromkeys(("AND",), 2),
    **dict.fromkeys(("=", "!=", "<", "<=", ">", ">="), 3),
    **dict.fromkeys(("+", "-", "|", "^"), 4),
    **dict.fromkeys(("*", "/", "%", "&"), 5),
}
_COMPARISON: Final = 3
_SUM: Final = 4
_PATH: Final = 6

_PLAIN: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]*\Z")
_SOURCE_PART: Final = re.compile(r"[/#+]")
_ESCAPES: Final = {"\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def to_sql(node: Printable) -> str:
    """The text of any node. Raises ValueError for what the language cannot write, such as a name with a backquote in it."""
    match node:
        case Select():
            return _select(node)
        case Union(selects=selects):
            return " UNION ALL ".join(map(_select, selects))
        case CreateStream():
            return _create(node)
        case Show(kind=kind):
            return f"SHOW {kind.upper()}S"
        case Describe(kind=kind, name=name):
            return f"DESCRIBE {kind.upper()} {_name(name)}"
        case Explain(kind=kind, name=name):
            return f"EXPLAIN {kind.upper()} {_name(name)}"
        case Drop(kind=kind, name=name):
            return f"DROP {kind.upper()} {_name(name)}"
        case Field(expr=expr, alias=alias, invisible=invisible):
            return _expr(expr) + (f" AS {_name(alias)}" if alias is not None else "") + (" INVISIBLE" if invisible else "")
        case Source(name=name, query=Select() | Union() as query):
            return f"({to_sql(query)}) AS {_name(name)}"
        case Source(name=name, alias=alias):
            return _source_name(name) + (f" AS {_name(alias)}" if alias is not None else "")
        case Join(kind=kind, source=source, on=on, within=within, latest=latest):
            bounded = f" WITHIN ({within[0]}, {within[1]})" if within is not None else ""
            return f"{'ASOF ' if latest else ''}{kind} JOIN {to_sql(source)}" + (f" ON {_expr(on)}" if on is not None else "") + bounded
        case SortKey(expr=expr, descending=descending):
            return _expr(expr) + (" DESC" if descending else "")
        case Over():
            return _over(node)
        case Branch(condition=condition, result=result):
            return f"WHEN {_expr(condition)} THEN {_expr(result)}"
        case ColumnDef(name=name, type=type_, default=default):
            return f"{_name(name)} {_type(type_)}" + (f" DEFAULT {_literal(default)}" if default is not None else "")
        case SimpleType() | ArrayType() | StructType():
            return _type(node)
        case _:
            return _expr(node)


# --- statements -------------------------------------------------------------------------------------------------------------------


def _select(node: Select) -> str:
    parts = ["SELECT " + ", ".join(map(to_sql, node.fields)), "FROM " + to_sql(node.source), *map(to_sql, node.joins)]
    if node.where is not None:
        parts.append("WHERE " + _expr(node.where))
    groups = [*map(_expr, node.group_by)]
    if node.window is not None:
        # The first window of the list is the query's own.
        groups.insert(next((at for at, group in enumerate(node.group_by) if isinstance(group, Window)), len(groups)), _expr(node.window))
    if groups:
        parts.append("GROUP BY " + ", ".join(groups))
    if node.having is not None:
        parts.append("HAVING " + _expr(node.having))
    if node.qualify is not None:
        parts.append("QUALIFY " + _expr(node.qualify))
    if node.order_by:
        parts.append("ORDER BY " + ", ".join(map(to_sql, node.order_by)))
    if node.limit is not None:
        parts.append(f"LIMIT {node.limit}")
    return " ".join(parts)


def _create(node: CreateStream) -> str:
    columns = ", ".join(map(to_sql, node.columns))
    options = ", ".join(f"{name}={_double_quoted(_option(value))}" for name, value in node.options.items())
    return f"CREATE {node.kind.upper()} {_name(node.name)} ({columns}) WITH ({options})"


def _option(value: str | bool | int) -> str:
    return str(value).upper() if isinstance(value, bool) else str(value)


def _type(node: ColumnType) -> str:
    match node:
        case SimpleType(name=name):
            return name
        case ArrayType(element=element):
            return f"array({_type(element)})"
        case StructType(fields=fields):
            return f"struct({', '.join(map(to_sql, fields))})"
        case _:
            assert_never(node)


# --- expressions ------------------------------------------------------------------------------------------------------------------


def _expr(node: Expr, power: int = 0) -> str:
    """``node`` as an operand of something that binds with ``power``: in parentheses if it binds less tightly itself."""
    match node:
        case Column(stream=stream, name=name):
            return _name(name) if stream is None else f"{_name(stream)}.{_name(name)}"
        case Literal(value=value):
            return _literal(value)
        case Binary():
            return _binary(node, power)
        case Call(name=name, args=args, over=over, distinct=distinct):
            text = f"{_name(name)}({'DISTINCT ' if distinct else ''}{', '.join(map(_expr, args))})"
            return f"{text} {_over(over)}" if over is not None else text
        case Arrow(base=base, name=name):
            return f"{_expr(base, _PATH)}->{_name(name)}"
        case ArrowLiteral(base=base, key=key):
            return f"{_expr(base, _PATH)}->{_literal(key.value)}"
        case Index(base=base, index=index):
            return f"{_expr(base, _PATH)}[{_bound(index)}]"
        case Slice(base=base, start=start, end=end):
            return f"{_expr(base, _PATH)}[{_bound(start)}:{_bound(end)}]"
        case In() | Between() | Like() | IsNull():
            return _in_parentheses(_predicate(node), power > _COMPARISON)
        case Case():
            return _case(node)
        case Wildcard():
            return _wildcard(node)
        case Window():
            return _window(node)
        case TimeUnit(unit=unit):
            return unit
        case _:
            assert_never(node)


def _in_parentheses(text: str, needed: bool) -> str:
    return f"({text})" if needed else text


def _binary(node: Binary, power: int) -> str:
    own = _POWERS[node.op]
    right = _expr(node.right, own + 1)
    if (node.op == "-" and right.startswith("-")) or (node.op == "/" and right.startswith("*")):
        right = f"({right})"  # else a comment would start here, at least for the dialect's origin
    return _in_parentheses(f"{_expr(node.left, own)} {node.op} {right}", power > own)


def _predicate(node: In | Between | Like | IsNull) -> str:
    if isinstance(node, IsNull):
        return f"{_expr(node.operand, _COMPARISON)} IS {'NOT ' if node.negated else ''}NULL"
    left = _expr(node.operand, _COMPARISON) + (" NOT" if node.negated else "")
    match node:
        case Between(low=low, high=high):
            return f"{left} BETWEEN {_expr(low, _SUM)} AND {_expr(high, _SUM)}"
        case Like(pattern=pattern):
            return f"{left} LIKE {_expr(pattern, _SUM)}"
        case In(choices=choices):
            if isinstance(choices, tuple):
                return f"{left} IN ({', '.join(map(_expr, choices))})"
            right = _expr(choices, _SUM)
            if right.startswith("("):
                raise ValueError(f"IN cannot take {right}: a list that is computed must not start with a parenthesis")
            return f"{left} IN {right}"
        case _:
            assert_never(node)


def _case(node: Case) -> str:
    subject = f" {_expr(node.subject)}" if node.subject is not None else ""
    otherwise = f" ELSE {_expr(node.otherwise)}" if node.otherwise is not None else ""
    return f"CASE{subject} {' '.join(map(to_sql, node.branches))}{otherwise} END"


def _wildcard(node: Wildcard) -> str:
    text = "*" if node.stream is None else f"{_name(node.stream)}.*"
    if node.excepted:
        text += f" EXCEPT({', '.join(map(_name, node.excepted))})"
    if node.replaced:
        text += f" REPLACE({', '.join(map(to_sql, node.replaced))})"
    return text


def _window(node: Window) -> str:
    text = f"{node.kind}({', '.join(map(_expr, node.args))})"
    if node.filter is not None:
        text += f" FILTER (WHERE {_expr(node.filter)})"
    parts = [] if node.when is None else ["WHEN " + _expr(node.when)]
    if node.partition_by:
        parts.append("PARTITION BY " + ", ".join(map(_expr, node.partition_by)))
    return f"{text} OVER ({' '.join(parts)})" if parts else text


def _over(node: Over) -> str:
    parts = []
    if node.partition_by:
        parts.append("PARTITION BY " + ", ".join(map(_expr, node.partition_by)))
    if node.order_by:
        parts.append("ORDER BY " + ", ".join(map(to_sql, node.order_by)))
    if node.when is not None:
        parts.append("WHEN " + _expr(node.when))
    return f"OVER ({' '.join(parts)})"


def _bound(node: Expr | None) -> str:
    """An index: an integer that opens it is taken for the whole, so anything else that starts like one goes into parentheses."""
    if node is None:
        return ""
    text = _expr(node)
    return _in_parentheses(text, not isinstance(node, Literal) and (text[0].isdigit() or text[0] == "-"))


# --- words ------------------------------------------------------------------------------------------------------------------------


def _name(name: str) -> str:
    if _PLAIN.match(name) and name.upper() not in KEYWORDS:
        return name
    if not name or "`" in name or "\0" in name:
        raise ValueError(f"{name!r} cannot be written as a name: empty, or with a backquote or NUL in it")
    return f"`{name}`"


def _source_name(name: str) -> str:
    parts = _SOURCE_PART.split(name)
    plain = all(not part or (_PLAIN.match(part) and part.upper() not in KEYWORDS) for part in parts)
    return name if name and plain else _name(name)


def quoted(text: str, *, single: bool) -> str:
    """A text as a literal in double or single quotes."""
    return "'" + _escaped(text).replace("'", "\\'") + "'" if single else _double_quoted(text)


def _literal(value: Value) -> str:
    match value:
        case bool():
            return "TRUE" if value else "FALSE"
        case int():
            return str(value)
        case float():
            return _fraction(value)
        case str():
            return _double_quoted(value) if "'" in value else f"'{_escaped(value)}'"
        case _:
            assert_never(value)


def _fraction(value: float) -> str:
    """Shortest digits that read back as the same number; the language has no exponents."""
    if not isfinite(value):
        raise ValueError(f"{value} cannot be written: numbers are finite")
    text = format(Decimal(repr(value)), "f")
    return text if "." in text else text + ".0"


def _double_quoted(text: str) -> str:
    return '"' + _escaped(text).replace('"', '\\"') + '"'


def _escaped(text: str) -> str:
    return "".join(_ESCAPES.get(c) or (c if c >= " " else f"\\x{ord(c):02x}") for c in text)
