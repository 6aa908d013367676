"""Connections: named and anonymous ones, their states, their users, and what happens when they go."""

from __future__ import annotations

import pytest

from plutino.errors import PlutinoError, ProvisionError, TransportError
from unit.runtime.plant import Plant, action, feed, rule


async def test_a_named_connection_connects_in_the_background(plant: Plant) -> None:
    """Shown with its properties as they are; an equal one is not touched, another replaces it."""
    await plant.engine.connect("c1", "kept", {"server": "x", "password": "pw"})
    [shown] = plant.engine.connections(False)
    assert shown == {"id": "c1", "typ": "kept", "props": {"server": "x", "password": "pw"}, "isNamed": True, "status": "connecting"}
    await plant.settle()
    assert plant.engine.connections(False)[0]["status"] == "connected"
    await plant.engine.connect("c1", "kept", {"server": "x", "password": "pw"})
    assert len(plant.connections["c1"]) == 1
    await plant.engine.connect("c1", "kept", {"server": "y"})
    await plant.settle()
    assert [c.closed for c in plant.connections["c1"]] == [1, 0]
    await plant.engine.disconnect("c1")
    await plant.engine.disconnect("c1")
    assert plant.engine.connections(False) == []


async def test_a_lost_connection_is_opened_again(plant: Plant) -> None:
    """With growing delays; the reason is shown meanwhile."""
    await plant.engine.connect("c1", "kept", {})
    await plant.settle()
    [connection] = plant.connections["c1"]
    connection.faults = [TransportError("refused")]
    assert connection.lost is not None
    connection.lost.set_result("broken pipe")
    await plant.settle()
    assert plant.engine.connections(False)[0]["err"] == "refused"
    assert plant.engine.connections(False)[0]["status"] == "disconnected"
    await plant.clock.advance(100)
    assert plant.engine.connections(False)[0]["status"] == "connected"
    assert "err" not in plant.engine.connections(False)[0]
    told = {"connection": "c1", "type": "kept"}
    assert plant.log.lines == [("not connected", {**told, "error": "broken pipe"}), ("connected again", told)]


async def test_an_unknown_type_says_so_instead_of_connecting_for_ever(plant: Plant) -> None:
    """As does a connector without connections."""
    await plant.engine.connect("c1", "nosuch", {})
    [shown] = plant.engine.connections(False)
    assert (shown["status"], shown["err"]) == ("disconnected", "unknown connection type nosuch")


async def test_rules_use_a_named_connection(plant: Plant) -> None:
    """They wait for it, count as references, and are named as the original does."""
    plant.connections.clear()
    await plant.engine.connect("c1", "kept", {})
    await plant.run(rule(sinks=[action("kept", connection="c1", topic="o/x")], feeds=[feed(connection="c1")]))
    await plant.settle()
    assert plant.engine.references("c1") == ("r-s-0-played-source", "r-kept_0-o/x-kept-sink")
    assert plant.engine.connections(False)[0]["refCount"] == 2
    assert plant.source().context.connection() is plant.connections["c1"][0]
    await plant.engine.stop("r")
    assert plant.engine.references("c1") == ()
    assert "refCount" not in plant.engine.connections(False)[0]


async def test_a_rule_waits_for_its_connection(plant: Plant) -> None:
    """The sink is opened when the connection is there; output waits."""
    await plant.engine.connect("c1", "kept", {})
    await plant.settle()
    [connection] = plant.connections["c1"]
    assert connection.lost is not None
    connection.faults = [TransportError("refused")]
    connection.lost.set_result("gone")
    await plant.settle()
    await plant.run(rule(sinks=[action("kept", connection="c1")]))
    plant.source().offer({"a": 1})
    sink = plant.sink(action="kept_0")
    assert (sink.opened, sink.items) == (0, [])
    with pytest.raises(TransportError):
        sink.context.connection()
    await plant.clock.advance(100)
    assert sink.values == [[{"a": 1}]]


async def test_a_rule_without_its_connection_says_so(plant: Plant) -> None:
    """It cannot start, and a reader whose connection is dropped stops."""
    await plant.run(rule(sinks=[action("kept", connection="nosuch")]))
    assert plant.status()["message"] == "connection nosuch not existed"
    with pytest.raises(ProvisionError):
        plant.engine._pool.named("nosuch")


async def test_anonymous_connections_show_on_demand(plant: Plant) -> None:
    """A source or sink that opens its own session is listed with its user."""
    await plant.run(rule(sinks=[action("kept", topic="t")]))
    assert plant.engine.connections(False) == []
    shown = plant.engine.connections(True)
    assert [(entry["id"], entry["isNamed"], entry["status"]) for entry in shown] == [
        ("r-kept_0-t-kept-sink", False, "connected"),
        ("r-s-0-played-source", False, "connected"),
    ]
    await plant.engine.remove("r")
    assert plant.engine.connections(True) == []


@pytest.mark.parametrize(
    ("role", "connector", "text"),
    [
        ("source", "rows", "source rows doesn't support ping connection"),
        ("sink", "nosuch", "sink nosuch doesn't support ping connection"),
        ("lookup", "nosuch", "lookup source type nosuch not found"),
    ],
)
async def test_what_cannot_be_pinged_says_so(plant: Plant, role: str, connector: str, text: str) -> None:
    """With the recorded texts."""
    with pytest.raises(PlutinoError) as caught:
        await plant.engine.ping(role, connector, {})
    assert str(caught.value) == text
