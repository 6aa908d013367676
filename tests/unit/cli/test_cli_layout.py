"""Documents as files and folders."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from plutino.cli import layout
from plutino.cli.output import Misuse, Refusal

DOCUMENT = {
    "streams": {"boiler": 'CREATE STREAM boiler () WITH (DATASOURCE="a")'},
    "rules": {"hot": '{"id":"hot","big":12345678901234567890,"float":1.0}'},
    "sourceConfig": {"mqtt": '{"a":{"qos":1}}'},
    "Schema": {"protobuf_a/b": "{}"},
}


def sections(text: str) -> dict[str, dict[str, str]]:
    """The sections that have entries."""
    return {section: entries for section, entries in json.loads(text).items() if entries}


def test_folder_and_document_say_the_same(tmp_path: Path) -> None:
    """A document written to a folder and read again is the same document, values as they were."""
    layout.write_document(json.dumps(DOCUMENT), f"{tmp_path}/plant/")
    assert (tmp_path / "plant/streams/boiler.sql").read_text() == DOCUMENT["streams"]["boiler"] + "\n"
    assert "12345678901234567890" in (tmp_path / "plant/rules/hot.json").read_text()
    again = sections(layout.read_document(str(tmp_path / "plant")))
    assert again["streams"] == DOCUMENT["streams"]
    assert {k: {n: json.loads(t) for n, t in v.items()} for k, v in again.items() if k != "streams"} == {
        k: {n: json.loads(t) for n, t in v.items()} for k, v in DOCUMENT.items() if k != "streams"
    }


def test_entries_that_are_gone_leave_no_file(tmp_path: Path) -> None:
    """Writing a folder again removes the files of entries that are not in the document any more, and nothing else."""
    folder = tmp_path / "plant"
    layout.write_document(json.dumps(DOCUMENT), f"{folder}/")
    (folder / "README.md").write_text("about")
    layout.write_document(json.dumps({"streams": {}}), str(folder))
    assert [p.name for p in folder.rglob("*") if p.is_file()] == ["README.md"]


def test_values_keep_their_spelling() -> None:
    """Line breaks are all that is added to a document."""
    assert layout.readable('{"a":1.0,"b":12345678901234567890}') == '{\n  "a": 1.0,\n  "b": 12345678901234567890\n}'
    assert layout.readable("no json") == "no json"


@pytest.mark.parametrize(
    ("files", "text"),
    [
        ({}, "holds no configuration"),
        ({"stream/a.sql": "x"}, "is no section"),
        ({"streams/a.txt": "x"}, "is no entry"),
    ],
)
def test_folders_that_are_none(tmp_path: Path, files: dict[str, str], text: str) -> None:
    """A folder with another layout is refused, nothing in it is passed over."""
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content)
    with pytest.raises(Misuse, match=text):
        layout.read_document(str(tmp_path))


def test_unreadable_files(tmp_path: Path) -> None:
    """A missing file and a file that is no text are usage errors."""
    with pytest.raises(Misuse, match="No such file"):
        layout.read_document(str(tmp_path / "none.json"))
    (tmp_path / "bytes").write_bytes(b"\xff\xfe")
    with pytest.raises(Misuse, match="not UTF-8"):
        layout.read_document(str(tmp_path / "bytes"))


@pytest.mark.parametrize(("text", "counts"), [("[]", {}), ("{", {}), ('{"rules":{"a":"","b":""},"streams":{}}', {"rules": 2})])
def test_counts(text: str, counts: dict[str, int]) -> None:
    """Entries are counted where there is a document, to say what is imported."""
    assert layout.counts(text) == counts


def test_faults_of_a_folder_name_its_files(tmp_path: Path) -> None:
    """Places in a document that nobody sees are replaced by the file to look into."""
    layout.write_document(json.dumps(DOCUMENT), f"{tmp_path}/")
    faults = [{"path": path, "line": 1, "column": 7, "text": "x"} for path in ("rules.hot", "sourceConfig.mqtt.a", "rules.other")]
    with pytest.raises(Refusal) as caught, layout.faults_of(str(tmp_path)):
        raise Refusal("refused", faults=faults)
    assert [(fault["path"], fault["line"]) for fault in caught.value.faults] == [
        (f"{tmp_path}/rules/hot.json", 0),
        (f"{tmp_path}/sourceConfig/mqtt.json", 0),
        ("rules.other", 1),
    ]
