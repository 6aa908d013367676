"""The small parts of the engine: deadlines, back-off, error log, states, compression."""

from __future__ import annotations

import asyncio
import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plutino.errors import FormatError, UnsupportedError
from plutino.runtime.backoff import Backoff
from plutino.runtime.compression import compressor, decompressor
from plutino.runtime.deadlines import Deadlines, Timer
from plutino.runtime.errorlog import BURST, KEPT, ErrorLog, excerpt, mask_text
from plutino.runtime.pipeline import Pipeline
from plutino.runtime.states import State
from plutino.testing import FakeClock


async def test_timers_fire_in_order_of_their_time() -> None:
    """Armed earlier, later, again, or not at all any more; one task waits for all of them."""
    clock = FakeClock(0)
    deadlines = Deadlines(clock)
    fired: list[tuple[str, int]] = []
    timers = {name: Timer(lambda now, name=name: fired.append((name, now))) for name in "abc"}  # type: ignore[misc]
    tasks = len(asyncio.all_tasks())
    deadlines.arm(timers["a"], 30)
    deadlines.arm(timers["b"], 10)
    deadlines.arm(timers["c"], 20)
    deadlines.arm(timers["a"], 5)
    deadlines.arm(timers["c"], None)
    await clock.advance(0)
    assert len(asyncio.all_tasks()) == tasks + 1
    await clock.advance(100)
    assert fired == [("a", 5), ("b", 10)]
    assert len(asyncio.all_tasks()) == tasks
    deadlines.arm(timers["c"], 150)
    await clock.advance(50)
    assert fired[-1] == ("c", 150)
    deadlines.close()


async def test_a_timer_may_arm_itself_again() -> None:
    """Also for a time that has come already."""
    clock = FakeClock(0)
    deadlines = Deadlines(clock)
    fired: list[int] = []

    def again(now: int) -> None:
        fired.append(now)
        if len(fired) < 4:
            deadlines.arm(timer, now + (10 if len(fired) < 3 else 0))

    timer = Timer(again)
    deadlines.arm(timer, 10)
    await clock.advance(100)
    assert fired == [10, 20, 30, 30]
    deadlines.close()


def test_back_off_doubles_up_to_its_limit_and_starts_over() -> None:
    """100 ms to 10 s; jitter only shortens."""
    backoff = Backoff(lambda: 0.0)
    assert [backoff.delay() for _ in range(9)] == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10, 10]
    backoff.reset()
    assert backoff.delay() == 0.1
    assert Backoff(lambda: 0.5).delay() == pytest.approx(0.09)


def test_the_error_log_samples() -> None:
    """A flood keeps a few a second, and only so many in all."""
    log = ErrorLog()
    for second in range(20):
        for i in range(100):
            log.add("r", second * 1000 + i, "decoder", f"error {second}", b"payload")
    kept = log.recent("r")
    assert len(kept) == KEPT
    assert [entry.text for entry in kept[-BURST:]] == ["error 19"] * BURST
    log.forget("r")
    assert log.recent("r") == ()


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ('{"password":"x y","a":1}', '{"password":"***","a":1}'),
        ('{"a":{"apiKey": 5}}', '{"a":{"apiKey": "***"}}'),
        ('{"token":"cut off', '{"token":"***"'),
        ("map[a:1 password:hunter2]", "map[a:1 password:***]"),
        ("plain text", "plain text"),
    ],
)
def test_secrets_are_masked_in_excerpts(text: str, masked: str) -> None:
    """In JSON, cut JSON, and printed maps."""
    assert mask_text(text) == masked
    assert len(excerpt(b"x" * 10_000)) == 256


def test_illegal_moves_are_defects() -> None:
    """A stopped rule cannot become running without starting."""
    pipeline = Pipeline("r", None, None)
    with pytest.raises(RuntimeError, match="STOPPED to RUNNING"):
        pipeline.move(State.RUNNING)
    pipeline.move(State.STARTING)
    pipeline.move(State.RUNNING)


@given(st.sampled_from(["zlib", "gzip", "flate"]), st.binary(max_size=200))
def test_what_is_compressed_comes_back(name: str, payload: bytes) -> None:
    """For every algorithm."""
    assert decompressor(name)(compressor(name)(payload)) == payload


@given(st.sampled_from(["zlib", "gzip", "flate"]), st.binary(max_size=50))
def test_garbage_is_a_format_error(name: str, payload: bytes) -> None:
    """Or happens to decompress, but nothing else."""
    with contextlib.suppress(FormatError):
        decompressor(name)(payload)


def test_an_algorithm_that_is_not_built_in_is_refused() -> None:
    """With what to use instead."""
    for make in (compressor, decompressor):
        with pytest.raises(UnsupportedError, match="use zlib, gzip or flate"):
            make("zstd")
