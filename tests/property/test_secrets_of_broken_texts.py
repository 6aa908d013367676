"""Secrets in statements and JSON that do not parse occur in no answer and in no line of the log."""

from __future__ import annotations

import asyncio
import json
import random
import string
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from plutino.spi.discretion import discreet, secrets_in
from unit.rest.kit import Api, open_api

SPECIAL = "!$%^*()_-+~.@/#?=&"
MARKS = "\"'\\`"

# The first letters keep secrets apart from words that answers have anyway.
secret_texts = st.text(string.ascii_letters + string.digits + SPECIAL, min_size=9, max_size=37).map("Zq7{}".format)
plain_texts = st.text(string.ascii_letters + string.digits, min_size=9, max_size=37).map("Zq7{}".format)


class Server:
    """One REST side for all examples."""

    def __init__(self, folder: Path) -> None:
        self._runner = asyncio.Runner()
        self._stack = AsyncExitStack()
        self.api: Api = self._runner.run(self._stack.enter_async_context(open_api(folder)))

    def ask(self, method: str, path: str, body: Any) -> Any:
        """The answer to a request, by a client that wants to know everything."""
        return self._runner.run(self.api.ask(method, path, body, {"accept": "application/json"}))

    def close(self) -> None:
        self._runner.run(self._stack.aclose())
        self._runner.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Opened once, as an example takes no longer than a request."""
    found = Server(tmp_path_factory.mktemp("broken"))
    yield found
    found.close()


@st.composite
def properties(draw: st.DrawFn) -> tuple[dict[str, Any], list[str]]:
    """Properties with a secret, and the secret."""
    secret, plain = draw(secret_texts), draw(plain_texts)
    found: tuple[dict[str, Any], str] = draw(
        st.sampled_from(
            (
                ({"password": secret}, secret),
                ({"apiToken": secret, "qos": 1}, secret),
                ({"server": f"tcp://user:{plain}@broker.example:1883"}, plain),
                ({"headers": {"Authorization": f"Bearer {plain}"}}, plain),
                ({"url": f"https://api.example/v1?token={plain}&n=1"}, plain),
                ({"dsn": f"Server=db;Password={plain};Encrypt=true"}, plain),
            )
        )
    )
    return {"qos": 1, "topic": "a/b", **found[0]}, [found[1]]


@st.composite
def statements(draw: st.DrawFn) -> tuple[str, list[str]]:
    """A statement that is wrong, or becomes so."""
    props, secrets = draw(properties())
    name = draw(plain_texts)
    word, extra = draw(st.sampled_from(("CREATE", "CREATEE"))), json.dumps(json.dumps(props))
    found = draw(
        st.sampled_from(
            (
                f'{word} STREAM s1 () WITH (DATASOURCE="x", TYPE="mqtt", EXTRA={extra})',
                f'{word} STREAM s1 () WITH (DATASOURCE="x", EXTRA={json.dumps(props)})',
                f"{word} STREAM s1 () WITH (DATASOURCE='x', EXTRA='{json.dumps(props)}') FORMAT",
            )
        )
    )
    if draw(st.booleans()):
        return f"DROP STREAM s1 -- password={name}", [name]
    return found, secrets


def broken(draw: st.DrawFn, text: str, secrets: list[str]) -> str:
    """A text with quotes and backslashes taken away or added, or cut off; the secrets in it stay whole."""
    source = random.Random(draw(st.integers(0, 1 << 32)))
    for _ in range(draw(st.integers(0, 3))):
        spans = [(at, at + len(secret)) for secret in secrets for at in [text.find(secret)] if at >= 0]
        match source.choice(("remove", "add", "cut")):
            case "remove":
                marks = [at for at, character in enumerate(text) if character in MARKS]
                if marks:
                    at = source.choice(marks)
                    text = text[:at] + text[at + 1 :]
            case "add":
                places = [at for at in range(len(text) + 1) if not any(start < at < end for start, end in spans)]
                at = source.choice(places)
                text = text[:at] + source.choice(MARKS) + text[at:]
            case _:
                at = source.randint(max((end for _, end in spans), default=0), len(text))
                text = text[:at]
    return text


@st.composite
def broken_statements(draw: st.DrawFn) -> tuple[str, list[str]]:
    """A statement that was broken."""
    text, secrets = draw(statements())
    return broken(draw, text, secrets), secrets


@st.composite
def broken_objects(draw: st.DrawFn) -> tuple[str, list[str]]:
    """JSON of an object that was broken: properties, or a rule."""
    props, secrets = draw(properties())
    rule = {"id": "r", "sql": "SELECT * FROM s", "actions": [{"mqtt": props}]}
    text = json.dumps(draw(st.sampled_from((rule, props, {"k": props}))), indent=draw(st.sampled_from((None, 2))))
    return broken(draw, text, secrets), secrets


def assert_hidden(answer: Any, server: Server, secrets: list[str]) -> None:
    assert answer.status < 500
    if answer.status < 400:
        return  # it was right after all
    told = [answer.text, *(str(event) for event in server.api.log.events)]
    for secret in secrets:
        for form in {secret, json.dumps(secret)[1:-1]}:
            assert not any(form in text for text in told), f"{secret!r} is in {told}"


REQUESTS = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@REQUESTS
@given(found=broken_statements())
def test_statements_by_themselves(server: Server, found: tuple[str, list[str]]) -> None:
    """Posted, put, or asked for by a body that is broken itself."""
    text, secrets = found
    assert_hidden(server.ask("POST", "/streams", {"sql": text}), server, secrets)
    assert_hidden(server.ask("PUT", "/streams/s1", {"sql": text}), server, secrets)
    assert_hidden(server.ask("POST", "/rules", {"id": "r", "sql": text, "actions": [{"log": {}}]}), server, secrets)


@REQUESTS
@given(found=broken_objects())
def test_objects_by_themselves(server: Server, found: tuple[str, list[str]]) -> None:
    """Rules and properties as bodies."""
    text, secrets = found
    for method, path in (("POST", "/rules"), ("PUT", "/rules/r"), ("PUT", "/metadata/sources/mqtt/confKeys/k"), ("POST", "/streams")):
        assert_hidden(server.ask(method, path, text.encode()), server, secrets)


@REQUESTS
@given(statement=broken_statements(), thing=broken_objects())
def test_documents(server: Server, statement: tuple[str, list[str]], thing: tuple[str, list[str]]) -> None:
    """In all formats: entries that are broken, and documents that are broken themselves."""
    secrets = [*statement[1], *thing[1]]
    document = {"streams": {"s1": statement[0]}, "rules": {"r": thing[0]}}
    v1 = json.dumps({**document, "sourceConfig": {"mqtt": thing[0]}})
    v2 = json.dumps({"streams": {"s1": {"sql": statement[0]}}, "rules": {"r": thing[0]}})
    raw = f"rules:\n  r:\n{thing[0]}\nstreams: {{s1: {{sql: {statement[0]}}}}}\n"
    for path, content in (
        ("/data/import?dryRun=1", v1),
        ("/data/import?dryRun=1", v1[: len(v1) // 2]),
        ("/data/import?dryRun=1", raw),
        ("/ruleset/import?dryRun=1", json.dumps(document)),
        ("/v2/data/import?dryRun=1", v2),
        ("/v2/data/import?dryRun=1", raw),
    ):
        assert_hidden(server.ask("POST", path, {"content": content}), server, secrets)


@given(secret=plain_texts, sigil=st.sampled_from("*!&%@"))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_values_that_want_quotes_in_yaml(server: Server, secret: str, sigil: str) -> None:
    """A password that begins with a sign that means something there."""
    text = f"sourceConfig:\n  sources.mqtt.k:\n    password: {sigil}{secret}\n    qos: [1\n"
    assert_hidden(server.ask("POST", "/v2/data/import", {"content": text}), server, [secret])


@pytest.mark.parametrize(
    "text",
    [
        'CREATE STREAM s (password STRING, token BIGINT) WITH (DATASOURCE="users", FORMAT="json"',
        "SELECT password, token FROM demo WHERE a > 5 GROUP BY tumblingwindow(ss, 10",
        '{"id": "r", "sql": "SELECT * FROM demo", "actions": [{"mqtt": {"server": "tcp://127.0.0.1:1883", "topic": "a@b"}}]',
        'CREATE STREAM s () WITH (DATASOURCE="http://host:8080/path/to/x", KEY="id", CONF_KEY="secure", TYPE="mqtt"',
    ],
)
def test_texts_without_secrets_stay(text: str) -> None:
    """Columns, keys and addresses that look a little like secrets are told as ever."""
    assert discreet(f"Parse {text} error", text) == f"Parse {text} error"
    assert secrets_in(text, broken=True) == set()
