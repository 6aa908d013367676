"""Form payloads: ``a=1&b=x%20y`` (sql reference §2.5)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote_plus, unquote_to_bytes

from msgspec import UNSET, Struct

from plutino.errors import FormatError
from plutino.model import Batch, RowError, row_type
from plutino.model.row import from_dicts
from plutino.model.text import bytes_text, plain_text
from plutino.spi import DecodePlan, FormatSpec
from plutino.spi.maps import MapEncoder


class UrlencodedOptions(Struct, frozen=True, rename="camel"):
    """Form payloads need no properties."""


class UrlencodedDecoder:
    """One row per payload: values are texts, a key that repeats gives a list of texts."""

    def __init__(self, plan: DecodePlan, _options: Any) -> None:
        self._row = row_type(plan.columns)
        self._whole = plan.whole
        self._guarded = not plan.kinds

    def decode(self, payloads: Sequence[bytes]) -> Batch:
        """One batch of all payloads."""
        records: list[dict[str, Any]] = []
        origins: list[int] = []
        errors: list[RowError] = []
        for index, payload in enumerate(payloads):
            try:
                records.append(parse_form(payload))
            except FormatError as error:
                errors.append(RowError(len(records), str(error), "decoder"))
            else:
                origins.append(index)
        return Batch(
            from_dicts(self._row, records),
            records=records if self._whole else None,
            guarded=self._guarded,
            errors=errors or None,
            origins=origins if errors else None,
        )

    def decode_lines(self, block: bytes) -> Batch:
        """One batch of all lines of a block that are not empty."""
        return self.decode([line.rstrip(b"\r") for line in block.split(b"\n") if line.strip()])


def write_form(record: dict[str, Any]) -> bytes:
    """A row as a form with its keys sorted; a list gives its key once per element."""
    pairs = []
    for key in sorted(record):
        value = record[key]
        if value is UNSET:
            continue
        for element in value if isinstance(value, list) else (value,):
            pairs.append(f"{quote_plus(key)}={quote_plus(plain_text(element))}")
    return "&".join(pairs).encode()


_BAD_ESCAPE = re.compile(rb"%(?![0-9a-fA-F]{2})")


def parse_form(payload: bytes) -> dict[str, Any]:
    """The keys and values of a form; FormatError when an escape is wrong or a semicolon separates."""
    if _BAD_ESCAPE.search(payload) is not None or b";" in payload:
        raise FormatError(f"fail to parse url encoded value {bytes_text(payload)}")
    found: dict[str, list[str]] = {}
    for pair in payload.split(b"&"):
        if not pair:
            continue
        key, _, value = pair.partition(b"=")
        found.setdefault(_text(key), []).append(_text(value))
    return {key: values[0] if len(values) == 1 else values for key, values in found.items()}


def _text(raw: bytes) -> str:
    return bytes_text(unquote_to_bytes(raw.replace(b"+", b" ")))


URLENCODED = FormatSpec(
    name="urlencoded",
    about="Form data: keys and values, percent-encoded",
    options=UrlencodedOptions,
    decoder=UrlencodedDecoder,
    encoder=lambda _options: MapEncoder(write_form),
)
