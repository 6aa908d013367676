"""Suite for payload formats."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from plutino.errors import FormatError
from plutino.model import Batch, RowError
from plutino.model.row import from_dicts, row_type
from plutino.spi import DecodePlan, FormatSpec
from plutino.spi.options import decode_options
from plutino.testing.options import check_options

GARBAGE = (b"", b"\x00", b"\xff\xfe\x80", b"{", b"[", b'{"a":', b"[1,2]", b'"x"', b"null", b"a,b\nc", b'{"a":1}{"b":2}', b"%zz", b"\n")
ROWS: tuple[Mapping[str, Any], ...] = ({"a": "x", "b": "y"}, {"a": 'ä "1"=&%', "b": ""}, {"self": b"bytes"})


def check_format(spec: FormatSpec, options: Mapping[str, Any] | None = None, rows: Sequence[Mapping[str, Any]] = ROWS) -> None:
    """Options decode from nothing; garbage gives rows or RowErrors, never exceptions; what can be encoded decodes to the same values.

    ``rows`` are tried one by one: at least one must be encodable (those with bytes are for formats that have nothing else).
    AssertionError when the contract is broken.
    """
    check_options(spec.options)
    made = decode_options(spec.options, options or {})
    _check_garbage(spec, made)
    encoded: list[Mapping[str, Any]] = []
    for row in rows:
        holds_bytes = any(isinstance(value, bytes) for value in row.values())
        if not (holds_bytes and encoded) and _check_round_trip(spec, made, dict(row)):
            encoded.append(row)
    assert encoded, f"{spec.name}: none of the rows can be encoded"
    _check_lists(spec, made, [dict(row) for row in encoded])


def _check_garbage(spec: FormatSpec, options: Any) -> None:
    for plan in (DecodePlan(("a",)), DecodePlan(("a", "self"), whole=True)):
        decoder = spec.decoder(plan, options)
        for payload in GARBAGE:
            _check_batch(spec, decoder.decode([payload]), plan)
            _check_batch(spec, decoder.decode_lines(payload + b"\n"), plan)
        _check_batch(spec, decoder.decode(list(GARBAGE)), plan)


def _check_batch(spec: FormatSpec, batch: Batch, plan: DecodePlan) -> None:
    for error in batch.errors or ():
        assert isinstance(error, RowError), f"{spec.name}: {error!r} is no RowError"
        assert error.text, f"{spec.name}: an error without text"
        assert error.stage == "decoder", f"{spec.name}: stage {error.stage!r} instead of decoder"
    for i in range(len(batch.rows)):
        assert isinstance(batch.record(i), dict), f"{spec.name}: row {i} has no record"
        if plan.whole:
            assert batch.payloads is not None or batch.records is not None, f"{spec.name}: whole rows were asked for"


def _check_round_trip(spec: FormatSpec, options: Any, row: dict[str, Any]) -> bool:
    encoder = spec.encoder(options)
    payloads = _encode(spec, lambda: encoder.encode_rows([row]))
    if payloads is None:
        return False
    assert len(payloads) == 1, f"{spec.name}: one message per row is expected: {payloads}"
    assert type(payloads[0]) is bytes, f"{spec.name}: messages are bytes: {payloads}"
    struct = from_dicts(row_type(tuple(row)), [row])
    assert spec.encoder(options).encode_rows(struct) == payloads, f"{spec.name}: a row struct is encoded unlike its dict"
    batch = spec.decoder(DecodePlan((), whole=True), options).decode(payloads)
    assert not batch.errors, f"{spec.name}: what was encoded does not decode: {batch.errors}"
    assert len(batch.rows) == 1, f"{spec.name}: one row became {len(batch.rows)}"
    found = list(batch.record(0).values())
    assert found == [row[k] for k in sorted(row)], f"{spec.name}: {row} came back as {batch.record(0)}"
    assert isinstance(encoder.header(), bytes), f"{spec.name}: header() must be bytes"
    return True


def _check_lists(spec: FormatSpec, options: Any, rows: list[dict[str, Any]]) -> None:
    alike = [row for row in rows if row.keys() == rows[0].keys()]
    whole = _encode(spec, lambda: spec.encoder(options).encode_list(alike))
    assert whole is None or isinstance(whole, bytes), f"{spec.name}: encode_list must give bytes"
    _encode(spec, lambda: spec.encoder(options).encode_value(alike[0]))
    if spec.frame is not None:
        opening, separator, close = spec.frame
        framed = opening + separator.join(spec.encoder(options).encode_rows(alike)) + close
        assert whole == framed, f"{spec.name}: a list is not its rows framed by {spec.frame}"


def _encode(spec: FormatSpec, encode: Callable[[], Any]) -> Any:
    refusal = ""
    try:
        return encode()
    except FormatError as error:
        refusal = str(error)
    assert refusal, f"{spec.name}: an error without text"
    return None
