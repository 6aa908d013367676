"""JSON paths: ``$.a[0]["b"]``, lists of matches by ``*``, ``..``, slices, unions and filters (sql reference §6.6).

Brackets may hold expressions. A path without any of the list forms names one value, and a missing key or position is an error; with one
of them it gives the list of all matches, and what does not lead on is left out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import Any

from plutino.errors import EvaluationError
from plutino.functions.json.expression import Expression, operation
from plutino.model.text import go_type_name

Plain = Callable[[Any, Any], Any]
"""Gets the root and a value, gives one value; EvaluationError when there is none."""
Ambiguous = Callable[[Any, Any], Iterator[Any]]
"""Gets the root and a value, gives all matches."""


class Path:
    """A compiled path: steps that lead to one value, or to many."""

    def __init__(self, steps: Sequence[tuple[bool, Any]]) -> None:
        self.steps = steps
        self.many = any(many for many, _ in steps)

    def query(self, root: Any, start: Any) -> Any:
        """The value the path names, or the list of its matches."""
        if not self.many:
            value = start
            for _, step in self.steps:
                value = step(root, value)
            return value
        values = [start]
        for many, step in self.steps:
            values = list(_matches(many, step, root, values))
        return values


def _matches(many: bool, step: Any, root: Any, values: list[Any]) -> Iterator[Any]:
    for value in values:
        try:
            if many:
                yield from step(root, value)
            else:
                yield step(root, value)
        except EvaluationError:
            continue


@lru_cache(maxsize=512)
def compile_path(text: str) -> Callable[[Any], Any]:
    """The function that queries data with an expression, which is a path as a rule; EvaluationError when it does not parse."""
    reader = _Reader(text)
    expression = reader.expression()
    reader.skip()
    if reader.at < len(text):
        raise reader.fault("the end")
    return lambda data: expression(data, data)


_TOKEN = re.compile(
    r"\s*(?:(?P<number>\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)|(?P<name>[^\W\d]\w*)|(?P<text>\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'|`[^`]*`)"
    r"|(?P<operator>\*\*|==|!=|<=|>=|&&|\|\||\?\?|=~|!~|\.\.|[-+*/%<>!?:,.()\[\]$@#&|^]))",
)
# Infix operators from the loosest to the tightest binding.
_LEVELS: tuple[tuple[str, ...], ...] = (
    ("??",),
    ("||",),
    ("&&",),
    ("==", "!=", ">", ">=", "<", "<=", "=~", "!~", "in"),
    ("|",),
    ("^",),
    ("&",),
    ("+", "-"),
    ("*", "/", "%"),
    ("**",),
)
_CONSTANTS = {"true": True, "false": False, "null": None, "nil": None}
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f"}


class _Reader:
    """Reads a path or an expression."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def fault(self, expected: str) -> EvaluationError:
        self.skip()
        shown = self.text[self.at : self.at + 10] or "the end"
        return EvaluationError(f"parsing error: {self.text} at {self.at + 1}: unexpected {shown}; {expected} is expected")

    def skip(self) -> None:
        while self.at < len(self.text) and self.text[self.at].isspace():
            self.at += 1

    def token(self) -> re.Match[str] | None:
        """The next token, not consumed."""
        return _TOKEN.match(self.text, self.at)

    def peek(self) -> str:
        """The next operator or name, ``""`` for anything else."""
        match = self.token()
        return (match["operator"] or match["name"] or "") if match is not None else ""

    def take(self, *operators: str) -> str:
        """Consume the next operator when it is one of these."""
        found = self.peek()
        match = self.token()
        if found in operators and match is not None:
            self.at = match.end()
            return found
        return ""

    def need(self, operator: str) -> None:
        if not self.take(operator):
            raise self.fault(operator)

    # --- expressions

    def expression(self) -> Expression:
        condition = self.infix(0)
        if not self.take("?"):
            return condition
        then = self.expression()
        self.need(":")
        otherwise = self.expression()
        return lambda root, current: then(root, current) if condition(root, current) is True else otherwise(root, current)

    def infix(self, level: int) -> Expression:
        if level == len(_LEVELS):
            return self.prefix()
        left = self.infix(level + 1)
        while operator := self.take(*_LEVELS[level]):
            left = operation(operator, left, self.infix(level + 1))
        return left

    def prefix(self) -> Expression:
        if self.take("!"):
            inner = self.prefix()
            return lambda root, current: not _boolean(inner(root, current))
        if self.take("-"):
            number = self.prefix()
            return lambda root, current: -_number(number(root, current))
        return self.primary()

    def primary(self) -> Expression:
        match = self.token()
        if match is None:
            raise self.fault("a value")
        if match["number"] or match["text"]:
            self.at = match.end()
            constant = float(match["number"]) if match["number"] else _unquoted(match["text"])
            return lambda root, current: constant
        if match["name"] in _CONSTANTS:
            self.at = match.end()
            value = _CONSTANTS[match["name"]]
            return lambda root, current: value
        if self.take("("):
            inner = self.expression()
            self.need(")")
            return inner
        if self.take("["):
            return self.list_literal()
        if self.take("$"):
            path = self.path()
            return lambda root, current: path.query(root, root)
        if self.take("@"):
            here = self.path()
            return lambda root, current: here.query(root, current)
        if match["name"]:
            # a bare name is a member of the root
            self.at = match.end()
            member = Path([(False, _select(_constant(match["name"]))), *self.path().steps])
            return lambda root, current: member.query(root, root)
        raise self.fault("a value")

    def list_literal(self) -> Expression:
        items: list[Expression] = []
        while not self.take("]"):
            items.append(self.expression())
            if not self.take(",") and self.peek() != "]":
                raise self.fault("]")
        return lambda root, current: [item(root, current) for item in items]

    # --- paths

    def path(self) -> Path:
        """The steps after ``$`` or ``@``."""
        steps: list[tuple[bool, Any]] = []
        while True:
            if self.take(".."):
                steps.append((True, _descendants))
                self.after_dots(steps)
            elif self.take("."):
                steps.append((True, _children) if self.take("*") else (False, _select(_constant(self.name()))))
            elif self.take("["):
                steps.append(self.bracket())
            elif self.take("("):
                script = self.expression()
                self.need(")")
                steps.append((False, lambda root, value, script=script: script(root, value)))
            else:
                return Path(steps)

    def after_dots(self, steps: list[tuple[bool, Any]]) -> None:
        if self.take("*"):
            steps.append((True, _children))
        elif self.take("["):
            many, step = self.bracket()
            steps.append((True, step if many else lambda root, value: iter((step(root, value),))))
        else:
            steps.append((False, _select(_constant(self.name()))))

    def name(self) -> str:
        match = self.token()
        if match is None or not match["name"]:
            raise self.fault("a key")
        self.at = match.end()
        return match["name"]

    def bracket(self) -> tuple[bool, Any]:
        """One step in brackets; the opening one is consumed."""
        if self.take("*"):
            self.need("]")
            return True, _children
        if self.take("?"):
            condition = self.expression()
            self.need("]")
            return True, _filter(condition)
        first = None if self.peek() == ":" else self.infix(0)
        if self.peek() == ":":
            return True, self.slice(first)
        keys = [first] if first is not None else []
        while self.take(","):
            keys.append(self.infix(0))
        self.need("]")
        selects = [_select(key) for key in keys]
        return (False, selects[0]) if len(selects) == 1 else (True, _union(selects))

    def slice(self, first: Expression | None) -> Ambiguous:
        bounds: list[Expression | None] = [first]
        while self.take(":"):
            bounds.append(None if self.peek() in (":", "]") else self.infix(0))
        self.need("]")
        if len(bounds) > 3:
            raise EvaluationError("range query has at least the parameter [min:max:step]")
        return _range(bounds)


def _unquoted(text: str) -> str:
    if text[0] == "`":
        return text[1:-1]
    return re.sub(
        r"\\(u[0-9a-fA-F]{4}|.)",
        lambda m: chr(int(m[1][1:], 16)) if len(m[1]) > 1 else _ESCAPES.get(m[1], m[1]),
        text[1:-1],
        flags=re.DOTALL,
    )


def _constant(value: Any) -> Expression:
    return lambda root, current: value


def _boolean(value: Any) -> bool:
    if type(value) is not bool:
        raise EvaluationError(f"unexpected {go_type_name(value)} expected bool")
    return value


def _number(value: Any) -> float:
    if type(value) not in (int, float):
        raise EvaluationError(f"unexpected {go_type_name(value)} expected number")
    return float(value)


def _select(key: Expression) -> Plain:
    """A member of a map or an element of a list."""

    def step(root: Any, value: Any) -> Any:
        place = key(root, value)
        if type(value) is dict:
            name = place if type(place) is str else f"{place:g}" if type(place) is float else str(place)
            if name not in value:
                raise EvaluationError(f"unknown key {name}")
            return value[name]
        if type(value) is list:
            try:
                index = int(place)
            except (TypeError, ValueError):
                raise EvaluationError(f"could not select value, invalid key: {place}") from None
            if not 0 <= index < len(value):
                raise EvaluationError(f"index {index} out of bounds")
            return value[index]
        raise EvaluationError(
            f"unsupported value type {go_type_name(value)} for select, expected map[string]interface{{}}, []interface{{}} or Array"
        )

    return step


def _inside(value: Any) -> Sequence[Any]:
    """The elements of a list or the values of a map."""
    return value if type(value) is list else list(value.values()) if type(value) is dict else ()


def _children(_root: Any, value: Any) -> Iterator[Any]:
    return iter(_inside(value))


def _descendants(_root: Any, value: Any) -> Iterator[Any]:
    """A value and everything inside of it, outer values first."""
    pending = [value]
    while pending:
        here = pending.pop()
        yield here
        pending.extend(reversed(_inside(here)))


def _filter(condition: Expression) -> Ambiguous:
    def step(root: Any, value: Any) -> Iterator[Any]:
        for element in _inside(value):
            try:
                kept = condition(root, element) is True
            except EvaluationError:
                continue
            if kept:
                yield element

    return step


def _union(selects: Sequence[Plain]) -> Ambiguous:
    def step(root: Any, value: Any) -> Iterator[Any]:
        for select in selects:
            try:
                yield select(root, value)
            except EvaluationError:
                continue

    return step


def _range(bounds: Sequence[Expression | None]) -> Ambiguous:
    def step(root: Any, value: Any) -> Iterator[Any]:
        if type(value) is not list:
            return
        size = len(value)
        low, high, by = [int(_number(b(root, value))) if b is not None else None for b in (*bounds, *(None,) * (3 - len(bounds)))]
        start = 0 if low is None else max(low + size, 0) if low < 0 else min(low, size)
        end = size if high is None else max(high + size, 0) if high < 0 else min(high, size)
        places = range(start, end)
        yield from (value[i] for i in (places[:: by or 1] if (by or 1) > 0 else places[::by]))

    return step
