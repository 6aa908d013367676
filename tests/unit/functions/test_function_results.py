"""Results and error texts of SQL functions beyond their examples."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest

from plutino.errors import EvaluationError
from plutino.formats.json import JSON
from plutino.model.moment import json_moment, parse_moment, set_clock, set_zone
from plutino.model.value import Span, Weekday
from plutino.spi import FunctionSpec
from plutino.spi.discovery import scan
from plutino.spi.function import Literal

FUNCTIONS = {name: spec for spec in scan("plutino.functions", FunctionSpec) for name in (spec.name, *spec.synonyms)}
NAN = math.nan
INF = math.inf


@pytest.fixture(autouse=True)
def _utc() -> Iterator[None]:
    set_zone("UTC")
    set_clock(lambda: 1_710_504_896_789)  # 2024-03-15 12:14:56.789
    yield
    set_clock(None)


def run(name: str, *args: Any) -> Any:
    """The result of a call, or the text of its error as ``Refused``."""
    try:
        return FUNCTIONS[name].call(*args)
    except EvaluationError as error:
        return Refused(str(error))


class Refused(str):
    """An error text."""


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (("abs", -(2**63) + 1), -(2**63)),
        (("abs", "-5"), Refused("only float64 & int type are supported")),
        (("acos", 2.0), None),
        (("tan", INF), None),
        (("sin", "1"), Refused("cannot convert string(1) to float64")),
        (("floor", True), Refused("cannot convert bool(true) to float64")),
        (("exp", 1000.0), INF),
        (("cosh", 1000.0), INF),
        (("sinh", -1000.0), -INF),
        (("cot", 0.0), Refused("out-of-range error")),
        (("ln", 0), -INF),
        (("ln", -1.0), Refused("The argument must be a strictly positive number but got -1")),
        (("ln", "x"), Refused("call func ln error: cannot convert string(x) to float64")),
        (("log", -10), Refused("The argument must be a strictly positive number but got -10")),
        (("log", 2.0, 0.0), -INF),
        (("log", 2.0, -8.0), Refused("The argument must be a strictly positive number but got 2")),
        (("sqrt", -4.0), Refused("The argument must be a positive number but got -4")),
        (("power", 10, 400), INF),
        (("power", -10, 401), -INF),
        (("power", 0.0, -1.0), INF),
        (("power", -8, 0.5), NAN),
        (("mod", 7, 0), NAN),
        (("mod", 7, "2"), NAN),
        (("mod", 7, -3), 1.0),
        (("round", 14.25, 1), 14.3),
        (("round", 1234.5678, -2.9), 1200.0),
        (("round", 0.5), 1.0),
        (("sign", NAN), 0),
        (("ceiling", INF), INF),
        (("bitor", 6.5, 3.0), Refused("Expect int type for the first operand but got 6.5")),
        (("bitand", 6.0, "x"), Refused("Expect int type for the second operand but got x")),
        (("bitnot", 0.5), Refused("Expect int type for operand but got 0.5")),
        (("bitxor", -1, 255.0), -256),
        (("conv", "9", 8, 10), "0"),
        (("conv", "5", 1, 10), None),
        (("conv", -1, 10, 2), "1" * 64),
        (("conv", 10.7, 10, 16), "A"),
        (("conv", " zz ", 36, 10), "1295"),
        (("conv", "-9223372036854775809", -10, -10), "-9223372036854775808"),
    ],
)
def test_math(call: tuple[Any, ...], expected: Any) -> None:
    """Numbers at the edges of their domains."""
    got = run(*call)
    assert type(got) is type(expected)
    if isinstance(expected, float):
        assert (math.isnan(got) and math.isnan(expected)) or math.isclose(got, expected)
    else:
        assert got == expected


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (("concat", "n=", 1e6, None, True, [1.0, None]), "n=1e+06true[1 <nil>]"),
        (("indexof", "naïve ☕", "☕"), 7),
        (("indexof", None, "x"), -1),
        (("length", "naïve ☕"), 7),
        (("length", {"k": 1}), 1),
        (("length", 1e6), 5),
        (("length", Weekday.Monday), 6),
        (("numbytes", "naïve ☕"), 10),
        (("trim", "\u3000\t wide \n"), "wide"),
        (("lpad", "ab", -1), Refused("the number of spaces must not be negative, but got -1")),
        (("lpad", "ab", 1.7), Refused("cannot convert float64(1.7) to int")),
        (("substring", "日本語", 0, 3), "日"),
        (("substring", "日本語", 1, 3), "\ufffd\ufffd"),
        (("substring", "abc", 9, 12), ""),
        (("substring", "abc", -1), Refused("start index must be a positive number")),
        (("substring", "abc", 0, -1), Refused("end index must be a positive number")),
        (("substring", "abc", 2, 1), Refused("start index must be smaller than end index")),
        (("split_value", "a,b", ",", 4), Refused("4 out of index array (size = 2)")),
        (("split_value", "a,b,c", ",", -1), "c"),
        (("split_value", "a,b", ",", "1"), "a"),
        (("split_value", "añ", "", 1), "ñ"),
        (("regexp_matches", "x", "["), Refused("error parsing regexp: missing closing ]: `[`")),
        (("regexp_replace", "a1 b2", r"(\w)(\d)", "$2$1"), "1a 2b"),
        (("regexp_substr", "none", "x*"), ""),
        (("format", -0.005, 2), "-0.01"),
        (("format", 2.5, 0), "2"),
        (("format", "abc", 2), "0.00"),
        (("format", -1234567.891, 2, "de_DE"), "-1.234.567,89"),
        (("format", 1.5, 2, "en"), Refused("not support for the specific locale:en")),
        (("format", 1.5, -1), Refused("the decimal places must greater or equal than 0")),
        (("md5", [1.0, "b"]), "5b867fc13769be39ffe6bb94c07424cf"),
        (("crc32", "4"), "f3b61b38"),
        (("crc32", "exhibiters"), "2d45ca28"),
    ],
)
def test_texts(call: tuple[Any, ...], expected: Any) -> None:
    """Texts count in characters or bytes as documented, and other kinds are taken by their text."""
    got = run(*call)
    assert type(got) is type(expected)
    assert got == expected


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (("cast", "abc", "bigint"), Refused("not supported type conversion, got error cannot convert string(abc) to int")),
        (("cast", "yes", "boolean"), Refused('not supported type conversion, got error strconv.ParseBool: parsing "yes": invalid syntax')),
        (("cast", 12.0, "bytea"), Refused("cannot convert float64(12) to bytea")),
        (("cast", "soon", "datetime"), Refused("Can't parse string as time: soon")),
        (("cast", 5, "money"), Refused("unknow type, only support bigint, float, string, boolean and datetime")),
        (
            ("cast", Weekday.Monday, "bigint"),
            Refused("not supported type conversion, got error cannot convert time.Weekday(Monday) to int"),
        ),
        (("cast", Span(10**6), "string"), "1ms"),
        (("cast", "plain", "bytea"), b"plain"),
        (("encode", 5, "base64"), Refused("Only string type can be encoded.")),
        (("decode", "!!", "base64"), Refused("fail to decode base64 string: illegal base64 data at input byte 0")),
        (("trunc", 2.5, 0), 3.0),
        (("trunc", -1.25, 1), -1.3),
        (("trunc", 3.14159, 2.5), Refused("The 2nd parameter must be int value.")),
        (("trunc", "1.55", 1), Refused("cannot convert string(1.55) to float64")),
        (("chr", 97.5), 97),
        (("chr", "ab"), Refused("Parameter length cannot larger than 1.")),
        (("chr", ""), Refused("Parameter must not be an empty text.")),
        (("hex2dec", "0X1F"), Refused("invalid hexadecimal value: 0X1F")),
        (("hex2dec", 10.0), Refused("invalid input type: 10 please input hex string")),
        (("dec2hex", -16), "0x-10"),
        (("dec2hex", 16.5), Refused("cannot convert float64(16.5) to int")),
        (("compress", 1.0, "gzip"), Refused("require string or bytea parameter, but got 1")),
        (("compress", "q", "lzma"), Refused("unsupported compressor: lzma")),
        (("compress", None, "gzip"), None),
        (("decompress", "plain", "gzip"), Refused("failed to decompress: unexpected EOF")),
        (("decompress", "x" * 20, "gzip"), Refused("failed to decompress: gzip: invalid header")),
    ],
)
def test_conversions(call: tuple[Any, ...], expected: Any) -> None:
    """Conversions refuse with the wire's texts."""
    got = run(*call)
    assert type(got) is type(expected)
    assert got == expected


@pytest.mark.parametrize("method", ["zlib", "gzip", "flate"])
def test_compression_round_trip(method: str) -> None:
    """Every method gives back what it was given, also nothing; half of the bytes are not enough."""
    for text in ("", "some text some text", "ü"):
        packed = run("compress", text, method)
        assert run("decompress", packed, method) == text.encode()
    packed = run("compress", "some text some text", method)
    assert run("decompress", packed[:-6], method) == "failed to decompress: unexpected EOF"


def test_zstd_without_a_library_says_what_to_do() -> None:
    """Where no zstd library is there, the error names one; else the round trip works."""
    packed = run("compress", "aaaa", "zstd")
    if isinstance(packed, Refused):
        assert "backports.zstd" in packed
    else:
        assert run("decompress", packed, "zstd") == b"aaaa"


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (("hour", None), Refused("unsupported type to convert to timestamp <nil>")),
        (("month", "not a date"), Refused("Can't parse string as time: not a date")),
        (("hour", "2024-03-01T01:00:00+05:00"), 1),
        (("to_seconds", "2024-03-01T01:00:00+05:00"), 1709236800),
        (("day_of_week", "2023-12-31"), Weekday.Sunday),
        (("last_day", "2023-02-10"), "2023-02-28"),
        (("format_time", 0, "yyy"), Refused("invalid time format yyy for Y/y")),
        (("date_calc", "2024-02-28 23:59:59", "1500ms"), "2024-02-29 00:00:00"),
        (("date_calc", "2024-01-01", "1d"), Refused('time: unknown unit "d" in duration "1d"')),
        (("date_diff", "2024-01-02", "2024-01-01"), Span(-86_400_000_000_000)),
        (("from_days", -1), "1969-12-30"),
        (("from_days", 0), None),
        (("from_days", 10.5), Refused("cannot convert float64(10.5) to int")),
        (("from_unix_time", 1_700_000_000), "2023-11-14 22:13:20"),
        (("convert_tz", 0, "Mars/Base"), Refused("unknown time zone Mars/Base")),
        (("now",), "2024-03-15 12:14:56"),
        (("now", 3), "2024-03-15 12:14:56.789"),
        (("now", 7), Refused("precision 7; 0 to 6 is expected")),
        (("cur_time",), "12:14:56"),
        (("cur_date",), "2024-03-15"),
    ],
)
def test_dates(call: tuple[Any, ...], expected: Any) -> None:
    """Dates are read in their own zone and the clock is the process's."""
    got = run(*call)
    assert type(got) is type(expected)
    assert got == expected


def test_convert_tz_keeps_the_moment() -> None:
    """Another zone is the same instant, and arithmetic on it crosses a change of the clocks correctly."""
    there = run("convert_tz", "2024-03-31T00:30:00Z", "Europe/Berlin")
    assert isinstance(there, datetime)
    assert json_moment(there) == "2024-03-31T01:30:00+01:00"
    assert run("date_calc", there, "1h") == "2024-03-31 03:30:00"
    assert run("date_diff", there, parse_moment("2024-03-31T01:30:00Z")) == Span(3_600_000_000_000)


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (("array_position", None, 1), -1),
        (("array_position", [True, 1.0], 1), 1),
        (("array_contains", [[1.0], {"k": 1}], {"k": 1.0}), True),
        (("array_contains", ["q", None], None), True),
        (("array_contains_any", [1], None), Refused("second argument should be array of interface{}")),
        (("element_at", [3, 1], 5), Refused("index out of range")),
        (("element_at", {"k": 1}, 1), Refused("second argument should be string")),
        (("element_at", [1, 2], "k"), Refused("cannot convert string(k) to int")),
        (("element_at", "text", 0), Refused("first argument should be []interface{} or map[string]interface{}")),
        (("array_intersect", [1, 2, 3, 3], [3, 2.0, 9]), [3, 2.0]),
        (("array_union", [], []), []),
        (("array_except", [1, 1], None), [1]),
        (("array_max", [1.0, "b"]), Refused("requires float64 but found string(b)")),
        (("array_max", [True]), Refused("found invalid arg bool(true)")),
        (("array_min", ["b", None, "a"]), "a"),
        (("repeat", "x", -1), Refused("second argument -1; 0 to 1000000 is expected")),
        (("repeat", "x", 1.5), Refused("second argument should be int")),
        (("sequence", 1, 3, -1), Refused("invalid step: -1 does not lead from 1 to 3")),
        (("sequence", 1, 3, 0), Refused("invalid step: should not be zero")),
        (("sequence", 1, 10**9), Refused("sequence of 1000000000 elements; at most 1000000 are allowed")),
        (("array_flatten", "x"), Refused("first argument should be array of interface{}")),
        (("array_distinct", [1, "1", None, None, {"k": 1}, {"k": 1}]), [1, "1", None, {"k": 1}, {"k": 1}]),
        (("array_map", "nope", [1]), Refused("unknown built-in function: nope.")),
        (("array_map", "sum", [1]), Refused("first argument should be a scalar function.")),
        (("array_map", "power", [1]), Refused("validate power arguments failed")),
        (("array_map", "length", ["x", None]), [1, 0]),
        (("array_join", ["x", None, 1e6, True], "-"), "x-1000000-true"),
        (("array_join", ["x", None], "-", "NULL"), "x-NULL"),
        (("array_sort", [True, 1.0, "a", None]), [1.0, None, "a", True]),
        (("array_sort", 5), Refused("array elements should be array")),
        (("array_concat", [1], 5), Refused("array elements should be array")),
        (("keys", [1]), Refused("the argument should be map[string]interface{}")),
        (("object", ["a"], [1, 2]), Refused("the length of the arguments should be same")),
        (("object", [1], [1]), Refused("first argument should be []string")),
        (("zip", [["a"]]), Refused("each argument should be [][2]interface{}")),
        (("zip", [["a", 1], None]), {"a": 1}),
        (("object_concat", {"a": 1}, 5), Refused("the argument should be map[string]interface{}, got 5")),
        (("object_construct", None, 1), {}),
        (("object_construct", 5, 1), Refused("key 5 is not a string")),
        (("erase", {"a": 1, "b": 2}, ["a", "q"]), {"b": 2}),
        (("erase", {"a": 1}, "a", "b"), Refused("the argument number should be 2, got 3")),
        (("object_pick", {"c": {"d": 3, "e": 4}}, "c.d", "c.e"), {"c": {"d": 3, "e": 4}}),
        (("object_pick", {"c": 5}, "c.d"), {}),
        (("kvpair_array_to_obj", [{"key": 1, "value": 2}]), Refused("array item should be key-value pair")),
    ],
)
def test_lists_and_maps(call: tuple[Any, ...], expected: Any) -> None:
    """Lists and maps compare by value, and refuse with the wire's texts."""
    got = run(*call)
    assert type(got) is type(expected)
    assert got == expected


def test_arguments_are_not_changed() -> None:
    """A list or map that a function gets stays as it is."""
    values, pairs = [1, 2, 1], {"c": {"d": 3, "e": 4}}
    run("array_remove", values, 1)
    run("array_sort", values)
    run("object_pick", pairs, "c.d", "c.e")
    run("erase", pairs, "c")
    assert values == [1, 2, 1]
    assert pairs == {"c": {"d": 3, "e": 4}}


def test_a_list_of_nothing_shows_as_null() -> None:
    """Lists that join to nothing are empty inside of rules and null in JSON."""
    joined = run("array_concat", None, [])
    assert joined == []
    assert len(joined) == 0
    assert JSON.encoder(None).encode_rows([{"p": joined}]) == [b'{"p":null}']


DATA = {"name": "n1", "vals": [3.0, 9.0, 6.0], "sub": {"k": "v", "z": [{"id": 1.0, "w": 5.0}, {"id": 2.0, "w": 15.0}, {"w": "x"}]}}


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("$", DATA),
        ('$["name"]', "n1"),
        ("$.vals[0]", 3.0),
        ("$.vals[1 + 1]", 6.0),
        ("$.vals[9]", Refused("index 9 out of bounds")),
        ("$.vals[-1]", Refused("index -1 out of bounds")),
        ("$.nope", Refused("unknown key nope")),
        ("$.vals[0,2]", [3.0, 6.0]),
        ("$['name', 'nope']", ["n1"]),
        ("$.vals[*]", [3.0, 9.0, 6.0]),
        ("$.vals[0:2]", [3.0, 9.0]),
        ("$.vals[::2]", [3.0, 6.0]),
        ("$.vals[-2:]", [9.0, 6.0]),
        ("$.sub.z[*].id", [1.0, 2.0]),
        ("$.sub.*", ["v", DATA["sub"]["z"]]),
        ("$..id", [1.0, 2.0]),
        ("$.sub.z[? @.w > 10 ].id", [2.0]),
        ("$.sub.z[?(@.w == 'x' || @.w > 1 && @.id != 1)].w", [15.0, "x"]),
        ("$.sub.z[?(@.w > 1 || true)].w", [5.0, 15.0]),
        ("$.sub.z[? @.w in [5, 'x'] ].w", [5.0, "x"]),
        ("$.vals[? @ * 2 >= $.vals[1] ]", [9.0, 6.0]),
        ("$.sub.z[? @.w =~ '^x' ].w", ["x"]),
        ("$.vals[? !(@ > 5) ]", [3.0]),
        ("$.vals[*].k", []),
    ],
)
def test_json_paths(path: str, expected: Any) -> None:
    """A plain path gives the value itself, a path with a list form all matches."""
    assert run("json_path_query", DATA, path) == expected


@pytest.mark.parametrize("path", ["$.", "$[", "$.a]", "$.a[1:2:3:4]", "$.a b", "$.a[?]"])
def test_json_paths_that_do_not_parse(path: str) -> None:
    """A path that does not parse is an error, not a crash, and leads to nothing."""
    assert isinstance(run("json_path_query", {"a": [1]}, path), Refused)
    assert run("json_path_exists", {"a": [1]}, path) is False


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (("json_path_query", None, "$.a"), Refused("invalid data nil for jsonpath")),
        (("json_path_query", "nope", "$.a"), Refused("data 'nope' is not a valid json string")),
        (("json_path_query", '{"a":1}', "$.a"), 1.0),
        (("json_path_query_first", DATA, "$.name"), Refused("query result (n1) is not an array")),
        (("json_path_query_first", DATA, "$.vals[? @ > 99 ]"), None),
        (("json_path_exists", {"k": None}, "$.k"), False),
        (("json_path_exists", 5, "$.k"), False),
        (("to_json", {"b": 1e6, "a": [1e-7, -0.0, None, True]}), '{"a":[1e-7,-0,null,true],"b":1000000}'),
        (("to_json", '<b>&"\n'), '"\\u003cb\\u003e\\u0026\\"\\n"'),
        (("to_json", {"<": b"hi", "t": Span(5), "w": Weekday.Monday}), '{"\\u003c":"aGk=","t":5,"w":1}'),
        (("to_json", [NAN]), Refused("fail to convert [NaN] to json")),
        (("parse_json", "{"), Refused("fail to parse json: unexpected end of JSON input")),
        (("parse_json", "nul"), Refused("fail to parse json: invalid character ' ' in literal null (expecting 'l')")),
        (("parse_json", 5.0), Refused("fail to convert 5 to string")),
        (("parse_json", "null"), None),
    ],
)
def test_json(call: tuple[Any, ...], expected: Any) -> None:
    """JSON texts go out with sorted keys and come in with floats."""
    got = run(*call)
    assert type(got) is type(expected)
    assert got == expected


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (("count", [1, None, "x"]), 2),
        (("sum", [1, 2.9, None]), 3),
        (("sum", [1.5, None, 2.5]), 4.0),
        (("sum", [1.5, 3]), Refused("requires float64 but found int64(3)")),
        (("sum", [1, "ddd"]), Refused("requires int but found string(ddd)")),
        (("sum", ["q"]), Refused("run sum function error: found invalid arg string(q)")),
        (("sum", [None]), None),
        (("sum", [2**63 - 1, 1]), -(2**63)),
        (("avg", [1, 2]), 1),
        (("avg", [1.0, 2.0]), 1.5),
        (("avg", ["q"]), Refused("run avg function error: found invalid arg string(q)")),
        (("max", [True]), Refused("found invalid arg bool(true)")),
        (("max", ["a", None, "b"]), "b"),
        (("min", ["a", 1]), Refused("requires string but found int64(1)")),
        (("merge_agg", [{"p": 1}, 5, {"p": 2, "r": 3}]), {"p": 2, "r": 3}),
        (("merge_agg", [5]), None),
        (("last_value", [1, None], True), 1),
        (("last_value", [1, None], False), None),
        (("deduplicate", ["a", "b", "a"], True, [{"x": 1}, {"x": 2}, {"x": 3}]), [{"x": 1}, {"x": 2}]),
        (("deduplicate", ["a", "b"], False, [{"x": 1}, {"x": 2}]), {"x": 2}),
        (("deduplicate", [3, 3], False, [{"x": 1}, {"x": 2}]), None),
        (("median", [5, 1, 3]), 3),
        (("median", [4, 1, 3, 2]), 2.5),
        (("median", [1.0, None, 4.0]), 2.5),
        (("median", [None, 1]), Refused("<nil> should be number")),
        (("stddev", ["a", "b"]), Refused("requires float64 slice but found []interface {}([a b])")),
        (("var", [None]), None),
        (("vars", [1]), NAN),
        (("percentile_cont", [1.0, 2.0, 3.0, 4.0], 0.05), Refused("percentile exec with error: Input is outside of range.")),
        (("percentile_cont", [None, 2.0, 4.0], 0.5), 2.0),
        (("percentile_disc", [1.0, 2.0, 3.0, 4.0], 0.9), 4.0),
    ],
)
def test_aggregates(call: tuple[Any, ...], expected: Any) -> None:
    """The first value that is not null decides the kind of an aggregate."""
    got = run(*call)
    assert type(got) is type(expected)
    assert got == expected or (got != got and expected != expected)


@pytest.mark.parametrize(
    ("name", "literals", "text"),
    [
        ("substring", (None, -1), "The start index should not be a nagtive integer."),
        ("substring", (None, 3, 1), "The end index should be larger than start index."),
        ("split_value", (None, ",", -1), "The index should not be a nagtive integer."),
        ("cast", (None, "money"), "Expect one of following value for the 2nd parameter: bigint, float, string, boolean, datetime, bytea."),
        ("encode", (None, "hex"), "Only base64 is supported for the 2nd parameter."),
        ("date_calc", (None, None), "Expect string type for parameter 2"),
        ("object_construct", ("a",), "the args must be key value pairs"),
        ("substring", (None, None, None), None),
        ("format", (None, 2), None),
    ],
)
def test_parse_time_checks(name: str, literals: tuple[Any, ...], text: str | None) -> None:
    """Literals that can never work are refused while the statement is read; None stands for a column."""
    validate = FUNCTIONS[name].validate
    assert validate is not None
    assert validate([Literal(v is not None, v) for v in literals]) == text
