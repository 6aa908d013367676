"""The predicate index gives every rule what it would have found by itself, whatever the rows are."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from plutino.model import Batch, attribute, row_type
from plutino.runtime.guards import pick
from plutino.runtime.index import PredicateIndex
from plutino.spi import Guard, InputNeed

ROW = row_type(("a", "b", "n"))
NAME_A, NAME_B, NAME_N = attribute("a"), attribute("b"), attribute("n")

numbers = st.one_of(st.integers(-5, 5), st.sampled_from([0.5, -1.0, 2.0, float("nan"), 2.0**60, 2**60]))
texts = st.sampled_from(["", "a", "b", "zz"])
values = st.one_of(numbers, numbers, texts, st.none(), st.just(UNSET), st.booleans())
constants = st.one_of(st.integers(-5, 5), st.sampled_from([0.5, -1.0, 2**53, float("inf")]), texts)
guards = st.builds(Guard, st.sampled_from(["a", "b"]), st.sampled_from(["=", ">", ">=", "<", "<="]), constants)


class Place:
    """A rule that keeps what it is pushed and what others made for it."""

    def __init__(self, guard: Guard | None, twin: Any) -> None:
        self.need = InputNeed(("a", "b", "n"), guard=guard, twin=twin)
        self.seen: list[int] = []

    def push(self, stream: str, batch: Batch) -> None:
        self.seen += [row_number(row) for row in batch.rows if self.wants(row)]

    def wants(self, row: Any) -> bool:
        """What the rule's own condition says; a value of another type always matters (it fails, or is null)."""
        guard = self.need.guard
        if guard is None:
            return True
        value = getattr(row, attribute(guard.column))
        if type(value) not in ((str,) if isinstance(guard.constant, str) else (int, float)):
            return True
        return bool(holds(value, guard.op, guard.constant))


def holds(value: Any, op: str, constant: Any) -> Any:
    match op:
        case "=":
            return value == constant
        case ">":
            return value > constant
        case ">=":
            return value >= constant
        case "<":
            return value < constant
        case _:
            return value <= constant


def row_number(row: Any) -> int:
    return int(getattr(row, NAME_N))


class Twin:
    """Projects a row to its number, as all rules of the test do."""

    def __init__(self, able: bool) -> None:
        self.able = able
        self.batches = 0

    def __call__(self, batch: Batch) -> Batch | None:
        self.batches += 1
        return Batch(list(batch.rows)) if self.able else None


@given(
    st.lists(st.tuples(st.one_of(st.none(), guards), st.integers(0, 2)), max_size=12),
    st.lists(st.tuples(values, values), min_size=1, max_size=8),
)
def test_every_rule_gets_its_rows_in_order(rules: list[tuple[Guard | None, int]], rows: list[tuple[Any, Any]]) -> None:
    """Also with twins, with rules of several columns and types, and with rows of any type."""
    twins = [None, Twin(True), Twin(False)]
    places = [Place(guard, twins[kind] if guard is not None else None) for guard, kind in rules]
    index = PredicateIndex((place.push, None, place) for place in places)  # type: ignore[misc]
    batch = Batch([ROW(a, b, n) for n, (a, b) in enumerate(rows)])
    for calls, given_rows, shares in index.select(batch):
        if shares is None:
            for push, _, _ in calls:
                push("s", given_rows)
        else:
            for (_, _, place), share in zip(calls, shares, strict=True):
                made = given_rows.rows if share is None else [given_rows.rows[k] for k in share]
                assert all(place.wants(row) for row in made)
                place.seen += map(row_number, made)
    for place in places:
        assert place.seen == [n for n, row in enumerate(batch.rows) if place.wants(row)]


def test_the_work_grows_with_matches_not_with_rules() -> None:
    """One look-up for three hundred rules: a row that concerns nobody calls nobody."""
    places = [Place(Guard("a", "=", i), None) for i in range(300)] + [Place(Guard("b", ">", i), None) for i in range(300)]
    index = PredicateIndex((place.push, None, place) for place in places)  # type: ignore[misc]
    assert index.select(Batch([ROW(1000, -1, 0)])) == []
    assert [len(calls) for calls, _, _ in index.select(Batch([ROW(7, 2.5, 0)]))] == [1, 3]
    assert sum(len(calls) for calls, _, _ in index.select(Batch([ROW(7, 0.5, 0), ROW(9, 2.5, 1)]))) == 5


def test_twins_are_asked_once_for_all() -> None:
    """Three hundred equal projections are one."""
    twin = Twin(True)
    places = [Place(Guard("a", ">", i), twin) for i in range(300)]
    index = PredicateIndex((place.push, None, place) for place in places)  # type: ignore[misc]
    [(calls, out, shares)] = index.select(Batch([ROW(i + 0.5, 0, i) for i in range(10)]))
    assert (len(calls), len(out.rows), twin.batches) == (10, 10, 1)
    assert shares is not None
    assert shares[0] is None
    assert list(shares[9] or ()) == [9]


def test_picked_rows_keep_what_belongs_to_them() -> None:
    """Payloads, records, times and metadata go along."""
    batch = Batch(
        [1, 2, 3],
        payloads=[b"1", b"2", b"3"],
        records=[{"a": 1}, {"a": 2}, {"a": 3}],
        times=[10, 20, 30],
        meta=[{"k": 1}, {"k": 2}, {"k": 3}],
        arrival=5,
        guarded=True,
    )
    some = pick(batch, [0, 2])
    assert (some.rows, some.payloads, some.times, some.arrival, some.guarded) == ([1, 3], [b"1", b"3"], [10, 30], 5, True)
    assert (some.records, some.meta) == ([{"a": 1}, {"a": 3}], [{"k": 1}, {"k": 3}])
