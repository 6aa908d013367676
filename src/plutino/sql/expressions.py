"""Parses expressions by precedence climbing.

From loose to tight: ``OR``, ``AND``, comparisons with ``IN BETWEEN LIKE``, ``+ - | ^``, ``* / % &``, and the paths ``-> . []``, all
binding to the left. There is no prefix NOT, and no minus before anything but a number.
"""

from __future__ import annotations

from math import isinf
from typing import Final, cast

from plutino.sql.cursor import Cursor, quote
from plutino.sql.lexer import IDENT, INTEGER, NUMBER, SINGLE, STRING, UNITS
from plutino.sql.tree import (
    Arrow,
    ArrowLiteral,
    Between,
    Binary,
    Branch,
    Call,
    Case,
    Column,
    Expr,
    Field,
    In,
    Index,
    IsNull,
    Like,
    Literal,
    Operator,
    Over,
    Slice,
    SortKey,
    TimeUnit,
    Unit,
    Wildcard,
    Window,
)
from plutino.sql.windows import TIME_WINDOWS, WINDOWS, check_window

COMPARISON: Final = 3
SUM: Final = 4

BINARY: Final[dict[str, tuple[int, Operator]]] = {
    "OR": (1, "OR"),
    "AND": (2, "AND"),
    "=": (COMPARISON, "="),
    "!=": (COMPARISON, "!="),
    "<": (COMPARISON, "<"),
    "<=": (COMPARISON, "<="),
    ">": (COMPARISON, ">"),
    ">=": (COMPARISON, ">="),
    "+": (SUM, "+"),
    "-": (SUM, "-"),
    "|": (SUM, "|"),
    "^": (SUM, "^"),
    "*": (5, "*"),
    "/": (5, "/"),
    "%": (5, "%"),
    "&": (5, "&"),
}
"""Power and name of the operators whose right side is an expression."""

PREDICATES: Final = frozenset(("IN", "NOT", "BETWEEN", "LIKE"))
CONDITIONS: Final = frozenset(("AND", "OR", "=", "!=", "<", "<=", ">", ">="))

_NUMBERS: Final = frozenset((INTEGER, NUMBER, "-"))
_STRINGS: Final = frozenset((STRING, SINGLE))
_LITERALS: Final = frozenset((*_NUMBERS, *_STRINGS, "TRUE", "FALSE"))
_PATHS: Final = frozenset(("->", ".", "["))
_OPERANDS: Final = frozenset((IDENT, *_LITERALS, "CASE", *UNITS)) - {"-"}
"""What, behind the word DISTINCT in a call, makes it a word of the language and not a column."""

MIN_INTEGER: Final = -(2**63)
MAX_INTEGER: Final = 2**63 - 1


def expression(cursor: Cursor, power: int = 1) -> Expr:
    """An expression of operators that bind at least as tightly as ``power``."""
    cursor.nest()
    start = cursor.token[2]
    left = operand(cursor)
    while True:
        kind = cursor.kind
        binary = BINARY.get(kind)
        if binary is not None and binary[0] >= power:
            cursor.advance()
            right = expression(cursor, binary[0] + 1)
            left = Binary(binary[1], left, right, (start, cursor.end))
        elif kind in PREDICATES and power <= COMPARISON:
            left = _predicate(cursor, left, start)
        elif kind == IDENT and power <= COMPARISON and _is_null_test(cursor):
            cursor.advance()
            negated = cursor.accept("NOT")
            cursor.advance()
            left = IsNull(left, negated, (start, cursor.end))
        else:
            cursor.nesting -= 1
            return left


def _is_null_test(cursor: Cursor) -> bool:
    """Whether ``IS [NOT] NULL`` stands here; none of these words is reserved but NOT."""
    if cursor.word() != "IS":
        return False
    behind = cursor.tokens[cursor.at + 1 : cursor.at + 3]
    if behind and behind[0][0] == "NOT":
        behind = behind[1:]
    return bool(behind) and behind[0][0] == IDENT and behind[0][1].upper() == "NULL"


def expressions(cursor: Cursor) -> tuple[Expr, ...]:
    """One or more expressions with commas between them."""
    found = [expression(cursor)]
    while cursor.accept(","):
        found.append(expression(cursor))
    return tuple(found)


def operand(cursor: Cursor) -> Expr:
    """A literal, column, call, CASE, star or parenthesis with the paths behind it."""
    kind, text, start, end = cursor.token
    found: Expr
    if kind == IDENT:
        cursor.advance()
        if cursor.kind == "(":
            found = _call(cursor, text, start)
        elif cursor.kind == ".":
            found = _qualified(cursor, text, start)
        else:
            found = Column(None, text, (start, end))
    elif kind in _NUMBERS:
        found = _number(cursor)
    elif kind in _STRINGS:
        cursor.advance()
        found = Literal(text, (start, end))
    elif kind == "(":
        cursor.advance()
        found = expression(cursor)
        if not cursor.accept(")"):
            cursor.found("expected right paren", ")")
    elif kind == "TRUE" or kind == "FALSE":
        cursor.advance()
        found = Literal(kind == "TRUE", (start, end))
    elif kind == "CASE":
        found = _case(cursor)
    elif kind == "*":
        cursor.advance()
        found = _wildcard(cursor, None, start)
    elif kind in UNITS:
        text = cursor.written()
        cursor.advance()
        found = _qualified(cursor, text, start) if cursor.kind == "." else Column(None, text, (start, end))
    else:
        cursor.found("expected expression")
    while cursor.kind in _PATHS:
        found = _path(cursor, found, start)
    return found


def _number(cursor: Cursor) -> Literal:
    """A number with at most one minus; 64-bit integers only, where the dialect's origin clamps without a word."""
    start = cursor.token[2]
    negative = cursor.kind == "-" and cursor.peek() in (INTEGER, NUMBER)
    if negative:
        cursor.advance()
    kind, text, _, end = cursor.token
    value: int | float
    if kind == INTEGER:
        digits = text.lstrip("0") or "0"
        value = int(digits) if len(digits) < 20 else MAX_INTEGER + 2
    elif kind == NUMBER and text.count(".") == 1:
        value = float(text)
    else:
        cursor.found("expected expression" if kind == "-" else "invalid number value")
    if negative:
        value = -value
    if kind == INTEGER and not MIN_INTEGER <= value <= MAX_INTEGER:
        cursor.found("invalid number value: integers have 64 bits")
    if isinf(value):
        cursor.found("invalid number value")
    cursor.advance()
    return Literal(value, (start, end))


def _qualified(cursor: Cursor, first: str, start: int) -> Expr:
    """``first.name`` or ``first.*``, from the dot on."""
    cursor.advance()
    if cursor.accept("*"):
        return _wildcard(cursor, first, start)
    return Column(first, _name(cursor), (start, cursor.end))


def _name(cursor: Cursor) -> str:
    """A name behind a dot or arrow."""
    if cursor.kind in UNITS:
        text = cursor.written()
        cursor.advance()
        return text
    if cursor.kind != IDENT:
        cursor.found("expected expression", IDENT)
    return cursor.advance()[1]


def _path(cursor: Cursor, base: Expr, start: int) -> Expr:
    """One step ``->name``, ``.name``, ``[index]`` or ``[start:end]`` on ``base``."""
    if cursor.kind == "[":
        return _bracket(cursor, base, start)
    cursor.advance()
    if cursor.kind in _LITERALS:
        return ArrowLiteral(base, _literal(cursor), (start, cursor.end))
    return Arrow(base, _name(cursor), (start, cursor.end))


def _literal(cursor: Cursor) -> Literal:
    if cursor.kind in _NUMBERS:
        return _number(cursor)
    kind, text, start, end = cursor.advance()
    return Literal(text if kind in _STRINGS else kind == "TRUE", (start, end))


def _bracket(cursor: Cursor, base: Expr, start: int) -> Expr:
    cursor.advance()
    if cursor.accept("]"):
        return Slice(base, None, None, (start, cursor.end))
    low = None if cursor.kind == ":" else _bound(cursor, "start")
    if low is not None and cursor.accept("]"):
        return Index(base, low, (start, cursor.end))
    if not cursor.accept(":"):
        cursor.fail(f"Unexpected token {cursor.shown()}. when parsing bracket expressions.", ("]", ":"))
    high = None if cursor.kind == "]" else _bound(cursor, "end")
    if not cursor.accept("]"):
        cursor.fail(f"Found {cursor.shown()}, expected right bracket.", ("]",))
    return Slice(base, low, high, (start, cursor.end))


def _bound(cursor: Cursor, which: str) -> Expr:
    """An index. The dialect takes an integer that opens it for the whole index."""
    if cursor.kind in (INTEGER, "-"):
        number = _number(cursor)
        if cursor.kind not in ("]", ":"):
            text = cursor.text[number.span[0] : number.span[1]].replace(" ", "")
            span = number.span
            if which == "start":
                cursor.fail(f'Unexpected token "{text}". when parsing bracket expressions.', ("]", ":"), "parentheses around it", span)
            cursor.fail(f"Found {cursor.shown()}, expected right bracket.", ("]",), "parentheses around it")
        return number
    return expression(cursor)


def _predicate(cursor: Cursor, left: Expr, start: int) -> Expr:
    """``[NOT] IN``, ``[NOT] BETWEEN`` or ``[NOT] LIKE`` behind ``left``."""
    negated = cursor.accept("NOT")
    if cursor.accept("IN"):
        return _in(cursor, left, negated, start)
    if cursor.accept("BETWEEN"):
        low = expression(cursor, SUM)
        if not cursor.accept("AND"):
            cursor.fail(f"expect AND expression after between but found {cursor.token[1]}", ("AND",))
        high = expression(cursor, SUM)
        return Between(left, low, high, negated, (start, cursor.end))
    if cursor.accept("LIKE"):
        pattern = expression(cursor, SUM)
        return Like(left, pattern, negated, (start, cursor.end))
    cursor.fail(f"found {cursor.shown()}, expected expression", ("IN", "BETWEEN", "LIKE"))


def _in(cursor: Cursor, left: Expr, negated: bool, start: int) -> Expr:
    if not cursor.accept("("):
        return In(left, expression(cursor, SUM), negated, (start, cursor.end))
    if cursor.kind == ")":
        cursor.fail('expect elements for IN expression, but found ")", expected expression.', ("expression",))
    choices = expressions(cursor)
    if not cursor.accept(")"):
        cursor.fail(f"expect ) for IN expression, but got {cursor.shown()}", (",", ")"))
    return In(left, choices, negated, (start, cursor.end))


def _case(cursor: Cursor) -> Expr:
    start = cursor.advance()[2]
    subject = None if cursor.kind == "WHEN" else expression(cursor)
    branches: list[Branch] = []
    while cursor.kind == "WHEN":
        opening = cursor.advance()[2]
        condition = expression(cursor)
        if subject is None and not _is_condition(condition):
            message = "invalid CASE expression, WHEN expression must be a bool condition"
            cursor.fail(message, suggestion="a comparison, e.g. = TRUE", span=condition.span)
        if not cursor.accept("THEN"):
            cursor.fail("invalid CASE expression, THEN expected after WHEN", ("THEN",))
        result = expression(cursor)
        branches.append(Branch(condition, result, (opening, cursor.end)))
    if not branches:
        after = f"WHEN expected before {cursor.kind}" if cursor.kind in ("ELSE", "END") else "END expected"
        cursor.fail(f"invalid CASE expression, {after}", ("WHEN",))
    otherwise = expression(cursor) if cursor.accept("ELSE") else None
    if not cursor.accept("END"):
        cursor.fail("invalid CASE expression, END expected", ("END",) if otherwise else ("WHEN", "ELSE", "END"))
    return Case(subject, tuple(branches), otherwise, (start, cursor.end))


def _is_condition(expr: Expr) -> bool:
    match expr:
        case Literal(value=bool()) | In() | Between() | Like() | IsNull():
            return True
        case Binary(op=op):
            return op in CONDITIONS
    return False


def _wildcard(cursor: Cursor, stream: str | None, start: int) -> Expr:
    """``EXCEPT(…)`` and ``REPLACE(…)`` behind a star that has been read."""
    excepted: list[str] = []
    replaced: list[Field] = []
    while cursor.kind in ("EXCEPT", "REPLACE"):
        clause = cursor.advance()[0]
        if not cursor.accept("("):
            cursor.fail(f"Found {cursor.shown()} after {clause}, expect left parentheses.", ("(",))
        if clause == "EXCEPT":
            while not cursor.accept(")"):
                if not cursor.accept(","):
                    if cursor.kind != IDENT:
                        cursor.fail(f"Found {cursor.shown()} in EXCEPT", ("column", ",", ")"))
                    excepted.append(cursor.advance()[1])
        else:
            replaced += _replacements(cursor)
    return Wildcard(stream, tuple(excepted), tuple(replaced), (start, cursor.end))


def _replacements(cursor: Cursor) -> list[Field]:
    found: list[Field] = []
    while True:
        item = field(cursor)
        if item.alias is None:
            cursor.found("expected AS in REPLACE", "AS")
        found.append(item)
        if cursor.accept(")"):
            return found
        if not cursor.accept(","):
            cursor.fail(f"Found {cursor.shown()} in REPLACE", (",", ")"))


def field(cursor: Cursor) -> Field:
    """``expr [AS alias] [INVISIBLE]``."""
    start = cursor.token[2]
    expr = expression(cursor)
    alias = None
    if cursor.accept("AS"):
        if cursor.kind != IDENT:
            cursor.found("expected as alias", IDENT)
        if isinstance(expr, Wildcard):
            cursor.fail("alias is not supported for *")
        alias = cursor.advance()[1]
    invisible = cursor.accept("INVISIBLE")
    return Field(expr, alias, invisible, (start, cursor.end))


def at_qualify(cursor: Cursor) -> bool:
    """Whether ``QUALIFY condition`` stands here; QUALIFY is not reserved."""
    return cursor.word() == "QUALIFY" and (cursor.peek() in _OPERANDS or cursor.peek() in ("(", "-", "NOT"))


def sort_keys(cursor: Cursor) -> tuple[SortKey, ...]:
    """The keys of ORDER BY: commas are optional, and each key starts with a name."""
    keys: list[SortKey] = []
    while True:
        if keys and at_qualify(cursor):
            return tuple(keys)  # a clause in the wrong place, no further key
        if (cursor.kind == IDENT and not cursor.at_union()) or cursor.kind in UNITS:
            start = cursor.token[2]
            expr = expression(cursor)
            descending = cursor.accept("DESC")
            if not descending:
                cursor.accept("ASC")
            keys.append(SortKey(expr, descending, (start, cursor.end)))
        elif not cursor.accept(","):
            return tuple(keys)


def _call(cursor: Cursor, name: str, start: int) -> Expr:
    """A call or window, from the opening parenthesis on."""
    cursor.advance()
    window = WINDOWS.get(name.lower())
    distinct = cursor.word() == "DISTINCT" and cursor.peek() in _OPERANDS
    if distinct:
        cursor.advance()
    args: list[Expr] = []
    while not cursor.accept(")"):
        if window in TIME_WINDOWS and cursor.kind in UNITS and cursor.peek() in (",", ")"):
            kind, _, opening, end = cursor.advance()
            args.append(TimeUnit(cast(Unit, kind.lower()), (opening, end)))
        else:
            args.append(expression(cursor))
        if not cursor.accept(",") and cursor.kind != ")":
            cast_to = (
                'the type is a text, the second argument: cast(a, "bigint")' if cursor.kind == "AS" and name.lower() == "cast" else None
            )
            cursor.fail(f"found function call {quote(name)}, expected ), but with {cursor.shown()}.", (",", ")"), advice=cast_to)
    if window is not None:
        return _window(cursor, Window(window, tuple(args), span=(start, cursor.end)))
    over = _over(cursor) if cursor.kind == "OVER" else None
    return Call(name, tuple(args), over, distinct, (start, cursor.end))


def _window(cursor: Cursor, window: Window) -> Expr:
    check_window(cursor, window)
    condition = when = None
    partition_by: tuple[Expr, ...] = ()
    if cursor.accept("FILTER"):
        _opening(cursor, "FILTER")
        if not cursor.accept("WHERE"):
            cursor.fail(f"Found {cursor.shown()} after FILTER(, expect WHERE.", ("WHERE",))
        condition = expression(cursor)
        _closing(cursor, "FILTER")
    if cursor.accept("OVER"):
        _opening(cursor, "OVER")
        if cursor.accept("WHEN"):
            when = expression(cursor)
        partition_by = _partition_by(cursor)
        _closing(cursor, "OVER")
    return Window(window.kind, window.args, condition, when, partition_by, (window.span[0], cursor.end))


def _over(cursor: Cursor) -> Over:
    """``OVER (…)`` behind a call. Which functions may have which part is for the planner to say."""
    start = cursor.advance()[2]
    _opening(cursor, "OVER")
    partition_by = _partition_by(cursor)
    order_by: tuple[SortKey, ...] = ()
    if cursor.accept("ORDER"):
        _by(cursor, "BY keyword")
        order_by = sort_keys(cursor)
    when = expression(cursor) if cursor.accept("WHEN") else None
    if not partition_by and not order_by and when is None:
        cursor.misspelt(f"Found {cursor.shown()} after OVER (, expect partition by or when.", "PARTITION", "WHEN")
    if not cursor.accept(")"):
        cursor.fail(f"Found {cursor.shown()}, expect right parentheses after OVER ", (")",))
    return Over(partition_by, order_by, when, (start, cursor.end))


def _partition_by(cursor: Cursor) -> tuple[Expr, ...]:
    if not cursor.accept("PARTITION"):
        return ()
    if not cursor.accept("BY"):
        cursor.found("expected by after partition", "BY")
    return expressions(cursor)


def _by(cursor: Cursor, what: str) -> None:
    if not cursor.accept("BY"):
        cursor.found(f"expected {what}", "BY")


def _opening(cursor: Cursor, clause: str) -> None:
    if not cursor.accept("("):
        cursor.fail(f"Found {cursor.shown()} after {clause}, expect parentheses.", ("(",))


def _closing(cursor: Cursor, clause: str) -> None:
    if not cursor.accept(")"):
        cursor.fail(f"Found {cursor.shown()} after {clause}, expect right parentheses.", (")",))
