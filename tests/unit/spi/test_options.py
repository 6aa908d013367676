"""Decoding of options follows the dialect, and everything else derives from the model."""

from __future__ import annotations

from typing import Annotated, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct

from plutino.errors import OptionError
from plutino.model import Duration
from plutino.spi.options import (
    MASK,
    Opt,
    Tls,
    decode_options,
    encode_options,
    json_schema,
    mask,
    option_fields,
    secret_paths,
    unknown_options,
)


class Access(Struct, frozen=True, rename="camel"):
    """A nested block."""

    url: str = ""
    api_token: Annotated[str, Opt("Token", secret=True)] = ""


class Options(Struct, frozen=True, rename="camel"):
    """One option of each shape."""

    url: Annotated[str, Opt("Address", connection_related=True, required=True)] = "http://localhost"
    qos: Annotated[int, Opt("Quality", values=(0, 1, 2))] = 0
    ratio: float = 1.0
    retained: bool = False
    send_interval: Duration = 0
    columns: list[str] = []
    headers: dict[str, str] = {}
    access: Access = Access()
    limit: int | None = None
    anything: Any = None
    old_name: Annotated[str, Opt("Renamed", aliases=("veryOldName",))] = ""
    tls: Annotated[Tls, Opt(inline=True)] = Tls()


def test_names_match_in_any_case() -> None:
    """``sendInterval``, ``sendinterval`` and ``SENDINTERVAL`` are one option; the exact spelling wins."""
    assert decode_options(Options, {"URL": "a", "SendINTERVAL": 1}).url == "a"
    assert decode_options(Options, {"URL": "a", "url": "b"}).url == "b"
    assert decode_options(Options, {"INSECURESKIPVERIFY": True}).tls.insecure_skip_verify


def test_a_json_number_is_cut_for_an_int() -> None:
    """JSON has one kind of number."""
    assert decode_options(Options, {"qos": 1.9}).qos == 1
    assert decode_options(Options, {"ratio": 2}).ratio == 2.0


@pytest.mark.parametrize(("value", "ms"), [("1m30s", 90_000), ("500ms", 500), (250, 250), (1.5, 1), ("0", 0), ("-1s", -1000)])
def test_durations_are_text_or_milliseconds(value: Any, ms: int) -> None:
    """Go's duration text or a number."""
    assert decode_options(Options, {"sendInterval": value}).send_interval == ms


@pytest.mark.parametrize(
    ("props", "text"),
    [
        ({"url": 1}, "'url' expected type 'string', got unconvertible type 'int', value: '1'"),
        ({"url": 1.0}, "'url' expected type 'string', got unconvertible type 'float64', value: '1'"),
        ({"qos": "1"}, "'qos' expected type 'int', got unconvertible type 'string', value: '1'"),
        ({"qos": True}, "'qos' expected type 'int', got unconvertible type 'bool', value: 'true'"),
        ({"retained": "true"}, "'retained' expected type 'bool', got unconvertible type 'string', value: 'true'"),
        ({"headers": "a"}, "'headers' expected a map, got 'string'"),
        ({"headers": {"a": 1}}, "'headers[a]' expected type 'string', got unconvertible type 'int', value: '1'"),
        ({"access": []}, "'access' expected a map, got '[]interface {}'"),
        ({"access": {"url": 1}}, "'access.url' expected type 'string', got unconvertible type 'int', value: '1'"),
        ({"columns": "a"}, "'columns': source data must be an array or slice, got string"),
        ({"columns": ["a", 2]}, "'columns[1]' expected type 'string', got unconvertible type 'int', value: '2'"),
        ({"sendInterval": "10"}, "error decoding 'sendInterval': time: missing unit in duration \"10\""),
        ({"sendInterval": "1x"}, 'error decoding \'sendInterval\': time: unknown unit "x" in duration "1x"'),
        ({"qos": float("nan")}, "'qos' expected type 'int', got unconvertible type 'float64', value: 'nan'"),
    ],
)
def test_everything_else_is_strict(props: dict[str, Any], text: str) -> None:
    """The texts are those of the original."""
    with pytest.raises(OptionError) as caught:
        decode_options(Options, props)
    assert str(caught.value) == text


def test_all_faults_are_reported_at_once() -> None:
    """Two wrong options give one error that names both, with the path of the first."""
    with pytest.raises(OptionError) as caught:
        decode_options(Options, {"url": 1, "access": {"url": 2}}, where="source")
    assert "'source.url'" in str(caught.value)
    assert "'source.access.url'" in str(caught.value)
    assert caught.value.path == "source.url"


def test_null_leaves_the_default_and_aliases_are_read() -> None:
    """A null is as good as nothing, except where it is a value."""
    decoded = decode_options(Options, {"url": None, "limit": None, "veryOldName": "x"})
    assert (decoded.url, decoded.limit, decoded.old_name) == ("http://localhost", None, "x")


def test_unknown_names_are_ignored_but_found() -> None:
    """Misspelt names come with what they resemble."""
    assert decode_options(Options, {"nobody": 1}) == decode_options(Options, {})
    found = unknown_options(Options, {"ulr": 1, "nobody": 2, "access": {"urll": 3}, "qos": 1, "tlsMinVersion": "tls1.3"})
    assert found == [("ulr", "url"), ("nobody", None), ("access.urll", "access.url")]


def test_several_models_share_one_set_of_properties() -> None:
    """What the engine reads of a sink is known beside what the sink reads."""
    assert unknown_options((Access, Options), {"apiToken": "", "qos": 1}) == []


def test_options_survive_the_wire() -> None:
    """Encoding writes durations as text and inlined blocks flat."""
    props = encode_options(decode_options(Options, {"sendInterval": 1500, "rootCARaw": "YQ=="}))
    assert props["sendInterval"] == "1.5s"
    assert props["rootCARaw"] == "YQ=="
    assert decode_options(Options, props).send_interval == 1500


def test_secrets_are_masked_wherever_they_are() -> None:
    """Marked options, names that sound secret, headers and passwords inside addresses."""
    props = {
        "url": "mqtt://user:pw@host",
        "access": {"apiToken": "t", "url": "u"},
        "headers": {"Authorization": "Bearer x", "Accept": "json"},
        "saslPassword": "p",
        "privateKeyPath": "/etc/key.pem",
        "list": [{"secret": "s"}],
        "empty": {"password": ""},
    }
    assert mask(Options, props) == {
        "url": f"mqtt://user:{MASK}@host",
        "access": {"apiToken": MASK, "url": "u"},
        "headers": {"Authorization": MASK, "Accept": "json"},
        "saslPassword": MASK,
        "privateKeyPath": "/etc/key.pem",
        "list": [{"secret": MASK}],
        "empty": {"password": ""},
    }
    assert set(secret_paths(Options, props)) == {
        ("access", "apiToken"),
        ("headers", "Authorization"),
        ("saslPassword",),
        ("list", "0", "secret"),
    }


def test_form_fields_have_the_shape_of_the_wire() -> None:
    """One field per option, nested blocks as lists of fields, inlined blocks flat."""
    fields = {f["name"]: f for f in option_fields(Options)}
    assert fields["url"] == {
        "exist": False,
        "name": "url",
        "default": "http://localhost",
        "type": "string",
        "control": "text",
        "connection_related": True,
        "optional": False,
        "values": None,
        "hint": {"en": "Address", "zh": "Address"},
        "label": {"en": "url", "zh": "url"},
    }
    assert fields["qos"]["control"] == "select"
    assert fields["sendInterval"]["default"] == "0s"
    assert fields["columns"]["type"] == "list_string"
    assert [f["name"] for f in fields["access"]["default"]] == ["url", "apiToken"]
    assert {f["name"] for f in option_fields(Options, connection_only=True)} >= {"url", "rootCaPath", "certificationRaw"}


def test_json_schema_describes_every_option() -> None:
    """Types, defaults and what must not be shown."""
    schema = json_schema(Options)
    assert schema["required"] == ["url"]
    assert schema["properties"]["retained"] == {"type": "boolean", "default": False}
    assert schema["properties"]["access"]["properties"]["apiToken"]["writeOnly"] is True


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
_NAMES = st.sampled_from(
    ["url", "QOS", "ratio", "retained", "sendInterval", "columns", "headers", "access", "limit", "tls", "decrypt", "x"]
)


@given(st.dictionaries(_NAMES, _VALUES, max_size=6))
def test_no_properties_raise_anything_else(props: dict[str, Any]) -> None:
    """Whatever is configured, the answer is an instance or an OptionError; masking and reporting never fail."""
    path = "decoded"
    try:
        decode_options(Options, props)
    except OptionError as error:
        path = error.path
    assert path
    mask(Options, props)
    unknown_options(Options, props)
