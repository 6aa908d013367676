"""Window constructors: their names, and the checks of their arguments that need nothing but the syntax."""

from __future__ import annotations

from typing import Final

from plutino.sql.cursor import Cursor
from plutino.sql.printer import to_sql
from plutino.sql.tree import Column, Expr, Literal, TimeUnit, Window, WindowKind

WINDOWS: Final[dict[str, WindowKind]] = {
    "tumblingwindow": "tumblingwindow",
    "hoppingwindow": "hoppingwindow",
    "slidingwindow": "slidingwindow",
    "sessionwindow": "sessionwindow",
    "countwindow": "countwindow",
    "statewindow": "statewindow",
}
TIME_WINDOWS: Final = frozenset(("tumblingwindow", "hoppingwindow", "slidingwindow", "sessionwindow"))

_ARGUMENTS: Final[dict[WindowKind, tuple[tuple[int, ...], str]]] = {
    "tumblingwindow": ((2,), "2"),
    "hoppingwindow": ((3,), "3"),
    "slidingwindow": ((2, 3), "2 or 3"),
    "sessionwindow": ((3,), "3"),
    "statewindow": ((1, 2), "1 or 2"),
}
"""How many arguments a window takes, and how that is said. The messages keep the line break of the dialect's origin."""


_UNITS: Final = {
    "DD": ("D", "DD", "DAY"),
    "HH": ("H", "HH", "HR", "HOUR"),
    "MS": ("MS", "MSEC", "MILLI", "MILLISECOND"),
    "MI": ("M", "MI", "MIN", "MINUTE"),
    "SS": ("S", "SS", "SEC", "SECOND"),
}
"""What units are called elsewhere, without the S of a plural."""


def check_window(cursor: Cursor, window: Window) -> None:
    """Refuses a window whose arguments are of the wrong number or kind, or give it no length."""
    if window.kind == "countwindow":
        _check_count(cursor, window)
        return
    numbers, said = _ARGUMENTS[window.kind]
    if len(window.args) not in numbers:
        cursor.fail(f"The arguments for {window.kind} should be {said}.\n", span=window.span)
    if window.kind != "statewindow":
        _check_time(cursor, window)


def _check_time(cursor: Cursor, window: Window) -> None:
    unit, *lengths = window.args
    if not isinstance(unit, TimeUnit):
        message = f"The 1st argument for {window.kind} is expecting timer literal expression. One value of [dd|hh|mi|ss|ms].\n"
        cursor.fail(message, ("DD", "HH", "MI", "SS", "MS"), _unit(unit), span=unit.span)
    for position, length in enumerate(lengths, 1):
        value = _integer(length)
        if value is None:
            message = f"The {position} argument for {window.kind} is expecting interger literal expression. \n"
            cursor.fail(message, ("integer",), span=length.span)
        is_delay = window.kind == "slidingwindow" and position == 2
        if value < 0 or (value == 0 and not is_delay):
            cursor.fail(f"Invalid parameter value {value}.", span=length.span)


def _unit(written: Expr) -> str | None:
    """The unit that is meant by a longer word, or by a text."""
    word = written.name if isinstance(written, Column) else written.value if isinstance(written, Literal) else ""
    meant = {word.upper(), word.upper().removesuffix("S")} if isinstance(word, str) else set()
    return next((unit for unit, others in _UNITS.items() if meant.intersection(others)), None)


def _check_count(cursor: Cursor, window: Window) -> None:
    args = window.args
    if len(args) not in (1, 2):
        cursor.fail("Invalid parameter count.", span=window.span)
    values = [_integer(arg) for arg in args]
    length, step = values[0], values[-1]
    if length is None or step is None or length <= 0 or step < 0:
        cursor.fail(f"Invalid parameter value {', '.join(to_sql(arg) for arg in args)}.", span=window.span)
    if step > length:
        message = f"The second parameter value {step} should be less than the first parameter {length}."
        cursor.fail(message, span=args[1].span)


def _integer(expr: Expr) -> int | None:
    if isinstance(expr, Literal) and isinstance(expr.value, int) and not isinstance(expr.value, bool):
        return expr.value
    return None
