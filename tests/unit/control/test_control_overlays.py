"""Overlays: how documents are laid over each other, and what parameters may be."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from plutino.control.documents import V1, finish
from plutino.control.overlays import read_objects, read_source, render
from plutino.errors import DocumentError, Fault

BASE = """\
parameters:
  site: {type: string, description: Name of the plant}
  qos: {type: int, default: 1, values: [0, 1, 2]}
  ratio: {type: float, default: 1}
  wait: {type: duration, default: 10s}
  debug: {type: bool, default: false}
  limits: {type: list, default: [10, 20]}
  extra: {type: object, default: {a: 1}}
  pw: {secret: true, default: none}
sourceConfig:
  sources.mqtt.k: {server: "tcp://${param:site}:1883", qos: "${param:qos}", password: "${param:pw}"}
streams:
  s: {sql: 'CREATE STREAM s () WITH (DATASOURCE="${param:site}/t", CONF_KEY="k")'}
rules:
  hot:
    sql: SELECT * FROM s WHERE a > ${param:qos}
    actions:
    - mqtt: {topic: "o/${param:site}", retained: "${param:debug}"}
    options: {debug: "${param:debug}", lateTolerance: "${param:wait}", x: {y: 1, z: 2}}
  cold: {sql: SELECT * FROM s, actions: [{log: {}}]}
"""


def rendered(*overlays: str, **sets: str) -> Any:
    sources = [read_source(BASE, "base.yaml"), *(read_source(text, f"over{i}.yaml") for i, text in enumerate(overlays))]
    return render(sources, {"site": "north", **sets})


def value(*overlays: str, **sets: str) -> Any:
    return yaml.safe_load(rendered(*overlays, **sets).yaml())


def faults(*overlays: str, **sets: str) -> tuple[Fault, ...]:
    with pytest.raises(DocumentError) as caught:
        rendered(*overlays, **sets)
    return caught.value.faults


def test_parameters_keep_their_type() -> None:
    """A value that is one reference becomes the value; inside of a text its text is put in."""
    found = value(debug="true", qos="2", pw="12345")
    assert found["sourceConfig"]["sources.mqtt.k"] == {"server": "tcp://north:1883", "qos": 2, "password": "12345"}
    assert found["streams"]["s"]["sql"] == 'CREATE STREAM s () WITH (DATASOURCE="north/t", CONF_KEY="k")'
    hot = found["rules"]["hot"]
    assert hot["sql"] == "SELECT * FROM s WHERE a > 2"
    assert hot["actions"] == [{"mqtt": {"topic": "o/north", "retained": True}}]
    assert hot["options"]["lateTolerance"] == "10s"


def test_overlays_merge_by_section_name_and_member() -> None:
    """Members are laid over members, lists replaced, and a null deletes; what is new comes in."""
    found = value(
        """
rules:
  cold: null
  hot: {options: {x: {y: 3, z: null}, debug: null}, actions: [{log: {}}]}
  new: {sql: SELECT 1 FROM s, actions: [{log: {}}], tags: null}
sourceConfig: {sources.mqtt.k: {qos: 0}}
""",
        "rules: {hot: {options: {x: {w: 4}}}}",
    )
    assert set(found["rules"]) == {"hot", "new"}
    assert found["rules"]["hot"]["options"] == {"lateTolerance": "10s", "x": {"y": 3, "w": 4}}
    assert found["rules"]["hot"]["actions"] == [{"log": {}}]
    assert "tags" not in found["rules"]["new"]
    assert found["sourceConfig"]["sources.mqtt.k"]["qos"] == 0


def test_overlays_give_parameters_values_and_defaults() -> None:
    """As a value, or as a declaration that says more; what is set wins."""
    assert value("parameters: {qos: 2}")["sourceConfig"]["sources.mqtt.k"]["qos"] == 2
    assert value("parameters: {qos: {default: 0}}")["sourceConfig"]["sources.mqtt.k"]["qos"] == 0
    assert value("parameters: {qos: 2}", "parameters: {qos: 0}", qos="1")["sourceConfig"]["sources.mqtt.k"]["qos"] == 1
    assert rendered("parameters: {extra: {b: 2}}").parameters["extra"].value == {"b": 2}


def test_an_overlay_that_deletes_nothing_is_told() -> None:
    """It is likely meant for another base."""
    [warning] = rendered("rules: {nosuch: null}").warnings
    assert (warning.path, warning.file, warning.line) == ("rules.nosuch", "over0.yaml", 1)


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("qos", "x", 'parameter qos: "x"; a value of type int is expected'),
        ("qos", "true", "parameter qos: true; a value of type int is expected"),
        ("qos", "1.5", "parameter qos: 1.5; a value of type int is expected"),
        ("qos", "7", "parameter qos: 7; one of 0, 1, 2 is expected"),
        ("ratio", "x", 'parameter ratio: "x"; a value of type float is expected'),
        ("wait", "soon", 'parameter wait: "soon"; a value of type duration is expected'),
        ("debug", "1", "parameter debug: 1; a value of type bool is expected"),
        ("limits", "{}", "parameter limits: {}; a value of type list is expected"),
        ("extra", "[]", "parameter extra: []; a value of type object is expected"),
        ("sit", "x", "parameter sit: not declared in the base; did you mean site?"),
    ],
)
def test_wrong_values_are_refused(name: str, text: str, expected: str) -> None:
    """With the value seen, and what is expected."""
    [fault] = faults(**{name: text})
    assert (fault.path, fault.text, fault.file) == (f"parameters.{name}", expected, "--set")


def test_a_secret_value_is_not_told() -> None:
    """Not even when it is wrong."""
    [fault] = faults("parameters: {pw: [1, hidden]}")
    assert fault.text == "parameter pw: the value given; a value of type string is expected"


def test_all_faults_are_told_with_their_places() -> None:
    """Missing values, references to nothing, wrong declarations."""
    base = """\
parameters:
  a: {}
  b: {type: number}
  c: {typ: int}
  d: 5
rules:
  r:
    sql: SELECT ${param:a}
    actions: [{log: {x: "${param:aa}"}}]
"""
    with pytest.raises(DocumentError) as caught:
        render([read_source(base, "b.yaml")], {})
    told = {(fault.path, fault.line, fault.column): fault.text for fault in caught.value.faults}
    assert told[("parameters.a", 2, 3)].startswith("parameter a: no value; give one with --set a=…")
    assert told[("parameters.b.type", 3, 13)].startswith("type number; one of string, int")
    assert told[("parameters.c.typ", 4, 12)] == "parameter c: unknown field typ; did you mean type?"
    assert told[("parameters.d", 5, 3)] == "parameter d: {type, default, description} is expected"
    assert told[("rules.r.actions.0.log.x", 9, 25)] == "parameter aa: not declared; did you mean a?"


def test_two_dollars_stand_for_one() -> None:
    """What looks like a parameter may be written."""
    found = render([read_source("rules: {r: {sql: 'x $${param:a}', tags: ['$${param:a}']}}", "b.yaml")], {})
    assert yaml.safe_load(found.yaml())["rules"]["r"]["sql"] == "x ${param:a}"


def test_other_formats_may_be_laid_over() -> None:
    """A v1 document as base, YAML on top; the result is either format, with the same objects."""
    document = {
        "streams": {"s": 'CREATE STREAM s () WITH (DATASOURCE="t")'},
        "rules": {"r": json.dumps({"id": "r", "sql": "SELECT * FROM s", "actions": [{"log": {}}]})},
        "sourceConfig": {"mqtt": json.dumps({"k": {"server": "tcp://a:1"}})},
        "Schema": {"protobuf_p": json.dumps({"type": "protobuf", "name": "p", "file": "file:///p.proto"})},
    }
    base = read_objects(finish(V1.read(json.dumps(document))), "base.json")
    over = read_source("sourceConfig: {sources.mqtt.k: {qos: 1}}\nrules: {r: {options: {qos: 1}}}", "over.yaml")
    found = render([base, over], {})
    back = json.loads(found.json())
    assert json.loads(back["sourceConfig"]["mqtt"]) == {"k": {"qos": 1, "server": "tcp://a:1"}}
    assert json.loads(back["rules"]["r"])["options"] == {"qos": 1}
    assert json.loads(back["Schema"]["protobuf_p"])["file"] == "file:///p.proto"
    assert back["streams"] == document["streams"]


def test_faults_of_the_result_lead_to_their_file() -> None:
    """Down to the member that an overlay has put there."""
    found = rendered("rules:\n  hot:\n    options: {lateTolerance: x}")
    paths = ("rules.hot.options.lateTolerance", "rules.hot.actions.0.mqtt.topic", "rules.hot", "sourceConfig.mqtt.k.server", "elsewhere")
    places = [(f.file, f.line, f.column) for f in found.placed([Fault(path, "x") for path in paths])]
    assert places == [("over0.yaml", 3, 30), ("base.yaml", 18, 21), ("base.yaml", 15, 3), ("base.yaml", 11, 28), ("", 0, 0)]


def test_what_is_no_document_is_refused() -> None:
    """With file, line and column."""
    for text, place in (("[1]", (1, 1)), ("rules: 5", (1, 8)), ("a: [", (1, 4)), ("rules:\n  r: {x: .inf}", (2, 10))):
        with pytest.raises(DocumentError) as caught:
            read_source(text, "b.yaml")
        fault = caught.value.faults[0]
        assert fault.file == "b.yaml"
        assert (fault.line, fault.column) == place or text == "a: ["
