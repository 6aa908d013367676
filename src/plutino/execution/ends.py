"""Rules with several ends: each has a program, and sinks of its own."""

from __future__ import annotations

from collections.abc import Sequence

from plutino.execution.composite import Member
from plutino.execution.portions import joined
from plutino.execution.tokens import Gathering, Resumed
from plutino.model import Batch, RowError


class Ends:
    """Several programs over the same streams, whose outputs stay apart (``Batch.parts``).

    Operators and the stages of errors are named ``<end>/<kind>``.
    """

    __slots__ = ("last",)

    def __init__(self, members: Sequence[Member]) -> None:
        self.last = members

    def operator(self, number: int, name: str) -> str:
        return _at(number, kind_of(name))

    def push(self, stream: str, batch: Batch, found: Gathering) -> Batch | None:
        """Decoding errors of the batch belong to every end."""
        made = [[end.push(stream, batch, batch.errors, found)] if stream in end.program.inputs else [] for end in self.last]
        return _together(made, batch.arrival)

    def advance(self, now: int, found: Gathering) -> Batch | None:
        return _together([[end.advance(now, found)] for end in self.last], now)

    def resume(self, resumed: Resumed, found: Gathering) -> Batch | None:
        made: list[list[Batch | None]] = [[] for _ in self.last]
        for end, out, others in resumed:
            made[end].append(found.take(end, out, others))
        return _together(made, 0)


def kind_of(operator: str) -> str:
    """The kind of an operator without its number (``3_filter``)."""
    number, _, kind = operator.partition("_")
    return kind if number.isdigit() and kind else operator


def _at(end: int, kind: str) -> str:
    return f"{end}/{kind}"


def _together(made: Sequence[Sequence[Batch | None]], arrival: int) -> Batch | None:
    """The outputs of all ends as one, None when nothing leaves."""
    parts = [joined(outputs, arrival) for outputs in made]
    if all(part is None for part in parts):
        return None
    errors = [
        RowError(error.at, error.text, _at(end, error.stage))
        for end, part in enumerate(parts)
        if part is not None
        for error in part.errors or ()
    ]
    out = Batch([], arrival=arrival, errors=errors or None)
    out.parts = parts
    return out
