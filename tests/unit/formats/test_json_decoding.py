"""JSON payloads to rows: the fast ways, the lenient reader, declared columns and the wire's error texts."""

from __future__ import annotations

import math
from typing import Any

import pytest
from msgspec import UNSET

from plutino.formats.json import JSON
from plutino.formats.json.lenient import Number, Object, parse
from plutino.model import Batch, Column, DataType, RowError, Schema, TypeName, attribute, to_dict
from plutino.spi import DecodePlan, Decoder


def decoder(*columns: str, whole: bool = False, schema: Schema | None = None, **kinds: str) -> Decoder:
    """A JSON decoder for these columns."""
    return JSON.decoder(DecodePlan(columns, whole, kinds, schema or Schema()), JSON.options())


def rows(batch: Batch) -> list[dict[str, Any]]:
    """The rows of a batch as dicts."""
    return [to_dict(row) for row in batch.rows]


def one(payload: str, *columns: str, **options: Any) -> Any:
    """The single row of a payload, or the text of its error."""
    batch = decoder(*columns, **options).decode([payload.encode()])
    if batch.errors:
        [error] = batch.errors
        assert error.stage == "decoder"
        return error.text
    [row] = rows(batch)
    return row


def of(name: TypeName, **more: Any) -> DataType:
    """A data type."""
    return DataType(name, **more)


INNER = of(TypeName.STRUCT, fields=(Column("z", of(TypeName.STRING)),))
SCHEMA = Schema(
    (
        Column("i", of(TypeName.BIGINT)),
        Column("f", of(TypeName.FLOAT)),
        Column("s", of(TypeName.STRING)),
        Column("b", of(TypeName.BOOLEAN)),
        Column("d", of(TypeName.DATETIME)),
        Column("y", of(TypeName.BYTEA)),
        Column("l", of(TypeName.ARRAY, element=of(TypeName.BIGINT))),
        Column("m", of(TypeName.STRUCT, fields=(Column("k", of(TypeName.BIGINT)), Column("n", INNER)))),
    )
)


def test_only_the_columns_in_use_are_there() -> None:
    """Missing keys are UNSET, nulls are None, other keys are not there."""
    batch = decoder("a", "b").decode([b'{"a":1,"z":2}', b'{"b":null}'])
    assert rows(batch) == [{"a": 1}, {"b": None}]
    assert getattr(batch.rows[1], attribute("a")) is UNSET
    assert batch.payloads is None
    assert batch.errors is None
    assert batch.origins is None


def test_assumed_kinds_guard_a_batch() -> None:
    """A batch is guarded while its values keep the kinds; nulls and missing keys always do."""
    guarded = decoder("a", "s", "t", a="number", s="string", t="boolean")
    assert guarded.decode([b'{"a":1,"s":"x","t":true}', b'{"a":1.5,"s":null}', b"{}"]).guarded
    for payload in (b'{"a":"1"}', b'{"a":true}', b'{"s":1}', b'{"t":0}'):
        batch = decoder("a", "s", "t", a="number", s="string", t="boolean").decode([b'{"a":1}', payload])
        assert not batch.guarded
        assert len(batch) == 2


def test_repeated_refusals_rest_the_guarded_way() -> None:
    """After a refusal the guarded way rests for 1, 3, 7 … batches, until it succeeds; batches are counted, not time."""
    subject = decoder("a", a="number")
    bad, good = [b'{"a":"x"}'], [b'{"a":1}']
    assert [subject.decode(p).guarded for p in (bad, good, good)] == [False, False, True]
    assert [subject.decode(p).guarded for p in (bad, bad, bad, good, good, good, good)] == [False] * 6 + [True]
    assert [subject.decode_lines(p[0]).guarded for p in (bad, good, good)] == [False, False, True]


def test_lines_of_a_block() -> None:
    """A block gives a row per line; empty lines do not count, line ends may be CRLF."""
    subject = decoder("a", whole=True)
    batch = subject.decode_lines(b'{"a":1,"z":1}\n{"a":2}\n')
    assert rows(batch) == [{"a": 1}, {"a": 2}]
    assert batch.payloads == [b'{"a":1,"z":1}', b'{"a":2}']
    assert rows(subject.decode_lines(b'{"a":1}\n\n{"a":2}')) == [{"a": 1}, {"a": 2}]
    crlf = subject.decode_lines(b'{"a":1}\r\n{"a":2}\r\n')
    assert crlf.payloads == [b'{"a":1}', b'{"a":2}']


def test_two_objects_on_a_line_are_an_error() -> None:
    """A line holds one payload, whatever the fast decoder makes of it."""
    batch = decoder("a").decode_lines(b'{"a":1}{"a":2}\n{"a":3}\n')
    assert batch.errors == [RowError(0, 'unexpected tail: "{\\"a\\":2}"', "decoder")]
    assert rows(batch) == [{"a": 3}]


def test_bad_payloads_do_not_take_others_along() -> None:
    """Each bad payload becomes an error before the row that follows it; origins tell where rows came from."""
    batch = decoder("a", a="number").decode([b'{"a":1}', b"{bad", b'{"a":2}', b"5", b'{"a":3}'])
    assert rows(batch) == [{"a": 1}, {"a": 2}, {"a": 3}]
    assert [e.at for e in batch.errors or ()] == [1, 2]
    assert batch.origins == [0, 2, 4]
    assert batch.guarded


def test_lists_give_a_row_per_element() -> None:
    """A list of objects gives rows, each with a payload of its own; an empty one gives none."""
    batch = decoder("a", whole=True).decode([b'[{"a":1,"b":2},{"a":2}]', b"[]", b'{"a":3}'])
    assert rows(batch) == [{"a": 1}, {"a": 2}, {"a": 3}]
    assert batch.payloads == [b'{"a":1,"b":2}', b'{"a":2}', b'{"a":3}']
    assert batch.record(0) == {"a": 1, "b": 2}
    assert batch.origins == [0, 0, 2]


@pytest.mark.parametrize(
    ("payload", "text"),
    [
        ("", 'cannot parse JSON: cannot parse empty string; unparsed tail: ""'),
        ("5", "only map[string]interface{} and []map[string]interface{} is supported"),
        ('"text"', "only map[string]interface{} and []map[string]interface{} is supported"),
        ("null", "only map[string]interface{} and []map[string]interface{} is supported"),
        ('[{"a":1},5]', "value doesn't contain object; it contains number"),
        ('[{"a":1},"x"]', "value doesn't contain object; it contains string"),
        ('{"a":1} x', 'unexpected tail: "x"'),
        ("{bad", 'cannot parse JSON: cannot parse object: cannot find opening \'"" for object key; unparsed tail: "bad"'),
        ('{"a":', 'cannot parse JSON: cannot parse object: cannot parse object value: cannot parse empty string; unparsed tail: ""'),
        ('{"a" 1}', "cannot parse JSON: cannot parse object: missing ':' after object key; unparsed tail: \"1}\""),
        ('{"a":1', 'cannot parse JSON: cannot parse object: unexpected end of object; unparsed tail: ""'),
        ('{"a":1 "b":2}', 'cannot parse JSON: cannot parse object: missing \',\' after object value; unparsed tail: "\\"b\\":2}"'),
        ("{", "cannot parse JSON: cannot parse object: missing '}'; unparsed tail: \"\""),
        ("[1", 'cannot parse JSON: cannot parse array: unexpected end of array; unparsed tail: ""'),
        (
            '{"a":"x',
            "cannot parse JSON: cannot parse object: cannot parse object value: cannot parse string: missing closing '\"'; "
            'unparsed tail: ""',
        ),
        ("tru", 'cannot parse JSON: unexpected value found: "tru"; unparsed tail: "tru"'),
        ("@" * 100, 'cannot parse JSON: cannot parse number: unexpected char: "@"; unparsed tail: "' + "@" * 40 + "..." + "@" * 40 + '"'),
        ('{"a":1.2.3}', 'cannot parse float64 from "1.2.3"'),
        (
            '{"a":-}',
            'cannot parse JSON: cannot parse object: cannot parse object value: cannot parse number: unexpected char: "-"; '
            'unparsed tail: "-}"',
        ),
        ('{"a":+5}', 'unparsed tail left after parsing float64 from "+5": "5"'),
        ('{"a":1e}', 'cannot parse exponent in "1e"'),
    ],
)
def test_error_texts(payload: str, text: str) -> None:
    """What the original's parser refuses is refused with its words."""
    assert one(payload, "a") == text


@pytest.mark.parametrize(
    ("payload", "value"),
    [
        ('{"a":01}', 1),
        ('{"a":-0}', 0),
        ('{"a":.5}', 0.5),
        ('{"a":1e400}', math.inf),
        ('{"a":-inf}', -math.inf),
        (r'{"a":"\x"}', r"\x"),
        (r'{"a":"\u12"}', r"\u12"),
        (r'{"a":"\ud83d\ude00 \u00e9\n"}', "\U0001f600 é\n"),
        (r'{"a":"\ud800x"}', r"\ud800x"),
        ('{"a":"tab\there"}', "tab\there"),
        ('{"a":1,"a":2}', 2),
        ('{"a":9007199254740993}', 9007199254740993),
        ('{"a":12345678901234567890123}', 12345678901234567890123),
        ('{"a":1,"b":01}', 1),
        (' \n{"a":1}\t', 1),
    ],
)
def test_lenient(payload: str, value: Any) -> None:
    """What the original's parser lets through is let through."""
    assert one(payload, "a") == {"a": value}


def test_not_a_number() -> None:
    """NaN is read as one."""
    assert math.isnan(one('{"a":NaN}', "a")["a"])


def test_lenient_payloads_are_not_passed_on_as_they_are() -> None:
    """A payload that standard JSON does not know is encoded again before it can go out."""
    batch = decoder("a", whole=True).decode([b'{"a":01,"b":"\xff"}'])
    assert batch.payloads == ['{"a":1,"b":"\ufffd"}'.encode()]
    skipped = decoder("a", whole=True).decode([b'{"a":1,"b":"\xff"}'])
    assert skipped.payloads == ['{"a":1,"b":"\ufffd"}'.encode()]


def test_whole_records_of_numbers_out_of_range() -> None:
    """A number that only a whole record meets is read there leniently."""
    batch = decoder("a", whole=True).decode([b'{"a":1,"b":1e400}'])
    assert batch.record(0) == {"a": 1, "b": math.inf}


@pytest.mark.parametrize(
    ("column", "value", "expected"),
    [
        ("i", "1", 1),
        ("i", "-0", 0),
        ("i", "9223372036854775807", 2**63 - 1),
        ("f", "2", 2.0),
        ("f", "1.5", 1.5),
        ("s", "5", "5"),
        ("s", "1000000", "1e+06"),
        ("s", "1.5", "1.5"),
        ("b", '"true"', True),
        ("b", '"F"', False),
        ("b", "2", True),
        ("b", "0", False),
        ("d", "5", 5.0),
        ("d", '"text"', "text"),
        ("y", '"aGk="', b"hi"),
        ("y", '"plain text"', b"plain text"),
        ("l", "[null,1]", [None, 1]),
        ("m", '{"k":1,"n":{"z":"q","x":1},"u":2}', {"k": 1, "n": {"z": "q"}}),
        ("m", "{}", {}),
        ("i", "null", None),
        ("m", "null", None),
    ],
)
def test_declared_columns_convert(column: str, value: str, expected: Any) -> None:
    """Values of declared columns come in the declared type."""
    row = one(f'{{"{column}":{value},"undeclared":null}}', column, schema=SCHEMA)
    assert row == {column: expected}
    assert type(row[column]) is type(expected)


@pytest.mark.parametrize(
    ("column", "value", "text"),
    [
        ("i", '"x"', "i has wrong type:string, expect:bigint"),
        ("i", "true", "i has wrong type:true, expect:bigint"),
        ("i", "[1]", "i has wrong type:array, expect:bigint"),
        ("i", '{"k":1}', "i has wrong type:object, expect:bigint"),
        ("i", "1.5", 'unparsed tail left after parsing int64 form "1.5": ".5"'),
        ("i", "1e3", 'unparsed tail left after parsing int64 form "1e3": "e3"'),
        ("i", "9223372036854775808", 'strconv.ParseInt: parsing "9223372036854775808": value out of range'),
        ("f", '"2.5"', "f has wrong type:string, expect:float"),
        ("s", "true", "s has wrong type:true, expect:string"),
        ("b", '"yes"', 'strconv.ParseBool: parsing "yes": invalid syntax'),
        ("b", "[true]", "b has wrong type:array, expect:boolean"),
        ("d", "true", "d has wrong type:true, expect:datetime"),
        ("y", "5", "y has wrong type:number, expect:bytea"),
        ("l", '["x"]', "array has wrong type:string, expect:bigint"),
        ("l", "[1.5]", 'unparsed tail left after parsing int64 form "1.5": ".5"'),
        ("l", '"[1]"', "l has wrong type:string, expect:array"),
        ("m", '{"k":"x"}', "k has wrong type:string, expect:bigint"),
        ("m", "5", "m has wrong type:number, expect:struct"),
    ],
)
def test_declared_columns_refuse(column: str, value: str, text: str) -> None:
    """A value of another type loses the message and says why."""
    assert one(f'{{"{column}":{value}}}', column, schema=SCHEMA) == text


def test_unused_declared_columns_are_not_checked() -> None:
    """A bad value in a column that no rule uses does no harm, unless whole rows are wanted."""
    payload = '{"i":"x","s":"ok"}'
    assert one(payload, "s", schema=SCHEMA) == {"s": "ok"}
    assert one(payload, "s", whole=True, schema=SCHEMA) == "i has wrong type:string, expect:bigint"


def test_first_bad_column_in_payload_order_is_named() -> None:
    """Columns are checked in the order of the payload."""
    assert one('{"b":[1],"i":"x"}', "i", "b", schema=SCHEMA) == "b has wrong type:array, expect:boolean"


def test_whole_rows_of_a_schema_are_records() -> None:
    """Undeclared keys must not slip through, so whole rows come decoded, not as payloads."""
    batch = decoder("i", whole=True, schema=SCHEMA).decode([b'{"i":1,"s":"x","zz":2,"y":"aGk="}', b'{"s":5}'])
    assert batch.payloads is None
    assert batch.records == [{"i": 1, "s": "x", "y": b"hi"}, {"s": "5"}]
    assert rows(batch) == [{"i": 1}, {}]


def test_declared_types_keep_assumed_kinds() -> None:
    """With a schema the declared types decide whether a batch is guarded, also after exact conversion."""
    assert decoder("i", "s", schema=SCHEMA, i="number", s="string").decode([b'{"i":1,"s":5}']).guarded
    assert not decoder("d", schema=SCHEMA, d="number").decode([b'{"d":1}']).guarded


def test_lenient_reader_keeps_spelling() -> None:
    """Numbers keep their text and objects their repeated keys until a column's type is known."""
    assert parse(b'{"a":1.0,"a":[true,null]}') == Object((("a", Number("1.0")), ("a", [True, None])))


def test_deep_nesting_is_refused_not_fatal() -> None:
    """A payload nested beyond all measure is an error of its own."""
    deep = "[" * 5000
    assert "too big depth" in one('{"a":' + deep, "a")
    assert "too big depth" in one('{"a":' + deep + "]" * 5000 + "}", "a", schema=Schema((Column("a", of(TypeName.ANY)),)))
