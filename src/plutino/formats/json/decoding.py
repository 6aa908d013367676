"""JSON payloads to rows.

Three ways, each slower and more exact than the one before:

1. *guarded*: msgspec decodes straight into row structs whose types are what the fast tier assumes; a whole batch at once
2. *plain*: the same without assumptions (declared types stay)
3. *exact*: payload by payload; what msgspec refuses goes through the lenient reader and the rules of declared columns

A batch that the first way refuses goes on to the next. When refusals of assumed types repeat, the first way is not tried for a growing
number of batches (by counting batches, so that runs can be repeated).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from msgspec import UNSET, Struct

from plutino.errors import FormatError
from plutino.formats.json.columns import column_type, has_bytea, keeps_kinds, kind_type, record_type
from plutino.formats.json.encoding import JsonEncoder
from plutino.formats.json.exact import Wanted, declared, read_records
from plutino.model import Batch, DataType, RowError, TypeName, attribute, row_type
from plutino.model.cast import to_bytea
from plutino.model.row import from_dicts
from plutino.model.text import is_utf8
from plutino.spi import DecodePlan

Refusal = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
_MOST_REFUSALS = 8


def json_decoder(plan: DecodePlan) -> SchemalessDecoder | DeclaredDecoder:
    """The decoder for a plan."""
    return DeclaredDecoder(plan) if plan.schema else SchemalessDecoder(plan)


class _Ways:
    """The fast ways to decode rows of one class, and whether the guarded one is worth a try."""

    def __init__(self, guarded: type[Struct], plain: type[Struct]) -> None:
        self.guarded = msgspec.json.Decoder(guarded)
        self.plain = msgspec.json.Decoder(plain)
        self.differ = guarded is not plain
        self._refused = 0
        self._pause = 0

    def worth_trying(self) -> bool:
        """False while the guarded way rests; each call counts as one batch."""
        if self._pause:
            self._pause -= 1
            return False
        return True

    def keep(self) -> None:
        """The guarded way has succeeded."""
        self._refused = 0

    def refuse(self) -> None:
        """Values broke the assumed types: rest for 1, 3, 7 … batches."""
        self._refused = min(self._refused + 1, _MOST_REFUSALS)
        self._pause = 2**self._refused - 1


class SchemalessDecoder:
    """Decodes streams without declared columns: numbers keep the form they have in the text, undeclared keys are no matter."""

    def __init__(self, plan: DecodePlan) -> None:
        columns = plan.columns
        self._row = row_type(columns)
        assumed = row_type(columns, [kind_type(plan.kinds.get(name)) for name in columns]) if plan.kinds else self._row
        self._ways = _Ways(assumed, self._row)
        self._whole = plan.whole
        self._wanted: Wanted = None
        self._record = msgspec.json.Decoder(dict[str, Any]).decode
        self._elements = msgspec.json.Decoder(list[msgspec.Raw])
        self._again = JsonEncoder()

    def decode(self, payloads: Sequence[bytes]) -> Batch:
        """One batch of all payloads."""
        if self._whole and not all(map(bytes.isascii, payloads)) and not all(map(is_utf8, payloads)):
            return self._decode_each(payloads)
        ways = self._ways
        trying = ways.worth_trying()
        if trying:
            try:
                rows = list(map(ways.guarded.decode, payloads))
            except msgspec.ValidationError:
                pass
            except Refusal:
                return self._decode_each(payloads)
            else:
                ways.keep()
                return self._batch(rows, payloads, True)
        if ways.differ:
            try:
                rows = list(map(ways.plain.decode, payloads))
            except Refusal:
                pass
            else:
                if trying:
                    ways.refuse()
                return self._batch(rows, payloads, False)
        return self._decode_each(payloads)

    def decode_lines(self, block: bytes) -> Batch:
        """One batch of all lines of a block."""
        count = block.count(b"\n") + (not block.endswith(b"\n"))
        if not self._whole or block.isascii() or is_utf8(block):
            ways = self._ways
            trying = ways.worth_trying()
            rows = _lines(ways.guarded, block, count) if trying else None
            if rows is not None:
                ways.keep()
                return self._batch(rows, _split(block) if self._whole else (), True)
            if ways.differ and (rows := _lines(ways.plain, block, count)) is not None:
                if trying:
                    ways.refuse()
                return self._batch(rows, _split(block) if self._whole else (), False)
        return self.decode([line for line in block.split(b"\n") if line.strip()])

    def whole(self, payload: bytes) -> dict[str, Any]:
        """The whole record of a payload that has been decoded as a row."""
        try:
            return self._record(payload)
        except Refusal:
            return read_records(payload, None)[0]

    def _batch(self, rows: list[Any], payloads: Sequence[bytes], guarded: bool) -> Batch:
        if not self._whole:
            return Batch(rows, guarded=guarded)
        return Batch(rows, payloads=list(payloads), whole=self.whole, guarded=guarded)

    def _decode_each(self, payloads: Sequence[bytes]) -> Batch:
        """Payload by payload: some hold lists, some need the lenient reader, some are refused."""
        rows: list[Any] = []
        kept: list[bytes] = []
        origins: list[int] = []
        errors: list[RowError] = []
        guarded = True
        for index, payload in enumerate(payloads):
            try:
                found, texts, typed = self._decode_one(payload)
            except FormatError as error:
                errors.append(RowError(len(rows), str(error), "decoder"))
                continue
            rows.extend(found)
            kept.extend(texts)
            origins.extend([index] * len(found))
            guarded = guarded and typed
        batch = self._batch(rows, kept, guarded)
        batch.errors = errors or None
        batch.origins = None if len(rows) == len(payloads) and not errors and origins == list(range(len(rows))) else origins
        return batch

    def _decode_one(self, payload: bytes) -> tuple[list[Any], Sequence[bytes], bool]:
        """Rows, their payloads (where whole rows are wanted) and whether the assumed types hold."""
        texts: Sequence[bytes]
        try:
            is_list = payload.lstrip()[:1] == b"["
            texts = [bytes(element) for element in self._elements.decode(payload)] if is_list else (payload,)
            if self._whole and not all(map(is_utf8, texts)):
                return self._read(payload)
            for way, typed in ((self._ways.guarded, True), (self._ways.plain, False)):
                try:
                    return [way.decode(text) for text in texts], texts, typed
                except msgspec.ValidationError:
                    if not self._ways.differ:
                        raise
        except Refusal:
            pass
        return self._read(payload)

    def _read(self, payload: bytes) -> tuple[list[Any], Sequence[bytes], bool]:
        """The exact way; whole rows are encoded again, since what needed the lenient reader must not be passed on as it is.

        FormatError too where a whole row holds a number that JSON has no text for.
        """
        try:
            records = read_records(payload, self._wanted)
            texts = self._again.encode_rows(records) if self._whole else ()
        except RecursionError:
            raise FormatError('cannot parse JSON: too big depth for the nested JSON; it exceeds 300; unparsed tail: ""') from None
        return from_dicts(self._row, records), texts, False


class DeclaredDecoder:
    """Decodes streams with declared columns; other keys are dropped, and one bad value of a used column loses its message.

    Where whole rows are wanted, every declared column is used, and the batch brings ``records`` (payloads may hold undeclared keys).
    """

    def __init__(self, plan: DecodePlan) -> None:
        types = declared(plan.schema)
        self._row = row_type(plan.columns)
        self._types = types if plan.whole else {name: types[name] for name in plan.columns if name in types}
        self._whole = plan.whole
        self._guarded = keeps_kinds(types, plan.kinds)
        self._bytea = [name for name, kind in self._types.items() if has_bytea(kind)]
        undeclared = any(name not in types for name in plan.columns)
        if plan.whole or undeclared:
            self._fast: msgspec.json.Decoder[Any] = msgspec.json.Decoder(record_type(self._types))
        else:
            self._fast = msgspec.json.Decoder(row_type(plan.columns, [column_type(types[name]) for name in plan.columns]))
        self._as_records = plan.whole or undeclared

    def decode(self, payloads: Sequence[bytes]) -> Batch:
        """One batch of all payloads."""
        try:
            return self._batch(list(map(self._fast.decode, payloads)), self._guarded)
        except Refusal:
            return self._decode_each(payloads)

    def decode_lines(self, block: bytes) -> Batch:
        """One batch of all lines of a block."""
        rows = _lines(self._fast, block, block.count(b"\n") + (not block.endswith(b"\n")))
        if rows is not None:
            return self._batch(rows, self._guarded)
        return self.decode([line for line in block.split(b"\n") if line.strip()])

    def _batch(self, found: list[Any], guarded: bool) -> Batch:
        """A batch of what the fast decoder made: rows, or records where those are wanted."""
        if not self._as_records:
            for name in self._bytea:
                _convert_rows(found, attribute(name), self._types[name])
            return Batch(found, guarded=guarded)
        for name in self._bytea:
            _convert_records(found, name, self._types[name])
        return Batch(from_dicts(self._row, found), records=found if self._whole else None, guarded=guarded)

    def _decode_each(self, payloads: Sequence[bytes]) -> Batch:
        records: list[Any] = []
        origins: list[int] = []
        errors: list[RowError] = []
        for index, payload in enumerate(payloads):
            try:
                found = read_records(payload, self._types)
            except FormatError as error:
                errors.append(RowError(len(records), str(error), "decoder"))
                continue
            except RecursionError:
                errors.append(RowError(len(records), "cannot parse JSON: too big depth for the nested JSON; it exceeds 300", "decoder"))
                continue
            records.extend(found)
            origins.extend([index] * len(found))
        # The exact rules convert to the declared types, so what they assume of the kinds holds here as well.
        batch = Batch(from_dicts(self._row, records), records=records if self._whole else None, guarded=self._guarded)
        batch.errors = errors or None
        batch.origins = None if not errors and origins == list(range(len(payloads))) else origins
        return batch


def _lines(decoder: msgspec.json.Decoder[Any], block: bytes, count: int) -> list[Any] | None:
    """The rows of a block with ``count`` lines; None when a line is refused, or lines and rows do not match one to one."""
    try:
        rows = decoder.decode_lines(block)
    except Refusal:
        return None
    return rows if len(rows) == count else None


def _split(block: bytes) -> list[bytes]:
    lines = block.split(b"\n")
    if not lines[-1]:
        lines.pop()
    return [line.rstrip(b"\r") for line in lines] if b"\r" in block else lines


def _convert_rows(rows: list[Any], slot: str, kind: DataType) -> None:
    convert = _bytea_converter(kind)
    for row in rows:
        value = getattr(row, slot)
        if value is not None and value is not UNSET:
            setattr(row, slot, convert(value))


def _convert_records(records: list[dict[str, Any]], name: str, kind: DataType) -> None:
    convert = _bytea_converter(kind)
    for record in records:
        value = record.get(name)
        if value is not None:
            record[name] = convert(value)


def _bytea_converter(kind: DataType) -> Callable[[Any], Any]:
    """Turns the texts of BYTEA values inside a value of this type into bytes."""

    def convert(value: Any, kind: DataType = kind) -> Any:
        if value is None:
            return None
        if kind.name is TypeName.BYTEA:
            return to_bytea(value)
        if kind.name is TypeName.ARRAY and kind.element is not None:
            return [convert(element, kind.element) for element in value]
        types = {field.name: field.type for field in kind.fields}
        return {key: convert(element, types[key]) if has_bytea(types[key]) else element for key, element in value.items()}

    return convert
