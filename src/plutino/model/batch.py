"""Batch: the only thing that flows between decoder, program and sinks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from msgspec import Struct

from plutino.model.row import to_dict


class RowError(Struct, frozen=True):
    """A row (or window) that failed: it stood before the row with index ``at`` of its batch.

    ``text`` is the wire text (what ``sendError`` delivers); ``stage`` names the operator that failed (``decoder``, ``filter``, …).
    """

    at: int
    text: str
    stage: str = ""


class Batch:
    """Rows that arrived or left together.

    On the way in a batch holds one row per element of ``rows``, made by the decoder with only the columns in use. On the way out
    ``sizes`` says how rows form messages: None, each row is a message of its own; else message ``i`` holds the next ``sizes[i]`` rows
    (a window's output, which may be empty).

    - ``rows``: structs of ``row_type`` (all of one class) or dicts. Empty when ``payloads`` alone carry the rows (see below).
    - ``payloads``: the original bytes of each row, where every payload is exactly one row; else None. An *output* batch with payloads
      and ``passthrough`` set has no rows of its own: each payload is a whole row that the rule did not change.
    - ``records``: whole rows as dicts, where the source delivers rows (memory, simulator), or the payloads were decoded in full.
    - ``whole``: decodes one payload into its whole record, for ``records_of`` when only payloads are there.
    - ``arrival``: engine time in epoch milliseconds at which the batch was taken; ``times``: one event time per row, or None.
    - ``meta``: metadata, one mapping per row, or one mapping for all rows, or None.
    - ``guarded``: the decoder kept the promise of its plan (types of the fast tier); False sends the batch to the exact tier.
    - ``errors``: rows that failed, in order.
    - ``origins``: which delivered payload each row came from, where that is not simply the one with the same index (a list in one payload
      gives several rows, a refused payload none); else None. Who adds metadata per payload needs it.
    - ``parts``: the outputs of a rule with several ends, one for each, None where nothing leaves; such a batch has no rows of its own, and
      its errors are those of the parts.
    - ``encoded``: for whom this output was made into messages, and those: outputs that several rules share are encoded once.
    """

    __slots__ = (
        "arrival",
        "encoded",
        "errors",
        "guarded",
        "meta",
        "origins",
        "parts",
        "passthrough",
        "payloads",
        "records",
        "rows",
        "sizes",
        "times",
        "whole",
    )

    def __init__(
        self,
        rows: list[Any],
        *,
        payloads: list[bytes] | None = None,
        records: list[dict[str, Any]] | None = None,
        whole: Callable[[bytes], dict[str, Any]] | None = None,
        arrival: int = 0,
        times: list[int] | None = None,
        meta: list[Mapping[str, Any]] | Mapping[str, Any] | None = None,
        guarded: bool = False,
        sizes: list[int] | None = None,
        passthrough: bool = False,
        errors: list[RowError] | None = None,
        origins: list[int] | None = None,
    ) -> None:
        self.rows = rows
        self.payloads = payloads
        self.records = records
        self.whole = whole
        self.arrival = arrival
        self.times = times
        self.meta = meta
        self.guarded = guarded
        self.sizes = sizes
        self.passthrough = passthrough
        self.errors = errors
        self.encoded: tuple[Any, list[Any]] | None = None
        self.origins = origins
        self.parts: list[Batch | None] | None = None

    def __len__(self) -> int:
        """Number of rows, errors not counted."""
        return len(self.payloads) if self.passthrough and self.payloads is not None else len(self.rows)

    def dicts(self) -> list[dict[str, Any]]:
        """Every row of an output batch as ``{column: value}``; callers must not change them."""
        if self.parts is not None:
            return [row for part in self.parts if part is not None for row in part.dicts()]
        if self.passthrough and self.payloads is not None:
            if self.records is None:
                assert self.whole is not None
                self.records = [self.whole(p) for p in self.payloads]
            return self.records
        return [to_dict(r) for r in self.rows]

    def record(self, index: int) -> dict[str, Any]:
        """The whole input row ``index``, with every column that arrived; callers must not change it."""
        if self.records is not None:
            return self.records[index]
        if self.payloads is not None and self.whole is not None:
            return self.whole(self.payloads[index])
        return to_dict(self.rows[index])

    def meta_of(self, index: int) -> Mapping[str, Any]:
        """Metadata of row ``index``; empty when there is none."""
        meta = self.meta
        if meta is None:
            return {}
        return meta[index] if isinstance(meta, list) else meta
