"""JSON as Go writes and reads it: keys in order, HTML characters escaped, shortest numbers; numbers come in as float64."""

from __future__ import annotations

import base64
import math
import re
from datetime import UTC, datetime
from json.encoder import encode_basestring
from typing import Any, Final

import msgspec

from plutino.templates.go.json_faults import find_fault
from plutino.templates.go.printing import shortest, sorted_keys
from plutino.templates.go.time_layout import RFC3339_NANO, format_layout
from plutino.templates.go.values import NIL_LISTS, Failure, NilMap, Stringer, type_name, valid_text
from plutino.templates.limits import MAX_OUTPUT, LimitExceeded, Walk, check_text

_SPECIAL: Final = re.compile("[<>&\u2028\u2029\ud800-\udfff]")
_SEPARATORS: Final = re.compile("[\u2028\u2029\ud800-\udfff]")
_NESTING: Final = 100
_MAX_KEYS: Final = 4096
_INDENTABLE: Final = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^"{}\[\],:]+')

_key_texts: dict[str, str] = {}


def encode(value: Any, *, escape_html: bool = True) -> str:
    """The JSON text of a value; raises Failure with Go's text when it has none."""
    text = _encode(value, _SPECIAL if escape_html else _SEPARATORS, Walk(), 0)
    check_text(len(text), MAX_OUTPUT)
    return text


def _encode(value: Any, special: re.Pattern[str], walk: Walk, depth: int) -> str:
    kind = type(value)
    if kind is dict:
        return _encode_map(value, special, walk, depth)
    if kind is str:
        text: str = encode_basestring(value)
        return text if special.search(text) is None else special.sub(_escape, encode_basestring(valid_text(value)))
    if kind is float:
        return json_float(value)
    if kind is bool:
        return "true" if value else "false"
    if value is None or isinstance(value, (*NIL_LISTS, NilMap)):
        return "null"
    if isinstance(value, int):
        return int.__repr__(value)
    if isinstance(value, dict):
        return _encode_map(value, special, walk, depth)
    if isinstance(value, list | tuple):
        walk.visit(len(value))
        if depth >= _NESTING:
            raise LimitExceeded(f"json: value nested deeper than {_NESTING} levels")
        return "[" + ",".join([_encode(v, special, walk, depth + 1) for v in value]) + "]"
    return _encode_rare(value, special)


def _encode_map(value: dict[Any, Any], special: re.Pattern[str], walk: Walk, depth: int) -> str:
    walk.visit(len(value))
    if depth >= _NESTING:
        raise LimitExceeded(f"json: value nested deeper than {_NESTING} levels")
    depth += 1
    parts: list[str] = []
    known = _key_texts
    for key in sorted_keys(value):
        one = value[key]
        start = known.get(key) or _key_text(key, special)
        kind = type(one)
        # The usual values are written here, without a call for each.
        if kind is float:
            parts.append(start + json_float(one))
        elif kind is int:
            parts.append(start + int.__repr__(one))
        else:
            parts.append(start + _encode(one, special, walk, depth))
    return "{" + ",".join(parts) + "}"


def _key_text(key: Any, special: re.Pattern[str]) -> str:
    """A key with its colon; keys that need no care are remembered, as the same ones come with every row."""
    text = _encode(key if isinstance(key, str) else str(key), special, Walk(), 0) + ":"
    if isinstance(key, str) and len(key) < 64 and key.isascii() and _SPECIAL.search(key) is None:
        if len(_key_texts) >= _MAX_KEYS:
            _key_texts.clear()
        _key_texts[key] = text
    return text


def _encode_rare(value: Any, special: re.Pattern[str]) -> str:
    match value:
        case str():
            return _encode(str(value), special, Walk(), 0)
        case float():
            return json_float(value)
        case bytes() | bytearray():
            return f'"{base64.b64encode(value).decode()}"'
        case datetime():
            return f'"{format_layout(value if value.tzinfo else value.replace(tzinfo=UTC), RFC3339_NANO)}"'
        case Stringer():
            return encode_basestring(value.text())
    raise Failure(f"json: unsupported type: {type_name(value)}")


def _escape(found: re.Match[str]) -> str:
    c = found[0]
    return "\\ufffd" if "\ud800" <= c <= "\udfff" else f"\\u{ord(c):04x}"


def json_float(value: float) -> str:
    """A number with an exponent only below 1e-6 and from 1e21 on."""
    if value.is_integer() and -1e15 < value < 1e15:
        return "-0" if value == 0 and math.copysign(1, value) < 0 else str(int(value))
    if not math.isfinite(value):
        raise Failure(f"json: unsupported value: {'NaN' if value != value else '+Inf' if value > 0 else '-Inf'}")
    magnitude = abs(value)
    if 1e-4 <= magnitude < 1e15:
        return repr(value)
    negative, digits, exponent = shortest(value)
    sign = "-" if negative else ""
    if magnitude < 1e-6 or magnitude >= 1e21:
        mantissa = digits[0] + ("." + digits[1:] if len(digits) > 1 else "")
        return f"{sign}{mantissa}e{'-' if exponent < 0 else '+'}{abs(exponent)}"
    if exponent < 0:
        return f"{sign}0.{'0' * (-exponent - 1)}{digits}"
    return sign + digits.ljust(exponent + 1, "0")


def decode(text: str) -> Any:
    """The value of a JSON text; raises Failure with Go's text when it is none."""
    try:
        return _as_floats(msgspec.json.decode(valid_text(text)))
    except msgspec.DecodeError as fault:
        raise Failure(find_fault(text) or f"invalid JSON: {fault}") from None
    except RecursionError:
        raise Failure("exceeded max depth") from None


def _as_floats(value: Any) -> Any:
    """Every number as float64, which is all that Go sees in JSON without a schema."""
    if type(value) is int:
        try:
            return float(value)
        except OverflowError:
            raise Failure(f"json: cannot unmarshal number {value} into Go value of type float64") from None
    if type(value) is dict:
        return {key: _as_floats(v) for key, v in value.items()}
    return [_as_floats(v) for v in value] if type(value) is list else value


def indent(text: str) -> str:
    """JSON text with two spaces per level, as ``json.MarshalIndent``; empty lists and maps stay on their line."""
    parts: list[str] = []
    level = size = 0
    tokens = _INDENTABLE.findall(text)
    for index, token in enumerate(tokens):
        if token in ("{", "["):
            level += 1
            empty = tokens[index + 1 : index + 2] in (["}"], ["]"])
            piece = token if empty else f"{token}\n{'  ' * level}"
        elif token in ("}", "]"):
            level -= 1
            piece = token if tokens[index - 1] in ("{", "[") else f"\n{'  ' * level}{token}"
        elif token == ",":
            piece = f",\n{'  ' * level}"
        else:
            piece = ": " if token == ":" else token
        size += len(piece)
        check_text(size, MAX_OUTPUT)
        parts.append(piece)
    return "".join(parts)
