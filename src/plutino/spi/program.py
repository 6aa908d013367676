"""What the runtime knows of a compiled rule: rows in, rows out, no I/O, no clock, no task."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from msgspec import Struct

from plutino.model import Batch
from plutino.spi.suspension import Suspended


class Guard(Struct, frozen=True):
    """A necessary condition of a program on one column: ``column <op> constant`` with op one of ``= > >= < <=``.

    A row that fails it produces nothing and changes no state, so a feed with many programs need not push it. The constant is a number or a
    string; the guard speaks only of rows whose value has the same type.
    """

    column: str
    op: str
    constant: Any


_WIDER: Mapping[str, tuple[str, ...]] = {"float": ("number", "scalar"), "number": ("scalar",), "string": ("scalar",)}
"""Per kind those that hold its values, too."""


def common_kind(a: str, b: str) -> str | None:
    """The kind whose values are of both kinds, None where there is none."""
    if a == b or b in _WIDER.get(a, ()):
        return a
    return b if a in _WIDER.get(b, ()) else None


class InputNeed(Struct, frozen=True):
    """What a program needs of each row of one stream.

    - ``columns``: names of the columns that it reads, in no special order
    - ``whole``: also reads the whole row (``*``); rows then need payloads or records next to them
    - ``meta``: reads metadata; ``times``: needs event times (rule option ``isEventTime``)
    - ``kinds``: the types its fast tier assumes, by column; nulls and missing keys are always allowed. ``boolean``, ``string``, ``number``;
      ``float``: a number that a float holds exactly; ``scalar``: a number or a string
    - ``guard``: see Guard
    - ``twin``: shared by programs whose guard is their whole condition and which give equal outputs for rows that satisfy it. It makes the
      outputs of such rows, one each and in order, or None when it cannot (the rows must be pushed then); a feed calls it once for all
    """

    columns: tuple[str, ...]
    whole: bool = False
    meta: bool = False
    times: bool = False
    kinds: Mapping[str, str] = {}
    guard: Guard | None = None
    twin: Callable[[Batch], Batch | None] | None = None


@runtime_checkable
class Scanning(Protocol):
    """What a ``Program`` has besides, when it may keep the rows of scan tables."""

    def scanned(self) -> Sequence[tuple[str, Mapping[str, Any]]] | None:
        """Table and columns (those the rule reads) of every row kept, in order; None when the rule reads no scan table."""
        ...


@runtime_checkable
class Capturing(Protocol):
    """What a ``Program`` has besides, when its state may be so large that encoding it would hold up everything else."""

    def capture(self) -> Callable[[], bytes]:
        """What makes the snapshot of this moment: called once, on any thread, while the program may go on."""
        ...


class Program(Protocol):
    """A compiled rule with its state. Calls never overlap; nothing here waits.

    ``push`` and ``advance`` return output batches in order (often none or one). A row that fails becomes a ``RowError`` of the
    output; no exception leaves these calls, except for defects. A program changes no state when a call raises.
    """

    @property
    def inputs(self) -> Mapping[str, InputNeed]:
        """Needs by stream name."""
        ...

    @property
    def json_numbers(self) -> Collection[str] | None:
        """Output columns whose whole numbers are passed on as schemaless JSON had them (``int``), though they are floats of the dialect.

        Data templates must see the floats. None: every column (``*`` of schemaless streams); empty: none.
        """
        ...

    @property
    def operators(self) -> Sequence[str]:
        """Wire names of the operators after the decoder, in flow order (``3_filter``, ``4_project``)."""
        ...

    @property
    def counters(self) -> Sequence[list[int]]:
        """Per operator ``[rows in, rows out, errors]``, kept by the program; of a watermark also how many rows came too late."""
        ...

    def push(self, stream: str, batch: Batch) -> Batch | Suspended | None:
        """Take the rows of one stream; the result, if any, is what leaves now. ``Suspended``: see ``Suspending``."""
        ...

    def advance(self, now: int) -> Batch | Suspended | None:
        """Time has come to ``now`` (epoch ms, processing time): fire what is due."""
        ...

    def next_deadline(self) -> int | None:
        """When ``advance`` must be called next (epoch ms), or None."""
        ...

    def start(self, now: int) -> None:
        """The rule begins at ``now``; called once before the first push."""
        ...

    def snapshot(self) -> bytes:
        """The whole state as msgpack; ``b""`` for a stateless program."""
        ...

    def restore(self, state: bytes) -> None:
        """Take over a state that ``snapshot`` of the same plan gave."""
        ...
