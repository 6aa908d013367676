"""Generated secrets, wherever they stand, occur in no output but the plain one, and come back with mask or passphrase."""

from __future__ import annotations

import json
import string
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from plutino.app import components
from plutino.control.encryption import Cipher
from plutino.control.revelation import Revelation
from plutino.control.secrecy import concealed, redact, sealing, shown
from plutino.errors import DefinitionError
from plutino.model import Definition, Ref
from plutino.spi.discovery import resource_kinds
from plutino.spi.discretion import declared_secrets, discreet
from plutino.spi.registry import Registry
from plutino.spi.secrets import MASK, masked_text, replaced, scrubbed, secret_spans
from plutino.testing.environment import FakeEnvironment

EXAMPLES = 60
SPECIAL = "!$%^*()_-+~.@/#?=&"
"""What stands in passwords often, and must not be taken for the end of one."""

SALT = bytes(16)


@cache
def registry() -> Registry:
    return components()


@cache
def kinds() -> dict[str, Any]:
    return resource_kinds("plutino.resources")


@cache
def cipher() -> Cipher:
    return Cipher("a passphrase for tests")


# The first letters keep secrets apart from words that documents have anyway.
secret_texts = st.text(string.ascii_letters + string.digits + SPECIAL, min_size=9, max_size=37).map("Zq7{}".format)
"""Passwords as they are: in addresses they are often written without escapes, and taken for ports only when they begin as one."""

plain_texts = st.text(string.ascii_letters + string.digits, min_size=9, max_size=37).map("Zq7{}".format)
"""Tokens and keys."""


@dataclass(frozen=True)
class Place:
    """A definition with secrets in it."""

    kind: str
    name: str
    text: str
    secrets: tuple[str, ...]


@st.composite
def properties(draw: st.DrawFn) -> tuple[dict[str, Any], list[str]]:
    """Properties of a source, sink or connection with some secrets among them."""
    found: dict[str, Any] = {"qos": 1, "topic": "a/b", "interval": "10s"}
    secrets: list[str] = []

    def new(strategy: st.SearchStrategy[str] = secret_texts) -> str:
        secrets.append(draw(strategy))
        return secrets[-1]

    for choice in draw(st.lists(st.sampled_from(range(14)), min_size=1, max_size=5, unique=True)):
        match choice:
            case 0:
                found["password"] = new()
            case 1:
                found["server"] = f"tcp://user:{new()}@broker.example:1883"
            case 2:
                found["url"] = f"https://api.example/v1/x?token={new(plain_texts)}&n=1"
            case 3:
                found["headers"] = {"Authorization": f"Bearer {new(plain_texts)}", "X-Site": new(), "Accept": "application/json"}
            case 4:
                found["httpHeaders"] = json.dumps({"Authorization": f"Basic {new(plain_texts)}"})
            case 5:
                found["dburl"] = f"root:{new()}@tcp(db.example:3306)/plant?charset=utf8"
            case 6:
                found["dsn"] = f"Server=db.example;User Id=sa;Password={new(plain_texts)};Encrypt=true"
            case 7:
                found["apiToken"] = new()
            case 8:
                found["nested"] = {"more": [{"clientSecret": new()}, {"plain": "value"}]}
            case 9:
                found["oAuth"] = {"access": {"url": "https://id.example/t", "body": json.dumps({"client_secret": new()})}}
            case 10:
                found["connect"] = f"host=db.example user=plant password={new(plain_texts)} dbname=x"
            case 11:
                found["privateKeyRaw"] = new(plain_texts)
            case 12:
                found["proxy"] = f"http://{new(plain_texts)}@proxy.example:3128"
            case _:
                found["template"] = '{"value": {{.a}}, "api_key": "' + new(plain_texts) + '"}'
    return found, secrets


@st.composite
def places(draw: st.DrawFn) -> Place:
    """A stored object with secrets."""
    props, secrets = draw(properties())
    connector = draw(st.sampled_from(("mqtt", "rest", "httppull", "unheard")))
    match draw(st.sampled_from(("source_config", "sink_config", "connection", "rule", "stream", "upload"))):
        case "rule":
            rule = {"id": "r", "sql": "SELECT * FROM s", "actions": [{"log": {}}, {connector: props}]}
            return Place("rule", "r", json.dumps(rule, indent=draw(st.sampled_from((None, 2)))), tuple(secrets))
        case "stream":
            extra = json.dumps(json.dumps(props))
            return Place("stream", "s", f'CREATE STREAM s () WITH (DATASOURCE="x", TYPE="{connector}", EXTRA={extra})', tuple(secrets))
        case "upload":
            return Place("upload", "u.json", json.dumps({"name": "u.json", "content": json.dumps(props)}), tuple(secrets))
        case kind:
            return Place(kind, f"{connector}.k", json.dumps(props), tuple(secrets))


def environment() -> FakeEnvironment:
    return FakeEnvironment(registry=registry())


def definition_of(place: Place) -> Definition:
    ref = Ref(place.kind, place.name)
    return kinds()[place.kind].parse(ref, place.text)  # type: ignore[no-any-return]


def assert_hidden(output: str, secrets: Iterable[str]) -> None:
    for secret in secrets:
        for form in (secret, json.dumps(secret)[1:-1]):
            assert form not in output, f"{secret!r} is in {output!r}"


@settings(max_examples=EXAMPLES, deadline=None)
@given(places())
def test_masked_texts_hold_no_secret_and_become_whole_again(place: Place) -> None:
    """A masked text has none of the secrets; laid over the object that it came from, it is that object's text to the letter."""
    definition, spec = definition_of(place), kinds()[place.kind]
    hidden = concealed(definition, place.text, spec, environment(), redact)
    assert_hidden(hidden, place.secrets)
    assert MASK in hidden
    assert Revelation(kinds(), lambda _: place.text).whole(definition.ref, hidden) == place.text
    missing = ""
    try:
        Revelation(kinds(), lambda _: None).whole(definition.ref, hidden)
    except DefinitionError as error:
        missing = error.message
    assert "there is none here to keep" in missing


@settings(max_examples=EXAMPLES, deadline=None)
@given(places())
def test_encrypted_texts_hold_no_secret_and_open_with_the_passphrase(place: Place) -> None:
    """An encrypted text has none of the secrets, is the same every time, and opens anywhere with the passphrase."""
    definition, spec = definition_of(place), kinds()[place.kind]
    hidden = concealed(definition, place.text, spec, environment(), sealing(cipher(), SALT))
    assert_hidden(hidden, place.secrets)
    assert hidden == concealed(definition, place.text, spec, environment(), sealing(cipher(), SALT))
    revelation = Revelation(kinds(), lambda _: None)
    revelation._cipher = cipher()  # deriving a key takes a tenth of a second
    assert revelation.whole(definition.ref, hidden) == place.text


@settings(max_examples=EXAMPLES, deadline=None)
@given(places())
def test_shown_contents_and_messages_hold_no_secret(place: Place) -> None:
    """What a difference shows, and a message that quotes the whole text of an object, tell nothing."""
    import msgspec

    definition, spec = definition_of(place), kinds()[place.kind]
    if place.kind != "upload":  # of which a difference shows the hash only
        content = msgspec.to_builtins(definition.content)
        assert_hidden(json.dumps(shown(content, spec.secrets(definition, environment()))), place.secrets)
    declared = declared_secrets(registry())
    assert_hidden(discreet(f"Parse rule {place.text} error: something", place.text, declared), place.secrets)
    assert_hidden(discreet(f"cannot use {'; '.join(place.secrets)}", place.text, declared), place.secrets)


@settings(max_examples=EXAMPLES * 3, deadline=None)
@given(st.text(max_size=60) | st.from_regex(r"[a-z]{2,8}://[^ ]{0,30}|\w+=[^;]*;\w+=.*", fullmatch=True))
@example("mqtt://u:p@ss/w:or?d@host:1883/x")
@example("Bearer ******")
def test_masking_is_stable(text: str) -> None:
    """Masking twice changes nothing, and a masked value has its secret parts where the value has them."""
    spans = secret_spans(text)
    masked = masked_text(text)
    assert masked_text(masked) == masked
    assert len(secret_spans(masked)) == len(spans)
    parts = iter([text[start:end] for start, end in spans])
    assert replaced(masked, secret_spans(masked), lambda _: next(parts)) == text
    scrubbed(text)
