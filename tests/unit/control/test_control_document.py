"""v1 documents are read with the place of every fault, and written in the spelling and order of the original."""

from __future__ import annotations

import json

import pytest

from plutino.control.documents import V1, DocumentContent, ObjectText, finish, paced
from plutino.control.sections import SECTIONS
from plutino.errors import DocumentError, Fault


def texts(document: str) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for item in read_document(document).objects:
        found.setdefault(item.section, {})[item.entry] = item.text
    return found


def read_document(text: str) -> DocumentContent:
    return finish(V1.read(text))


def test_sections_match_without_regard_to_case_and_merge() -> None:
    """Any spelling of a section is taken, and one that occurs twice is merged."""
    assert texts('{"STREAMS": {"a": "1"}, "streams": {"b": "2"}, "service": {"x": "3"}}') == {
        "streams": {"a": "1", "b": "2"},
        "Service": {"x": "3"},
    }


def test_null_is_nothing() -> None:
    """A null document is empty, a null section too, and a null entry is the empty text."""
    assert texts("null") == {}
    assert texts('{"rules": null, "streams": {"a": null}}') == {"streams": {"a": ""}}


def test_unknown_sections_and_repeated_entries_are_warnings() -> None:
    """What is passed over is reported with its place; the last of two equal entries counts."""
    document = read_document('{"nosuch": {"a": [1, {"b": 2}]},\n "rules": {"r": "1",\n  "r": "2"}}')
    assert [item.text for item in document.objects] == ["2"]
    assert [(w.path, w.line, w.column) for w in document.warnings] == [("nosuch", 1, 2), ("rules.r", 3, 8)]


def test_every_wrong_value_is_found_with_its_place() -> None:
    """Entries that are no text and sections that are no object are faults, all of them, with line and column."""
    text = '{\n  "streams": {"s": {"sql": "x"}, "t": "ok"},\n  "rules": {"r": 5, "q": [true]},\n  "tables": [],\n  "scripts": false\n}'
    with pytest.raises(DocumentError) as caught:
        read_document(text)
    prefix = "json: cannot unmarshal "
    hint = "; every entry here is a text: a statement, or JSON between quotes; structured it may stand in YAML (v2) or in a folder"
    assert caught.value.faults == (
        Fault("streams.s", prefix + "object into Go struct field Configuration.streams of type string" + hint, 2, 20),
        Fault("rules.r", prefix + "number into Go struct field Configuration.rules of type string" + hint, 3, 18),
        Fault("rules.q", prefix + "array into Go struct field Configuration.rules of type string" + hint, 3, 26),
        Fault("tables", prefix + "array into Go struct field Configuration.tables of type map[string]string", 4, 13),
        Fault("scripts", prefix + "bool into Go struct field Configuration.scripts of type map[string]string", 5, 14),
    )
    assert str(caught.value) == "configuration unmarshal with error " + caught.value.faults[0].text.removesuffix(hint)


@pytest.mark.parametrize(
    ("text", "message", "place"),
    [
        ("", "unexpected end of JSON input", (1, 1)),
        ("{", "unexpected end of JSON input", (1, 2)),
        ('{"rules": {"r": "x', "unexpected end of JSON input", (1, 19)),
        ('{"rules": {"r"', "unexpected end of JSON input", (1, 15)),
        ("[]", "json: cannot unmarshal array into Go value of type server.Configuration", (1, 1)),
        ('"x"', "json: cannot unmarshal string into Go value of type server.Configuration", (1, 1)),
        ("x", "invalid character 'x' looking for beginning of value", (1, 1)),
        ('{"streams":{}} extra', "invalid character 'e' after top-level value", (1, 16)),
        ("{streams:{}}", "invalid character 's' looking for beginning of object key string", (1, 2)),
        ('{"rules" {}}', "invalid character '{' after object key", (1, 10)),
        ('{"rules": {"r": "x" "q"}}', "invalid character '\"' after object key:value pair", (1, 21)),
        ('{"rules": {"r": "x",}}', "invalid character '}' looking for beginning of object key string", (1, 21)),
        ('{"rules":\n {"r": \'x\'}}', "invalid character '\\'' looking for beginning of value", (2, 8)),
        ('{"rules": {"r": "a\nb"}}', "invalid character '\\n' in string literal", (1, 19)),
        ('{"rules": {"r": NaN}}', "invalid character 'N' looking for beginning of value", (1, 17)),
        ('{"other": [1 2]}', "invalid character '2' after array element", (1, 14)),
    ],
)
def test_syntax_errors_have_the_text_of_the_original_and_a_place(text: str, message: str, place: tuple[int, int]) -> None:
    """Text that is no JSON document is refused with the known wording and where it happens."""
    with pytest.raises(DocumentError) as caught:
        read_document(text)
    assert str(caught.value) == f"configuration unmarshal with error {message}"
    (fault,) = caught.value.faults
    assert (fault.line, fault.column) == place


def test_bad_escapes_are_refused() -> None:
    """A wrong escape is a syntax error with a place, never another exception."""
    for text in (r'{"rules": {"r": "\q"}}', r'{"rules": {"r": "\u12"}}', r'{"rules": {"\x": ""}}'):
        with pytest.raises(DocumentError):
            read_document(text)


def test_hostile_documents_end_in_a_fault() -> None:
    """Deep nesting and huge numbers are refused, not followed into a crash."""
    deep = '{"x": ' + "[" * 100_000 + "]" * 100_000 + "}"
    with pytest.raises(DocumentError, match="exceeded max depth"):
        read_document(deep)
    with pytest.raises(DocumentError, match="cannot unmarshal number"):
        read_document('{"rules": {"r": ' + "9" * 10_000 + "}}")


def test_half_surrogates_become_the_replacement_character() -> None:
    """Text can always be stored and sent as UTF-8; whole pairs stay."""
    assert texts(r'{"rules": {"r\ud800": "a\udfffb \ud83d\ude00"}}') == {"rules": {"r\ufffd": "a\ufffdb 😀"}}


def test_a_byte_order_mark_is_passed_over() -> None:
    """Documents from editors that write one are taken."""
    assert texts('\ufeff{"rules": {"r": "1"}}') == {"rules": {"r": "1"}}


def test_writing_gives_all_sections_in_order() -> None:
    """All twelve keys are there, in the order and spelling of the original, empty ones too."""
    objects = [ObjectText("rules", "r", "", '{"id":"r"}'), ObjectText("Schema", "p", "", "ü<&")]
    written = finish(V1.write(objects, lambda _: b""))
    assert list(json.loads(written)) == list(SECTIONS)
    assert written.startswith('{"streams":{},"tables":{},"rules":{"r":"{\\"id\\":\\"r\\"}"},"nativePlugins":{}')
    assert texts(written)["Schema"] == {"p": "ü<&"}


async def test_paced_reading_gives_the_same() -> None:
    """Reading in slices finds the same document and the same faults."""
    text = json.dumps({"rules": {f"r{i}": f"text {i}" for i in range(20_000)}})
    assert (await paced(V1.read(text))).objects == read_document(text).objects
    with pytest.raises(DocumentError, match="unexpected end"):
        await paced(V1.read(text[:-1]))
