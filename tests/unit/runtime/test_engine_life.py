"""The life of rules: deploy, start, stop, swap, fail, finish, and what the status says meanwhile."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from plutino.errors import NotFoundError, ProvisionError, TransportError
from plutino.spi.host import RestartStrategy
from unit.runtime.plant import Plant, action, feed, rule
from unit.runtime.scripted import Script

CANCELED = "canceled manually"


async def test_a_deployed_rule_runs_and_delivers_each_row_as_a_list(plant: Plant) -> None:
    """A triggered rule is running when deploy returns, and a row without a window is a message of its own."""
    await plant.run(rule())
    assert plant.engine.state("r") == "running"
    plant.source().offer({"a": 1, "b": "x"}, {"a": 2, "b": "y"})
    assert plant.sink().texts == ['[{"a":1,"b":"x"}]', '[{"a":2,"b":"y"}]']


async def test_the_status_has_the_recorded_keys_in_order(plant: Plant) -> None:
    """Sources come first, then the operators of feed, rule and sinks, then the sinks; numbers follow the rows."""
    await plant.run(rule(Script(row=lambda r: r if r["a"] > 1 else None), sinks=[action("silent"), action("table", 1)]))
    plant.source().offer({"a": 1}, {"a": 2}, {"a": 3})
    status = plant.status()
    assert list(status)[:5] == ["status", "message", "lastStartTimestamp", "lastStopTimestamp", "nextStartTimestamp"]
    nodes = [key.removesuffix("_0_records_in_total") for key in status if key.endswith("_0_records_in_total")]
    assert nodes == [
        "source_s",
        "op_2_decoder",
        "op_3_filter",
        "op_4_project",
        "op_silent_0_0_transform",
        "op_silent_0_1_encode",
        "op_table_1_0_transform",
        "sink_silent_0",
        "sink_table_1",
    ]
    assert [status[f"{node}_0_records_in_total"] for node in nodes] == [3, 3, 3, 2, 2, 2, 2, 2, 2]
    assert [status[f"{node}_0_records_out_total"] for node in nodes] == [3, 3, 2, 2, 2, 2, 2, 2, 2]
    assert status["source_s_0_connection_status"] == 1
    assert (status["sink_silent_0_0_connection_status"], status["sink_table_1_0_connection_status"]) == (0, 1)
    assert status["sink_silent_0_0_last_invocation"] == plant.clock.now_ms()


@pytest.mark.parametrize(
    ("connector", "properties", "operators"),
    [
        ("plain", {"enableCache": True}, ["transform", "encode", "cache"]),
        ("plain", {"batchSize": 2, "compression": "gzip"}, ["batch", "transform", "batchWriter", "compress"]),
        ("table", {"batchSize": 2}, ["batch", "transform", "batchWriter"]),
    ],
)
async def test_operators_in_front_of_a_sink(plant: Plant, connector: str, properties: dict[str, Any], operators: list[str]) -> None:
    """Each step that the action asks for has a name with its number."""
    await plant.run(rule(sinks=[action(connector, **properties)]))
    status = plant.status()
    nodes = [key.removesuffix("_0_records_in_total") for key in status if key.endswith("_0_records_in_total")]
    assert [node for node in nodes if node.startswith(f"op_{connector}")] == [
        f"op_{connector}_0_{i}_{kind}" for i, kind in enumerate(operators)
    ]


async def test_the_topology_leads_from_sources_to_sinks(plant: Plant) -> None:
    """Rows need no decoder, only sinks that take bytes have an encoder, and operators are numbered through."""
    await plant.run(rule(feeds=[feed(connector="rows")], sinks=[action("silent"), action("table", 1)]))
    assert plant.engine.topology("r") == {
        "sources": ["source_s"],
        "edges": {
            "source_s": ["op_2_filter"],
            "op_2_filter": ["op_3_project"],
            "op_3_project": ["op_silent_0_0_transform", "op_table_1_0_transform"],
            "op_silent_0_0_transform": ["op_silent_0_1_encode"],
            "op_silent_0_1_encode": ["sink_silent_0"],
            "op_table_1_0_transform": ["sink_table_1"],
        },
    }


async def test_operators_of_a_shared_stream_carry_its_name(plant: Plant) -> None:
    """``op_<stream>_<index>_<kind>``, and two sources are numbered one after the other."""
    streams = [feed(shared=True), feed("t", datasource="e")]
    await plant.run(rule(Script(streams=("s", "t")), feeds=streams))
    topology = plant.engine.topology("r")
    assert topology is not None
    assert topology["edges"]["source_s"] == ["op_s_2_decoder"]
    assert topology["edges"]["source_t"] == ["op_4_decoder"]
    assert topology["edges"]["op_4_decoder"] == ["op_5_filter"]


async def test_a_stopped_rule_keeps_its_numbers_until_it_starts_again(plant: Plant) -> None:
    """Stop says who stopped it and keeps the metrics; a new start counts from zero."""
    await plant.run(rule())
    plant.source().offer({"a": 1})
    await plant.engine.stop("r")
    status = plant.status()
    assert (status["status"], status["message"]) == ("stopped", CANCELED)
    assert status["sink_plain_0_0_records_in_total"] == 1
    assert plant.source().cancelled
    assert plant.sink().closed == 1
    await plant.engine.start("r")
    await plant.settle()
    status = plant.status()
    assert (status["status"], status["message"]) == ("running", "")
    assert status["source_s_0_records_in_total"] == 0


async def test_stop_of_a_stopped_rule_is_ignored_and_start_of_a_running_one_starts_anew(plant: Plant) -> None:
    """Start means restart on a running rule: its program begins anew."""
    script = Script()
    await plant.run(rule(script))
    await plant.engine.start("r")
    assert len(script.made) == 2
    await plant.engine.stop("r")
    await plant.engine.stop("r")
    assert plant.status()["message"] == CANCELED


async def test_a_rule_that_is_not_triggered_is_kept_but_does_not_run(plant: Plant) -> None:
    """It has a status without metrics, and no topology yet."""
    await plant.run(rule(triggered=False))
    status = plant.status()
    assert list(status) == ["status", "message", "lastStartTimestamp", "lastStopTimestamp", "nextStartTimestamp"]
    assert (status["status"], status["message"]) == ("stopped", "")
    assert plant.engine.topology("r") is None
    assert not plant.sources


async def test_unknown_rules_are_not_found(plant: Plant) -> None:
    """Operations raise with the text of the wire; questions answer with nothing; remove ignores."""
    for operation in (plant.engine.start, plant.engine.stop, plant.engine.restart):
        with pytest.raises(NotFoundError, match="Rule x is not found in registry, please check if it is created"):
            await operation("x")
    assert plant.engine.status("x") is None
    assert plant.engine.state("x") == ""
    assert plant.engine.topology("x") is None
    await plant.engine.remove("x")


async def test_a_removed_rule_is_forgotten(plant: Plant) -> None:
    """Remove stops the rule, closes what only it used, and forgets it."""
    await plant.run(rule())
    await plant.engine.remove("r")
    assert plant.engine.status("r") is None
    assert plant.source().cancelled
    assert plant.engine.summary() == {}


async def test_the_end_of_all_sources_finishes_a_rule_after_its_sinks_have_everything(plant: Plant) -> None:
    """The rule is stopped with ``done`` and reported, but not before a slow sink has taken all."""
    await plant.run(rule(sinks=[action("kept")]))
    sink = plant.sink(action="kept_0")
    sink.gate = asyncio.Event()
    plant.source().offer({"a": 1}, {"a": 2})
    plant.source().end()
    await plant.settle()
    assert plant.engine.state("r") == "running"
    sink.gate.set()
    await plant.settle()
    status = plant.status()
    assert (status["status"], status["message"]) == ("stopped", "done")
    assert plant.finished == ["r"]
    assert len(sink.items) == 2


async def test_a_rule_with_two_sources_goes_on_until_both_have_ended(plant: Plant) -> None:
    """One source alone does not end a rule."""
    await plant.run(rule(Script(streams=("s", "t")), feeds=[feed(), feed("t", datasource="e")]))
    plant.source("d").end()
    await plant.settle()
    assert plant.engine.state("r") == "running"
    plant.source("e").end()
    await plant.settle()
    assert plant.engine.state("r") == "stopped"


async def test_an_update_keeps_the_feed_and_loses_nothing(plant: Plant) -> None:
    """The source is not touched, the next row goes to the new version, and the unchanged sink stays open."""
    await plant.run(rule(sinks=[action("kept")]))
    plant.source().offer({"a": 1})
    sink = plant.sink(action="kept_0")
    await plant.engine.deploy(rule(Script(row=lambda r: {"new": r["a"]}), sinks=[action("kept")]))
    plant.source().offer({"a": 2})
    assert sink.values == [[{"a": 1}], [{"new": 2}]]
    assert (sink.opened, sink.closed) == (1, 0)
    assert len(plant.sources["d"]) == 1
    status = plant.status()
    assert (status["status"], status["message"]) == ("running", "")
    assert status["sink_kept_0_0_records_in_total"] == 1


async def test_an_update_with_another_action_changes_the_sink(plant: Plant) -> None:
    """The new sink gets the next row, the old one is closed."""
    await plant.run(rule())
    old = plant.sink()
    await plant.engine.deploy(rule(sinks=[action("plain", sendSingle=True)]))
    plant.source().offer({"a": 1})
    assert old.closed == 1
    assert plant.sink().texts == ['{"a":1}']


async def test_an_update_of_equal_shape_hands_the_state_over(plant: Plant) -> None:
    """What a window holds goes on counting in the new version; another shape starts empty."""
    await plant.run(rule(Script(every=1000), shape="w"))
    plant.source().offer({"a": 1})
    second = Script(every=1000)
    await plant.engine.deploy(rule(second, shape="w"))
    assert second.made[0].kept == [{"a": 1}]
    third = Script(every=1000)
    await plant.engine.deploy(rule(third, shape="other"))
    assert third.made[0].kept == []


async def test_an_update_to_another_stream_definition_opens_another_source(plant: Plant) -> None:
    """The changed request gets a feed of its own, the old one is closed."""
    await plant.run(rule())
    old = plant.source()
    await plant.run(rule(feeds=[feed(properties={"server": "other"})]))
    assert old.cancelled
    assert len(plant.sources["d"]) == 2
    plant.source().offer({"a": 1})
    assert plant.sink().values == [[{"a": 1}]]


async def test_an_update_that_is_not_triggered_stops_the_rule(plant: Plant) -> None:
    """The message says so, the metrics of the last run stay."""
    await plant.run(rule())
    await plant.engine.deploy(rule(triggered=False))
    status = plant.status()
    assert (status["status"], status["message"]) == ("stopped", "stopped by update")
    assert status["source_s_0_records_in_total"] == 0


async def test_an_update_that_cannot_be_built_stops_the_rule_with_its_error(plant: Plant) -> None:
    """The old version must not go on under a new definition; the next good one runs."""
    await plant.run(rule())
    await plant.engine.deploy(rule(sinks=[action("nosuch")]))
    status = plant.status()
    assert (status["status"], status["message"]) == ("stopped by error", "sink nosuch is not defined")
    assert plant.sink().closed == 1
    await plant.run(rule())
    assert plant.engine.state("r") == "running"


async def test_a_rule_that_could_not_be_prepared_shows_why(plant: Plant) -> None:
    """``fail`` needs no deployment, stops what ran, and start changes nothing."""
    plant.engine.fail("x", "no such stream")
    assert plant.status("x")["status"] == "stopped by error"
    assert plant.status("x")["message"] == "no such stream"
    await plant.engine.start("x")
    assert plant.engine.state("x") == "stopped by error"
    await plant.run(rule())
    plant.engine.fail("r", "the plugin is gone")
    await plant.settle()
    assert plant.source().cancelled
    assert plant.status()["message"] == "the plugin is gone"


async def test_a_defect_in_a_program_stops_that_rule_only(plant: Plant) -> None:
    """The other rule on the same feed gets every row; the log has frames but no payload."""
    await plant.run(rule(Script(row=lambda r: {"x": r["a"].missing}), name="bad"))
    await plant.run(rule(name="good"))
    plant.source().offer({"a": "secret-value"})
    await plant.settle()
    assert plant.engine.state("bad") == "stopped by error"
    assert "AttributeError" in plant.status("bad")["message"]
    assert plant.engine.state("good") == "running"
    assert plant.sink("good").values == [[{"a": "secret-value"}]]
    assert "secret-value" not in str(plant.log.lines)
    assert plant.sink("bad").closed == 1


async def test_a_defect_in_a_sink_stops_its_rule_only(plant: Plant) -> None:
    """Also when the write happens in the worker."""
    await plant.run(rule(name="bad"))
    await plant.run(rule(name="good"))
    plant.sink("bad").defect = True
    plant.source().offer({"a": 1})
    await plant.settle()
    assert plant.engine.state("bad") == "stopped by error"
    assert plant.sink("good").values == [[{"a": 1}]]


async def test_a_source_that_no_retry_helps_stops_its_rules(plant: Plant) -> None:
    """Any error but a TransportError is final for the feed."""
    await plant.run(rule(name="one"))
    await plant.run(rule(name="two"))
    plant.source().end(ProvisionError("the topic is gone"))
    await plant.settle()
    for name in ("one", "two"):
        assert (plant.status(name)["status"], plant.status(name)["message"]) == ("stopped by error", "the topic is gone")


async def test_a_failed_rule_is_started_again_as_its_strategy_says(plant: Plant) -> None:
    """Two attempts with growing delays, then no more."""
    strategy = RestartStrategy(attempts=2, delay=100, multiplier=3.0)
    script = Script(row=lambda r: {"x": r["a"].missing})
    await plant.run(rule(script, restart=strategy))
    plant.source().offer({"a": 1})
    await plant.clock.advance(99)
    assert plant.engine.state("r") == "stopped by error"
    await plant.clock.advance(1)
    assert plant.engine.state("r") == "running"
    plant.source().offer({"a": 1})
    await plant.clock.advance(299)
    assert plant.engine.state("r") == "stopped by error"
    await plant.clock.advance(1)
    plant.source().offer({"a": 1})
    await plant.clock.advance(100_000)
    assert plant.engine.state("r") == "stopped by error"
    assert len(script.made) == 3


async def test_feeds_open_when_the_whole_changeset_is_applied(plant: Plant) -> None:
    """Between begin and finish sources wait, so that every rule sees the first row; they are reported running afterwards."""
    plant.engine.begin()
    for name in ("one", "two"):
        await plant.engine.deploy(rule(name=name))
    await plant.settle()
    assert plant.source().runs == 0
    assert plant.engine.state("one") == "starting"
    await plant.engine.finish()
    await plant.settle()
    assert plant.engine.state("one") == "running"
    plant.source().offer({"a": 1})
    assert plant.sink("one").values == plant.sink("two").values == [[{"a": 1}]]


async def test_a_changeset_that_replaces_the_only_reader_keeps_the_feed(plant: Plant) -> None:
    """A feed that nobody reads for a moment is closed only at the end, if at all."""
    await plant.run(rule(name="old"))
    plant.engine.begin()
    await plant.engine.remove("old")
    await plant.engine.deploy(rule(name="new"))
    await plant.engine.finish()
    await plant.settle()
    assert len(plant.sources["d"]) == 1
    assert not plant.source().cancelled


async def test_rules_share_a_feed_unless_the_source_replays(plant: Plant) -> None:
    """A replaying source belongs to one rule, except for a SHARED stream."""
    for name in ("one", "two"):
        await plant.run(rule(name=name))
        await plant.run(rule(name=f"{name}r", feeds=[feed("f", "replayed", "file")]))
        await plant.run(rule(name=f"{name}s", feeds=[feed("g", "replayed", "shared", shared=True)], program=Script(streams=("g",))))
    assert [len(plant.sources[d]) for d in ("d", "shared")] == [1, 1]
    assert plant.engine.readers("s") == ("one", "two")
    assert plant.engine.readers("nosuch") == ()


async def test_listeners_see_results_across_updates_and_restarts(plant: Plant) -> None:
    """A tap gets dicts per row and lists per window, until it leaves."""
    seen: list[object] = []
    await plant.run(rule())
    leave = plant.engine.tap("r", seen.extend)
    plant.source().offer({"a": 1})
    await plant.engine.deploy(rule(Script(every=10)))
    plant.source().offer({"a": 2})
    await plant.clock.advance(10)
    leave()
    await plant.clock.advance(10)
    assert seen == [{"a": 1}, [{"a": 2}]]
    with pytest.raises(NotFoundError):
        plant.engine.tap("x", seen.extend)


async def test_the_summary_counts_exceptions(plant: Plant) -> None:
    """State, the last text, and how many there were."""
    await plant.run(rule())
    plant.source().offer(b"{bad", {"a": 1})
    await plant.run(rule(name="idle", triggered=False))
    summary = plant.engine.summary()
    assert summary["r"]["exceptions_total"] == 1
    assert "cannot parse JSON" in summary["r"]["last_exception"]
    assert summary["idle"] == {"status": "stopped"}


async def test_close_stops_everything_and_drains(plant: Plant) -> None:
    """Sources end first, sinks are closed."""
    await plant.run(rule())
    await plant.engine.close()
    assert plant.source().cancelled
    assert plant.sink().closed == 1


async def test_a_quiet_rule_owns_no_task(plant: Plant) -> None:
    """Two hundred rules on one feed add no task beyond the feed's own."""
    await plant.run(rule(name="first", sinks=[action("kept")]))
    before = len(asyncio.all_tasks())
    for i in range(200):
        await plant.engine.deploy(rule(name=f"r{i}", sinks=[action("kept")]))
    await plant.settle()
    assert len(asyncio.all_tasks()) == before


async def test_errors_are_sampled_with_an_excerpt_and_without_secrets(plant: Plant) -> None:
    """The error stream of a rule includes what its streams could not decode."""
    await plant.run(rule())
    plant.source().offer(b'{"password":"hunter2","x":')
    plant.source().inlet.failed("odd weather")  # type: ignore[union-attr]
    first, second = plant.engine.errors("r")
    assert first.stage == "s_decoder"
    assert "hunter2" not in first.excerpt
    assert first.excerpt.startswith('{"password":"***"')
    assert second.text == "odd weather"


async def test_a_sink_that_cannot_be_opened_for_good_stops_the_rule(plant: Plant) -> None:
    """A TransportError is retried, anything else is final."""
    plant.open_faults = [TransportError("down"), ProvisionError("no such topic")]
    await plant.run(rule(sinks=[action("kept")]))
    assert plant.engine.state("r") == "running"
    assert plant.status()["sink_kept_0_0_connection_status"] == -1
    await plant.clock.advance(100)
    assert plant.status()["message"] == "no such topic"
