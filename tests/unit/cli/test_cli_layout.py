"""Documents as files and folders."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from plutino.cli import layout
from plutino.cli.output import Misuse, Refusal
from plutino.control.documents import BUNDLE, V1, V2, finish

DOCUMENT = {
    "streams": {"boiler": 'CREATE STREAM boiler () WITH (DATASOURCE="a")'},
    "rules": {"hot": '{"id":"hot","big":12345678901234567890,"float":1.0}'},
    "sourceConfig": {"mqtt": '{"a":{"qos":1}}'},
    "Schema": {"protobuf_a/b": "{}"},
}


def files(document: dict[str, dict[str, str]]) -> dict[str, bytes]:
    """The files of a document."""
    return layout.files_of(finish(BUNDLE.write(finish(V1.read(json.dumps(document))).objects, lambda digest: b"")))


def values(document: str) -> dict[str, Any]:
    """The sections that have entries, JSON texts as values."""
    found = {section: entries for section, entries in json.loads(document).items() if entries}
    return {s: {name: text if s == "streams" else json.loads(text) for name, text in entries.items()} for s, entries in found.items()}


def test_folder_and_document_say_the_same(tmp_path: Path) -> None:
    """A document written to a folder and read again is the same document; statements are text, the rest are values."""
    layout.write_folder(files(DOCUMENT), f"{tmp_path}/plant/")
    assert (tmp_path / "plant/streams/boiler.yaml").read_text() == f"sql: {DOCUMENT['streams']['boiler']}\n"
    assert "big: 12345678901234567890\nfloat: 1.0\n" in (tmp_path / "plant/rules/hot.yaml").read_text()
    assert (tmp_path / "plant/Schema/protobuf_a%2Fb.yaml").exists()
    again = layout.read_document(str(tmp_path / "plant"))
    wanted = values(json.dumps(DOCUMENT))
    wanted["rules"]["hot"]["triggered"] = True
    assert values(again.as_v1()) == wanted
    assert again.counts == {"streams": 1, "rules": 1, "sourceConfig": 1, "Schema": 1}


def test_a_folder_written_by_hand(tmp_path: Path) -> None:
    """Statements may be SQL files, objects JSON files, and all keys of a type one file."""
    for name, text in {
        "streams/boiler.sql": "CREATE STREAM boiler ()\n",
        "rules/hot.json": '{\n  "id": "hot"\n}\n',
        "sourceConfig/mqtt.json": '{"a": {"qos": 1}}',
        "sinkConfig/mqtt.yaml": "a:\n    qos: 1\nb:\n",
        ".git/config": "x",
        "README.md": "about",
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert values(layout.read_document(str(tmp_path)).as_v1()) == {
        "streams": {"boiler": "CREATE STREAM boiler ()"},
        "rules": {"hot": {"id": "hot"}},
        "sourceConfig": {"mqtt": {"a": {"qos": 1}}},
        "sinkConfig": {"mqtt": {"a": {"qos": 1}, "b": {}}},
    }


def test_entries_that_are_gone_leave_no_file(tmp_path: Path) -> None:
    """Writing a folder again removes the files of entries that are not in the document any more, and nothing else."""
    folder = tmp_path / "plant"
    layout.write_folder(files(DOCUMENT), f"{folder}/")
    (folder / "README.md").write_text("about")
    layout.write_folder({}, str(folder))
    assert [p.name for p in folder.rglob("*") if p.is_file()] == ["README.md"]
    assert not (folder / "sourceConfig/mqtt").exists()


def test_formats_are_told_by_content(tmp_path: Path) -> None:
    """A zip archive is a bundle, a brace begins JSON, names with .yaml and all other texts are YAML."""
    for name, data, form in (
        ("a", b"PK\x03\x04", BUNDLE),
        ("b", b' \n{"rules":{}}', V1),
        ("c.yaml", b"{}", V2),
        ("d", b"rules: {}", V2),
    ):
        (tmp_path / name).write_bytes(data)
        assert layout.read_document(str(tmp_path / name)).form is form
    assert layout.read_document(str(tmp_path / "d")).counts == {}


def test_values_keep_their_spelling() -> None:
    """Line breaks are all that is added to a document."""
    assert layout.readable('{"a":1.0,"b":12345678901234567890}') == '{\n  "a": 1.0,\n  "b": 12345678901234567890\n}'
    assert layout.readable("no json") == "no json"


@pytest.mark.parametrize(
    ("names", "text"),
    [
        ({"stream/a.sql": "x"}, "folder stream is no section; did you mean streams?"),
        ({"streams/a.txt": "x"}, "no object; streams/<name>.yaml or .yml or .json or .sql is expected"),
        ({"streams/a.sql": "x", "streams/a.yaml": "sql: x"}, "given twice, also in streams/a.sql"),
        ({"rules/a/b.yaml": "id: x"}, "no object; rules/<name>.yaml or .yml or .json is expected"),
        ({"files/uploads/a/file": "x"}, "bytes of no object; remove the file"),
        ({"rules/a.yaml": "id: [\n"}, "did not find expected node content"),
        ({"rules/a.yaml": "- 1\n"}, "cannot unmarshal !!seq into def.Rule"),
    ],
)
def test_folders_that_are_none(tmp_path: Path, names: dict[str, str], text: str) -> None:
    """A folder with another layout is refused, nothing in it is passed over; the fault names the file."""
    for name, content in names.items():
        (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / name).write_text(content)
    with pytest.raises(Refusal) as caught:
        assert layout.read_document(str(tmp_path)).read
    (fault,) = caught.value.faults
    assert fault["text"] == text
    assert fault["file"] == f"{tmp_path}/{list(names)[-1]}"


def test_an_empty_folder(tmp_path: Path) -> None:
    """A folder without any file is a usage error: as a full import it would delete everything."""
    with pytest.raises(Misuse, match="holds no configuration"):
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
    """Files inside of what was sent are named as they are called here."""
    layout.write_folder(files(DOCUMENT), f"{tmp_path}/")
    document = layout.read_document(f"{tmp_path}/")
    faults = [{"path": "rules.hot", "file": "rules/hot.yaml", "line": 1, "column": 7, "text": "x"}, {"path": "rules.other", "text": "x"}]
    with pytest.raises(Refusal) as caught, layout.faults_of(document):
        raise Refusal("refused", faults=faults)
    assert list(caught.value.lines())[1:] == [f"  rules.hot ({tmp_path}/rules/hot.yaml:1:7): x", "  rules.other: x"]
