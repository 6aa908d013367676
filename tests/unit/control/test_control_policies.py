"""What becomes of objects that are there already, what an import says about running rules, and what it reports when all is over."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any

import pytest

from plutino.control import V1, ImportResult, RefusedDocumentError
from plutino.control.selection import may_match
from plutino.errors import PlutinoError, RevisionConflictError
from plutino.model import Definition
from plutino.spi import Environment, Host
from plutino.spi.effects import Effect
from unit.control.fakes import ORIGIN, Bench, FakeKind, bench, document

BEFORE = document(streams={"s": {"v": 1}, "t": {"v": 1}}, rules={"r": {"v": 1}})
AFTER = document(streams={"s": {"v": 2}, "n": {"v": 2}}, rules={"r": {"v": 2, "uses": ["stream:n"]}})


class Kept(FakeKind):
    """A kind that partial imports leave alone."""

    kept_when_present = True


class Running(FakeKind):
    """A kind that runs, and speaks over topics: ``out`` and ``in`` in its texts."""

    def foretell(self, before: Definition | None, after: Definition | None, prepared: Any, host: Host) -> Effect | None:
        if after is None:
            return Effect("stop", "lost")
        return Effect("start", "none") if before is None else Effect("swap", "kept")

    def writes(self, definition: Definition, env: Environment) -> Iterable[str]:
        return definition.content.get("out", ())

    def reads(self, definition: Definition, env: Environment) -> Iterable[str]:
        return definition.content.get("in", ())


@pytest.fixture
async def at(tmp_path: Path) -> AsyncIterator[Bench]:
    made = await bench(tmp_path)
    await made.close()
    made.specs["service"] = Kept("service", "Service")
    made.specs["rule"] = Running("rule", "rules")
    await made.open()
    await load(made, BEFORE)
    made.host.log.clear()
    yield made
    await made.close()


async def load(at: Bench, text: str, **options: Any) -> ImportResult:
    return await at.control.import_document(text, partial=options.pop("partial", False), origin=ORIGIN, **options)


@pytest.mark.parametrize("partial", [True, False])
async def test_skip_leaves_what_is_there(at: Bench, partial: bool) -> None:
    """Objects of any kind stay and are reported; new ones come, and a full import still deletes what is not named."""
    result = await load(at, AFTER, partial=partial, on_conflict="skip")
    kept = {"stream:s": '{"v":1}', "rule:r": '{"v":1}', "stream:n": '{"v":2}'}
    assert at.texts() == ({**kept, "stream:t": '{"v":1}'} if partial else kept)
    assert (result.ignored, result.faults) == (("streams.s", "rules.r"), ())


@pytest.mark.parametrize("partial", [True, False])
async def test_fail_refuses_what_is_there(at: Bench, partial: bool) -> None:
    """Each is a fault with its place; nothing is changed, unless the import goes on with the rest."""
    with pytest.raises(RefusedDocumentError) as caught:
        await load(at, AFTER, partial=partial, on_conflict="fail")
    assert [fault.path for fault in caught.value.faults] == ["streams.s", "rules.r"]
    assert "stream s exists already; remove the entry" in caught.value.faults[0].text
    assert (at.control.revision, at.host.log) == (1, [])
    result = await load(at, AFTER, partial=True, on_conflict="fail", on_error="continue")
    assert ([fault.path for fault in result.faults], at.texts()["stream:n"]) == (["streams.s", "rules.r"], '{"v":2}')
    assert at.texts()["stream:s"] == '{"v":1}'


async def test_a_partial_import_keeps_services_unless_told_otherwise(at: Bench) -> None:
    """By default what is there stays and is reported; `overwrite` replaces it; so does a full import."""
    one, two = (document(Service={"calc": {"v": v}}, streams={"s": {"v": v}}) for v in (1, 2))
    await load(at, one, partial=True)
    result = await load(at, two, partial=True)
    assert (result.ignored, at.texts()["service:calc"], at.texts()["stream:s"]) == (("Service.calc",), '{"v":1}', '{"v":2}')
    assert (await load(at, one, partial=True, on_conflict="overwrite")).ignored == ()
    assert (await load(at, two, partial=True, on_conflict="overwrite")).ignored == ()
    assert at.texts()["service:calc"] == '{"v":2}'
    await load(at, one)
    assert at.texts()["service:calc"] == '{"v":1}'


async def test_words_that_are_no_policy(at: Bench) -> None:
    """Refused with what is expected."""
    with pytest.raises(PlutinoError, match="onConflict: merge; overwrite, skip or fail is expected"):
        await load(at, AFTER, on_conflict="merge")
    with pytest.raises(PlutinoError, match="onError: stop; abort or continue is expected"):
        await load(at, AFTER, on_error="stop")


async def test_effects_on_running_rules_name_the_reason(at: Bench) -> None:
    """Told before and after: which rule does what, what becomes of its state, and because of which objects."""
    text = document(streams={"s": {"v": 1}, "t": {"v": 2}}, rules={"a": {"uses": ["stream:t"]}, "b": {"uses": ["stream:t", "stream:s"]}})
    shown = await load(at, text, dry_run=True)
    assert [effect.to_wire() for effect in shown.effects] == [
        {"rule": "a", "action": "start", "state": "none", "why": ["rule a", "stream t"]},
        {"rule": "b", "action": "start", "state": "none", "why": ["rule b", "stream t"]},
        {"rule": "r", "action": "stop", "state": "lost", "why": ["rule r"]},
    ]
    assert (await load(at, text)).effects == shown.effects
    follows = await load(at, document(streams={"s": {"v": 9}}), partial=True)
    assert [effect.to_wire() for effect in follows.effects] == [{"rule": "b", "action": "swap", "state": "kept", "why": ["stream s"]}]


async def test_the_status_is_that_of_the_last_import(at: Bench) -> None:
    """Whatever came of it: imported, refused, unreadable, with objects that do not run; a dry run does not count."""
    first = at.control.last_import()
    assert first is not None
    assert (first.outcome, first.revision, first.partial, first.client) == ("imported", 1, False, "127.0.0.1")
    with pytest.raises(PlutinoError):
        await load(at, "{")
    unreadable = at.control.last_import()
    assert unreadable is not None
    assert (unreadable.outcome, unreadable.message) == ("unreadable", "configuration unmarshal with error unexpected end of JSON input")
    with pytest.raises(PlutinoError):
        await load(at, document(rules={"x": {"refuse": "no"}}), partial=True)
    await load(at, AFTER, dry_run=True)
    refused = at.control.last_import()
    assert refused is not None
    assert (refused.outcome, refused.partial, refused.response["rules"]) == ("refused", True, {"x": "no"})
    result = await load(at, document(streams={"c": {"crash": "no port"}}), partial=True)
    assert ([f.text for f in result.troubles], result.faults) == (["no port"], ())
    assert at.control.import_status()["streams"] == {"c": "no port"}
    await at.reopen()
    assert at.control.import_status()["streams"] == {"c": "no port"}
    with pytest.raises(RevisionConflictError):
        await at.control.import_document(AFTER, partial=True, origin=ORIGIN, base_revision=1)
    outdated = at.control.last_import()
    assert outdated is not None
    assert outdated.outcome == "outdated"


async def test_rules_of_the_document_that_do_not_run_are_told(at: Bench) -> None:
    """Whether this import changed them or not; they are no faults."""
    at.host.fail("r", "no broker")
    result = await load(at, await at.control.export(V1))
    assert ([(f.path, f.text) for f in result.troubles], result.faults) == ([("rules.r", "no broker")], ())


async def test_a_selection_has_a_reason_for_each_object(at: Bench) -> None:
    """The rule itself, what it uses, and what that uses; with memory topics also who feeds it, through templates too."""
    text = document(
        streams={"s": {"uses": ["source_config:m.k"], "v": 1}, "in": {"v": 1}, "other": {}},
        rules={
            "r": {"uses": ["stream:s", "stream:in"], "in": ["plant/+/hot"]},
            "feeder": {"uses": ["stream:other"], "out": ["plant/a/hot"]},
            "templated": {"out": ["plant/{{.room}}/hot"]},
            "cold": {"out": ["plant/a/cold"]},
        },
        sourceConfig={"m": '{"k":{},"unused":{}}'},
    )
    await load(at, text)
    _, chosen = await at.control.export_rules(["r"], form=V1)
    assert chosen.to_wire(at.specs) == {
        "rules": {"r": ["asked for"]},
        "streams": {"in": ["rule r uses it"], "s": ["rule r uses it"]},
        "sourceConfig": {"m.k": ["stream s uses it"]},
    }
    document_text, fed = await at.control.export_rules(["r"], form=V1, memory=True)
    shown = fed.to_wire(at.specs)
    assert shown["rules"] == {
        "r": ["asked for"],
        "feeder": ["it feeds rule r through memory topic plant/a/hot"],
        "templated": ["it feeds rule r through memory topic plant/{{.room}}/hot"],
    }
    assert "other" in shown["streams"]
    await load(at, "{}")
    assert (await load(at, document_text)).faults == ()


@pytest.mark.parametrize(
    ("wanted", "topic", "matches"),
    [
        ("a/b", "a/b", True),
        ("a/+", "a/{{.x}}", True),
        ("a/b1", "a/b{{.x}}", True),
        ("a/c1", "a/b{{.x}}", False),
        ("a/#", "a/{{.x}}/c", True),
        ("a/b/c", "a/{{.x}}", False),
        ("a", "a/{{.x}}", False),
        ("+/{x}", "{{.y}}/{x}", True),
    ],
)
def test_templates_of_topics_may_match(wanted: str, topic: str, matches: bool) -> None:
    """A placeholder stands for anything in its level."""
    assert may_match(wanted, topic) is matches
