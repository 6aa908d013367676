"""What the engine adds to the library: ``base64`` and ``prop``. (``json`` stands with ``toJson``.)"""

from __future__ import annotations

import base64 as codec
from typing import Any

from plutino.templates.functions.registry import define
from plutino.templates.go.json import encode
from plutino.templates.go.printing import plain_text
from plutino.templates.go.values import Failure, Int, Uint8, Uint64, kind_name, utf8
from plutino.templates.host import Host


@define("base64", "any -> string", grows=True)
def base64(value: Any) -> str:
    """Text and printed numbers as they are, maps as JSON."""
    match value:
        case str():
            text = value
        case bool() | float():
            text = plain_text(value)
        case int() if type(value) in (int, Int, Uint64, Uint8):
            text = str(int(value))
        case dict():
            text = encode(value)
        case _:
            raise Failure(f"Unsupported data type {kind_name(value)} for base64 function.")
    return codec.b64encode(utf8(text)).decode()


@define("prop", "string -> any", host=True)
def prop(host: Host, name: str) -> Any:
    """A static property of the engine; the name itself when there is none."""
    if name in host.properties:
        return host.properties[name]
    if name == "et":
        return host.now_ms()
    return host.snowflake() if name == "snowflake" else name
