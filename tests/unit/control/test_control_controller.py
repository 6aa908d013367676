"""The controller checks, commits and reconciles one object or many through one door."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from plutino.control import V1
from plutino.control.triggering import as_now
from plutino.errors import ConflictError, DefinitionError, DocumentError, NotFoundError, PlanError, PlutinoError
from plutino.model import Ref
from plutino.spi import Mode, Origin
from unit.control.fakes import ORIGIN, Bench, bench, dumps

S, R, Q, K = Ref("stream", "s"), Ref("rule", "r"), Ref("rule", "q"), Ref("source_config", "mqtt.k")
ON_S = {"uses": ["stream:s"]}


@pytest.fixture
async def at(tmp_path: Path) -> AsyncIterator[Bench]:
    made = await bench(tmp_path)
    made.host.log.clear()
    yield made
    await made.close()


async def test_put_commits_and_activates(at: Bench) -> None:
    """A put is a changeset of one: stored verbatim, a revision with its origin, and activated between begin and finish."""
    text = '{ "triggered": false }'
    outcome = await at.control.put(R, text, mode=Mode.CREATE, origin=ORIGIN)
    assert at.host.log == ["begin", "create rule r", "finish"]
    assert (at.texts(), at.host.rules) == ({"rule:r": text}, {"r": "stopped"})
    assert (outcome.revision, [(c.ref, c.verb) for c in outcome.changes], outcome.faults) == (1, [(R, "created")], ())
    (revision,) = await at.catalog.revisions()
    assert (revision.origin, revision.outcome) == (ORIGIN, "created 1, updated 0, deleted 0, refused 0")
    found = at.control.environment.get(R)
    assert found is not None
    assert (found.text, at.control.environment.names("rule"), at.control.environment.names("stream")) == (text, ("r",), ())


async def test_a_refused_put_raises_its_own_error_and_changes_nothing(at: Bench) -> None:
    """Parse and check errors come out as they are; nothing is stored and the engine hears nothing."""
    with pytest.raises(DefinitionError, match="Parse rule error"):
        await at.control.put(R, "{", mode=Mode.CREATE, origin=ORIGIN)
    with pytest.raises(PlanError, match="fail to get stream s"):
        await at.control.put(R, dumps(ON_S), mode=Mode.CREATE, origin=ORIGIN)
    with pytest.raises(DefinitionError, match="surrogate"):
        await at.control.put(R, '{"a":"\ud800"}', mode=Mode.CREATE, origin=ORIGIN)
    with pytest.raises(DefinitionError, match="kind nosuch"):
        await at.control.put(Ref("nosuch", "x"), "{}", mode=Mode.CREATE, origin=ORIGIN)
    assert (at.texts(), at.host.log, at.control.revision) == ({}, [], 0)


async def test_another_spelling_is_kept_but_nothing_is_touched(at: Bench) -> None:
    """Equal content in another text is stored as a revision, and nobody else hears of it."""
    await at.write(stream_s={"a": 1}, r=ON_S)
    at.host.actions()
    outcome = await at.control.apply({S: '{ "a": 1 }'}, mode=Mode.PARTIAL, origin=ORIGIN)
    assert [(c.ref, c.verb) for c in outcome.changes] == [(S, "unchanged")]
    assert (at.host.actions(), at.texts()["stream:s"], outcome.revision) == ([], '{ "a": 1 }', 3)
    outcome = await at.control.apply({S: '{ "a": 1 }'}, mode=Mode.PARTIAL, origin=ORIGIN)
    assert (outcome.changes, outcome.revision) == ((), 3)
    outcome = await at.control.apply({S: '{"a":true}'}, mode=Mode.PARTIAL, origin=ORIGIN)
    assert [c.verb for c in outcome.changes] == ["updated"]


async def test_a_put_of_the_same_is_checked_and_activated(at: Bench) -> None:
    """A single request tries again, and transition rules hold also when nothing changes; there is no revision."""
    await at.write(r={"version": "5"}, q={})
    at.host.actions()
    with pytest.raises(DefinitionError, match="already exists with version"):
        await at.write(r={"version": "5"})
    await at.write(q={})
    assert (at.host.actions(), at.control.revision) == (["replace rule q"], 2)


async def test_delete(at: Bench) -> None:
    """A delete takes the object away; a missing one and one that its kind holds are refused."""
    await at.write(r={}, q={"keep": True})
    at.host.actions()
    outcome = await at.control.delete(R, origin=ORIGIN)
    assert [(c.ref, c.verb) for c in outcome.changes] == [(R, "deleted")]
    assert (at.host.actions(), list(at.texts())) == (["delete rule r"], ["rule:q"])
    with pytest.raises(NotFoundError, match="rule r is not found"):
        await at.control.delete(R, origin=ORIGIN)
    with pytest.raises(DefinitionError, match="must stay"):
        await at.control.delete(Q, origin=ORIGIN)


async def test_many_changes_go_in_order_of_dependency(at: Bench) -> None:
    """Creates and replaces with what is used first, then deletes in reverse, whatever the order of the request."""
    await at.write(stream_old={}, o={"uses": ["stream:old"]})
    at.host.actions()
    changes = {
        Ref("stream", "old"): None,
        Ref("rule", "o"): None,
        R: dumps({"uses": ["stream:s", "rule:q"]}),
        Q: dumps(ON_S),
        S: dumps({"uses": ["source_config:mqtt.k"]}),
        K: "{}",
    }
    outcome = await at.control.apply(changes, mode=Mode.PARTIAL, origin=ORIGIN)
    expected = ["create source_config mqtt.k", "create stream s", "create rule q", "create rule r", "delete rule o", "delete stream old"]
    assert at.host.actions() == expected
    assert [f"{c.verb} {c.ref.name}" for c in outcome.changes] == [
        "created mqtt.k",
        "created s",
        "created q",
        "created r",
        "deleted o",
        "deleted old",
    ]
    assert outcome.revision == 3


async def test_users_of_a_changed_object_follow(at: Bench) -> None:
    """What uses a changed object, directly or not, is checked and activated again; the rest is not touched."""
    await at.write(stream_s={"uses": []}, stream_t={}, r=ON_S, q={"uses": ["rule:r"]}, z={"uses": ["stream:t"]})
    at.host.actions()
    checks = at.specs["rule"].checks
    await at.write(stream_s={"x": 1})
    assert at.host.actions() == ["replace stream s", "replace rule r", "replace rule q"]
    assert at.specs["rule"].checks == checks + 2


async def test_a_rule_waits_for_its_stream_after_start_up(at: Bench) -> None:
    """A rule that failed to load shows its error, and runs as soon as what it uses comes."""
    await at.write(stream_s={}, r=ON_S)
    await at.control.delete(S, origin=ORIGIN)
    await at.reopen()
    assert at.host.errors == {"r": "fail to get stream s, please check if it is created"}
    assert [(f.path, f.text) for f in at.booted.faults] == [("rules.r", "fail to get stream s, please check if it is created")]
    await at.write(stream_s={})
    assert (at.host.rules, at.host.errors) == ({"r": "running"}, {})


async def test_a_failed_rule_shows_the_fault_of_its_own_text(at: Bench) -> None:
    """A refused new text changes nothing about the error that a stopped rule shows; a change of what it uses does."""
    await at.write(stream_s={}, stream_t={}, r={"uses": ["stream:s", "stream:t"]})
    await at.control.delete(S, origin=ORIGIN)
    await at.control.delete(Ref("stream", "t"), origin=ORIGIN)
    await at.reopen()
    assert at.host.errors["r"].startswith("fail to get stream s")
    await at.control.apply({R: "{"}, mode=Mode.PARTIAL, origin=ORIGIN, on_error="continue")
    assert at.host.errors["r"].startswith("fail to get stream s")
    await at.write(stream_s={})
    assert at.host.errors["r"].startswith("fail to get stream t")


async def test_what_runs_goes_on_when_its_stream_is_deleted_or_broken(at: Bench) -> None:
    """A single request goes through although a rule does not check any more: it runs on as it was, and the outcome tells."""
    await at.write(stream_s={}, r=ON_S)
    at.host.actions()
    outcome = await at.control.delete(S, origin=ORIGIN)
    assert at.host.actions() == ["delete stream s"]
    assert at.host.rules == {"r": "running"}
    assert [f.path for f in outcome.faults] == ["rules.r"]
    await at.write(stream_s={"x": 2})
    assert at.host.actions() == ["create stream s", "replace rule r"]


async def test_an_import_must_not_break_what_it_does_not_name(at: Bench) -> None:
    """In a document's mode an object that stops to check is a fault; one that was broken before is none."""
    await at.write(stream_s={}, r=ON_S)
    with pytest.raises(PlanError, match="fail to get stream s"):
        await at.control.apply({S: None}, mode=Mode.PARTIAL, origin=ORIGIN)
    assert "stream:s" in at.texts()
    await at.control.delete(S, origin=ORIGIN)
    await at.control.apply({S: dumps({"uses": ["stream:none"]}), Ref("stream", "none"): "{}"}, mode=Mode.PARTIAL, origin=ORIGIN)
    assert at.host.rules["r"] == "running"


async def test_continue_applies_what_is_fine(at: Bench) -> None:
    """With on_error=continue refused objects stay as they were, what uses them is checked against that, and all faults are told."""
    await at.write(stream_s={"v": 1}, r=ON_S)
    changes = {
        S: dumps({"refuse": "no such format"}),
        R: dumps({"uses": ["stream:s"], "v": 2}),
        Q: dumps({"uses": ["stream:new"]}),
        Ref("stream", "new"): "{",
        Ref("rule", "fine"): "{}",
    }
    outcome = await at.control.apply(changes, mode=Mode.PARTIAL, origin=ORIGIN, on_error="continue")
    assert at.texts() == {"stream:s": dumps({"v": 1}), "rule:r": dumps({"uses": ["stream:s"], "v": 2}), "rule:fine": "{}"}
    assert sorted(f.path for f in outcome.faults) == ["rules.q", "streams.new", "streams.s"]
    assert [c.ref.name for c in outcome.changes] == ["r", "fine"]
    (latest, *_) = await at.catalog.revisions()
    assert latest.outcome == "created 1, updated 1, deleted 0, refused 3"
    with pytest.raises(PlutinoError, match="onError: perhaps"):
        await at.control.apply({}, mode=Mode.PARTIAL, origin=ORIGIN, on_error="perhaps")


async def test_continue_follows_refusals_to_their_users(at: Bench) -> None:
    """A rule that only works with a refused new stream is refused too, over several steps."""
    chain = {
        R: dumps({"uses": ["rule:q"]}),
        Q: dumps(ON_S),
        S: dumps({"refuse": "bad"}),
    }
    outcome = await at.control.apply(chain, mode=Mode.FULL, origin=ORIGIN, on_error="continue")
    assert (at.texts(), outcome.changes) == ({}, ())
    assert [f.path for f in outcome.faults] == ["streams.s", "rules.q", "rules.r"]


async def test_abort_tells_all_faults(at: Bench) -> None:
    """Without continue nothing is applied and one error carries every fault, with places and suggestions."""
    changes = {S: "{}", R: dumps({"refuse": "bad name"}), Q: "["}
    with pytest.raises(DocumentError, match="2 objects are refused") as caught:
        await at.control.apply(changes, mode=Mode.PARTIAL, origin=ORIGIN)
    assert [f.path for f in caught.value.faults] == ["rules.r", "rules.q"]
    assert caught.value.faults[0].text == "bad name (line 2, column 7 of the statement); did you mean this?"
    assert at.texts() == {}


async def test_dry_run_shows_and_changes_nothing(at: Bench) -> None:
    """A dry run gives the changes that would be made, also deletions, and leaves all as it is."""
    await at.write(stream_s={"v": 1}, r=ON_S)
    at.host.actions()
    before = at.texts()
    outcome = await at.control.apply({S: '{"v":2}', R: None, Q: "{}"}, mode=Mode.FULL, origin=ORIGIN, dry_run=True)
    assert [f"{c.verb} {c.ref.name}" for c in outcome.changes] == ["updated s", "created q", "deleted r"]
    assert (at.texts(), at.host.log, outcome.revision, at.control.revision) == (before, [], 2, 2)
    wire = at.control.changeset(outcome.changes, outcome.revision).to_wire()
    assert wire["changes"][0]["fields"] == [{"path": "v", "old": 1, "new": 2}]
    assert wire["changes"][0]["section"] == "streams"


async def test_a_base_revision_that_moved_is_a_conflict(at: Bench) -> None:
    """Optimistic changes are refused when another came first."""
    await at.write(r={})
    with pytest.raises(ConflictError, match="based on revision 0"):
        await at.control.apply({R: None}, mode=Mode.UPDATE, origin=ORIGIN, base_revision=0)
    await at.control.apply({R: None}, mode=Mode.UPDATE, origin=ORIGIN, base_revision=1)
    assert at.texts() == {}


async def test_an_activation_that_fails_shows_and_stops_nothing_else(at: Bench) -> None:
    """Trouble while activating is the rule's status and a fault of the outcome; the others go on, and finish is called."""
    changes = {R: dumps({"crash": "no route"}), Q: "{}"}
    outcome = await at.control.apply(changes, mode=Mode.PARTIAL, origin=ORIGIN)
    assert (at.host.errors, at.host.rules["q"]) == ({"r": "no route"}, "running")
    assert [(f.path, f.text) for f in outcome.faults] == [("rules.r", "no route")]
    assert at.host.log[-1] == "finish"
    await at.write(r={})
    assert at.host.errors == {}


async def test_start_up_is_the_diff_from_empty_and_never_fails(at: Bench) -> None:
    """A restart activates everything in order without writing; texts that no longer parse stay, show, export and can be replaced."""
    await at.write(stream_s={}, r=ON_S, q={"triggered": False})
    await at.catalog.commit({Ref("rule", "bad"): "{", Ref("stream", "worse"): "["}, origin=ORIGIN)
    texts = at.texts()
    await at.reopen()
    assert (at.texts(), at.control.revision) == (texts, 4)
    assert at.host.rules == {"r": "running", "q": "stopped", "bad": "stopped by error"}
    assert at.host.log.index("create stream s") < at.host.log.index("create rule r")
    assert sorted(f.path for f in at.booted.faults) == ["rules.bad", "streams.worse"]
    shown = at.control.environment.get(Ref("rule", "bad"))
    assert shown is not None
    assert shown.content is None
    assert '"bad":"{"' in await at.control.export(V1)
    await at.write(bad={})
    assert at.host.rules["bad"] == "running"
    await at.control.delete(Ref("stream", "worse"), origin=ORIGIN)
    await at.catalog.commit({Ref("rule", "bad"): "{"}, origin=ORIGIN)
    await at.reopen()
    await at.control.delete(Ref("rule", "bad"), origin=ORIGIN)
    assert "bad" not in at.host.rules
    assert set(at.texts()) == set(texts) - {"rule:bad", "stream:worse"}


async def test_triggers_survive_and_end_with_a_new_text(at: Bench) -> None:
    """Stop is remembered over restarts and re-activations, shown in exports, and ends when the rule is written again."""
    await at.write(stream_s={}, r=ON_S)
    await at.control.trigger(["r"], False, origin=ORIGIN)
    assert (at.control.triggered("r"), at.control.revision) == (False, 3)
    await at.reopen()
    assert at.host.rules == {"r": "stopped"}
    await at.write(stream_s={"x": 1})
    assert at.host.rules == {"r": "stopped"}
    assert dumps(dumps({"triggered": False, "uses": ["stream:s"]})) in await at.control.export(V1)
    await at.control.trigger(["r"], True, origin=ORIGIN)
    assert dumps(dumps(ON_S)) in await at.control.export(V1)
    await at.control.trigger(["r"], False, origin=ORIGIN)
    outcome = await at.control.apply({R: dumps(ON_S)}, mode=Mode.PARTIAL, origin=ORIGIN)
    assert [c.verb for c in outcome.changes] == ["updated"]
    assert (at.host.rules, at.control.triggered("r"), outcome.revision) == ({"r": "running"}, None, 7)
    with pytest.raises(NotFoundError, match="rule nosuch"):
        await at.control.trigger(["nosuch"], True, origin=ORIGIN)


async def test_an_export_with_a_stopped_rule_is_no_change(at: Bench) -> None:
    """Importing what was exported touches nothing, although the text now says what start and stop said before."""
    await at.write(r={"a": 1})
    await at.control.trigger(["r"], False, origin=ORIGIN)
    exported = await at.control.export(V1)
    at.host.actions()
    result = await at.control.import_document(exported, partial=False, origin=ORIGIN)
    assert not result.changeset
    assert (at.host.actions(), at.control.triggered("r")) == ([], None)
    assert await at.control.export(V1) == exported


async def test_temporary_objects_live_in_memory(at: Bench) -> None:
    """A temporary rule runs, makes no revision, can be started and stopped, is not exported, and is gone after a restart."""
    await at.write(t={"temp": True})
    await at.control.trigger(["t"], False, origin=ORIGIN)
    assert (at.host.rules, at.control.revision, at.control.triggered("t")) == ({"t": "running"}, 0, False)
    assert '"rules":{}' in await at.control.export(V1)
    with pytest.raises(NotFoundError, match="t not found"):
        await at.control.export_rules(["t"], form=V1)
    await at.write(t={"temp": True, "x": 1})
    assert at.control.triggered("t") is None
    await at.reopen()
    assert (at.texts(), at.host.rules) == ({}, {})


async def test_reactivate_brings_a_rule_to_the_present_state(at: Bench) -> None:
    """Checking again activates, or raises what the check says; unreadable and missing objects are told apart."""
    await at.write(stream_s={}, r=ON_S)
    at.host.actions()
    await at.control.reactivate(R)
    assert at.host.actions() == ["replace rule r"]
    await at.control.delete(S, origin=ORIGIN)
    with pytest.raises(PlanError, match="fail to get stream s"):
        await at.control.reactivate(R)
    with pytest.raises(NotFoundError):
        await at.control.reactivate(Q)
    await at.catalog.commit({Q: "{"}, origin=ORIGIN)
    await at.reopen()
    with pytest.raises(DefinitionError, match="Parse rule error"):
        await at.control.reactivate(Q)
    assert at.host.rules["q"] == "stopped by error"


async def test_rollback_restores_texts(at: Bench) -> None:
    """Going back to a revision undoes creates, updates and deletes, as a revision of its own."""
    await at.write(stream_s={"v": 1}, r=ON_S)
    then = at.texts()
    await at.write(stream_s={"v": 2}, q={})
    await at.control.delete(R, origin=ORIGIN)
    await at.control.delete(Q, origin=ORIGIN)
    await at.write(q={"again": 1})
    await at.control.trigger(["q"], False, origin=ORIGIN)
    shown = await at.control.rollback(2, origin=Origin("rollback"), dry_run=True)
    assert sorted(f"{c.verb} {c.ref.name}" for c in shown.changeset.changes) == ["created r", "deleted q", "updated s"]
    outcome = await at.control.rollback(2, origin=Origin("rollback"))
    assert (at.texts(), outcome.revision) == (then, 9)
    await at.control.trigger(["r"], False, origin=ORIGIN)
    await at.control.rollback(8, origin=Origin("rollback"))
    await at.control.rollback(9, origin=Origin("rollback"))
    assert at.texts() == then
    with pytest.raises(NotFoundError, match="revision 99"):
        await at.control.rollback(99, origin=ORIGIN)


async def test_rules_keep_their_trigger_when_asked(at: Bench) -> None:
    """With ``as_now`` a new text does not start a stopped rule."""
    await at.write(r={"v": 1})
    await at.control.trigger(["r"], False, origin=ORIGIN)
    await at.control.apply({R: '{"v":2}'}, mode=Mode.FULL, origin=ORIGIN, triggering=as_now)
    assert (at.host.rules, at.control.triggered("r")) == ({"r": "stopped"}, False)


async def test_a_stop_during_an_import_counts(at: Bench) -> None:
    """A rule that is stopped between its check and its activation is stopped afterwards."""
    await at.write(r={"v": 1}, q={})
    original = at.catalog.commit

    async def commit(*args: object, **given: object) -> int:
        at.catalog.commit = original  # type: ignore[method-assign]
        await at.control.trigger(["r"], False, origin=ORIGIN)
        return await original(*args, **given)  # type: ignore[arg-type]

    at.catalog.commit = commit  # type: ignore[method-assign]
    await at.control.apply({R: '{"v":2}'}, mode=Mode.PARTIAL, origin=ORIGIN)
    assert (at.host.rules["r"], at.control.triggered("r")) == ("stopped", False)


async def test_a_stop_counts_although_a_start_still_waits(at: Bench) -> None:
    """A start that has to wait for a change finds that it is not wanted any more, before it begins and after."""
    await at.write(r={"v": 1})
    started: list[str] = []

    async def resume() -> bool:
        started.append("r")
        await at.host.start("r")
        if len(started) == 1:
            await at.control.trigger(["r"], False, origin=ORIGIN)
        return True

    async with at.control._door.lock:
        await at.control.trigger(["r"], True, origin=ORIGIN)
        waiting = asyncio.ensure_future(at.control.reactivate(R, resume))
        await asyncio.sleep(0)
        await at.control.trigger(["r"], False, origin=ORIGIN)
        await at.host.stop("r")
    await waiting
    assert (started, at.host.rules["r"]) == ([], "stopped")
    await at.control.trigger(["r"], True, origin=ORIGIN)
    await at.control.reactivate(R, resume)
    assert (started, at.host.rules["r"]) == (["r"], "stopped")


async def test_the_end_of_a_rule_is_not_that_of_its_successor(at: Bench) -> None:
    """A rule that has ended by itself is stopped from then on, unless something else was asked for meanwhile."""
    await at.write(r={"v": 1})
    at.host.rules["r"] = "stopped"
    async with at.control._door.lock:
        ended = asyncio.ensure_future(at.control.end("r", origin=Origin("rule")))
        await asyncio.sleep(0)
        await at.control.trigger(["r"], True, origin=ORIGIN)
    await ended
    assert at.control.triggered("r") is True
    changed = asyncio.ensure_future(at.write(r={"v": 2}))
    await asyncio.sleep(0)
    await at.control.end("r", origin=Origin("rule"))
    await changed
    assert (at.host.rules["r"], at.control.triggered("r")) == ("running", None)
    at.host.rules["r"] = "stopped"
    await at.control.end("r", origin=Origin("rule"))
    assert at.control.triggered("r") is False


async def test_a_cancelled_change_is_made_or_not(at: Bench) -> None:
    """When the caller is cancelled after the commit has begun, the engine still follows; the door is free afterwards."""
    task = asyncio.ensure_future(at.control.apply({R: "{}", Q: "{}"}, mode=Mode.PARTIAL, origin=ORIGIN))
    while not at.control.busy:
        await asyncio.sleep(0)
    for _ in range(3):
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert set(at.host.rules) == {ref.name for ref in at.catalog.definitions}
    await at.write(z={})
    assert at.host.rules["z"] == "running"


async def test_changes_at_once_are_made_one_after_the_other(at: Bench) -> None:
    """Concurrent changes never interleave: each sees the result of the one before."""
    await asyncio.gather(*(at.control.put(Ref("rule", f"r{i}"), "{}", mode=Mode.CREATE, origin=ORIGIN) for i in range(20)))
    assert at.control.revision == 20
    assert at.host.log == [line for i in range(20) for line in ("begin", f"create rule r{i}", "finish")]


async def test_long_changes_let_others_run(at: Bench) -> None:
    """While thousands of objects are applied, the event loop gets its turn all the time."""
    turns = 0
    done = False

    async def other() -> None:
        nonlocal turns
        while not done:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.ensure_future(other())
    changes = {Ref("rule", f"r{i}"): dumps(ON_S) for i in range(3000)} | {S: "{}"}
    await at.control.apply(changes, mode=Mode.FULL, origin=ORIGIN)
    done = True
    await task
    assert turns > 5
    assert at.specs["rule"].parses == 3000
    assert at.specs["rule"].checks == 3000
