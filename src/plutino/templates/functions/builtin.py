"""The functions that Go's template language has by itself. ``and``, ``or`` and ``not`` are compiled in place; ``slice`` is Sprig's."""

from __future__ import annotations

import re
from typing import Any, Final
from urllib.parse import quote_plus

from plutino.templates.functions.registry import define
from plutino.templates.go.comparison import equal, less
from plutino.templates.go.printing import plain_text
from plutino.templates.go.quoting import is_print
from plutino.templates.go.values import LISTS, MISSING, NO_VALUE, Failure, StringMap, Uint8, byte_length, type_name, utf8
from plutino.templates.go.verbs import sprintf
from plutino.templates.limits import join_parts

_HTML: Final = {"\0": "\ufffd", '"': "&#34;", "'": "&#39;", "&": "&amp;", "<": "&lt;", ">": "&gt;"}
_HTML_SPECIAL: Final = re.compile("[\0\"'&<>]")
_JS: Final = {"\\": "\\\\", "'": "\\'", '"': '\\"', "<": "\\u003C", ">": "\\u003E", "&": "\\u0026", "=": "\\u003D"}
_JS_SPECIAL: Final = re.compile("[\\\\'\"<>&=\0-\x1f\x80-\U0010ffff]")


@define("and or", "any, ...any -> any")
def short_circuit(*_values: Any) -> Any:
    raise Failure("compiled in place")


@define("not", "any -> bool")
def negate(value: Any) -> bool:
    return not value


@define("eq", "any, ...any -> bool")
def eq(first: Any, *others: Any) -> bool:
    if not others:
        raise Failure("missing argument for comparison")
    return any(equal(first, other) for other in others)


@define("ne", "any, any -> bool")
def ne(a: Any, b: Any) -> bool:
    return not equal(a, b)


@define("lt", "any, any -> bool")
def lt(a: Any, b: Any) -> bool:
    return less(a, b)


@define("le", "any, any -> bool")
def le(a: Any, b: Any) -> bool:
    return less(a, b) or equal(a, b)


@define("gt", "any, any -> bool")
def gt(a: Any, b: Any) -> bool:
    return not (less(a, b) or equal(a, b))


@define("ge", "any, any -> bool")
def ge(a: Any, b: Any) -> bool:
    return not less(a, b)


@define("len", "value -> int")
def length(value: Any) -> int:
    if type(value) is str:
        return byte_length(value)
    if isinstance(value, (*LISTS, dict, bytes)):
        return len(value)
    if value is None:
        raise Failure("len of nil pointer")
    if value is MISSING:
        # The original stumbles over its own error text here.
        raise Failure("reflect: call of reflect.Value.Type on zero Value")
    raise Failure(f"len of type {type_name(value)}")


@define("index", "any, ...any -> any")
def index(item: Any, *indexes: Any) -> Any:
    if item is None:
        raise Failure("index of untyped nil")
    for key in indexes:
        if item is None:
            raise Failure("index of nil pointer")
        if isinstance(item, dict):
            item = _map_item(item, key)
        elif isinstance(item, LISTS):
            item = item[_position(key, len(item))]
        elif isinstance(item, str | bytes):
            data = item if isinstance(item, bytes) else utf8(item)
            item = Uint8(data[_position(key, len(data))])
        else:
            raise Failure(f"can't index item of type {type_name(item)}")
    return item


def _map_item(item: dict[str, Any], key: Any) -> Any:
    if key is None:
        raise Failure("value is nil; should be of type string")
    if not isinstance(key, str):
        raise Failure(f"value has type {type_name(key)}; should be string")
    return item.get(key, "" if isinstance(item, StringMap) else None)


def _position(key: Any, length: int) -> int:
    if isinstance(key, int) and not isinstance(key, bool):
        if 0 <= key < length:
            return key
        if key == length:
            raise Failure("reflect: slice index out of range")
        raise Failure(f"index out of range: {int(key)}")
    if key is None:
        raise Failure("cannot index slice/array with nil")
    raise Failure(f"cannot index slice/array with type {type_name(key)}")


@define("call", "any, ...any -> any")
def call_value(written: str | None, value: Any, *_arguments: Any) -> Any:
    """Data hold no functions, so this always fails; ``written`` is the argument's text, ``None`` when it came down the pipeline."""
    if value is None:
        raise Failure("call of nil")
    if written is None:
        written = value if isinstance(value, str) else f"<{type_name(value)} Value>"
    raise Failure(f"non-function {written} of type {type_name(value)}")


@define("print", "...any -> string", grows=True)
def print_values(*values: Any) -> str:
    return sprint(values)


@define("println", "...any -> string", grows=True)
def println(*values: Any) -> str:
    return join_parts([plain_text(v) for v in values], " ") + "\n"


@define("printf", "string, ...any -> string", grows=True)
def printf(layout: str, *values: Any) -> str:
    return sprintf(layout, values)


@define("html", "...any -> string", grows=True)
def html(*values: Any) -> str:
    text = _joined(values)
    return _HTML_SPECIAL.sub(lambda found: _HTML[found[0]], text)


@define("js", "...any -> string", grows=True)
def js(*values: Any) -> str:
    text = _joined(values)
    return _JS_SPECIAL.sub(_js_escape, text)


@define("urlquery", "...any -> string", grows=True)
def urlquery(*values: Any) -> str:
    text = _joined(values)
    return quote_plus(utf8(text), safe="~-_.")


def sprint(values: tuple[Any, ...]) -> str:
    """``fmt.Sprint``: a space between two values of which none is a string."""
    parts: list[str] = []
    was_string = True
    for value in values:
        is_string = isinstance(value, str)
        if not is_string and not was_string:
            parts.append(" ")
        parts.append(plain_text(value))
        was_string = is_string
    return join_parts(parts, "")


def _joined(values: tuple[Any, ...]) -> str:
    return sprint(tuple(NO_VALUE if v is None else v for v in values))


def _js_escape(found: re.Match[str]) -> str:
    c = found[0]
    if c in _JS:
        return _JS[c]
    if c < " ":
        return f"\\u00{ord(c):02X}"
    if is_print(c):
        return c
    return f"\\u{0xFFFD if 0xD800 <= ord(c) <= 0xDFFF else ord(c):04X}"
