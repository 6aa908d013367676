"""Parses SELECT statements."""

from __future__ import annotations

from typing import Final, cast, get_args

from plutino.sql.cursor import Cursor
from plutino.sql.expressions import at_qualify, expression, expressions, field, sort_keys
from plutino.sql.lexer import END, IDENT, UNITS
from plutino.sql.tree import Expr, Field, Join, JoinKind, Literal, Query, Select, SortKey, Source, Union, Unit, Window
from plutino.sql.windows import WINDOWS

JOINS: Final[dict[str, JoinKind]] = {kind: kind for kind in get_args(JoinKind)}
CLAUSES: Final = (*JOINS, "WHERE", "GROUP", "HAVING", "ORDER", "LIMIT")

_GLUE: Final = frozenset("/+#")


def query(cursor: Cursor) -> Query:
    """A whole statement, SELECT to the end of the text; one ``;`` may close it."""
    found = _query(cursor)
    cursor.accept(";")
    if cursor.kind != END:
        cursor.found("expected EOF", *CLAUSES, like=("UNION", "QUALIFY", "ASOF"), advice=_second_source(cursor))
    return found


def _query(cursor: Cursor) -> Query:
    """SELECT, or several with UNION ALL between them."""
    start = cursor.token[2]
    selects = [_select(cursor)]
    while cursor.at_union():
        cursor.advance()
        if cursor.word() != "ALL":
            cursor.found("expected ALL: rows of streams have no end, so that duplicates cannot be taken out", "ALL")
        cursor.advance()
        if cursor.kind != "SELECT":
            cursor.found("expected SELECT", "SELECT")
        selects.append(_select(cursor))
    return selects[0] if len(selects) == 1 else Union(tuple(selects), (start, cursor.end))


def _select(cursor: Cursor) -> Select:
    start = cursor.advance()[2]
    fields = _fields(cursor)
    if not cursor.accept("FROM"):
        cursor.found("expected FROM", "FROM", like=("AS", "INVISIBLE"), advice=_second_name(cursor))
    source = _source(cursor)
    joins = _joins(cursor) if cursor.kind in JOINS or _at_asof(cursor) else ()
    where = expression(cursor) if cursor.accept("WHERE") else None
    group_by, window = _group_by(cursor) if cursor.kind == "GROUP" else ((), None)
    having = expression(cursor) if cursor.accept("HAVING") else None
    qualify = _qualify(cursor) if cursor.word() == "QUALIFY" else None
    order_by = _order_by(cursor) if cursor.kind == "ORDER" else ()
    limit = _limit(cursor) if cursor.kind == "LIMIT" else None
    return Select(fields, source, joins, where, group_by, window, having, order_by, limit, (start, cursor.end), qualify)


def _second_source(cursor: Cursor) -> str | None:
    """What to do about a token after the last clause."""
    if cursor.kind == ",":
        return "streams are joined: FROM a INNER JOIN b ON a.id = b.id GROUP BY TUMBLINGWINDOW(ss, 10)"
    if cursor.kind != IDENT:
        return None
    if cursor.word().lower() in WINDOWS:
        return f"a window stands in GROUP BY: GROUP BY {cursor.written()}"
    if cursor.word() == "IS":
        return "only NULL can be asked for with IS; compare with = true"
    follows_source = cursor.at > 1 and cursor.tokens[cursor.at - 2][0] in ("FROM", "JOIN")
    return f"another name for a stream needs AS: AS {cursor.written()}" if follows_source else None


def _second_name(cursor: Cursor) -> str | None:
    """What to do about a word that follows a whole item of the select list."""
    if cursor.kind not in (IDENT, "*"):
        return None
    if cursor.tokens[cursor.at - 1][1].upper() == "DISTINCT":
        return "rows of streams have no end, so DISTINCT does not stand here; group by the columns and a window, or see changed_cols()"
    return f"another name for a column needs AS: AS {cursor.written()}"


def _fields(cursor: Cursor) -> tuple[Field, ...]:
    fields = [field(cursor)]
    while cursor.accept(","):
        fields.append(field(cursor))
    return tuple(fields)


def _source(cursor: Cursor) -> Source:
    """``name [AS alias]``. A name may be a topic: words with ``/``, ``+`` and ``#`` between them. Two words in a row are no name."""
    start = cursor.token[2]
    if cursor.kind == "(" and cursor.peek() == "SELECT":
        return _derived(cursor, start)
    parts: list[str] = []
    word_allowed = True
    while (cursor.kind == IDENT and word_allowed and not (parts and _at_clause(cursor))) or cursor.kind in _GLUE:
        word_allowed = cursor.kind != IDENT
        parts.append(cursor.advance()[1])
    if not parts:
        if cursor.kind in CLAUSES or cursor.kind in ("AS", "ON", END):
            cursor.found("expected stream name", "stream name")
        cursor.found("expected EOF", "stream name")
    alias = None
    if cursor.accept("AS"):
        if cursor.kind != IDENT:
            cursor.found("expected as alias", IDENT)
        alias = cursor.advance()[1]
    return Source("".join(parts), alias, None, (start, cursor.end))


def _derived(cursor: Cursor, start: int) -> Source:
    """``(SELECT …) AS alias``."""
    cursor.nest()
    cursor.advance()
    inner = _query(cursor)
    if not cursor.accept(")"):
        cursor.found("expected right paren", ")")
    cursor.nesting -= 1
    if not cursor.accept("AS"):
        cursor.found("expected AS: a query in FROM needs a name", "AS")
    if cursor.kind != IDENT:
        cursor.found("expected as alias", IDENT)
    name = cursor.advance()[1]
    return Source(name, None, inner, (start, cursor.end))


def _joins(cursor: Cursor) -> tuple[Join, ...]:
    joins: list[Join] = []
    while cursor.kind in JOINS or _at_asof(cursor):
        word, _, start, _ = cursor.token
        latest = word not in JOINS
        if latest:
            cursor.advance()
            word = cursor.kind if cursor.kind in JOINS else "INNER"
        if cursor.kind in JOINS:
            cursor.advance()
        kind = JOINS[word]
        if not cursor.accept("JOIN"):
            cursor.fail(f'found "{word}", expected JOIN key word.', ("JOIN",))
        source = _source(cursor)
        condition = None
        if cursor.kind == "ON":
            if kind == "CROSS":
                cursor.fail("On expression is not required for cross join type.\n")
            cursor.advance()
            condition = expression(cursor)
        within = _within(cursor) if cursor.word() == "WITHIN" and cursor.peek() == "(" else None
        joins.append(Join(kind, source, condition, within, (start, cursor.end), latest))
    return tuple(joins)


def _at_clause(cursor: Cursor) -> bool:
    """Whether a clause begins whose word is not reserved."""
    return cursor.at_union() or _at_asof(cursor) or at_qualify(cursor)


def _at_asof(cursor: Cursor) -> bool:
    """Whether ``ASOF [kind] JOIN`` stands here; ASOF is not reserved."""
    return cursor.word() == "ASOF" and (cursor.peek() in JOINS or cursor.peek() == "JOIN")


def _within(cursor: Cursor) -> tuple[Unit, int]:
    """``WITHIN (unit, length)``."""
    cursor.advance()
    cursor.advance()
    if cursor.kind not in UNITS:
        cursor.found("expected a time unit", *sorted(UNITS))
    unit = cast(Unit, cursor.advance()[0].lower())
    if not cursor.accept(","):
        cursor.found("expected comma", ",")
    length = expression(cursor)
    if not isinstance(length, Literal) or type(length.value) is not int or length.value <= 0:
        cursor.fail("the length of WITHIN should be an integer above zero", ("integer",), span=length.span)
    if not cursor.accept(")"):
        cursor.found("expected right paren", ")")
    return unit, length.value


def _group_by(cursor: Cursor) -> tuple[tuple[Expr, ...], Window | None]:
    """The dimensions and the window. The first window counts; more of them stay among the dimensions."""
    cursor.advance()
    if not cursor.accept("BY"):
        cursor.found("expected BY statement", "BY")
    groups = expressions(cursor)
    for at, group in enumerate(groups):
        if isinstance(group, Window):
            return groups[:at] + groups[at + 1 :], group
    return groups, None


def _qualify(cursor: Cursor) -> Expr:
    """``QUALIFY condition``; the word is not reserved."""
    cursor.advance()
    return expression(cursor)


def _order_by(cursor: Cursor) -> tuple[SortKey, ...]:
    cursor.advance()
    if not cursor.accept("BY"):
        cursor.found("expected BY keyword", "BY")
    return sort_keys(cursor)


def _limit(cursor: Cursor) -> int:
    cursor.advance()
    limit = expression(cursor)
    if isinstance(limit, Literal) and isinstance(limit.value, int) and not isinstance(limit.value, bool):
        return limit.value
    cursor.fail("limit should be integer", ("integer",), span=limit.span)
