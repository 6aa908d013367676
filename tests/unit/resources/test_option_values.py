"""Values that an option can never have are found without anything that uses them, and told without secrets."""

from __future__ import annotations

import json
from typing import Any

import pytest

from plutino.spi import Registry, discover
from plutino.spi.options import Option, flat_options
from unit.rest.kit import Api

ASKED = {"accept": "application/json"}
REGISTRY: Registry = discover("plutino.connectors", "plutino.formats", "plutino.functions")

WRONG: list[tuple[str, str, str, Any, str]] = [
    ("sourceConfig", "mqtt", "qos", 3, "invalid qos value 3"),
    ("sourceConfig", "mqtt", "server", "http://h:1", "mqtt server http://h:1: not supported"),
    ("sourceConfig", "mqtt", "protocolVersion", "6", "unsupported protocol version 6"),
    ("sourceConfig", "mqtt", "eofMessage", "x!", "eofMessage x!: "),
    ("sourceConfig", "httppull", "interval", "-1s", "interval should be larger than 1ms"),
    ("sourceConfig", "mqtt", "protocolVersion", "", "unsupported protocol version"),
    ("sourceConfig", "mqtt", "protocolVersion", "{{.v}}", "unsupported protocol version"),
    ("sinkConfig", "file", "compression", "{{.a}}", "compression must be one of"),
    ("sourceConfig", "file", "interval", -1, "interval must be positive"),
    ("sourceConfig", "file", "decompression", "foo", "decompression foo: "),
    ("sourceConfig", "mqtt", "decompression", "foo", "unsupported compressor: foo"),
    ("sourceConfig", "mqtt", "qos", 10**400, "'qos' expected type 'int'"),
    ("sourceConfig", "mqtt", "eofMessage", "ü", "eofMessage ü: "),
    ("sourceConfig", "mqtt", "interval", "1" * 400 + ".5h", "error decoding 'interval'"),
    ("sourceConfig", "redisSub", "address", "h:²", "redis address h:²"),
    ("sourceConfig", "sql", "dburl", "foo", "dburl"),
    ("sourceConfig", "httppull", "compression", "foo", "invalid compression foo"),
    ("sourceConfig", "mqtt", "payloadFormat", "foo", "format type foo not supported"),
    ("sinkConfig", "file", "compression", "zlib", "compression must be one of"),
    ("sinkConfig", "mqtt", "compression", "foo", "unsupported compressor: foo"),
    ("sinkConfig", "mqtt", "format", "jsn", "format type jsn not supported; did you mean json?"),
    ("sinkConfig", "mqtt", "resendPriority", 9, "resendPriority must be"),
    ("sinkConfig", "memory", "topic", "a/#", "invalid memory topic a/#"),
    ("sinkConfig", "sse", "endpoint", "a", "sse endpoint should start with /"),
    ("sourceConfig", "file", "actionAfterRead", 3, "invalid actionAfterRead: 3"),
    ("sourceConfig", "httppull", "url", "ftp://h", "invalid url ftp://h"),
    ("sourceConfig", "httppull", "method", "FETCH", "Not supported HTTP method FETCH."),
    ("sourceConfig", "httppull", "bodyType", "odd", "Invalid body type value odd."),
    ("sourceConfig", "httppull", "responseType", "odd", "Invalid response type value odd."),
    ("sourceConfig", "httppull", "timeout", -1, "invalid timeout -1 ms"),
    ("sourceConfig", "httppush", "method", "GET", "method GET is not supported"),
    ("sinkConfig", "mqtt", "topic", "a/#", "mqtt sink topic a/#"),
    ("sinkConfig", "mqtt", "batchSize", -1, "fail to parse sink configuration: invalid batchSize -1"),
    ("sinkConfig", "mqtt", "lingerInterval", "-1s", "fail to parse sink configuration: invalid lingerInterval -1s"),
    ("sinkConfig", "file", "fileType", "xml", "fileType must be one of"),
    ("sinkConfig", "file", "rollingNamePattern", "odd", "rollingNamePattern must be one of"),
    ("sinkConfig", "file", "rollingSize", -1, "rollingSize must be positive"),
    ("sinkConfig", "file", "checkInterval", -1, "checkInterval must be positive"),
    ("sinkConfig", "redis", "db", 16, "redisSink db should be in range"),
    ("sinkConfig", "redis", "addr", "h:0", "redis address h:0"),
    ("sinkConfig", "redis", "keyType", "many", "KeyType only support"),
    ("sinkConfig", "redis", "dataType", "set", "redis sink only support"),
    ("sinkConfig", "rest", "method", "FETCH", "Not supported HTTP method FETCH."),
    ("sinkConfig", "neuron", "url", "http://h:1", "only tcp and ipc scheme are supported"),
    ("sinkConfig", "websocket", "scheme", "http", "websocket scheme http"),
]
RIGHT: list[tuple[str, str, dict[str, Any]]] = [
    ("sourceConfig", "mqtt", {"tlsMinVersion": "1.2"}),
    ("sourceConfig", "mqtt", {"tlsMinVersion": "ssl3", "server": "ws://h:1"}),
    ("sourceConfig", "httppull", {"url": "http://"}),
    ("sourceConfig", "httppull", {"url": "{{.base}}", "oAuth": {"access": {"url": "http://h", "expire": "{{.s}}"}}}),
    ("sourceConfig", "mqtt", {"server": "${env:BROKER}", "qos": "${env:QOS}", "protocolVersion": "5"}),
    ("sinkConfig", "rest", {"url": "{{.address}}", "method": "{{.how}}", "bodyType": ""}),
    ("sinkConfig", "mqtt", {"topic": "a/{{.b}}", "qos": 2, "server": ""}),
    ("sinkConfig", "file", {"compression": "gzip", "rollingNamePattern": "", "rollingInterval": "1h"}),
    ("sinkConfig", "redis", {"addr": "[::1]:6379", "db": 15}),
]


async def imported(api: Api, section: str, connector: str, properties: dict[str, Any]) -> Any:
    document = {section: {connector: json.dumps({"k": properties})}}
    return await api.ask("POST", "/data/import?partial=1", {"content": json.dumps(document)}, ASKED)


@pytest.mark.parametrize(("section", "connector", "option", "value", "text"), WRONG)
async def test_a_wrong_value_is_a_fault(api: Api, section: str, connector: str, option: str, value: Any, text: str) -> None:
    """With its place, and in the words of who refuses it when it is used."""
    refused = await imported(api, section, connector, {option: value})
    assert refused.status == 400
    (fault,) = refused.json["faults"]
    assert fault["path"] == f"{section}.{connector}.k.{option}"
    assert fault["text"].startswith(text)


@pytest.mark.parametrize(("section", "connector", "properties"), RIGHT)
async def test_a_right_value_is_none(api: Api, section: str, connector: str, properties: dict[str, Any]) -> None:
    """What references and templates stand for is not known yet, and an empty text is as good as nothing."""
    assert (await imported(api, section, connector, properties)).status == 200


async def test_no_secrets_of_values_are_told(api: Api) -> None:
    """Neither in faults nor in advice."""
    for connector, option, value in (
        ("mqtt", "server", "foo://user:Zq7-of-the-broker@h:1"),
        ("httppull", "url", "ftp://user:Zq7-of-the-site@h:1/?token=Zq7-of-the-query"),
        ("sql", "dburl", "mysql:Zq7-of-the-database"),
        ("sql", "dburl", "Zq7-of-the-database"),
        ("httppull", "url", "//user:Zq7-of-the-site@h"),
        ("httppull", "url", "http//user:Zq7-of-the-site@h/x"),
        ("redisSub", "address", ":Zq7-of-redis@h:x"),
        ("mqtt", "qos", {"auth": {"x": "Zq7-of-a-map"}}),
        ("websocket", "requestHeader", {"X-Thing": [{"a": "Zq7-of-a-header"}]}),
    ):
        refused = await imported(api, "sourceConfig", connector, {option: value, "password": "Zq7-of-the-user"})
        assert "Zq7" not in refused.text
        assert (await api.ask("PUT", f"/metadata/sources/{connector}/confKeys/k", {option: value})).status == 200
        assert "Zq7" not in (await api.ask("GET", f"/data/advice?kind=source_config&name={connector}.k")).text


def checked_options() -> list[tuple[str, Option]]:
    found = []
    for name, connector in sorted(REGISTRY.connectors.items()):
        for side in (connector.source, connector.sink, connector.lookup, connector.connection):
            found += [(name, option) for option in (flat_options(side.options) if side is not None else ()) if option.opt.check is not None]
    return found


def test_what_forms_offer_can_be_used() -> None:
    """Defaults and offered values pass the checks of their options."""
    options = checked_options()
    assert len(options) > 30
    for name, option in options:
        assert option.opt.check is not None
        for value in (option.default, *option.opt.values):
            if value not in ("", None):
                option.opt.check(value)
        assert name
