"""Late acknowledgement and checkpoints: what is acknowledged when, and what survives."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

from plutino.errors import TransportError
from plutino.runtime.acks import Receipt
from plutino.runtime.checkpoints import STATE
from unit.runtime.plant import Plant, action, rule
from unit.runtime.scripted import Script


def acks() -> tuple[list[int], Any]:
    """A list that grows with each acknowledgement, and the acknowledgement."""
    found: list[int] = []
    return found, lambda: found.append(1)


def test_a_receipt_is_given_once_when_nobody_holds_it() -> None:
    """Every holder must release."""
    found, ack = acks()
    receipt = Receipt(ack)
    receipt.hold()
    receipt.release()
    assert found == []
    receipt.release()
    assert found == [1]


async def test_what_is_filtered_out_or_delivered_is_acknowledged_at_once(plant: Plant) -> None:
    """A payload that does not decode is done with, too."""
    await plant.run(rule(Script(row=lambda r: r if r["a"] > 1 else None)))
    for payload in ({"a": 1}, {"a": 2}, b"{bad"):
        found, ack = acks()
        plant.source().offer(payload, ack=ack)
        assert found == [1]


async def test_what_waits_for_a_sink_is_acknowledged_when_it_is_written(plant: Plant) -> None:
    """Of two rules the slower one decides."""
    await plant.run(rule(name="slow", sinks=[action("kept")]))
    await plant.run(rule(name="fast"))
    gate = plant.sink("slow", "kept_0").gate = asyncio.Event()
    (first, ack_first), (second, ack_second) = acks(), acks()
    plant.source().offer({"a": 1}, ack=ack_first)
    plant.source().offer({"a": 2}, ack=ack_second)
    await plant.settle()
    assert first + second == []
    gate.set()
    await plant.settle()
    assert first + second == [1, 1]


async def test_a_held_batch_holds_its_acknowledgements(plant: Plant) -> None:
    """Until the batch is sent."""
    await plant.run(rule(sinks=[action(batchSize=2)]))
    (first, ack_first), (second, ack_second) = acks(), acks()
    plant.source().offer({"a": 1}, ack=ack_first)
    assert first == []
    plant.source().offer({"a": 2}, ack=ack_second)
    assert first + second == [1, 1]


async def test_what_is_dropped_for_good_is_acknowledged(plant: Plant) -> None:
    """The loss is counted; the broker need not keep the message."""
    await plant.run(rule(sinks=[action("kept")]))
    plant.sink(action="kept_0").faults = [TransportError("no")]
    found, ack = acks()
    plant.source().offer({"a": 1}, ack=ack)
    assert found == [1]


async def test_without_qos_state_in_memory_counts_as_absorbed(plant: Plant) -> None:
    """A window of a rule with qos 0 holds no acknowledgement."""
    await plant.run(rule(Script(every=1000)))
    found, ack = acks()
    plant.source().offer({"a": 1}, ack=ack)
    assert found == [1]


async def test_with_qos_absorbed_means_checkpointed(plant: Plant) -> None:
    """Rows in a window are acknowledged after the next checkpoint."""
    await plant.run(rule(Script(every=60_000), qos=1, checkpoint_interval=5000))
    found, ack = acks()
    plant.source().offer({"a": 1}, ack=ack)
    await plant.clock.advance(4999)
    assert found == []
    await plant.clock.advance(1)
    assert found == [1]
    assert plant.state.saves == 1


async def test_a_large_state_is_encoded_beside(plant: Plant) -> None:
    """Rows come in meanwhile; the checkpoint is that of the moment when it was due, and covers nothing that came later."""
    script, encoding = Script(every=60_000), threading.Event()
    await plant.run(rule(script, qos=1, checkpoint_interval=5000))
    program: Any = script.made[-1]

    def capture() -> Callable[[], bytes]:
        state = program.snapshot()
        return lambda: state if encoding.wait(5) else b"late"

    program.capture = capture
    (first, ack_first), (second, ack_second) = acks(), acks()
    plant.source().offer({"a": 1}, ack=ack_first)
    expected = program.snapshot()
    await plant.clock.advance(5000)
    plant.source().offer({"a": 2}, ack=ack_second)
    await plant.settle()
    assert (plant.state.saves, len(program.pushed)) == (0, 2)
    encoding.set()
    async with asyncio.timeout(5):
        while not first:
            await asyncio.sleep(0)
    assert second == []
    assert plant.state.owners["r"][STATE] == expected


async def test_a_checkpoint_is_forced_before_the_broker_stops(plant: Plant) -> None:
    """Ten unacknowledged rows are half of a usual in-flight window."""
    await plant.run(rule(Script(every=60_000), qos=1))
    found, ack = acks()
    for i in range(9):
        plant.source().offer({"a": i}, ack=ack)
    await plant.settle()
    assert found == []
    plant.source().offer({"a": 9}, ack=ack)
    await plant.settle()
    assert len(found) == 10


async def test_a_failed_checkpoint_acknowledges_nothing(plant: Plant) -> None:
    """The next one covers it."""
    await plant.run(rule(Script(every=60_000), qos=1, checkpoint_interval=1000))
    found, ack = acks()
    plant.source().offer({"a": 1}, ack=ack)
    plant.state.broken = True
    await plant.clock.advance(1000)
    assert found == []
    assert plant.engine.errors("r")[-1].text == "the disk is full"
    plant.state.broken = False
    await plant.clock.advance(1000)
    assert found == [1]


async def test_state_and_positions_survive_a_restart(plant: Plant) -> None:
    """Stop saves, start restores; the source goes on after its position."""
    await plant.run(rule(Script(every=60_000), qos=1))
    plant.source().offer({"a": 1}, position={"offset": 7})
    await plant.engine.stop("r")
    script = Script(every=60_000)
    again = Plant()
    again.state = plant.state
    again.engine._facilities.state = plant.state
    await again.run(rule(script, qos=1))
    assert script.made[0].kept == [{"a": 1}]
    assert again.source().resumed == [{"offset": 7}]
    await again.engine.close()


async def test_state_of_another_shape_is_not_used(plant: Plant) -> None:
    """A changed plan must not pick up foreign state; the positions still hold."""
    await plant.run(rule(Script(every=60_000), qos=1, shape="one"))
    plant.source().offer({"a": 1}, position=3)
    await plant.engine.stop("r")
    script = Script(every=60_000)
    await plant.run(rule(script, qos=1, shape="two"))
    assert script.made[0].kept == []
    assert plant.source().resumed == [3]


async def test_remove_and_a_lower_qos_forget_the_state(plant: Plant) -> None:
    """Nothing stale may come back."""
    for forget in (plant.engine.remove("r"), plant.engine.deploy(rule(Script(every=1000)))):
        await plant.run(rule(Script(every=60_000), qos=1))
        plant.source().offer({"a": 1})
        await plant.engine.stop("r")
        assert "r" in plant.state.owners
        await forget
        assert "r" not in plant.state.owners


async def test_a_checkpoint_waits_for_what_left_the_program_before(plant: Plant) -> None:
    """After a crash it would not come again."""
    await plant.run(rule(Script(every=1000), qos=1, checkpoint_interval=1500, sinks=[action("kept")]))
    gate = plant.sink(action="kept_0").gate = asyncio.Event()
    plant.source().offer({"a": 1})
    await plant.clock.advance(1500)
    assert plant.state.saves == 0
    gate.set()
    await plant.settle()
    assert plant.state.saves == 1


async def test_a_stop_ends_the_wait_for_a_dead_sink(plant: Plant) -> None:
    """A finished rule whose sink is gone waits, until its user stops it; nobody in the engine goes on waiting."""
    plant.open_faults = [TransportError("refused")] * 100
    await plant.run(rule(sinks=[action("kept")]))
    found, ack = acks()
    plant.source().offer({"a": 1}, ack=ack)
    plant.source().end()
    await plant.settle()
    assert plant.engine.state("r") == "running"
    await plant.engine.stop("r")
    await plant.settle()
    assert (plant.engine.state("r"), found) == ("stopped", [])
    assert not plant.finished
    assert not plant.engine._facilities.tasks
