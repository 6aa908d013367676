"""How the queries of one statement are wired: UNION ALL, and queries in FROM."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from plutino.execution.composite import Member
from plutino.execution.kernels import loose
from plutino.execution.portions import joined
from plutino.execution.tokens import Gathering, Resumed
from plutino.model import Batch, row_type
from plutino.model.row import from_dicts


class Union:
    """The outputs of several programs, in the order of the statement."""

    __slots__ = ("last",)

    def __init__(self, members: Sequence[Member]) -> None:
        self.last = members

    def operator(self, number: int, name: str) -> str:
        return name

    def push(self, stream: str, batch: Batch, found: Gathering) -> Batch | None:
        """Decoding errors of the batch are given out once."""
        outputs: list[Batch | None] = []
        errors = batch.errors
        for member in self.last:
            if stream in member.program.inputs:
                outputs.append(member.push(stream, batch, errors, found))
                errors = None
        return joined(outputs, batch.arrival)

    def advance(self, now: int, found: Gathering) -> Batch | None:
        return joined([member.advance(now, found) for member in self.last], now)

    def resume(self, resumed: Resumed, found: Gathering) -> Batch | None:
        return joined([found.take(number, out, others) for number, out, others in resumed], 0)


class Chain:
    """The last program reads the outputs of the others: queries in FROM, by the ``names`` that they have there."""

    __slots__ = ("_inner", "_now", "_outer", "last")

    def __init__(self, names: Sequence[str], members: Sequence[Member]) -> None:
        self._inner = dict(zip(names, members[:-1], strict=True))
        self._outer = members[-1]
        self.last = members[-1:]
        self._now = 0
        """The latest time seen: what waited for lookups in an inner program reaches the outer one then."""

    def operator(self, number: int, name: str) -> str:
        return name

    def push(self, stream: str, batch: Batch, found: Gathering) -> Batch | None:
        self._now = max(self._now, batch.arrival)
        outputs: list[Batch | None] = []
        errors = batch.errors
        for name, member in self._inner.items():
            if stream in member.program.inputs:
                outputs += self._into_outer(name, member.push(stream, batch, errors, found), found)
                errors = None
        if stream in self._outer.program.inputs and stream not in self._inner:
            outputs.append(self._outer.push(stream, batch, errors, found))
        return joined(outputs, batch.arrival)

    def advance(self, now: int, found: Gathering) -> Batch | None:
        self._now = max(self._now, now)
        outputs: list[Batch | None] = []
        for name, member in self._inner.items():
            outputs += self._into_outer(name, member.advance(now, found), found)
        outputs.append(self._outer.advance(now, found))
        return joined(outputs, now)

    def resume(self, resumed: Resumed, found: Gathering) -> Batch | None:
        names = list(self._inner)
        outputs: list[Batch | None] = []
        for number, out, others in resumed:
            made = found.take(number, out, others)
            outputs += [made] if number == self._outer.number else self._into_outer(names[number], made, found, others)
        return joined(outputs, 0)

    def _into_outer(self, name: str, made: Batch | None, found: Gathering, others: Collection[int] = ()) -> list[Batch | None]:
        """Give the rows of an inner program to the outer one, and what leaves; every row of a window counts by itself."""
        if made is None:
            return []
        outputs: list[Batch | None] = []
        numbers = self._inner[name].program.json_numbers
        records = [_settled(record, numbers) for record in made.dicts()]
        if made.errors:
            outputs.append(Batch([], arrival=made.arrival, errors=made.errors))
        if records:
            outer = self._outer.program
            rows = from_dicts(row_type(outer.inputs[name].columns), records)
            out = outer.push(name, Batch(rows, records=records, arrival=max(made.arrival, self._now)))
            outputs.append(found.take(self._outer.number, out, others))
        return outputs


def _settled(record: dict[str, object], numbers: Collection[str] | None) -> dict[str, object]:
    """A row with the dialect's kinds of numbers, where it still holds those of schemaless JSON."""
    if numbers is None:
        return {name: loose(value) for name, value in record.items()}
    return {**record, **{name: loose(record[name]) for name in numbers if name in record}} if numbers else record
