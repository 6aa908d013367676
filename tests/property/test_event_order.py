"""Rows that wait for the watermark leave in the same order however they come together."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from plutino.execution.entry import Entry
from plutino.execution.ordering import EventOrder

TIMES = st.lists(st.one_of(st.integers(0, 20), st.integers(0, 60)), max_size=30)


def entries(times: list[int]) -> list[Entry]:
    return [Entry(number, time, {}, None) for number, time in enumerate(times)]


@given(times=st.one_of(TIMES, TIMES.map(sorted)), tolerance=st.sampled_from([0, 5]), size=st.integers(2, 9))
def test_batches_leave_as_single_rows_do(times: list[int], tolerance: int, size: int) -> None:
    """What is released after each batch, dropped, and what still waits, is what it is row by row."""
    together, apart, rows = EventOrder(tolerance), EventOrder(tolerance), entries(times)
    for low in range(0, len(rows), size):
        batch = rows[low : low + size]
        assert together.take(0, batch, 0) == [released for row in batch for released in apart.take(0, (row,), 0)]
        assert (together.watermark, together.dropped) == (apart.watermark, apart.dropped)
    assert together.take(0, entries([1000]), 0) == apart.take(0, entries([1000]), 0)


@given(arrivals=st.lists(st.tuples(st.integers(0, 1), st.integers(0, 40)), max_size=30))
def test_the_slower_of_two_streams_decides(arrivals: list[tuple[int, int]]) -> None:
    """Nothing leaves before both streams have come that far; what leaves is sorted, and nothing is lost but late rows."""
    order = EventOrder(0, (0, 1))
    left: list[Entry] = []
    greatest: dict[int, int] = {}
    for number, (stream, time) in enumerate(arrivals):
        left += order.take(stream, (Entry(number, time, {}, None),), 0)
        greatest[stream] = max(time, greatest.get(stream, time))
        mark = min(greatest.values()) if len(greatest) == 2 else None
        assert order.watermark == mark
        assert not left or (mark is not None and left[-1].time <= mark)
    assert [entry.time for entry in left] == sorted(entry.time for entry in left)
    left += order.take(0, entries([1000]), 0)
    left += order.take(1, entries([1000]), 0)
    assert len({entry.row for entry in left if entry.time < 1000}) == len(arrivals) - order.dropped
