"""YAML is read with places and within limits, and written so that every reader gives the same back."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from plutino.control.documents import finish
from plutino.control.documents.yaml_reader import Limits, read_yaml, value_of
from plutino.control.documents.yaml_writer import to_yaml
from plutino.errors import DocumentError

plain = st.text(st.characters(exclude_categories=["Cs"]), max_size=15)
tricky = st.text("ab :#-\n\t'\"\\,[]{}&*!|>%@`~?0123.e_yn<=", max_size=12)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | plain | tricky,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(plain | tricky, inner, max_size=3),
    max_leaves=10,
)


def value(text: str, limits: Limits | None = None) -> Any:
    """The value of a document."""
    found = finish(read_yaml(text, limits) if limits is not None else read_yaml(text))
    return None if found.root is None else value_of(found.root, text)


@settings(max_examples=300)
@given(values)
def test_what_is_written_is_read_back(written: Any) -> None:
    """This reader and the library's own give back the value, types and all; equal values give equal bytes."""
    text = to_yaml(written)
    assert json.dumps(value(text)) == json.dumps(written)
    assert yaml.load(text, Loader=yaml.CSafeLoader) == written
    assert to_yaml(value(text)) == text


def test_how_it_looks() -> None:
    """Four spaces, dashes inside of their key, texts of several lines as blocks."""
    written = {"rules": {"r": {"sql": "SELECT a\nFROM s", "actions": [{"mqtt": {"topic": "x"}, "n": [1, []]}], "version": "7", "o": {}}}}
    assert to_yaml(written).splitlines() == [
        "rules:",
        "    r:",
        "        sql: |-",
        "            SELECT a",
        "            FROM s",
        "        actions:",
        "            - mqtt:",
        "                topic: x",
        '              "n":',
        "                - 1",
        "                - []",
        '        version: "7"',
        "        o: {}",
    ]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("010", 8),
        ("0o17", 15),
        ("0x1F", 31),
        ("1_000", 1000),
        ("+3", 3),
        ("09", 9.0),
        ("-.5", -0.5),
        ("1e3", 1000.0),
        ("yes", "yes"),
        ("1:30", "1:30"),
        ("2001-01-01", "2001-01-01"),
        ("0x_", "0x_"),
        ("~", None),
        ("TRUE", True),
        ("!!str 5", "5"),
        ("!!float 5", 5.0),
        ("'5'", "5"),
        ("12345678901234567890123", 12345678901234567890123),
    ],
)
def test_plain_scalars_are_what_the_original_takes_them_for(text: str, wanted: Any) -> None:
    """Numbers as Go writes them, no dates, no yes and no."""
    assert value(f"a: {text}") == {"a": wanted}
    assert type(value(f"a: {text}")["a"]) is type(wanted)


def test_anchors_and_merges() -> None:
    """Aliases repeat a value, a merge fills in what is not written."""
    assert value("base: &b {a: 1, c: 2}\nx: *b\ny:\n    <<: *b\n    a: 3\n") == {
        "base": {"a": 1, "c": 2},
        "x": {"a": 1, "c": 2},
        "y": {"a": 3, "c": 2},
    }
    assert value("\ufeffa: é\n") == {"a": "é"}


BOMB = "a: &a [1,1,1,1,1,1,1,1,1]\n" + "".join(
    f"{n}: &{n} [{','.join([f'*{p}'] * 9)}]\n" for p, n in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("text", "line", "column", "problem"),
    [
        ("streams: [", 1, 11, "did not find expected node content"),
        ("a: 1\nb: c: d", 2, 5, "mapping values are not allowed in this context"),
        ("é: 1\né: 2", 2, 1, 'mapping key "é" already defined at line 1'),
        ("a: *x", 1, 4, "unknown anchor 'x' referenced"),
        ("a: &a [*a]", 1, 8, "unknown anchor 'a' referenced"),
        ("? [1]\n: 2", 1, 3, "a list or an object is the key of an object; text is expected"),
        ("a: .nan", 1, 4, ".nan: not a number that JSON has"),
        ("a: !!int x", 1, 4, "x: no value of type int"),
        ("a: !!python/object/apply:os.system [x]", 1, 4, "tag tag:yaml.org,2002:python/object/apply:os.system has no meaning here"),
        ("a: !!binary eA==", 1, 4, "tag tag:yaml.org,2002:binary has no meaning here"),
        ("é\x07: 1", 1, 2, "control characters are not allowed"),
        ("x:\n  <<: 5", 2, 7, "map merge requires map or sequence of maps as the value"),
        (BOMB, 6, 8, "document contains excessive aliasing"),
        ("[" * 500, 1, 101, "more than 100 levels deep"),
    ],
)
def test_faults_have_a_place(text: str, line: int, column: int, problem: str) -> None:
    """What is no YAML, or more than it looks, is refused with line and column; nothing is executed or followed."""
    with pytest.raises(DocumentError) as caught:
        value(text)
    (fault,) = caught.value.faults
    assert (fault.line, fault.column) == (line, column)
    assert fault.text.startswith(problem)
    assert str(caught.value) == f"yaml: line {line}: {fault.text}"


def test_size_and_count_are_limited() -> None:
    """Too many characters, and too many values, are refused."""
    with pytest.raises(DocumentError, match="10 characters; at most 9 are read"):
        value("a: 1234567", Limits(characters=9))
    with pytest.raises(DocumentError, match="more than 5 values"):
        value("[1, 2, 3, 4, 5, 6]", Limits(nodes=5))


@given(st.text(max_size=40) | tricky | plain.map(lambda t: f"streams:\n  a: {t}"))
def test_no_text_does_harm(text: str) -> None:
    """Any text is a value or a fault inside of the text."""
    try:
        value(text)
        faults: tuple[Any, ...] = ()
    except DocumentError as error:
        faults = error.faults or (None,)
    for fault in faults:
        assert 1 <= fault.line <= text.count("\n") + 1
