"""Any text is a document or a DocumentError with places; what is written is read back."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from plutino.control import SECTIONS, V1, DocumentContent
from plutino.control.documents import ObjectText, finish
from plutino.control.sections import GROUPED
from plutino.errors import DocumentError, Fault

plain = st.text(st.characters(exclude_categories=["Cs"]))
sections = st.dictionaries(st.sampled_from(SECTIONS), st.dictionaries(plain, plain, max_size=3), max_size=4)
single = st.dictionaries(st.sampled_from([s for s in SECTIONS if s not in GROUPED]), st.dictionaries(plain, plain, max_size=3), max_size=4)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | plain,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(plain | st.sampled_from(SECTIONS), inner, max_size=3),
    max_leaves=8,
)
broken = st.tuples(sections.map(json.dumps), st.integers(0, 200), st.text(max_size=3)).map(lambda t: t[0][: t[1]] + t[2] + t[0][t[1] + 1 :])


@given(single)
def test_what_is_written_is_read_back(wanted: dict[str, dict[str, str]]) -> None:
    """Writing and reading a document gives the same entries, and each stands where its offset says."""
    objects = [ObjectText(section, name, "", text) for section, entries in wanted.items() for name, text in entries.items()]
    text = finish(V1.write(objects, lambda _: b""))
    assert list(json.loads(text)) == list(SECTIONS)
    found = read_document(text).objects
    assert {item.place: item.text for item in found} == {item.place: item.text for item in objects}
    for item in found:
        assert json.JSONDecoder().raw_decode(text, item.offset)[0] == item.text


@given(st.text() | broken | values.map(json.dumps))
def test_no_text_does_harm(text: str) -> None:
    """Every text is read or refused with at least one fault whose place lies inside the text; texts that are no JSON are refused."""
    faults = faults_of(text)
    if not faults:
        json.loads(text.removeprefix("\ufeff"), parse_constant=float)
    lines = text.split("\n")
    for fault in faults:
        assert 1 <= fault.line <= len(lines)
        assert 1 <= fault.column <= len(lines[fault.line - 1]) + 1


def read_document(text: str) -> DocumentContent:
    """The document in a text."""
    return finish(V1.read(text))


def faults_of(text: str) -> tuple[Fault, ...]:
    """What is wrong with a document; nothing when it can be read."""
    try:
        read_document(text)
    except DocumentError as error:
        return error.faults or (Fault("", "no fault given"),)
    return ()
