"""Contract of payload formats: bytes to rows and rows to bytes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from msgspec import Struct

from plutino.model import Batch, Schema


class DecodePlan(Struct, frozen=True):
    """What the rules of a feed need from each payload.

    - ``columns``: the columns in use (rows have exactly these); with ``whole`` the caller may also ask for whole rows
    - ``kinds``: types that the fast tier assumes per column (``InputNeed.kinds``); where every value of a batch keeps them (null and
      missing always do) the decoder marks the batch ``guarded``
    - ``schema``: declared columns, whose types must hold (sql reference §2.4, §4.2); empty = schemaless
    """

    columns: tuple[str, ...]
    whole: bool = False
    kinds: Mapping[str, str] = {}
    schema: Schema = Schema()


class Decoder(Protocol):
    """Turns payloads into rows. A payload that does not decode becomes a ``RowError`` (stage ``decoder``)."""

    def decode(self, payloads: Sequence[bytes]) -> Batch:
        """One batch of all rows, in order. ``payloads``/``records``/``whole`` of the batch are set when the plan says ``whole``."""
        ...

    def decode_lines(self, block: bytes) -> Batch:
        """As ``decode`` for newline-separated payloads (empty lines are skipped)."""
        ...


class Encoder(Protocol):
    """Turns rows into payloads; FormatError when a row cannot be encoded. May keep state (a header, a frozen column order)."""

    def encode_rows(self, rows: Sequence[Any]) -> list[bytes]:
        """Each row (struct of ``row_type`` or dict) as a message of its own."""
        ...

    def encode_list(self, rows: Sequence[Any]) -> bytes:
        """All rows as one message (``[{...},{...}]`` in JSON)."""
        ...

    def encode_lists(self, rows: Sequence[Any]) -> list[bytes]:
        """Each row as ``encode_list`` of this row alone (``[{...}]`` in JSON)."""
        ...

    def encode_value(self, value: Any) -> bytes:
        """Any JSON-like value (what a data template or ``dataField`` produced) as one message."""
        ...

    def header(self) -> bytes:
        """The line that names the columns (delimited), whatever ``hasHeader`` says, once they are known; ``b""`` where there is none."""
        ...


@dataclass(frozen=True, slots=True)
class FormatSpec:
    """A payload format. ``options`` is the model of the properties that it reads from a stream or sink (``delimiter``, ``fields`` …).

    ``is_text`` says that encoded payloads are text (data template output is then sent as it is). ``check`` refuses a stream definition
    (``is_table``, schema) with a StreamError; None accepts all.

    ``frame`` is ``(open, separator, close)`` where a list is encoded as its encoded rows put together like that (``(b"[", b",", b"]")`` in
    JSON): the engine then frames rows that are encoded already, and hands unchanged payloads on. None: lists must be encoded as a whole.
    """

    name: str
    about: str
    options: type[Struct]
    decoder: Callable[[DecodePlan, Any], Decoder]
    encoder: Callable[[Any], Encoder]
    is_text: bool = True
    frame: tuple[bytes, bytes, bytes] | None = None
    check: Callable[[bool, Schema], None] | None = None
