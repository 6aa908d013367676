"""Delimited, form and binary payloads."""

from __future__ import annotations

from typing import Any

import pytest

from plutino.errors import FormatError, StreamError
from plutino.formats.binary import BINARY
from plutino.formats.delimited import DELIMITED, DelimitedOptions
from plutino.formats.urlencoded import URLENCODED
from plutino.model import Batch, Column, DataType, Schema, TypeName, row_type, to_dict
from plutino.spi import DecodePlan


def rows(batch: Batch) -> list[dict[str, Any]]:
    """The rows of a batch as dicts."""
    return [to_dict(row) for row in batch.rows]


def delimited(*columns: str, whole: bool = False, kinds: dict[str, str] | None = None, **options: Any) -> Any:
    """A delimited decoder."""
    return DELIMITED.decoder(DecodePlan(columns, whole, kinds or {}), DelimitedOptions(**options))


def test_delimited_columns_count_from_zero() -> None:
    """Without names columns are col0, col1 and so on; all values are texts."""
    batch = delimited("col0", "col1", "col5", "other").decode([b"1,two,3.5", b"x"])
    assert rows(batch) == [{"col0": "1", "col1": "two"}, {"col0": "x"}]
    whole = delimited("col0", whole=True).decode([b"1,two"])
    assert whole.records == [{"col0": "1", "col1": "two"}]
    assert whole.payloads is None


def test_delimited_names_and_separators() -> None:
    """Named columns drop what goes beyond them; the separator may be longer than a character, an empty one is the comma."""
    assert rows(delimited("a", "b", fields=["a", "b"]).decode([b"5,x,z"])) == [{"a": "5", "b": "x"}]
    assert delimited(whole=True, delimiter="||").decode([b"a||b|c||"]).records == [{"col0": "a", "col1": "b|c", "col2": ""}]
    assert rows(delimited("col1", delimiter="").decode([b"a,b"])) == [{"col1": "b"}]


def test_delimited_lines() -> None:
    """Blocks give a row per line that is not empty."""
    assert rows(delimited("col0").decode_lines(b"a,b\r\n\nc\n")) == [{"col0": "a"}, {"col0": "c"}]


def test_delimited_values_are_texts() -> None:
    """The fast tier may assume texts, nothing else."""
    assert delimited("col0", kinds={"col0": "string"}).decode([b"1"]).guarded
    assert not delimited("col0", kinds={"col0": "number"}).decode([b"1"]).guarded


def test_delimited_output_freezes_the_columns() -> None:
    """Single rows have the columns of the first row ever, lists those of their own first row; numbers are plain decimals."""
    encoder = DELIMITED.encoder(DelimitedOptions())
    assert encoder.header() == b""
    assert encoder.encode_rows([row_type(("b", "a"))("x", 1e6), {"c": 1, "a": None}]) == [b"1000000,x", b","]
    assert encoder.encode_list([{"d": 2.5, "c": True}, {"c": b"raw"}]) == b"true,2.5\nraw,"
    assert encoder.header() == b"a,b"


def test_delimited_output_with_names_and_header() -> None:
    """Named columns decide for single rows; a header stands in front of each message."""
    encoder = DELIMITED.encoder(DelimitedOptions(delimiter=";", fields=["b", "a"], has_header=True))
    assert encoder.header() == b"b;a"
    assert encoder.encode_rows([{"a": 1, "b": "x"}]) == [b"b;a\nx;1"]
    assert encoder.encode_list([{"a": 1, "b": "x"}, {"a": 2, "b": "<y>"}]) == b"a;b\n1;x\n2;<y>"
    assert encoder.encode_value([{"a": 1}]) == b"a\n1"
    with pytest.raises(FormatError, match="must be a map or slice"):
        encoder.encode_value(5)


def test_forms() -> None:
    """Keys that repeat give lists, escapes are read, a key may have no value."""
    decoder = URLENCODED.decoder(DecodePlan(("a",), whole=True), URLENCODED.options())
    batch = decoder.decode([b"a=1&b=x%20y&a=2&c=", b"plain", b"%zz", b"a=%C3%A9+"])
    assert batch.records == [{"a": ["1", "2"], "b": "x y", "c": ""}, {"plain": ""}, {"a": "é "}]
    assert [e.text for e in batch.errors or ()] == ["fail to parse url encoded value %zz"]
    assert batch.origins == [0, 1, 3]
    assert rows(decoder.decode_lines(b"a=1\r\n\na=2\n")) == [{"a": "1"}, {"a": "2"}]


def test_form_output() -> None:
    """Keys are sorted, lists repeat their key, several rows have no form."""
    encoder = URLENCODED.encoder(URLENCODED.options())
    assert encoder.encode_rows([{"b": "<y> z", "a": 1e6}, {"l": [1, 2.5]}]) == [b"a=1000000&b=%3Cy%3E+z", b"l=1&l=2.5"]
    assert encoder.encode_value({"a": None}) == b"a="
    with pytest.raises(FormatError) as refusal:
        encoder.encode_list([{"a": 1, "b": "x"}])
    assert str(refusal.value) == "unsupported type [map[a:1 b:x]], must be a map"


def test_binary() -> None:
    """A payload is one value: in the declared column, else in self."""
    batch = BINARY.decoder(DecodePlan(("self",), whole=True), BINARY.options()).decode([b"hello", b"\xff"])
    assert rows(batch) == [{"self": b"hello"}, {"self": b"\xff"}]
    schema = Schema((Column("img", DataType(TypeName.BYTEA)),))
    assert rows(BINARY.decoder(DecodePlan(("img",), schema=schema), BINARY.options()).decode([b"x"])) == [{"img": b"x"}]


def test_binary_output() -> None:
    """A row needs bytes or a text in self."""
    encoder = BINARY.encoder(BINARY.options())
    assert encoder.encode_rows([{"self": b"x"}, {"self": "text"}]) == [b"x", b"text"]
    for value, text in (({"a": 1}, "field self not exist"), ({"self": 5}, r"cannot convert int64\(5\) to bytes"), (5, "must be a map")):
        with pytest.raises(FormatError, match=text):
            encoder.encode_value(value)
    with pytest.raises(FormatError, match="must be a map"):
        encoder.encode_list([{"self": b"x"}])


@pytest.mark.parametrize(
    ("is_table", "types", "text"),
    [
        (True, [], "'binary' format is not supported for table"),
        (False, [TypeName.BYTEA, TypeName.BYTEA], "'binary' format stream can have only one field"),
        (False, [TypeName.STRING], "'binary' format stream can have only 'bytea' type field"),
    ],
)
def test_binary_definitions(is_table: bool, types: list[TypeName], text: str) -> None:
    """Only streams with at most one column of bytes can be binary."""
    assert BINARY.check is not None
    schema = Schema(tuple(Column(f"c{i}", DataType(t)) for i, t in enumerate(types)))
    with pytest.raises(StreamError) as refusal:
        BINARY.check(is_table, schema)
    assert str(refusal.value) == text
    BINARY.check(False, Schema())
