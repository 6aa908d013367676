"""Binary payloads: the whole payload is one value (sql reference §2.5)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from plutino.errors import EvaluationError, FormatError, StreamError
from plutino.model import Batch, Schema, TypeName, row_type
from plutino.model.cast import SAMEKIND, to_bytes
from plutino.model.row import from_dicts
from plutino.spi import DecodePlan, FormatSpec
from plutino.spi.maps import MapEncoder

FIELD = "self"
"""The column of a stream without declared columns."""


class BinaryOptions(Struct, frozen=True, rename="camel"):
    """Binary payloads need no properties."""


class BinaryDecoder:
    """One row per payload: its bytes in the one declared column, else in ``self``."""

    def __init__(self, plan: DecodePlan, _options: Any) -> None:
        self._name = plan.schema.names[0] if plan.schema else FIELD
        self._row = row_type(plan.columns)
        self._whole = plan.whole
        self._guarded = not plan.kinds

    def decode(self, payloads: Sequence[bytes]) -> Batch:
        """One batch of all payloads."""
        records = [{self._name: bytes(payload)} for payload in payloads]
        return Batch(from_dicts(self._row, records), records=records if self._whole else None, guarded=self._guarded)

    def decode_lines(self, block: bytes) -> Batch:
        """One batch of all lines of a block that are not empty."""
        return self.decode([line for line in block.split(b"\n") if line])


def message_of(record: dict[str, Any]) -> bytes:
    """The bytes (or the text) in the column ``self``; FormatError when there are none."""
    if FIELD not in record:
        raise FormatError(f"field {FIELD} not exist")
    try:
        return to_bytes(record[FIELD], SAMEKIND)
    except EvaluationError as error:
        raise FormatError(str(error)) from None


def check_binary(is_table: bool, schema: Schema) -> None:
    """StreamError unless the definition is a stream with at most one column, of type BYTEA."""
    if is_table:
        raise StreamError("'binary' format is not supported for table")
    if len(schema.columns) > 1:
        raise StreamError("'binary' format stream can have only one field")
    if schema and schema.columns[0].type.name is not TypeName.BYTEA:
        raise StreamError("'binary' format stream can have only 'bytea' type field")


BINARY = FormatSpec(
    name="binary",
    about="The whole payload is one value of type BYTEA",
    options=BinaryOptions,
    decoder=BinaryDecoder,
    encoder=lambda _options: MapEncoder(message_of),
    is_text=False,
    check=check_binary,
)
