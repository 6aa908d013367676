"""What HTTP connectors refuse when they are made."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from plutino.connectors.http import CONNECTORS
from plutino.connectors.http.options import uses_tokens
from plutino.errors import PlutinoError
from plutino.spi.options import decode_options
from plutino.testing import sink_context, source_context

PULL, REST = (next(c for c in CONNECTORS if c.name == name) for name in ("httppull", "rest"))


@pytest.mark.parametrize(
    ("props", "text"),
    [
        ({"url": "ftp://x"}, "invalid url ftp://x"),
        ({"url": "http://"}, "invalid url http://"),
        ({"url": "http://h:99999"}, "invalid url"),
        ({"method": "PATCH"}, "Not supported HTTP method PATCH."),
        ({"bodyType": "yaml"}, "Invalid body type value yaml."),
        ({"timeout": -1}, "invalid timeout"),
        ({"responseType": "x"}, "Invalid response type value x."),
        ({"oAuth": {}}, "if setting oAuth, `access` property is required"),
        ({"oAuth": {"access": {"url": "x"}}}, "invalid url x"),
        ({"oAuth": {"access": {"url": "http://h", "expire": "soon"}}}, "oauth expire soon"),
    ],
)
def test_pull_and_rest_refuse(tmp_path: Path, props: dict[str, Any], text: str) -> None:
    """The same options, the same texts."""
    assert PULL.source is not None
    assert REST.sink is not None
    with pytest.raises(PlutinoError) as caught:
        PULL.source.create(decode_options(PULL.source.options, props), "", source_context(str(tmp_path)))
    assert text in str(caught.value)
    with pytest.raises(PlutinoError) as caught:
        REST.sink.create(decode_options(REST.sink.options, props), sink_context(str(tmp_path)))
    assert text in str(caught.value)


@pytest.mark.parametrize(
    ("props", "text"),
    [
        ({"method": "post", "format": "delimited"}, "format must be json if bodyType is json"),
        ({"bodyType": "form"}, "format must be urlencoded if bodyType is form"),
        ({"compression": "zip"}, "invalid compression zip"),
    ],
)
def test_rest_refuses(tmp_path: Path, props: dict[str, Any], text: str) -> None:
    """Body type and format must fit."""
    assert REST.sink is not None
    with pytest.raises(PlutinoError, match=text):
        REST.sink.create(decode_options(REST.sink.options, props), sink_context(str(tmp_path)))


def test_templates_are_not_judged_before_they_are_filled(tmp_path: Path) -> None:
    """Address, method and body type may come from the data or the states."""
    assert PULL.source is not None
    assert REST.sink is not None
    PULL.source.create(decode_options(PULL.source.options, {"url": "{{.base}}"}), "/x", source_context(str(tmp_path)))
    options = {"url": "{{.u}}", "method": "{{.m}}", "bodyType": "{{.b}}"}
    REST.sink.create(decode_options(REST.sink.options, options), sink_context(str(tmp_path)))


def test_tokens_are_recognised_in_any_case() -> None:
    """An empty address switches OAuth off."""
    assert uses_tokens({"OAuth": {"Access": {"URL": "http://h"}}})
    assert not uses_tokens({"oauth": {"access": {"url": ""}}})
    assert not uses_tokens({"oauth": None})
