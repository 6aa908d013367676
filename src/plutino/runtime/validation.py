"""What happens to decoded rows before rules see them: STRICT_VALIDATION and event times (sql reference §2.4, §5.5)."""

from __future__ import annotations

from bisect import bisect_left
from operator import attrgetter
from typing import Any, assert_never

from msgspec import UNSET

from plutino.errors import EvaluationError
from plutino.model import Batch, Column, DataType, RowError, Schema, TypeName, attribute, column_names, row_type, to_dict
from plutino.model.cast import ALL, SAMEKIND, to_bool, to_bytea, to_datetime, to_float, to_int, to_text
from plutino.model.moment import to_epoch_ms
from plutino.model.value import describe, general_text
from plutino.spi.gojson import GoJsonError, decode

STAGE = "preprocessor"


class StrictCheck:
    """Requires every column that the rules read (of those declared), converts it to its type, and fills in defaults."""

    __slots__ = ("_columns", "_pattern", "_whole")

    def __init__(self, schema: Schema, columns: tuple[str, ...], whole: bool, pattern: str) -> None:
        wanted = schema.names if whole else tuple(name for name in schema.names if name in columns)
        self._columns: list[tuple[str, Column]] = []
        for name in wanted:
            column = schema.get(name)
            if column is not None:
                self._columns.append((name, column))
        self._whole = whole
        self._pattern = pattern

    def apply(self, batch: Batch) -> Batch:
        """The batch with converted rows; a row that does not conform becomes an error."""
        kept: list[int] = []
        rows: list[Any] = []
        records: list[dict[str, Any]] = []
        errors: list[RowError] = []
        for i, row in enumerate(batch.rows):
            try:
                values = self._convert(batch.record(i) if self._whole else to_dict(row))
            except EvaluationError as error:
                errors.append(RowError(i, f"error in preprocessor: {error}", STAGE))
                continue
            kept.append(i)
            if self._whole:
                records.append(values)
            rows.append(_replaced(row, values))
        meta = batch.meta
        return Batch(
            rows,
            records=records if self._whole else None,
            arrival=batch.arrival,
            meta=[meta[i] for i in kept] if isinstance(meta, list) else meta,
            errors=_merged(batch.errors, errors, kept),
        )

    def _convert(self, record: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, column in self._columns:
            value = record.get(name, UNSET)
            level = SAMEKIND
            if value is UNSET:
                if column.default is UNSET:
                    raise EvaluationError(f"field {name} is not found")
                value, level = column.default, ALL
            try:
                found[name] = convert(value, column.type, self._pattern, level)
            except EvaluationError as error:
                raise EvaluationError(f"field {name} type mismatch: {error}") from None
        return found


def convert(value: Any, kind: DataType, pattern: str, level: Any = SAMEKIND) -> Any:
    """A value as a declared type; EvaluationError with the compatible text when it does not convert."""
    match kind.name:
        case TypeName.BIGINT:
            return to_int(value, level, "int64")
        case TypeName.FLOAT:
            return to_float(value, level)
        case TypeName.STRING:
            return to_text(value, level if value is not None else SAMEKIND)
        case TypeName.BOOLEAN:
            return to_bool(value, level)
        case TypeName.DATETIME:
            return to_datetime(value, pattern)
        case TypeName.BYTEA:
            return to_bytea(value, SAMEKIND)
        case TypeName.ARRAY:
            return _array(value, kind, pattern)
        case TypeName.STRUCT:
            return _struct(value, kind, pattern)
        case TypeName.ANY:
            return value
        case other:
            assert_never(other)


class EventTimes:
    """Takes the time of each row from its TIMESTAMP column: a number is epoch milliseconds, a text is read with TIMESTAMP_FORMAT."""

    __slots__ = ("_column", "_get", "_pattern")

    def __init__(self, column: str, pattern: str) -> None:
        self._column = column
        self._get = attrgetter(attribute(column))
        self._pattern = pattern

    def apply(self, batch: Batch) -> Batch:
        """The batch with ``times``; a row without a usable time becomes an error."""
        values = list(map(self._get, batch.rows))
        if {int, float}.issuperset(map(type, values)):
            batch.times = [int(v) for v in values]
            return batch
        kept: list[int] = []
        times: list[int] = []
        errors: list[RowError] = []
        for i, value in enumerate(values):
            try:
                times.append(self._time(value, batch, i))
            except EvaluationError as error:
                errors.append(RowError(i, str(error), STAGE))
            else:
                kept.append(i)
        return _kept(batch, kept, times, errors)

    def _time(self, value: Any, batch: Batch, index: int) -> int:
        if type(value) is int or type(value) is float:
            return int(value)
        if value is UNSET:
            shown = general_text(to_dict(batch.rows[index]))
            raise EvaluationError(f"cannot find timestamp field {self._column} in tuple {shown}")
        try:
            return to_epoch_ms(to_datetime(value, self._pattern))
        except EvaluationError as error:
            raise EvaluationError(f"cannot convert timestamp field {self._column} to timestamp with error {error}") from None


def _kept(batch: Batch, kept: list[int], times: list[int], errors: list[RowError]) -> Batch:
    rows, payloads, records, meta = batch.rows, batch.payloads, batch.records, batch.meta
    return Batch(
        [rows[i] for i in kept],
        payloads=None if payloads is None else [payloads[i] for i in kept],
        records=None if records is None else [records[i] for i in kept],
        whole=batch.whole,
        arrival=batch.arrival,
        times=times,
        meta=[meta[i] for i in kept] if isinstance(meta, list) else meta,
        guarded=batch.guarded,
        errors=_merged(batch.errors, errors, kept),
    )


def _merged(old: list[RowError] | None, new: list[RowError], kept: list[int]) -> list[RowError] | None:
    """Old and new errors in order, with positions among the rows that are kept."""
    together = sorted([*(old or ()), *new], key=lambda error: error.at)
    return [RowError(bisect_left(kept, e.at), e.text, e.stage) for e in together] or None


def _array(value: Any, kind: DataType, pattern: str) -> Any:
    if value is None or kind.element is None:
        return value
    if not isinstance(value, list):
        raise EvaluationError(f"cannot convert {describe(value)} to []interface{{}}")
    return [convert(item, kind.element, pattern) for item in value]


def _struct(value: Any, kind: DataType, pattern: str) -> Any:
    if value is None:
        return None
    if isinstance(value, str):
        try:
            value = decode(value, exact=True)
        except GoJsonError as error:
            raise EvaluationError(f"cannot convert {describe(value)} to map[string]interface{{}}: {error}") from None
    if not isinstance(value, dict):
        raise EvaluationError(f"cannot convert {describe(value)} to map[string]interface{{}}")
    found: dict[str, Any] = {}
    for column in kind.fields:
        if column.name not in value:
            raise EvaluationError(f"field {column.name} is not found")
        found[column.name] = convert(value[column.name], column.type, pattern)
    return found


def _replaced(row: Any, values: dict[str, Any]) -> Any:
    """The row with converted values; a row class of its own, as the decoder's may be typed."""
    names = column_names(type(row))
    old = to_dict(row)
    return row_type(names)(*[values.get(name, old.get(name, UNSET)) for name in names])
