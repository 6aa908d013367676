"""Delimited text: values between separators, without quoting (runtime reference §3).

All decoded values are texts; declared types are not applied. Unlike the original, a header (``hasHeader``) is a plain line in front of the
rows of each message, also where a message holds a single row.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from msgspec import UNSET, Struct

from plutino.errors import FormatError
from plutino.model import Batch, row_type, to_dict
from plutino.model.row import from_dicts
from plutino.model.text import bytes_text, general_text, plain_text
from plutino.spi import DecodePlan, FormatSpec
from plutino.spi.options import Opt


class DelimitedOptions(Struct, frozen=True, rename="camel"):
    """Properties of a stream or sink that delimited text reads."""

    delimiter: Annotated[str, Opt("Separator between values", "Delimiter")] = ","
    fields: Annotated[list[str], Opt("Column names in order; a source without them counts col0, col1, …", "Fields")] = []
    has_header: Annotated[bool, Opt("The first line of a message names the columns", "Header")] = False


class DelimitedDecoder:
    """One row per payload; values beyond the named columns are dropped, columns beyond the values are missing."""

    def __init__(self, plan: DecodePlan, options: DelimitedOptions) -> None:
        self._separator = options.delimiter or ","
        self._names = tuple(options.fields)
        self._row = row_type(plan.columns)
        self._whole = plan.whole
        self._guarded = all(kind in ("string", "scalar") for kind in plan.kinds.values())
        self._places = [self._place(name) for name in plan.columns]
        self._needed = 1 + max((p for p in self._places if p is not None), default=-1)

    def decode(self, payloads: Sequence[bytes]) -> Batch:
        """One batch of all payloads."""
        return self._batch([bytes_text(payload) for payload in payloads])

    def decode_lines(self, block: bytes) -> Batch:
        """One batch of all lines of a block that are not empty."""
        return self._batch([line for line in bytes_text(block).replace("\r\n", "\n").split("\n") if line])

    def _batch(self, lines: list[str]) -> Batch:
        if self._whole:
            records = [self._record(line) for line in lines]
            return Batch(from_dicts(self._row, records), records=records, guarded=self._guarded)
        separator, row, places, needed = self._separator, self._row, self._places, self._needed
        rows = []
        for line in lines:
            values = line.split(separator)
            if len(values) >= needed:
                rows.append(row(*[UNSET if p is None else values[p] for p in places]))
            else:
                rows.append(row(*[UNSET if p is None or p >= len(values) else values[p] for p in places]))
        return Batch(rows, guarded=self._guarded)

    def _record(self, line: str) -> dict[str, Any]:
        values = line.split(self._separator)
        names = self._names or [f"col{i}" for i in range(len(values))]
        return dict(zip(names, values, strict=False))

    def _place(self, name: str) -> int | None:
        """Which value of a line the column is; None when it can be none."""
        if self._names:
            return self._names.index(name) if name in self._names else None
        digits = name.removeprefix("col")
        if digits == name or not digits.isdecimal() or str(int(digits)) != digits:
            return None
        return int(digits)


class DelimitedEncoder:
    """Rows as lines. The columns of single rows are ``fields``, else the sorted keys of the first row ever encoded."""

    def __init__(self, options: DelimitedOptions) -> None:
        self._separator = options.delimiter or ","
        self._columns: list[str] | None = list(options.fields) or None
        self._seen: list[str] = list(options.fields)
        self._has_header = options.has_header

    def encode_rows(self, rows: Sequence[Any]) -> list[bytes]:
        """Each row as a line of its own."""
        lines = []
        for row in rows:
            record = to_dict(row)
            if self._columns is None:
                self._columns = self._seen = sorted(record)
            line = self._line(record, self._columns)
            lines.append(self._head(self._columns) + b"\n" + line if self._has_header else line)
        return lines

    def encode_list(self, rows: Sequence[Any]) -> bytes:
        """All rows as lines; the columns are the sorted keys of the first one."""
        records = [to_dict(row) for row in rows]
        columns = sorted(records[0]) if records else []
        self._seen = self._seen or columns
        lines = [self._line(record, columns) for record in records]
        if self._has_header and columns:
            lines.insert(0, self._head(columns))
        return b"\n".join(lines)

    def encode_lists(self, rows: Sequence[Any]) -> list[bytes]:
        """Each row as ``encode_list`` of this row alone."""
        return [self.encode_list((row,)) for row in rows]

    def encode_value(self, value: Any) -> bytes:
        """A map as a row, a list of maps as lines; FormatError for anything else."""
        if isinstance(value, dict | Struct):
            return self.encode_rows([value])[0]
        if isinstance(value, list) and all(isinstance(v, dict | Struct) for v in value):
            return self.encode_list(value)
        raise FormatError(f"unsupported type {general_text(value)}, must be a map or slice")

    def header(self) -> bytes:
        """The line of column names, once they are known."""
        return self._head(self._seen)

    def _head(self, columns: Sequence[str]) -> bytes:
        return self._separator.join(columns).encode()

    def _line(self, record: dict[str, Any], columns: Sequence[str]) -> bytes:
        return self._separator.join([plain_text(record.get(name)) for name in columns]).encode()


DELIMITED = FormatSpec(
    name="delimited",
    about="Text with values between separators, without quoting",
    options=DelimitedOptions,
    decoder=DelimitedDecoder,
    encoder=DelimitedEncoder,
)
