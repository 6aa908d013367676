"""Trial runs in the engine: they are listened to, show nowhere, and end by themselves."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from plutino.errors import NotFoundError, PlutinoError
from plutino.runtime.channels import EVENTS, WAITING, Channel, event
from plutino.runtime.trials import LIFE_MS, MOST, trial_path
from plutino.spi import Deployment
from plutino.testing import FakeIngress
from unit.runtime.plant import Plant, action, feed, rule
from unit.runtime.scripted import Script


def _trial(id: str = "t", rule_id: str = "$$_1t", **more: Any) -> Deployment:
    sinks = [action(EVENTS, path=trial_path(id), sendSingle=True)]
    return rule(name=rule_id, sinks=sinks, feeds=[feed(connector="replayed")], triggered=False, **more)


def _ingress(plant: Plant) -> FakeIngress:
    ingress = plant.engine._facilities.ingress
    assert isinstance(ingress, FakeIngress)
    return ingress


@asynccontextmanager
async def _listening(plant: Plant, id: str = "t") -> AsyncIterator[AsyncGenerator[bytes, None]]:
    pieces = _ingress(plant).streams[trial_path(id)]()
    assert await anext(pieces) == b": results\n\n"
    try:
        yield pieces
    finally:
        await pieces.aclose()


async def test_results_go_to_who_listens_from_the_start_on(plant: Plant) -> None:
    """Through the properties of its sink; listening begins before the rule runs."""
    assert await plant.engine.try_out("t", _trial()) == 10081
    assert not plant.sources
    async with _listening(plant) as pieces:
        await plant.engine.start_trial("t")
        await plant.settle()
        plant.source().offer({"a": 1, "b": "x"}, {"a": 2, "b": "y"})
        assert await anext(pieces) == b'data: {"a":1,"b":"x"}\n\ndata: {"a":2,"b":"y"}\n\n'


async def test_a_trial_shows_in_no_list_and_is_nobody_s_concern_when_it_ends(plant: Plant) -> None:
    """Neither while it runs nor when its data ends."""
    await plant.engine.try_out("t", _trial())
    await plant.engine.start_trial("t")
    await plant.settle()
    assert plant.engine.state("$$_1t") == "running"
    assert plant.engine.summary() == {}
    assert plant.engine.readers("s") == ()
    plant.source().end()
    await plant.settle()
    assert plant.engine.state("$$_1t").startswith("stopped")
    assert plant.finished == []


async def test_a_trial_that_is_forgotten_ends(plant: Plant) -> None:
    """Some minutes after its start, or when it is not started at all; who listens is let go."""
    await plant.engine.try_out("never", _trial("never", "$$_2"))
    await plant.engine.try_out("t", _trial())
    await plant.clock.advance(LIFE_MS - 1000)
    await plant.engine.start_trial("t")
    await plant.clock.advance(1000)
    with pytest.raises(NotFoundError, match="try to start test rule never but it is not found"):
        await plant.engine.start_trial("never")
    async with _listening(plant) as pieces:
        await plant.clock.advance(LIFE_MS)
        assert [piece async for piece in pieces] == []
    assert plant.source().cancelled
    assert plant.engine.state("$$_1t") == ""
    assert _ingress(plant).streams == {}


async def test_a_trial_takes_the_place_of_one_with_its_id(plant: Plant) -> None:
    """The earlier rule stops, the path stays served; ending it twice is all right."""
    await plant.engine.try_out("t", _trial())
    await plant.engine.start_trial("t")
    await plant.engine.try_out("t", _trial(rule_id="$$_2t"))
    assert plant.engine.state("$$_1t") == ""
    async with _listening(plant) as pieces:
        await plant.engine.start_trial("t")
        await plant.settle()
        plant.source().offer({"a": 1, "b": "x"})
        assert await anext(pieces) == b'data: {"a":1,"b":"x"}\n\n'
    await plant.engine.end_trial("t")
    await plant.engine.end_trial("t")
    assert plant.engine.state("$$_2t") == ""


async def test_there_are_so_many_trials_at_a_time(plant: Plant) -> None:
    """The oldest ends for one more."""
    for k in range(MOST + 1):
        await plant.engine.try_out(f"t{k}", _trial(f"t{k}", f"$$_{k}"))
    assert len(_ingress(plant).streams) == MOST
    with pytest.raises(NotFoundError):
        await plant.engine.start_trial("t0")


async def test_a_trial_that_cannot_run_says_so_when_it_is_started(plant: Plant) -> None:
    """With the reason that a rule's status would show."""

    def broken() -> Script:
        raise PlutinoError("no such program")

    sinks = [action(EVENTS, path=trial_path("t"))]
    await plant.engine.try_out("t", rule(broken, name="$$_1t", sinks=sinks, triggered=False))
    with pytest.raises(PlutinoError, match="no such program"):
        await plant.engine.start_trial("t")


async def test_a_slow_listener_is_told_what_it_missed() -> None:
    """The rule never waits for it."""
    channel = Channel()
    pieces = channel.listen()
    await anext(pieces)
    channel.send([b"%d" % k for k in range(WAITING + 3)])
    assert await anext(pieces) == b'event: dropped\ndata: {"dropped":3}\n\n'
    assert (await anext(pieces)).startswith(b"data: 3\n\n")
    channel.send([b"the last"])
    channel.close()
    assert [piece async for piece in pieces] == [b"data: the last\n\n"]
    channel.send([b"nobody listens"])


def test_a_message_of_several_lines_is_one_event() -> None:
    """Each line gets its own field."""
    assert event(b"a\nb") == b"data: a\ndata: b\n\n"
    assert event(b"") == b"data: \n\n"
