"""Rows to JSON as the original's encoder prints it: whole floats without a fraction, datetimes in RFC 3339, bytes in base64.

msgspec encodes a whole batch in one call. Its text differs from the original's in few places, and a search tells whether one of them
occurs: ``20.0`` for ``20`` (put right in the text), a datetime with a padded fraction, and ``null`` for a number that JSON cannot hold
(both put right value by value). A float from 1e16 keeps its exponent where the original writes digits, which is the same number.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
from msgspec import UNSET

from plutino.errors import FormatError
from plutino.model import to_dict
from plutino.model.moment import json_moment
from plutino.model.number import general_number
from plutino.model.text import NullList, Span, go_type_name

_SUSPECT = re.compile(rb"\.(?:0(?=[,}\]\n])|\d{5}0[Z+-])")
_WHOLE_FLOAT = re.compile(rb"\.0(?=[,}\]\n])")
_NO_NUMBER = re.compile(rb"\xcb[\x7f\xff][\xf0-\xff]")
_ESCAPE = re.compile(rb"\\.", re.DOTALL)
_MOMENT = re.compile(rb"\.\d{5}0[Z+-]")


class JsonEncoder:
    """Encodes rows (structs or dicts) and values as JSON; keeps no state."""

    def __init__(self) -> None:
        self._encoder = msgspec.json.Encoder(enc_hook=_encode_other)
        self._packer = msgspec.msgpack.Encoder(enc_hook=_encode_other)

    def encode_rows(self, rows: Sequence[Any]) -> list[bytes]:
        """Each row as an object of its own; FormatError when one holds what JSON cannot."""
        block, sound = self._block(rows)
        lines = block.split(b"\n")
        lines.pop()
        return lines if sound else [self._checked(row, line) for row, line in zip(rows, lines, strict=True)]

    def encode_lists(self, rows: Sequence[Any]) -> list[bytes]:
        """Each row as a list of its own: the brackets go into the text of all rows at once."""
        if len(rows) == 1:
            try:
                text = self._encoder.encode(rows)
            except _REFUSAL as error:
                raise FormatError(f"json: {error}") from None
            return [text] if _SUSPECT.search(text) is None and b"null" not in text else [self.encode_list(rows)]
        block, sound = self._block(rows)
        if not sound:
            return [b"[%b]" % line for line in self.encode_rows(rows)]
        lines = (b"[" + block.replace(b"\n", b"]\n[")).split(b"\n")
        lines.pop()
        return lines

    def encode_list(self, rows: Sequence[Any]) -> bytes:
        """All rows as one list."""
        text = self._encode(rows)
        if _SUSPECT.search(text) is None and b"null" not in text:
            return text
        return b"[" + b",".join(self.encode_rows(rows)) + b"]"

    def encode_value(self, value: Any) -> bytes:
        """Any value as one message."""
        return self._checked(value, self._encode(value) + b"\n")[:-1]

    def header(self) -> bytes:
        """JSON has no header line."""
        return b""

    def _block(self, rows: Sequence[Any]) -> tuple[bytes, bool]:
        """All rows as lines, and whether they are right as they are; else each must be checked with its row."""
        try:
            block = self._encoder.encode_lines(rows)
        except _REFUSAL as error:
            raise FormatError(f"json: {error}") from None
        suspect = _SUSPECT.search(block) is not None
        if suspect and _MOMENT.search(block) is None:
            block = _without_zero_fractions(block)
            suspect = False
        return block, not suspect and not (b"null" in block and self._may_hold_no_number(rows))

    def _encode(self, value: Any) -> bytes:
        try:
            return self._encoder.encode(value)
        except _REFUSAL as error:
            raise FormatError(f"json: {error}") from None

    def _may_hold_no_number(self, rows: Sequence[Any]) -> bool:
        """Whether one of the values may be infinite or no number: msgpack, unlike JSON, tells such a float from null."""
        try:
            return _NO_NUMBER.search(self._packer.encode(rows)) is not None
        except _REFUSAL:
            return True

    def _checked(self, value: Any, text: bytes) -> bytes:
        """The text of one value, put right where it needs to be."""
        if b"null" in text or _MOMENT.search(text) is not None:
            plain = _plain(value)
            if plain is not value:
                text = self._encode(plain) + (b"\n" if text.endswith(b"\n") else b"")
        return _without_zero_fractions(text) if _WHOLE_FLOAT.search(text) is not None else text


_REFUSAL = (TypeError, ValueError, OverflowError, RecursionError, msgspec.MsgspecError)


def _plain(value: Any) -> Any:
    """A value in which datetimes are texts; the value itself when there is nothing to change. FormatError for a number JSON cannot hold."""
    kind = type(value)
    if kind is float:
        if not math.isfinite(value):
            raise FormatError(f"json: unsupported value: {general_number(value)}")
        return value
    if kind is datetime:
        return json_moment(value)
    if kind is list or kind is tuple:
        changed = [_plain(v) for v in value]
        return changed if any(a is not b for a, b in zip(changed, value, strict=True)) else value
    if isinstance(value, msgspec.Struct):
        return _plain(to_dict(value)) if any(_may_change(v) for v in msgspec.structs.astuple(value)) else value
    if kind is dict:
        if not any(map(_may_change, value.values())):
            return value
        return {k: _plain(v) for k, v in value.items() if v is not UNSET}
    return value


def _may_change(value: Any) -> bool:
    kind = type(value)
    if kind is float:
        return not math.isfinite(value)
    return kind is datetime or kind is list or kind is dict or kind is tuple


def _without_zero_fractions(block: bytes) -> bytes:
    """Take the ``.0`` from whole floats, leaving texts alone: a hit lies in a text when an odd number of quotes stands before it."""
    parts: list[bytes] = []
    last = 0
    in_text = False
    for match in _WHOLE_FLOAT.finditer(block):
        piece = block[last : match.start()]
        quotes = piece.count(b'"') if b"\\" not in piece else _ESCAPE.sub(b"", piece).count(b'"')
        in_text ^= quotes % 2 == 1
        parts.append(piece)
        last = match.start() if in_text else match.end()
        if in_text:
            parts.append(b".0")
            last = match.end()
    parts.append(block[last:])
    return b"".join(parts)


def _encode_other(value: Any) -> Any:
    if isinstance(value, Span):
        return value.nanoseconds
    if isinstance(value, NullList):
        return None
    raise TypeError(f"unsupported type: {go_type_name(value)}")
