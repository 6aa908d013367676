"""References in property values: found, resolved by the type of their option, and stood in for while nothing runs."""

from __future__ import annotations

from typing import Annotated

import pytest
from msgspec import Struct

from plutino.errors import PlutinoError, ProvisionError
from plutino.model import Duration
from plutino.spi.options import Opt, decode_options
from plutino.spi.references import has_references, placeholders, resolved, resolved_text

VALUES = {"PORT": "1883", "PW": "s3cret", "ON": "True", "WORD": "abc", "WAIT": "5s"}


class Access(Struct, frozen=True, rename="camel"):
    """A block of options."""

    retry_count: int = 3
    url: str = ""


class Options(Struct, frozen=True, rename="camel"):
    """One option of each kind."""

    server: Annotated[str, Opt("Address")] = "tcp://localhost"
    port: int = 1
    share: Annotated[float, Opt("", aliases=("part",))] = 0.5
    on: bool = False
    wait: Duration = 10
    access: Access = Access()
    needed: int | None = None


def read(kind: str, name: str) -> str:
    if kind != "env" or name not in VALUES:
        raise PlutinoError(f"{kind} {name}: nothing")
    return VALUES[name]


def test_what_is_a_reference() -> None:
    """Variables and files, anywhere in a value; nothing else in braces, and not what is written with two dollars for itself."""
    assert has_references({"a": [{"b": "x${env:PW}y"}]})
    assert has_references("${file:/run/secrets/pw}")
    for plain in ("$env:PW", "${PW}", "${param:PW}", "{{.PW}}", "", 5, None, {"a": [1, True]}):
        assert not has_references(plain)
    assert resolved_text("$${env:PW} is ${env:PW}", read) == "${env:PW} is s3cret"


def test_references_become_values_of_their_option() -> None:
    """Text stays text, numbers and booleans become such, also under another name, in another case and inside of blocks."""
    given = {
        "server": "tcp://u:${env:PW}@h:${env:PORT}",
        "PORT": "${env:PORT}",
        "part": "${env:PORT}",
        "on": "${env:ON}",
        "wait": "${env:WAIT}",
        "access": {"retryCount": "${env:PORT}", "url": "${env:PORT}"},
        "unknown": ["${env:PORT}", {"x": "${env:PW}"}],
        "plain": 5,
    }
    found = resolved((Options,), given, read)
    assert found == {
        "server": "tcp://u:s3cret@h:1883",
        "PORT": 1883,
        "part": 1883,
        "on": True,
        "wait": "5s",
        "access": {"retryCount": 1883, "url": "1883"},
        "unknown": ["1883", {"x": "s3cret"}],
        "plain": 5,
    }
    assert decode_options(Options, found).access == Access(1883, "1883")
    same = {"server": "x"}
    assert resolved((Options,), same, read) is same


def test_a_value_of_the_wrong_type_is_not_told() -> None:
    """The error names the option, not the value: it may be a secret that stands at the wrong place."""
    with pytest.raises(ProvisionError, match=r"'access\.retryCount': what its reference stands for is no int") as caught:
        resolved((Options,), {"access": {"retryCount": "${env:WORD}"}}, read)
    assert "abc" not in str(caught.value)
    with pytest.raises(PlutinoError, match="env NONE: nothing"):
        resolved((Options,), {"server": "${env:NONE}"}, read)


def test_checks_see_placeholders() -> None:
    """Options that are no text have their default while nobody knows what their reference stands for."""
    found = placeholders((Options,), {"server": "${env:PW}", "port": "${env:X}", "access": {"retryCount": "${file:x}", "url": "${env:X}"}})
    assert found == {"server": "${env:PW}", "access": {"url": "${env:X}"}}
    assert decode_options(Options, found).port == 1
