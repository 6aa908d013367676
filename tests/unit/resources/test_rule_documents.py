"""Rule documents: what is refused with which text, and the options that the engine gets."""

from __future__ import annotations

import json
from typing import Any

import pytest

from plutino.errors import PlutinoError
from plutino.resources.rule.body import check_options, options_of, read, select_of, validate
from plutino.spi import RuleOptions
from plutino.spi.host import RestartStrategy
from plutino.sql import sources_of

RULE = {"id": "r", "sql": "SELECT a FROM demo", "actions": [{"nop": {}}]}


def _content(**fields: Any) -> dict[str, Any]:
    return read(json.dumps({**RULE, **fields}))


def _refusal(rule: str = "", **fields: Any) -> str:
    with pytest.raises(PlutinoError) as caught:
        validate(_content(**fields), rule)
    return caught.value.message


def test_field_names_match_in_any_case_and_unknown_ones_stay() -> None:
    """Known fields get their own names."""
    content = read('{"ID":"r","SQL":"SELECT 1 FROM x","Options":{"QOS":1,"bufferlength":5},"comment":"mine"}')
    assert content == {"id": "r", "sql": "SELECT 1 FROM x", "options": {"qos": 1, "bufferLength": 5}, "comment": "mine"}


def test_null_is_as_good_as_absent() -> None:
    """At any place."""
    assert read('{"id":"r","tags":null,"options":null,"temp":null}') == {"id": "r"}
    assert read("null") == {}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "unexpected end of JSON input"),
        ('{"id":"r"} x', "invalid character 'x' after top-level value"),
        ('{"id":5}', "json: cannot unmarshal number into Go struct field Rule.id of type string"),
        ('{"temp":"yes"}', "json: cannot unmarshal string into Go struct field Rule.temp of type bool"),
        ('{"tags":[1]}', "json: cannot unmarshal number into Go struct field Rule.tags of type string"),
        ('{"options":{"qos":1.5}}', "json: cannot unmarshal number 1.5 into Go struct field RuleOption.options.qos of type int"),
        (
            '{"options":{"restartStrategy":{"attempts":"x"}}}',
            "json: cannot unmarshal string into Go struct field RestartStrategy.options.restartStrategy.attempts of type int",
        ),
        ('{"options":{"restartStrategy":{"delay":"soon"}}}', 'time: invalid duration "soon"'),
        ('{"options":{"lateTolerance":"5 apples"}}', 'time: unknown unit " apples" in duration "5 apples"'),
    ],
)
def test_documents_that_do_not_decode(text: str, reason: str) -> None:
    """The text repeats the document, the reason is Go's."""
    with pytest.raises(PlutinoError) as caught:
        read(text)
    assert caught.value.message == f"Parse rule {text} error : {reason}."


@pytest.mark.parametrize(
    ("rule", "fields", "message"),
    [
        ("", {"id": ""}, "Missing rule id."),
        ("other", {}, "RuleId is not consistent with rule id."),
        ("", {"id": "a b"}, "id 'a b' contains invalid characters: only alphanumeric, hyphens and underscores are allowed"),
        ("", {"graph": {}}, "Rule r has both sql and graph."),
        ("", {"sql": ""}, "Rule r has neither sql nor graph."),
        ("", {"actions": []}, "Missing rule actions."),
        (
            "",
            {"options": {"concurrency": -1, "lateTolerance": "-1s"}},
            "Rule r has invalid options: invalidConcurrency:concurrency must be greater than 0\n"
            "invalidLateTol:lateTol must be greater than 0.",
        ),
        (
            "",
            {"options": {"cronDatetimeRange": [{"begin": "2024-01-02 00:00:00", "end": "2024-01-01 00:00:00"}]}},
            "Rule r has invalid options: validate cronDatetimeRange failed, err:begin time shouldn't after end time.",
        ),
        (
            "",
            {"options": {"cronDatetimeRange": [{"beginTimestamp": 5, "endTimestamp": 4}]}},
            "Rule r has invalid options: validate cronDatetimeRange failed, err:begin time shouldn't after end time.",
        ),
    ],
)
def test_documents_that_are_wrong_by_themselves(rule: str, fields: dict[str, Any], message: str) -> None:
    """One text for each."""
    assert _refusal(rule, **fields) == message


def test_a_graph_needs_no_actions() -> None:
    """Its sinks are nodes."""
    validate(read('{"id":"r","graph":{"nodes":{}}}'), "")


def test_graphs_are_checked_for_their_types() -> None:
    """As every other field, with the path."""
    with pytest.raises(PlutinoError, match=r"cannot unmarshal number into Go struct field \w+.graph.nodes.nodeType of type string"):
        read('{"id":"r","graph":{"nodes":{"a":{"type":"source","nodeType":1}}}}')
    with pytest.raises(PlutinoError, match=r"cannot unmarshal string into Go struct field \w+.graph.topo.edges of type \[\]interface"):
        read('{"id":"r","graph":{"topo":{"edges":{"a":"b"}}}}')
    with pytest.raises(PlutinoError, match=r"cannot unmarshal string into Go struct field Rule.graph of type def.RuleGraph"):
        read('{"id":"r","graph":"a"}')


def test_a_document_without_id_is_known_by_its_path() -> None:
    """PUT needs no id in the body."""
    content = _content()
    del content["id"]
    validate(content, "r")


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("SELECT * FRM demo", 'Parse SQL SELECT * FRM demo error: found "FRM", expected FROM..'),
        ("SHOW STREAMS", "SQL SHOW STREAMS is not a select statement."),
        ("CREATE STREAM", 'Parse SQL CREATE STREAM error: found "EOF", expected stream name..'),
    ],
)
def test_statements_that_are_no_rules(sql: str, message: str) -> None:
    """Syntax errors keep their place."""
    with pytest.raises(PlutinoError) as caught:
        select_of(sql)
    assert caught.value.message == message
    assert caught.value.code == 1000


def test_sources_of_a_statement() -> None:
    """FROM and JOIN, each once, in order."""
    assert sources_of(select_of("SELECT * FROM a INNER JOIN b ON a.x = b.x LEFT JOIN a ON a.x = b.x")) == ("a", "b")


def test_options_are_decoded_and_defaults_are_shared() -> None:
    """Durations in milliseconds, as text or number; equal options are one object."""
    written = {
        "isEventTime": True,
        "lateTolerance": "2s",
        "checkpointInterval": 1500,
        "bufferLength": 7,
        "sendNilField": True,
        "qos": 2,
        "restartStrategy": {"attempts": 3, "delay": "100ms", "maxDelay": 2000, "jitterFactor": 0.5},
        "duration": "1m",
        "cron": "0 0 * * *",
        "unknown": 1,
    }
    assert options_of(_content(options=written)) == RuleOptions(
        is_event_time=True,
        late_tolerance=2000,
        checkpoint_interval=1500,
        buffer_length=7,
        send_nil_field=True,
        qos=2,
        restart=RestartStrategy(attempts=3, delay=100, max_delay=2000, jitter_factor=0.5),
        duration=60_000,
        cron="0 0 * * *",
    )
    assert options_of(_content(options={"qos": 1})) is options_of(_content(options={"qos": 1}))
    assert options_of(_content()) == RuleOptions()


@pytest.mark.parametrize("options", [{"cron": "bad cron", "duration": "1s"}, {"duration": "abc"}])
def test_schedules_that_say_nothing_are_refused_when_the_rule_is_to_run(options: dict[str, Any]) -> None:
    """The document by itself lets them pass, as the original's validation does."""
    content = _content(options=options)
    validate(content, "")
    with pytest.raises(PlutinoError, match=r"cron|duration"):
        check_options(content)
