"""What a feed knows of the rules that read it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from msgspec import Struct

from plutino.model import Batch, RowError
from plutino.spi import InputNeed


class Counts(Struct, frozen=True):
    """Counters of a feed at some time."""

    received: int
    decoded: int
    troubles: int
    decode_troubles: int


class Reading(Protocol):
    """The run of a rule, as its feeds see it."""

    rule: str
    sends_errors: bool

    @property
    def congested(self) -> int:
        """1 while an outlet is full."""
        ...

    def take_share(self, out: Batch, positions: Sequence[int]) -> None:
        """Take some rows of an output that several rules share."""
        ...

    def send_error(self, text: str) -> None:
        """Deliver an error of the decoder to every sink."""
        ...

    def report(self, errors: Sequence[RowError]) -> None:
        """Rows that failed in the program."""
        ...

    def measured(self, push_us: int, emit_us: int) -> None:
        """What one batch took in the program and behind it (µs)."""
        ...

    def positioned(self) -> None:
        """The feed's source has come to another position."""
        ...

    def source_ended(self) -> None:
        """The source of one of its places has come to its end."""
        ...

    def failed(self, error: BaseException) -> None:
        """The rule cannot go on."""
        ...


class Reader(Protocol):
    """The place of a run on a feed: ``credited`` rows were processed by a twin in its stead."""

    credited: int

    @property
    def run(self) -> Reading:
        """Whose place it is."""
        ...

    @property
    def need(self) -> InputNeed:
        """What the program needs of each row."""
        ...

    @property
    def push(self) -> Callable[[str, Batch], Batch | None]:
        """What rows are pushed into."""
        ...

    @property
    def emit(self) -> Callable[[Batch], None]:
        """What an output is handed to."""
        ...

    @property
    def before(self) -> Counts:
        """The feed's counters when the run came."""
        ...

    @property
    def operators(self) -> Sequence[str]:
        """What stands between the source and the program."""
        ...

    def end(self) -> None:
        """The source gives no more."""
        ...
