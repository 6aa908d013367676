"""v2 documents are read like v1 ones, written in the order of the original, and lose nothing."""

from __future__ import annotations

import json

import pytest

from plutino.control import RULESET, V1, V2, DocumentContent
from plutino.control.documents import ObjectText, finish
from plutino.control.failure import Failure
from plutino.errors import DefinitionError, DocumentError


def read(text: str) -> DocumentContent:
    return finish(V2.read(text))


def texts(text: str) -> dict[str, str]:
    """Object texts by path."""
    return {".".join(part for part in item.place if part): item.text for item in read(text).objects}


def write(*objects: tuple[str, str, str, str]) -> str:
    return finish(V2.write([ObjectText(*item) for item in objects], lambda _: b""))


def test_both_spellings_of_file_fields() -> None:
    """File fields are read as YAML and as v1 spells them, and written as YAML spells them."""
    for file, so_file in (("filePath", "soPath"), ("file", "soFile")):
        assert texts(f"schema:\n  custom_c: {{type: custom, name: c, {file}: 'file:///c', {so_file}: 'file:///c.so', version: 1.10}}") == {
            "Schema.custom_c": '{"type":"custom","name":"c","file":"file:///c","soFile":"file:///c.so","version":"1.10"}'
        }
        assert texts(f"uploads: {{a: {{name: a, {file}: x}}}}") == {"uploads.a": '{"name":"a","file":"x"}'}
    assert "filePath: file:///c\n        soPath: x\n" in write(("Schema", "c", "", '{"soFile":"x","file":"file:///c"}'))


def test_a_rule_that_does_not_say_so_is_started() -> None:
    """Reading adds nothing: what is not set stays so; writing says whether the rule is started, in the order of the original."""
    assert texts("rules: {r: {id: r, version: 7, options: {qos: 1}}}") == {"rules.r": '{"id":"r","version":"7","options":{"qos":1}}'}
    assert write(("rules", "r", "", '{"note": 1, "options": {"qos": 1}, "SQL": "SELECT 1", "id": "r"}')).splitlines() == [
        "streams: {}",
        "rules:",
        "    r:",
        "        triggered: true",
        "        id: r",
        "        sql: SELECT 1",
        "        options:",
        "            qos: 1",
        "        note: 1",
    ]


def test_sections_in_the_order_of_the_original() -> None:
    """Empty sections are left out but for streams and rules; scripts have their own; entries and properties are sorted."""
    written = write(
        ("rules", "r", "", "{}"),
        ("scripts", "f", "", '{"id":"f","script":"function f() {\\n}"}'),
        ("streams", "s", "", "CREATE STREAM s ()"),
        ("sourceConfig", "mqtt", "b", '{"z":1,"a":1.0}'),
        ("sourceConfig", "mqtt", "a", "{}"),
        ("Service", "x", "", '{"file":"f","name":"x"}'),
    )
    assert [line for line in written.splitlines() if not line.startswith(" ")] == [
        "sourceConfig:",
        "service:",
        "scripts:",
        "streams:",
        "rules:",
    ]
    assert written.startswith("sourceConfig:\n    sources.mqtt.a: {}\n    sources.mqtt.b:\n        a: 1.0\n        z: 1\n")
    assert "        script: |-\n            function f() {\n            }\n" in written


def test_names_of_configurations() -> None:
    """Three parts; the first says what it is, whatever section it stands in. Types with dots keep their name."""
    assert texts("sourceConfig: {sources.mqtt.a: {qos: 1}, sinks.mqtt.b: null}") == {
        "sourceConfig.mqtt.a": '{"qos":1}',
        "sinkConfig.mqtt.b": "{}",
    }
    document = write(("sourceConfig", "other.type%", "k", "{}"))
    assert "sources.other%2Etype%25.k: {}" in document
    assert list(texts(document)) == ["sourceConfig.other.type%.k"]
    refused = read("sourceConfig: {mqtt.vk: {}, sources.a.b.c: {}, streams.a.b: {}}").refused
    assert [str(r.failure.error) for r in refused] == [f"{n} isn't valid conf key" for n in ("mqtt.vk", "sources.a.b.c", "streams.a.b")]


def test_null_entries_are_refused_alone() -> None:
    """A null entry is a fault of that entry, and the rest is read."""
    content = read("rules:\n  r:\n  q: {id: q}\nstreams:\n  s: ~\n")
    assert [(r.failure.path, str(r.failure.error)) for r in content.refused] == [
        ("rules.r", "rules r: null; a value is expected"),
        ("streams.s", "streams s: null; a value is expected"),
    ]
    assert [item.entry for item in content.objects] == ["q"]
    faults = content.placed([r.failure for r in content.refused])
    assert [(f.line, f.column) for f in faults] == [(2, 5), (5, 6)]


def test_what_is_passed_over_is_told() -> None:
    """Unknown sections and keys, and a second document, are warnings with their places."""
    content = read("nosuch: {a: b}\nSTREAMS:\n  s: {sql: x, kind: y}\n---\nrules: {}\n")
    assert [item.place for item in content.objects] == [("streams", "s", "")]
    assert [(w.path, w.line, w.column) for w in content.warnings] == [("", 4, 1), ("nosuch", 1, 1), ("streams.s.kind", 3, 15)]


def test_wrong_shapes_are_all_told() -> None:
    """Every value of the wrong kind is a fault with its place, in the words of the original."""
    with pytest.raises(DocumentError) as caught:
        read("streams:\n  s: 5\n  t: {sql: [1]}\nrules: []\nuploads:\n  u: [1]\ntables: text\n")
    assert [(f.path, f.line, f.column, f.text) for f in caught.value.faults] == [
        ("streams.s", 2, 6, "cannot unmarshal !!int `5` into server.DatasourceExport"),
        ("streams.t", 3, 12, "cannot unmarshal !!seq into string"),
        ("rules", 4, 8, "cannot unmarshal !!seq into map[string]rules"),
        ("uploads.u", 6, 6, "cannot unmarshal !!seq into server.fileContent"),
        ("tables", 7, 9, "cannot unmarshal !!str `text` into map[string]tables"),
    ]
    assert str(caught.value).startswith("yaml: unmarshal errors:\n  line 2: cannot unmarshal !!int `5`")
    with pytest.raises(DocumentError, match=r"line 1: cannot unmarshal !!seq into server.MetaConfiguration"):
        read("- 1")


def test_empty_documents() -> None:
    """No value is a document without objects."""
    for text in ("", "# nothing\n", "null", "{}", "streams:\n"):
        assert read(text).objects == ()


def test_refusals_are_worded_as_the_original_does() -> None:
    """One line for each refused entry."""
    error = DefinitionError("Invalid rule json: bad")
    failures = [
        Failure("streams", "s", "", DefinitionError("x")),
        Failure("rules", "r", "", error),
        Failure("sinkConfig", "mqtt", "k", error),
    ]
    assert V2.refusal(failures).splitlines() == [
        "replace stream s failed, err:x",
        "replace rule r failed, err:invalid rule json: bad",
        "write conf sinks.mqtt.k failed, err:Invalid rule json: bad",
    ]


def test_texts_that_are_no_json_come_back() -> None:
    """A stored text of another version is carried as text, so that nothing is lost."""
    document = write(("rules", "r", "", "{broken"), ("sourceConfig", "m", "k", "null"))
    assert texts(document) == {"rules.r": "{broken", "sourceConfig.m.k": "{}"}


def test_ruleset_is_three_sections_of_v1() -> None:
    """Other sections are passed over with a warning, and never written."""
    content = finish(RULESET.read('{"streams":{"s":"x"},"scripts":{"f":"y"}}'))
    assert [item.place for item in content.objects] == [("streams", "s", "")]
    assert [w.path for w in content.warnings] == ["scripts"]
    whole = finish(V1.read('{"rules":{"r":"{}"},"uploads":{"u":"{}"}}')).objects
    assert json.loads(finish(RULESET.write(whole, lambda _: b""))) == {"streams": {}, "tables": {}, "rules": {"r": "{}"}}
