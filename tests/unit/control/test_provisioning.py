"""Files beside a server are imported once at its start; what failed is tried again."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from plutino.control.provisioning import Provisioning
from plutino.model import Ref
from unit.control.fakes import ORIGIN, Bench, bench, document


class Log:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str, dict[str, Any]]] = []

    def error(self, event: str, **fields: Any) -> None:
        self.lines.append(("error", event, fields))

    def warning(self, event: str, **fields: Any) -> None:
        self.lines.append(("warning", event, fields))

    def info(self, event: str, **fields: Any) -> None:
        self.lines.append(("info", event, fields))


@pytest.fixture
async def at(tmp_path: Path) -> AsyncIterator[Bench]:
    made = await bench(tmp_path / "data")
    yield made
    await made.close()


async def provision(at: Bench, environ: Mapping[str, str] | None = None) -> Log:
    """What a start does; gives the log."""
    log = Log()
    await Provisioning(at.control, at.directory, at.directory / "etc", environ or {}, log).run()
    return log


def put(at: Bench, name: str, text: str) -> None:
    path = at.directory / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


async def test_nothing_there_is_nothing_to_do(at: Bench) -> None:
    """Without files nothing is imported and nothing said."""
    assert (await provision(at)).lines == []
    assert at.control.revision == 0


async def test_rulesets_are_imported_once(at: Bench) -> None:
    """Both files are laid over, the one of the data folder first; again only when a file has changed."""
    put(at, "init.json", document(streams={"s": {}}, rules={"r": {"v": 1, "uses": ["stream:s"]}}))
    put(at, "etc/init.json", document(rules={"q": {"uses": ["rule:r"]}}))
    assert [line[0] for line in (await provision(at)).lines] == ["info", "info"]
    assert set(at.texts()) == {"stream:s", "rule:r", "rule:q"}
    await at.control.delete(Ref("rule", "q"), origin=ORIGIN)
    assert (await provision(at)).lines == []
    assert "rule:q" not in at.texts()
    put(at, "init.json", document(rules={"r": {"v": 2}}))
    (line,) = (await provision(at)).lines
    assert line == ("info", "provisioned", {"file": str(at.directory / "init.json"), "summary": "updated 1"})
    await at.reopen()
    assert (await provision(at)).lines == []


async def test_what_failed_is_tried_again(at: Bench) -> None:
    """A refused or unreadable file changes nothing, is logged with its faults, and is not taken for done."""
    put(at, "init.json", "{")
    put(at, "etc/init.json", document(rules={"good": {}, "bad": {"uses": ["stream:s"]}}))
    for _ in range(2):
        lines = (await provision(at)).lines
        assert [(kind, event) for kind, event, _ in lines] == [("error", "provisioning failed")] * 2
        assert "unexpected end of JSON input" in lines[0][2]["error"]
        assert lines[1][2]["error"].startswith("rules.bad (line 1): fail to get stream s")
        assert at.texts() == {}
    await at.write(stream_s={})
    assert [line[0] for line in (await provision(at)).lines] == ["error", "info"]
    assert set(at.texts()) == {"stream:s", "rule:good", "rule:bad"}


async def test_a_file_that_cannot_be_read(at: Bench) -> None:
    """Other bytes than text, and a folder with that name, are logged; the server starts."""
    at.directory.joinpath("init.json").write_bytes(b"\xff")
    (at.directory / "etc" / "init.json").mkdir(parents=True)
    assert [fields["error"] for _, _, fields in (await provision(at)).lines] == ["byte 0 is not UTF-8", "is a directory"]


CONNECTIONS = """
mqtt:
    broker1: {server: tcp://h:1883, password: secret}
    broker2:
        props: {server: tcp://i:1883}
        xOperation: create
redis:
    cache:
    gone: {xOperation: delete}
"""


async def test_connections_of_all_types(at: Bench) -> None:
    """Connections of every type in the file are created, those that are there stay, those marked so go."""
    await at.control.import_document(
        document(connectionConfig={"redis": '{"gone":{}}', "mqtt": '{"broker1":{"mine":1}}'}), partial=True, origin=ORIGIN
    )
    put(at, "etc/connections/connection.yaml", CONNECTIONS)
    assert [line[0] for line in (await provision(at)).lines] == ["info"]
    assert at.texts() == {
        "connection:mqtt.broker1": '{"mine":1}',
        "connection:mqtt.broker2": '{"server":"tcp://i:1883"}',
        "connection:redis.cache": "{}",
    }
    await at.control.delete(Ref("connection", "mqtt.broker2"), origin=ORIGIN)
    assert (await provision(at)).lines == []
    assert "connection:mqtt.broker2" not in at.texts()


async def test_variables_override_properties(at: Bench) -> None:
    """A variable finds its property in any case; a changed variable counts as a changed file."""
    put(at, "etc/connection.yaml", "mqtt:\n    Broker: {server: x, tls: {caFile: a}}\n")
    environ = {
        "CONNECTION__MQTT__BROKER__SERVER": "tcp://j:1=2",
        "connection__mqtt__broker__tls__CAFILE": "b",
        "CONNECTION__MQTT__BROKER__QOS": "1",
        "CONNECTION__MQTT__BROKER__TOPICS": "[a, 2, true, 1.5]",
        "CONNECTION__MQTT__BROKER__SERVER__X": "a text has no members",
        "CONNECTION__SQL__DB__DBURL": "sqlite://x",
        "CONNECTIONS__MQTT__BROKER__NO": "1",
        "CONNECTION__": "1",
    }
    await provision(at, environ)
    texts = {name: json.loads(text) for name, text in at.texts().items()}
    assert texts == {
        "connection:mqtt.Broker": {"server": "tcp://j:1=2", "tls": {"caFile": "b"}, "qos": 1, "topics": ["a", 2, True, 1.5]},
        "connection:sql.db": {"dburl": "sqlite://x"},
    }
    assert (await provision(at, environ)).lines == []
    assert [line[0] for line in (await provision(at, {**environ, "CONNECTION__MQTT__NEW__SERVER": "y"})).lines] == ["info"]
    assert "connection:mqtt.new" in at.texts()


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("mqtt: [", "did not find expected node content"),
        ("- 1", " (line 1): !!seq; an object is expected"),
        ("mqtt: 5\nredis: {a: [1]}\n", "mqtt (line 1): !!int `5`; an object is expected; redis.a (line 2): !!seq; an object of properties"),
    ],
)
async def test_broken_connection_files(at: Bench, text: str, error: str) -> None:
    """Nothing of a broken file is taken; every fault is told with its line."""
    put(at, "etc/connections/connection.yaml", text)
    for _ in range(2):
        ((kind, _, fields),) = (await provision(at)).lines
        assert kind == "error"
        assert error in fields["error"]
    assert at.texts() == {}
