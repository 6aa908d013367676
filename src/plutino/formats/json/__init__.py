"""JSON payloads: objects, or lists of objects that give one row each (runtime reference §3)."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Struct

from plutino.formats.json.decoding import json_decoder
from plutino.formats.json.encoding import JsonEncoder
from plutino.spi import DecodePlan, Decoder, FormatSpec
from plutino.spi.options import Opt


class JsonOptions(Struct, frozen=True, rename="camel"):
    """Properties of a stream that JSON reads.

    With ``useInt64ForWholeNumber`` numbers without a fraction are integers in the rules of the stream. Rows are the same either way (they
    keep what the text had), the planner reads the option.
    """

    use_int64_for_whole_number: Annotated[bool, Opt("Numbers without a fraction are integers", "Whole numbers as int64")] = False


def _decoder(plan: DecodePlan, _options: Any) -> Decoder:
    return json_decoder(plan)


JSON = FormatSpec(
    name="json",
    about="JSON objects, or lists of objects that give one row each",
    options=JsonOptions,
    decoder=_decoder,
    encoder=lambda _options: JsonEncoder(),
    frame=(b"[", b",", b"]"),
)
