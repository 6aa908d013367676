"""Encoding for formats whose messages are one map each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from msgspec import Struct

from plutino.errors import FormatError
from plutino.model import to_dict
from plutino.model.text import general_text


class MapEncoder:
    """An ``Encoder`` around what makes the message of one map (and may raise FormatError); lists and single values are refused."""

    __slots__ = ("_message",)

    def __init__(self, message: Callable[[dict[str, Any]], bytes]) -> None:
        self._message = message

    def encode_rows(self, rows: Sequence[Any]) -> list[bytes]:
        """Each row as a message of its own."""
        return [self._message(to_dict(row)) for row in rows]

    def encode_list(self, rows: Sequence[Any]) -> bytes:
        """Refused: there is no place for several rows."""
        _refuse([to_dict(row) for row in rows])

    def encode_lists(self, rows: Sequence[Any]) -> list[bytes]:
        """Each row as ``encode_list`` of this row alone."""
        return [self.encode_list((row,)) for row in rows]

    def encode_value(self, value: Any) -> bytes:
        """A map as a row; FormatError for anything else."""
        if isinstance(value, dict | Struct):
            return self._message(to_dict(value))
        _refuse(value)

    def header(self) -> bytes:
        """There is no header line."""
        return b""


def _refuse(value: Any) -> NoReturn:
    raise FormatError(f"unsupported type {general_text(value)}, must be a map")
