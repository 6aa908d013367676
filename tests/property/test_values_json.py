"""JSON in and out: the fast ways agree with the exact ones, and what is written reads the same."""

from __future__ import annotations

import json
import math
import re
from contextlib import suppress
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from plutino.errors import FormatError
from plutino.formats.json import JSON
from plutino.formats.json.exact import declared, read_records
from plutino.formats.json.lenient import parse
from plutino.model import Column, DataType, Schema, TypeName, row_type, to_dict
from plutino.model.number import general_number, json_number, plain_number
from plutino.spi import DecodePlan

FINITE = st.floats(allow_nan=False, allow_infinity=False)
AWKWARD = st.sampled_from(["1.0,", '2.0,"', "\\", "null", "x.0}", "2024-01-01T00:00:00.120000Z"])
TEXT = st.text(st.characters(exclude_categories=("Cs",))) | AWKWARD
SCALAR = st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | FINITE | TEXT
VALUE = st.recursive(SCALAR, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4), max_leaves=12)
RECORD = st.dictionaries(st.sampled_from(["a", "b", "c", "d"]), VALUE)
ENCODER = JSON.encoder(JSON.options())
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')


@given(st.lists(RECORD, max_size=6))
def test_rows_read_back_as_they_were(records: list[dict[str, Any]]) -> None:
    """Encoded rows hold the same values, each on its own and all as a list, and no float shows an empty fraction."""
    lines = ENCODER.encode_rows(records)
    assert [json.loads(line) for line in lines] == records
    assert json.loads(ENCODER.encode_list(records)) == records
    assert not any(re.search(r"\.0\b", _STRING.sub("", line.decode())) for line in lines)


@given(st.lists(RECORD, max_size=6))
def test_structs_and_dicts_give_the_same_text(records: list[dict[str, Any]]) -> None:
    """A row struct is written as a dict of its columns."""
    names = ("a", "b", "c", "d")
    row = row_type(names)
    structs = [row(*[record.get(n, msgspec.UNSET) for n in names]) for record in records]
    assert ENCODER.encode_rows(structs) == ENCODER.encode_rows([to_dict(s) for s in structs])


@given(st.lists(RECORD, min_size=1, max_size=6), st.sampled_from(["number", "string", "boolean"]))
def test_every_way_of_decoding_gives_the_same_rows(records: list[dict[str, Any]], kind: str) -> None:
    """Guarded or not, in blocks or one by one, whole or in part: the columns in use have the same values."""
    payloads = [json.dumps(record, ensure_ascii=False).encode() for record in records]
    expected = [{k: v for k, v in record.items() if k in ("a", "b")} for record in records]
    for plan in (DecodePlan(("a", "b")), DecodePlan(("a", "b"), kinds={"a": kind}), DecodePlan(("a", "b"), True, {"b": kind})):
        for batch in (JSON.decoder(plan, None).decode(payloads), JSON.decoder(plan, None).decode_lines(b"\n".join(payloads))):
            assert [to_dict(row) for row in batch.rows] == expected
            assert not batch.errors
            if plan.whole:
                assert [batch.record(i) for i in range(len(batch))] == records
            good = {"number": (int, float), "string": (str,), "boolean": (bool,)}[kind]
            kept = all(v is None or type(v) in good for record in records for name, v in record.items() if name in plan.kinds)
            assert batch.guarded is kept


@given(VALUE)
def test_lenient_reader_agrees_on_standard_json(value: Any) -> None:
    """What standard JSON says, the lenient reader reads the same."""
    payload = json.dumps({"v": value}).encode()
    [record] = read_records(payload, None)
    assert record == {"v": value}


@given(st.binary(max_size=40) | st.text('{}[]",:truefalsn0123456789.-+eE\\u \n', max_size=40).map(str.encode))
def test_any_payload_gives_rows_or_errors(payload: bytes) -> None:
    """No payload raises: each becomes rows or an error."""
    for plan in (DecodePlan(("a",)), DecodePlan(("a",), True), DecodePlan(("a",), False, {}, SCHEMA)):
        batch = JSON.decoder(plan, None).decode([payload])
        assert batch.errors or isinstance(batch.rows, list)
    with suppress(FormatError):
        parse(payload)


SCHEMA = Schema(
    (
        Column("a", DataType(TypeName.BIGINT)),
        Column("b", DataType(TypeName.STRING)),
        Column("c", DataType(TypeName.ARRAY, element=DataType(TypeName.FLOAT))),
        Column("d", DataType(TypeName.STRUCT, fields=(Column("a", DataType(TypeName.BOOLEAN)), Column("b", DataType(TypeName.DATETIME))))),
    )
)


MATCHING = st.fixed_dictionaries({}, optional={"a": st.integers(), "b": TEXT, "c": st.lists(FINITE)})


@settings(max_examples=300)
@given(st.lists(RECORD | MATCHING, min_size=1, max_size=4))
def test_declared_columns_decode_as_the_exact_rules_say(records: list[dict[str, Any]]) -> None:
    """The fast decoder of declared columns accepts nothing that the exact rules refuse, and gives the same values."""
    payloads = [json.dumps(record).encode() for record in records]
    batch = JSON.decoder(DecodePlan(("a", "b", "c", "d"), schema=SCHEMA), None).decode(payloads)
    rows, errors = [], []
    for payload in payloads:
        try:
            rows.extend(read_records(payload, declared(SCHEMA)))
        except FormatError as error:
            errors.append(str(error))
    got = [to_dict(row) for row in batch.rows]
    assert got == rows
    assert [repr(sorted(r.items())) for r in got] == [repr(sorted(r.items())) for r in rows]
    assert [e.text for e in batch.errors or ()] == errors


@given(FINITE)
def test_number_texts_read_back(value: float) -> None:
    """All three texts of a float are that float, and the plain one has no exponent."""
    assert float(general_number(value)) == float(plain_number(value)) == float(json_number(value)) == value
    assert math.copysign(1, float(json_number(value))) == math.copysign(1, value)
    assert "e" not in plain_number(value)
