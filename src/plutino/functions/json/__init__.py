"""JSON texts and paths into them (sql reference §6.6)."""

from __future__ import annotations

import base64
import json
import math
from datetime import datetime
from typing import Any

from plutino.errors import EvaluationError
from plutino.functions.json.path import compile_path
from plutino.model.moment import json_moment
from plutino.model.number import json_number
from plutino.model.text import NullList, Span, as_float, general_text
from plutino.spi import Arg, ArgCheck, FunctionSpec, Nulls
from plutino.spi.gojson import GoJsonError, decode

_HTML = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"})


def _to_json(value: Any) -> str:
    try:
        return _text(value)
    except (ValueError, RecursionError):
        raise EvaluationError(f"fail to convert {general_text(value)} to json") from None


def _text(value: Any) -> str:
    """A value as Go's encoder writes it: keys sorted, HTML escaped; ValueError for what JSON cannot hold."""
    kind = type(value)
    if kind is str:
        return json.dumps(value, ensure_ascii=False).translate(_HTML)
    if kind is float:
        if not math.isfinite(value):
            raise ValueError("no JSON number")
        return json_number(value)
    if kind is dict:
        return "{" + ",".join(f"{_text(k)}:{_text(value[k])}" for k in sorted(value)) + "}"
    if kind is list:
        return "[" + ",".join(map(_text, value)) + "]"
    if kind is bytes:
        return f'"{base64.b64encode(value).decode()}"'
    if kind is datetime:
        return f'"{json_moment(value)}"'
    if isinstance(value, Span):
        return str(value.nanoseconds)
    if value is None or isinstance(value, NullList):
        return "null"
    return json.dumps(value)


def _parse_json(value: Any) -> Any:
    if value is None:
        return None
    if type(value) is not str:
        raise EvaluationError(f"fail to convert {general_text(value)} to string")
    try:
        return as_float(decode(value, exact=True))
    except GoJsonError as error:
        raise EvaluationError(f"fail to parse json: {error}") from None


def _query(data: Any, path: Any) -> Any:
    if data is None:
        raise EvaluationError("invalid data nil for jsonpath")
    if type(data) is str:
        try:
            data = as_float(decode(data, exact=True))
        except GoJsonError:
            raise EvaluationError(f"data '{data}' is not a valid json string") from None
    elif type(data) not in (dict, list):
        raise EvaluationError(f"invalid data {general_text(data)} for jsonpath")
    if type(path) is not str:
        raise EvaluationError(f"invalid jsonPath {general_text(path)}; a text is expected")
    return compile_path(path)(data)


def _query_first(data: Any, path: Any) -> Any:
    found = _query(data, path)
    if type(found) is not list:
        raise EvaluationError(f"query result ({general_text(found)}) is not an array")
    return found[0] if found else None


def _exists(data: Any, path: Any) -> bool:
    try:
        found = _query(data, path)
    except EvaluationError:
        return False
    return found is not None and found != []


_PATH = (Arg("map, list or JSON text"), Arg("path", ArgCheck.STRING))
_DATA = """parse_json('{"a": {"b": [3, 9, 6]}}')"""

SPECS = (
    FunctionSpec(
        "to_json",
        _to_json,
        "A value as JSON text, keys sorted",
        (Arg("value"),),
        returns="string",
        nulls=Nulls.NULL,
        examples=(("to_json(array_create(1, 'x', true))", '[1,"x",true]'),),
    ),
    FunctionSpec(
        "parse_json",
        _parse_json,
        "The value of a JSON text",
        (Arg("text", ArgCheck.STRING),),
        examples=(("parse_json('[1, 2.5]')", [1.0, 2.5]),),
    ),
    FunctionSpec(
        "json_path_query",
        _query,
        "What a JSON path leads to: a value, or the list of matches",
        _PATH,
        examples=((f"json_path_query({_DATA}, '$.a.b[1]')", 9.0), (f"json_path_query({_DATA}, '$.a.b[? @ > 5]')", [9.0, 6.0])),
    ),
    FunctionSpec(
        "json_path_query_first",
        _query_first,
        "The first match of a JSON path that gives a list",
        _PATH,
        examples=((f"json_path_query_first({_DATA}, '$.a.b[*]')", 3.0),),
    ),
    FunctionSpec(
        "json_path_exists",
        _exists,
        "Whether a JSON path leads to something",
        _PATH,
        returns="boolean",
        examples=((f"json_path_exists({_DATA}, '$.a.c')", False),),
    ),
)
