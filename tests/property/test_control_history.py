"""Random histories: every revision can be had back, with texts, starts and stops, and owners, and the audit log holds."""

from __future__ import annotations

import asyncio
import shutil
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from plutino.control import V1, ImportOptions
from plutino.errors import NotFoundError
from plutino.model import Ref
from plutino.spi import Mode, Origin
from unit.control.fakes import ORIGIN, Bench, bench, document, dumps

names = st.sampled_from(["a", "b", "c"])
refs = st.builds(Ref, st.sampled_from(["stream", "rule"]), names)
contents = st.fixed_dictionaries({"v": st.integers(0, 2)}, optional={"triggered": st.booleans(), "temp": st.just(True)})
plain = st.fixed_dictionaries({"v": st.integers(0, 2)}, optional={"triggered": st.booleans()})
writes = st.tuples(st.just("write"), st.dictionaries(refs, st.none() | contents.map(dumps), min_size=1, max_size=3))
triggers = st.tuples(st.just("trigger"), st.tuples(st.lists(names, min_size=1, max_size=2), st.booleans()))
owners = st.sampled_from(["plant", "site"])
applies = st.tuples(st.just("apply"), st.tuples(st.dictionaries(names, plain, max_size=2), owners, st.booleans()))
backs = st.tuples(st.just("back"), st.tuples(st.floats(0, 1), st.booleans()))
steps = st.lists(st.one_of(writes, triggers, applies, backs), max_size=12)


async def make(at: Bench, step: tuple[str, Any]) -> None:
    control = at.control
    match step:
        case "write", texts:
            await control.apply(texts, mode=Mode.PARTIAL, origin=ORIGIN, on_error="continue")
        case "trigger", (rules, started):
            await control.trigger(rules, started, origin=ORIGIN)
        case "apply", (rules, owner, prune):
            options = ImportOptions(partial=True, owner=owner, prune=prune, allow_empty=True, take_over=True)
            await control.importer.run(document(rules=rules), options, Origin("import", summary="apply"), form=V1)
        case "back", (where, keep):
            await control.rollback(round(where * control.revision), origin=ORIGIN, keep_triggers=keep)


async def state(at: Bench) -> tuple[Any, ...]:
    """What a revision stands for: the export, which rules are started, and owners."""
    stored = {rule for rule in at.catalog.triggers if not at.catalog.is_temporary(Ref("rule", rule))}
    return await at.control.export(V1), {rule: at.catalog.triggers[rule] for rule in stored}, dict(at.catalog.owners)


async def run(sequence: list[tuple[str, Any]]) -> None:
    at = await bench()
    try:
        states = {0: await state(at)}
        for step in sequence:
            before = at.control.revision
            try:
                await make(at, step)
            except NotFoundError:
                assert step[0] == "trigger"
            assert at.control.revision - before in (0, 1)
            assert states.setdefault(at.control.revision, await state(at)) == await state(at)
        for number in [*states, *reversed(states)]:
            await at.control.rollback(number, origin=ORIGIN)
            assert await state(at) == states[number]
            assert not await at.control.history.between(number, at.control.revision)
        for ref, text in at.catalog.definitions.items():
            if ref.kind == "rule" and not at.catalog.is_temporary(ref):
                told = msgspec.json.decode(text).get("triggered", True)
                assert at.host.rules[ref.name] == ("running" if at.catalog.triggers.get(ref.name, told) else "stopped")
        await at.reopen()
        assert await state(at) == states[0]
        assert (await at.catalog.verify()).faults == ()
    finally:
        await at.close()
        shutil.rmtree(at.directory)


@settings(deadline=None, max_examples=100)
@given(steps)
def test_every_revision_can_be_had_back(sequence: list[tuple[str, Any]]) -> None:
    """In any order, whatever happened since; and nothing changes without a revision."""
    asyncio.run(run(sequence))
