"""Random sequences of changes: the catalog equals a model of it, the engine follows, and every change can be undone."""

from __future__ import annotations

import asyncio
import shutil

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from plutino.control import V1
from plutino.errors import PlutinoError
from plutino.model import Ref
from plutino.spi import Mode
from unit.control.fakes import ORIGIN, Bench, bench, dumps

NAMES = ("a", "b", "c")
REFS = tuple(Ref(kind, name) for kind in ("stream", "rule") for name in NAMES)

contents = st.fixed_dictionaries(
    {"v": st.integers(0, 2), "uses": st.lists(st.sampled_from([f"stream:{name}" for name in NAMES]), max_size=2)},
    optional={"refuse": st.just("no"), "triggered": st.booleans(), "temp": st.just(True)},
)
texts = st.one_of(st.none(), contents.map(dumps), st.just("{"))
batches = st.dictionaries(st.sampled_from(REFS), texts, max_size=4)
modes = st.sampled_from([Mode.CREATE, Mode.UPDATE, Mode.PARTIAL, Mode.FULL])
steps = st.lists(st.tuples(batches, modes, st.sampled_from(["abort", "continue"])), max_size=6)


def valid(text: str | None) -> bool:
    return text is None or (text != "{" and "refuse" not in text)


def kept(at: Bench) -> dict[Ref, str]:
    return dict(at.catalog.definitions)


def stored(at: Bench) -> dict[Ref, str]:
    return {ref: text for ref, text in kept(at).items() if not at.catalog.is_temporary(ref)}


def expect_engine(at: Bench, refused: frozenset[str] = frozenset()) -> None:
    """The engine knows every rule that is kept and no other, running as its text says unless it failed, and the streams not ``refused``."""
    rules = {ref.name: msgspec.json.decode(text) for ref, text in kept(at).items() if ref.kind == "rule"}
    assert set(at.host.rules) == set(rules)
    for name, content in rules.items():
        state = at.host.rules[name]
        assert state == "stopped by error" or state == ("running" if content.get("triggered", True) else "stopped")
    assert at.host.streams == {ref.name for ref in kept(at) if ref.kind == "stream" and f"streams.{ref.name}" not in refused}


async def run(sequence: list[tuple[dict[Ref, str | None], Mode, str]]) -> None:
    at = await bench()
    try:
        for batch, mode, on_error in sequence:
            before, revision = kept(at), at.control.revision
            try:
                outcome = await at.control.apply(batch, mode=mode, origin=ORIGIN, on_error=on_error)
            except PlutinoError:
                assert on_error == "abort"
                assert (kept(at), at.control.revision) == (before, revision)
            else:
                refused = {fault.path for fault in outcome.faults}
                changed = {change.ref for change in outcome.changes}
                for ref, text in batch.items():
                    if ref in changed:
                        assert valid(text)
                        assert kept(at).get(ref) == text
                    else:
                        assert kept(at).get(ref) == before.get(ref)
                        assert f"{ref.kind}s.{ref.name}" in refused or before.get(ref) == text
                assert {ref: t for ref, t in kept(at).items() if ref not in batch} == {
                    ref: t for ref, t in before.items() if ref not in batch
                }
            expect_engine(at)
        before = stored(at)
        texts_before = await at.control.export(V1)
        await at.reopen()
        assert kept(at) == before
        assert await at.control.export(V1) == texts_before
        # A temporary stream is gone, and what uses it does not check.
        expect_engine(at, frozenset(fault.path for fault in at.booted.faults))
    finally:
        await at.close()
        shutil.rmtree(at.directory)


@settings(deadline=None, max_examples=120)
@given(steps)
def test_the_catalog_is_what_was_applied(sequence: list[tuple[dict[Ref, str | None], Mode, str]]) -> None:
    """After any sequence of changes the kept texts are exactly the accepted ones, and a restart finds the stored ones."""
    asyncio.run(run(sequence))


async def run_inverse(first: dict[Ref, str | None], second: dict[Ref, str | None]) -> None:
    at = await bench()
    try:
        await at.control.apply(first, mode=Mode.PARTIAL, origin=ORIGIN, on_error="continue")
        before, exported = kept(at), await at.control.export(V1)
        outcome = await at.control.apply(second, mode=Mode.PARTIAL, origin=ORIGIN, on_error="continue")
        changeset = at.control.changeset(outcome.changes, outcome.revision)
        after = kept(at)
        await at.control.apply(changeset.inverse().texts(), mode=Mode.FULL, origin=ORIGIN, on_error="continue")
        assert (kept(at), await at.control.export(V1)) == (before, exported)
        expect_engine(at)
        await at.control.apply(changeset.texts(), mode=Mode.FULL, origin=ORIGIN, on_error="continue")
        assert kept(at) == after
    finally:
        await at.close()
        shutil.rmtree(at.directory)


@settings(deadline=None, max_examples=120)
@given(batches, batches)
def test_the_inverse_restores(first: dict[Ref, str | None], second: dict[Ref, str | None]) -> None:
    """Applying the inverse of a change brings back every text and the same export; applying it again leads forward."""
    asyncio.run(run_inverse(first, second))
