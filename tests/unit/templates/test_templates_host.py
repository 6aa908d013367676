"""Functions whose results depend on the engine: time, zone, random numbers, static properties, cryptography."""

from __future__ import annotations

import importlib.util
import random
import re
from datetime import UTC, timedelta, timezone
from typing import Any

import pytest

from plutino.errors import TemplateError
from plutino.templates import Host, compile_template

_NOW_MS = 1_709_254_923_456
"""2024-03-01 01:02:03.456 UTC"""


def _render(template: str, data: Any = None, **changes: Any) -> str:
    settings: dict[str, Any] = {"now_ms": lambda: _NOW_MS, "zone": UTC, "random": random.Random(7), **changes}
    return compile_template(template, Host(**settings)).render(data)


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{{now}}", "2024-03-01 01:02:03.456 +0000 UTC"),
        ("{{now.Unix}} {{now.UnixMilli}} {{now.UnixNano}}", "1709254923 1709254923456 1709254923456000000"),
        ('{{now | date "2006-01-02 15:04"}}', "2024-03-01 01:02"),
        ('{{date "15:04" "no date"}}', "01:02"),
        ('{{dateInZone "15:04 MST" now "Asia/Tokyo"}}', "10:02 JST"),
        ("{{htmlDate now}}", "2024-03-01"),
        ('{{htmlDateInZone now "America/New_York"}}', "2024-02-29"),
        ('{{ago (toDate "2006-01-02" "2024-03-01")}}', "1h2m3s"),
        ('{{durationRound (toDate "2006-01-02" "2024-02-01")}}', "29d"),
        ('{{now.Format "Jan 2"}} {{now.Weekday}} {{now.Month}} {{now.YearDay}}', "Mar 1 Friday March 61"),
        ('{{dateModify "-90m" now | date "15:04"}}', "23:32"),
        ('{{prop "et"}} {{prop "nothing"}}', "1709254923456 nothing"),
    ],
)
def test_time_comes_from_the_host(template: str, expected: str) -> None:
    """What a template calls now is the host's time, in the host's zone."""
    assert _render(template) == expected


def test_local_zone_is_the_host_s() -> None:
    """``date`` shows local time."""
    zone = timezone(timedelta(hours=-5), "EST")
    assert _render('{{date "15:04 MST" now}} {{now.Hour}}', zone=zone) == "20:02 EST 20"
    assert _render('{{toDate "2006-01-02 15:04" "2024-01-02 03:04" | unixEpoch}}', zone=zone) == "1704182640"


def test_static_properties() -> None:
    """``prop`` finds what the engine sets, and makes ids that do not repeat even when the clock stands still."""
    assert _render('{{prop "node"}}', properties={"node": "edge-7"}) == "edge-7"
    ids = _render('{{prop "snowflake"}} {{prop "snowflake"}} {{prop "snowflake"}}').split()
    assert len(set(ids)) == 3
    assert sorted(ids, key=int) == ids


@pytest.mark.parametrize(
    ("template", "pattern"),
    [
        ("{{randAlpha 12}}", r"[A-Za-z]{12}"),
        ("{{randNumeric 12}}", r"[0-9]{12}"),
        ("{{randAlphaNum 12}}", r"[A-Za-z0-9]{12}"),
        ("{{randAscii 12}}", r"[ -~]{12}"),
        ("{{randBytes 6}}", r"[A-Za-z0-9+/]{8}"),
        ("{{randInt 3 5}}", r"[34]"),
        ("{{uuidv4}}", r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"),
        ('{{shuffle "abc"}}', r"[abc]{3}"),
        ("{{randAlpha 0}}x{{randAlpha -1}}", r"x"),
    ],
)
def test_random_texts(template: str, pattern: str) -> None:
    """Random texts have the length and the characters asked for, and come from the host's generator."""
    text = _render(template)
    assert re.fullmatch(pattern, text)
    assert _render(template) == text


def test_random_int_needs_a_range() -> None:
    """An empty range fails, as in the original."""
    with pytest.raises(TemplateError, match="invalid argument to Intn"):
        _render("{{randInt 5 5}}")


@pytest.mark.parametrize("template", ['{{env "HOME"}}', '{{expandenv "$HOME"}}', '{{getHostByName "localhost"}}'])
def test_surroundings_are_hidden(template: str) -> None:
    """Templates read neither the environment nor the network."""
    assert _render(template) == ""


@pytest.mark.parametrize(
    "template",
    [
        '{{bcrypt "a"}}',
        '{{htpasswd "a" "b"}}',
        '{{genPrivateKey "rsa"}}',
        '{{buildCustomCert "a" "b"}}',
        '{{genCA "a" 1}}',
        '{{genCAWithKey "a" 1 "k"}}',
        '{{genSelfSignedCert "a" nil nil 1}}',
        '{{genSelfSignedCertWithKey "a" nil nil 1 "k"}}',
        '{{genSignedCert "a" nil nil 1 nil}}',
        '{{genSignedCertWithKey "a" nil nil 1 nil "k"}}',
    ],
)
def test_certificates_are_refused_clearly(template: str) -> None:
    """Keys, certificates and password hashes compile, but say that they are not available."""
    compiled = compile_template(template)
    with pytest.raises(TemplateError, match="is not available"):
        compiled.render({})


def test_aes_works_or_says_what_is_missing() -> None:
    """With the package ``cryptography`` a text comes back, without it the message names the package."""
    template = compile_template('{{encryptAES "key" "secret" | decryptAES "key"}}')
    if importlib.util.find_spec("cryptography") is None:
        with pytest.raises(TemplateError, match=r"encryptAES is not available.*cryptography"):
            template.render({})
    else:
        assert template.render({}) == "secret"
    assert compile_template('{{encryptAES "key" ""}}{{decryptAES "key" ""}}').render({}) == ""
