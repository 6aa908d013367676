"""Documents are imported whole or not at all, with every fault, and exported again byte for byte."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from plutino.control import SECTIONS, V1, ImportResult
from plutino.errors import ConflictError, DocumentError, NotFoundError
from unit.control.fakes import ORIGIN, Bench, bench, document, dumps

EMPTY: dict[str, dict[str, str]] = {section: {} for section in SECTIONS}
ON_S = {"uses": ["stream:s"]}
PLANT = document(
    streams={"s": {"uses": ["source_config:mqtt.c1"]}},
    rules={"r": ON_S, "q": {"triggered": False}},
    sourceConfig={"mqtt": '{"c2": {"b": 2.0, "a": 12345678901234567890}, "c1": {}}', "http.x": '{"c1":{"z":1}}'},
    connectionConfig={"mqtt": '{"con":{"password":"secret"}}'},
)


@pytest.fixture
async def at(tmp_path: Path) -> AsyncIterator[Bench]:
    made = await bench(tmp_path)
    made.host.log.clear()
    yield made
    await made.close()


async def load(at: Bench, text: str, partial: bool = False, dry_run: bool = False, on_error: str = "abort") -> ImportResult:
    return await at.control.import_document(text, partial=partial, dry_run=dry_run, on_error=on_error, origin=ORIGIN)


async def test_an_import_reaches_everything(at: Bench) -> None:
    """Every entry becomes an object, keys of grouped sections one each; all in one revision, in order of dependency."""
    result = await load(at, PLANT)
    assert at.texts() == {
        "stream:s": '{"uses":["source_config:mqtt.c1"]}',
        "rule:r": dumps(ON_S),
        "rule:q": '{"triggered":false}',
        "source_config:mqtt.c1": "{}",
        "source_config:mqtt.c2": '{"b": 2.0, "a": 12345678901234567890}',
        "source_config:http.x.c1": '{"z":1}',
        "connection:mqtt.con": '{"password":"secret"}',
    }
    assert (result.revision, result.faults, result.config_response()) == (1, (), EMPTY)
    assert result.changeset.counts() == {"created": 7, "updated": 0, "deleted": 0, "unchanged": 0}
    actions = at.host.actions()
    assert actions.index("create source_config mqtt.c1") < actions.index("create stream s") < actions.index("create rule r")
    assert at.host.rules == {"r": "running", "q": "stopped"}
    assert at.control.import_status() == EMPTY


async def test_an_export_is_the_import_and_stable(at: Bench) -> None:
    """What was imported is exported with its texts, sorted, in the same bytes after importing it again and after a restart."""
    await load(at, PLANT)
    exported = await at.control.export(V1)
    assert json.loads(exported) == {
        **EMPTY,
        **json.loads(PLANT),
        "sourceConfig": {"http.x": '{"c1":{"z":1}}', "mqtt": '{"c1":{},"c2":{"b": 2.0, "a": 12345678901234567890}}'},
    }
    assert list(json.loads(exported)["rules"]) == ["q", "r"]
    at.host.log.clear()
    result = await load(at, exported)
    assert (result.revision, at.host.log, await at.control.export(V1)) == (1, [], exported)
    await at.reopen()
    assert await at.control.export(V1) == exported


async def test_a_full_import_deletes_what_it_does_not_name(at: Bench) -> None:
    """Objects that are absent from the document go, also temporary ones, in the reverse order; equal ones are not touched."""
    await load(at, PLANT)
    await at.write(tmp={"temp": True})
    at.host.actions()
    result = await load(at, document(rules={"q": {"triggered": False}}))
    assert list(at.texts()) == ["rule:q"]
    actions = at.host.actions()
    assert actions.index("delete rule r") < actions.index("delete stream s") < actions.index("delete source_config mqtt.c1")
    assert result.changeset.counts() == {"created": 0, "updated": 0, "deleted": 7, "unchanged": 1}
    assert "rule q" not in " ".join(actions)
    await load(at, "null")
    assert at.texts() == {}


async def test_a_partial_import_lays_over(at: Bench) -> None:
    """With partial the rest stays, and keys of a type that the document does not name stay too."""
    await load(at, PLANT)
    await load(at, document(sourceConfig={"mqtt": '{"c2":{"n":1}}'}, rules={"new": {}}), partial=True)
    texts = at.texts()
    assert (texts["source_config:mqtt.c2"], texts["source_config:mqtt.c1"], texts["rule:new"]) == ('{"n":1}', "{}", "{}")
    assert len(texts) == 8


async def test_a_changed_configuration_reaches_its_rules(at: Bench) -> None:
    """A new text of a configuration key activates the stream and the rules that use it, and nothing else."""
    await load(at, PLANT)
    at.host.actions()
    await load(at, document(sourceConfig={"mqtt": '{"c1":{"n":1}}'}), partial=True)
    assert at.host.actions() == ["replace source_config mqtt.c1", "replace stream s", "replace rule r"]


async def test_faults_are_all_told_with_their_places(at: Bench) -> None:
    """One bad entry refuses the whole document; the error is the twelve-key object and lists every fault with line and column."""
    await load(at, document(streams={"s": {}}))
    text = """{
  "streams": {"bad": "{", "fine": "{}"},
  "rules": {"r1": "{\\"uses\\":[\\"stream:none\\"]}",
            "r2": "{\\"refuse\\":\\"no column x\\"}"},
  "Service": {"calc": "{}"},
  "sourceConfig": {"mqtt": "{", "http": "{\\"k\\":5,\\"l\\":null,\\"a.b\\":{}}", "sse": "[]"}
}"""
    with pytest.raises(DocumentError) as caught:
        await load(at, text)
    response = json.loads(caught.value.message)
    assert list(response) == list(SECTIONS)
    assert response["streams"] == {"bad": "Parse stream error: Input data was truncated."}
    assert response["rules"] == {"r1": "fail to get stream none, please check if it is created", "r2": "no column x"}
    assert response["Service"] == {"calc": "Service calc: this server keeps no Service; remove the entry, or use onError=continue"}
    assert response["sourceConfig"]["mqtt"] == "unexpected end of JSON input (line 1, column 2 of the entry)"
    assert "a.b: Invalid confKey" in response["sourceConfig"]["http"]
    assert "k: Parse source_config error" in response["sourceConfig"]["http"]
    assert response["sourceConfig"]["sse"].startswith("json: cannot unmarshal array")
    places = {fault.path: (fault.line, fault.column) for fault in caught.value.faults}
    assert places == {
        "streams.bad": (2, 22),
        "rules.r1": (3, 19),
        "rules.r2": (4, 19),
        "Service.calc": (5, 23),
        "sourceConfig.mqtt": (6, 28),
        "sourceConfig.http.k": (6, 41),
        "sourceConfig.http.a.b": (6, 41),
        "sourceConfig.sse": (6, 83),
    }
    assert {f.path: f.text for f in caught.value.faults}["rules.r2"] == (
        "no column x (line 2, column 7 of the statement); did you mean this?"
    )
    assert list(at.texts()) == ["stream:s"]
    assert at.control.import_status() == response
    await load(at, document(streams={"s": {}}))
    assert at.control.import_status() == EMPTY


async def test_continue_leaves_what_failed_as_it_was(at: Bench) -> None:
    """A full import that goes on keeps the old objects of entries that it could not read, and reports them."""
    await load(at, PLANT)
    result = await load(
        at,
        document(sourceConfig={"mqtt": "{"}, streams={"s": "["}, rules={"r": ON_S, "x": {"uses": ["stream:y"]}}, uploads={"u": "{}"}),
        on_error="continue",
    )
    assert sorted(at.texts()) == ["rule:r", "source_config:mqtt.c1", "source_config:mqtt.c2", "stream:s"]
    assert sorted(fault.path for fault in result.faults) == ["rules.x", "sourceConfig.mqtt", "streams.s", "uploads.u"]
    assert result.config_response()["uploads"] == at.control.import_status()["uploads"] != {}


@pytest.mark.parametrize("text", ["{", {"refuse": "no"}])
async def test_continue_keeps_what_is_needed_by_what_stays(at: Bench, text: Any) -> None:
    """A refused rule stays as it was, and with it all that it uses, directly or not; the rest of the document is heeded."""
    uses = {"s": {"uses": ["source_config:mqtt.k"]}, "t": {}}
    await load(at, document(sourceConfig={"mqtt": '{"k":{}}'}, streams=uses, rules={"r": ON_S}))
    result = await load(at, document(rules={"r": text}), on_error="continue")
    assert sorted(at.texts()) == ["rule:r", "source_config:mqtt.k", "stream:s"]
    told = {fault.path: fault.text for fault in result.faults}
    assert told["streams.s"] == "stream s is kept: rule r stays as it was, and uses it"
    assert sorted(told) == ["rules.r", "sourceConfig.mqtt.k", "streams.s"]


async def test_a_dry_run_of_an_import(at: Bench) -> None:
    """The changeset is shown with secrets masked, nothing changes, not even the status; faults refuse it as they would the import."""
    await load(at, PLANT)
    at.host.actions()
    before = await at.control.export(V1)
    new = document(connectionConfig={"mqtt": '{"con":{"password":"other"}}'}, rules={"r": {}, "q": {"triggered": False}})
    result = await load(at, new, dry_run=True)
    wire = result.changeset.to_wire()
    assert wire["summary"] == {"created": 0, "updated": 2, "deleted": 4, "unchanged": 1}
    assert [c["name"] for c in wire["changes"] if c["action"] == "unchanged"] == ["q"]
    assert not {"secret", "other"} & set(dumps(wire).split('"'))
    assert (await at.control.export(V1), at.host.log, at.control.revision) == (before, [], 1)
    with pytest.raises(DocumentError):
        await load(at, document(rules={"r": "["}), dry_run=True)
    assert at.control.import_status() == EMPTY


async def test_unreadable_documents_change_nothing(at: Bench) -> None:
    """A document that cannot be read is refused with a place, before anything is looked at."""
    await load(at, PLANT)
    before = await at.control.export(V1)
    for text in ("{", "[]", '{"streams": []}', '{"streams": {"s": {"sql": "x"}}}'):
        with pytest.raises(DocumentError, match="configuration unmarshal with error"):
            await load(at, text)
    assert await at.control.export(V1) == before


async def test_warnings_are_told(at: Bench) -> None:
    """Unknown sections are passed over, but not silently."""
    result = await load(at, '{"nosuch": {"a": "b"}, "rules": {"r": "{}"}}')
    assert [w.path for w in result.warnings] == ["nosuch"]
    assert list(at.texts()) == ["rule:r"]


async def test_rules_are_exported_with_what_they_use(at: Bench) -> None:
    """A selective export holds the rules and the closure of their uses, nothing else; unknown rules are refused by name."""
    await load(at, PLANT)
    found = json.loads((await at.control.export_rules(["r"], form=V1))[0])
    assert found == {
        **EMPTY,
        "rules": {"r": dumps(ON_S)},
        "streams": {"s": '{"uses":["source_config:mqtt.c1"]}'},
        "sourceConfig": {"mqtt": '{"c1":{}}'},
    }
    assert json.loads((await at.control.export_rules([], form=V1))[0]) == EMPTY
    with pytest.raises(NotFoundError, match="nosuch, none not found"):
        await at.control.export_rules(["r", "nosuch", "none"], form=V1)


async def test_an_import_on_an_old_revision_is_a_conflict(at: Bench) -> None:
    """A document made for a revision that has moved is refused."""
    await load(at, PLANT)
    with pytest.raises(ConflictError):
        await at.control.import_document("{}", partial=False, origin=ORIGIN, base_revision=0)
    assert at.texts() != {}


async def test_names_and_texts_of_any_kind_survive(at: Bench) -> None:
    """Entries with odd names and texts come back as they were."""
    odd = {"": {}, "a b": {"x": "\u2028\x00"}, "ü😀": {}, "__proto__": {}}
    await load(at, document(rules=odd))
    assert json.loads(await at.control.export(V1))["rules"] == {name: dumps(value) for name, value in odd.items()}
