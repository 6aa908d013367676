"""JSON request bodies as eKuiper reads them: Go's ``encoding/json`` with its leniency and its error texts.

Keys match case-insensitively, unknown keys are ignored, ``null`` leaves a field at its zero value. ``decode`` reads text into plain
values, ``bind`` checks a value against a ``Shape`` and returns the known fields under their declared names.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from math import isinf
from typing import Any, NoReturn, TypeAlias

import msgspec
from msgspec import Struct

from plutino.errors import PlutinoError

DURATION = "duration"
"""A field that takes Go duration text or a number of milliseconds."""

ANY = "interface {}"


class GoJsonError(PlutinoError):
    """A body does not decode; the message is Go's, callers add their prefix."""


class Shape(Struct, frozen=True):
    """A Go struct: ``name`` as Go prints it at the root (``def.Rule``), and the type of each field.

    Field types are Go's (``string``, ``bool``, ``int``, ``float64``, ``[]string``, ``map[string]interface {}``,
    ``[]map[string]interface {}``, ``interface {}``), ``DURATION``, a nested Shape or a one-element tuple of a Shape (a list of it).
    """

    name: str
    fields: Mapping[str, FieldType]


FieldType: TypeAlias = "str | Shape | tuple[Shape]"

_WHITE = " \t\r\n"
_WITHIN = ("in literal", "in numeric", "after decimal point", "in exponent", "in string escape", "in \\u")
"""Where a text may not end, however much white space follows."""


def decode(text: bytes | str, *, exact: bool) -> Any:
    """The JSON value of a body; GoJsonError with Go's text.

    ``exact``: the whole text must be one value (Go's ``Unmarshal``); else what follows the first value is ignored (Go's ``Decoder``).
    """
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError):
        pass
    except RecursionError:
        raise GoJsonError("exceeded max depth") from None
    body = text if isinstance(text, str) else text.decode("utf-8", "replace")
    try:
        end = _Scanner(body, exact).value_end()
        return _without_surrogates(json.loads(body[:end], parse_float=_float))
    except RecursionError:
        raise GoJsonError("exceeded max depth") from None


def bind(value: Any, shape: Shape) -> dict[str, Any]:
    """The fields of ``shape`` found in ``value``, under their declared names; GoJsonError when one has another type."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise GoJsonError(f"json: cannot unmarshal {_kind(value)} into Go value of type {shape.name}")
    return _fields(value, shape, "")


def _fields(value: dict[str, Any], shape: Shape, path: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    known = shape.fields
    for key, item in value.items():
        name = key if key in known else _folded(shape).get(key.lower())
        if name is None or item is None:
            continue
        kind = known[name]
        found[name] = item if kind is ANY else _field(item, kind, shape, f"{path}.{name}" if path else name)
    return found


_folds: dict[int, tuple[Shape, dict[str, str]]] = {}


def _folded(shape: Shape) -> dict[str, str]:
    found = _folds.get(id(shape))
    if found is None:
        found = _folds[id(shape)] = (shape, {name.lower(): name for name in shape.fields})
    return found[1]


def _float(text: str) -> float:
    value = float(text)
    if isinf(value):
        raise GoJsonError(f"json: cannot unmarshal number {text} into Go value of type float64")
    return value


def _without_surrogates(value: Any) -> Any:
    """Half a surrogate pair becomes U+FFFD, so that every text can be stored and sent."""
    match value:
        case str():
            return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        case list():
            return [_without_surrogates(item) for item in value]
        case dict():
            return {_without_surrogates(key): _without_surrogates(item) for key, item in value.items()}
        case _:
            return value


def _field(value: Any, kind: FieldType, shape: Shape, path: str) -> Any:
    match kind:
        case Shape():
            if not isinstance(value, dict):
                _mismatch(value, shape, path, kind.name)
            return _fields(value, kind, path)
        case (Shape() as element,):
            if not isinstance(value, list):
                _mismatch(value, shape, path, f"[]{element.name}")
            return [_field(item, element, shape, path) for item in value if item is not None]
        case "string" if isinstance(value, str):
            return value
        case "bool" if isinstance(value, bool):
            return value
        case "int" if isinstance(value, int) and not isinstance(value, bool):
            return value
        case "float64" if isinstance(value, int | float) and not isinstance(value, bool):
            return value
        case "duration" if isinstance(value, str | int | float) and not isinstance(value, bool):
            return value
        case "map[string]interface {}" if isinstance(value, dict):
            return value
        case "[]string" | "[]map[string]interface {}" if isinstance(value, list):
            want = kind[2:]
            for item in value:
                if item is not None and not isinstance(item, str if want == "string" else dict):
                    _mismatch(item, shape, path, want)
            return [("" if want == "string" else {}) if item is None else item for item in value]
    _mismatch(value, shape, path, str(kind))


def _mismatch(value: Any, shape: Shape, path: str, kind: str) -> NoReturn:
    struct = shape.name.rpartition(".")[2]
    raise GoJsonError(f"json: cannot unmarshal {_kind(value)} into Go struct field {struct}.{path} of type {kind}")


def _kind(value: Any) -> str:
    match value:
        case bool():
            return "bool"
        case int():
            return "number"
        case float():
            return f"number {value:g}"
        case str():
            return "string"
        case list():
            return "array"
        case _:
            return "object"


class _Scanner:
    """Walks over a text that msgspec refused, to say what Go would say about it; ``value_end`` is where the first value ends."""

    def __init__(self, text: str, exact: bool) -> None:
        self.text = text
        self.exact = exact
        self.at = 0

    def value_end(self) -> int:
        self._skip()
        if self.at == len(self.text) and not self.exact:
            raise GoJsonError("EOF")
        self._value()
        end = self.at
        if self.exact:
            self._skip()
            if self.at < len(self.text):
                self._bad("after top-level value")
        return end

    def _bad(self, where: str) -> NoReturn:
        if self.at >= len(self.text):
            if self.exact and where.startswith(_WITHIN):
                # Go ends a text with a blank, which is what it then complains about inside of a word or number.
                raise GoJsonError(f"invalid character ' ' {where}")
            raise GoJsonError("unexpected end of JSON input" if self.exact else "unexpected EOF")
        raise GoJsonError(f"invalid character {quote_character(self.text[self.at])} {where}")

    def _peek(self) -> str:
        return self.text[self.at] if self.at < len(self.text) else ""

    def _skip(self) -> None:
        while self.at < len(self.text) and self.text[self.at] in _WHITE:
            self.at += 1

    def _value(self) -> None:
        self._skip()
        head = self._peek()
        if head == "{":
            self._object()
        elif head == "[":
            self._array()
        elif head == '"':
            self._string()
        elif head and head in "tfn":
            self._literal({"t": "true", "f": "false", "n": "null"}[head])
        elif head and head in "-0123456789":
            self._number()
        else:
            self._bad("looking for beginning of value")

    def _object(self) -> None:
        self.at += 1
        self._skip()
        if self._peek() == "}":
            self.at += 1
            return
        while True:
            self._skip()
            if self._peek() != '"':
                self._bad("looking for beginning of object key string")
            self._string()
            self._skip()
            if self._peek() != ":":
                self._bad("after object key")
            self.at += 1
            self._value()
            self._skip()
            if self._peek() == "}":
                self.at += 1
                return
            if self._peek() != ",":
                self._bad("after object key:value pair")
            self.at += 1

    def _array(self) -> None:
        self.at += 1
        self._skip()
        if self._peek() == "]":
            self.at += 1
            return
        while True:
            self._value()
            self._skip()
            if self._peek() == "]":
                self.at += 1
                return
            if self._peek() != ",":
                self._bad("after array element")
            self.at += 1

    def _string(self) -> None:
        self.at += 1
        while True:
            char = self._peek()
            if not char or char < " ":
                self._bad("in string literal")
            self.at += 1
            if char == '"':
                return
            if char == "\\":
                self._escape()

    def _escape(self) -> None:
        char = self._peek()
        if not char or char not in '"\\/bfnrtu':
            self._bad("in string escape code")
        self.at += 1
        if char == "u":
            for _ in range(4):
                digit = self._peek()
                if not digit or digit not in "0123456789abcdefABCDEF":
                    self._bad("in \\u hexadecimal character escape")
                self.at += 1

    def _literal(self, word: str) -> None:
        for want in word:
            if self._peek() != want:
                self._bad(f"in literal {word} (expecting '{want}')")
            self.at += 1

    def _number(self) -> None:
        if self._peek() == "-":
            self.at += 1
            if not self._digit():
                self._bad("in numeric literal")
        if self._peek() == "0":
            self.at += 1
        else:
            self._digits()
        if self._peek() == ".":
            self.at += 1
            if not self._digit():
                self._bad("after decimal point in numeric literal")
            self._digits()
        if self._peek() in ("e", "E"):
            self.at += 1
            if self._peek() in ("+", "-"):
                self.at += 1
            if not self._digit():
                self._bad("in exponent of numeric literal")
            self._digits()

    def _digit(self) -> bool:
        char = self._peek()
        return bool(char) and char in "0123456789"

    def _digits(self) -> None:
        while self._digit():
            self.at += 1


def quote_character(char: str) -> str:
    """A character as Go quotes it in JSON errors."""
    if char == "'":
        return r"'\''"
    if char == '"':
        return "'\"'"
    return "'" + json.dumps(char, ensure_ascii=False)[1:-1] + "'"
