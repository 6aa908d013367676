"""Bundles and folders hold objects beside their bytes, tell when they were changed, and are read without trust."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plutino.control import BUNDLE, DocumentContent
from plutino.control.documents import ObjectText, bundle, finish, tree
from plutino.errors import DocumentError, PlutinoError

BYTES = {"1" * 64: b"\x00\xffbytes", "2" * 64: b"z" * 3_000_000}
OBJECTS = (
    ObjectText("streams", "s", "", "CREATE STREAM s ()"),
    ObjectText("rules", "r", "", '{"id":"r","sql":"SELECT *\\nFROM s","actions":[{"nop":{}}]}'),
    ObjectText("sourceConfig", "mqtt", "k", '{"qos":1}'),
    ObjectText("uploads", "a/b", "", '{"name":"a/b","file":"http://x/b"}', blobs=(("file", "1" * 64),)),
    ObjectText("Schema", "custom_c", "", '{"type":"custom"}', blobs=(("file", "2" * 64), ("soFile", "1" * 64))),
)


def written(*objects: ObjectText) -> bytes:
    return finish(BUNDLE.write(objects or OBJECTS, BYTES.__getitem__))


def read(data: bytes) -> DocumentContent:
    return finish(BUNDLE.read(data))


def changed(data: bytes, change: Callable[[dict[str, bytes]], Any]) -> bytes:
    """A bundle whose files were changed by somebody."""
    files = bundle.unpack(data)
    change(files)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def test_a_bundle_holds_everything() -> None:
    """Objects come back with their texts and bytes; equal objects give equal bytes; the manifest hashes every file."""
    data = written()
    assert data == written()
    content = read(data)
    assert {item.place: item.text for item in content.objects if item.section != "rules"} == {
        item.place: item.text for item in OBJECTS if item.section != "rules"
    }
    kept = {item.entry: {role: b"".join(content.data(path)) for role, path in item.files} for item in content.objects if item.files}
    assert kept == {"a/b": {"file": BYTES["1" * 64]}, "custom_c": {"file": BYTES["2" * 64], "soFile": BYTES["1" * 64]}}
    manifest = json.loads(bundle.unpack(data)["manifest.json"])
    assert (manifest["format"], manifest["producer"].split()[0]) == (1, "plutino")
    assert set(manifest["files"]) == set(bundle.unpack(data)) - {"manifest.json"}
    assert content.warnings == ()
    assert len(data) < 3_100_000  # what would shrink to nothing is stored: readers take it for an attack


def test_bytes_that_stand_in_the_text_are_not_written_twice() -> None:
    """An upload with its content in the text has no file of bytes."""
    digest = "b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9"
    item = ObjectText("uploads", "u", "", '{"name":"u","content":"hello world"}', blobs=(("file", digest),))
    assert [name for name in bundle.unpack(written(item)) if name.startswith("files/")] == []


@pytest.mark.parametrize(
    ("change", "file", "text"),
    [
        (lambda f: f.update({"rules/r.yaml": f["rules/r.yaml"] + b" "}), "rules/r.yaml", "not the file that the manifest names"),
        (lambda f: f.pop("streams/s.yaml"), "streams/s.yaml", "missing; the manifest names it"),
        (lambda f: f.update({"rules/x.yaml": b"id: x"}), "rules/x.yaml", "not in the manifest"),
        (lambda f: f.update({"manifest.json": b"{"}), "manifest.json", "not a manifest"),
    ],
)
def test_a_changed_bundle_is_refused(change: Callable[[dict[str, bytes]], Any], file: str, text: str) -> None:
    """Whatever was changed, taken out or put in is named."""
    with pytest.raises(DocumentError) as caught:
        read(changed(written(), change))
    (fault,) = caught.value.faults
    assert fault.file == file
    assert fault.text.startswith(text)


def test_versions_and_bundles_without_a_manifest() -> None:
    """A later format is refused with what to do; an archive of a folder is taken, with a warning."""
    later = changed(written(), lambda f: f.update({"manifest.json": b'{"format":2,"files":{}}'}))
    with pytest.raises(DocumentError, match="format 2; this version reads format 1"):
        read(later)
    content = read(changed(written(), lambda f: f.pop("manifest.json")))
    assert len(content.objects) == len(OBJECTS)
    assert [w.text for w in content.warnings] == ["no manifest: nothing tells whether the files are whole"]


@pytest.mark.parametrize("name", ["../evil", "/etc/passwd", "streams/../../evil", "streams\\..\\evil", "C:/x", "rules/con.yaml"])
def test_names_never_leave_the_archive(name: str) -> None:
    """Names that would leave their directory anywhere are refused before anything is unpacked."""
    with pytest.raises(PlutinoError, match="zip entry"):
        read(changed(written(), lambda f: f.update({name: b"x"})))


def test_archives_that_are_none_or_too_much() -> None:
    """No zip, a bomb, and links are refused."""
    with pytest.raises(PlutinoError, match="not a valid zip file"):
        read(b"PK nonsense")
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("uploads/x.yaml", b"0" * 100_000_000)
    with pytest.raises(PlutinoError, match="at most 200 times is read"):
        read(buffer.getvalue())


def keys() -> tuple[bytes, bytes]:
    """A new pair of keys, private and public."""
    from cryptography.hazmat.primitives import serialization as s
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(s.Encoding.PEM, s.PrivateFormat.PKCS8, s.NoEncryption())
    return private, key.public_key().public_bytes(s.Encoding.PEM, s.PublicFormat.SubjectPublicKeyInfo)


def test_signatures() -> None:
    """A signed bundle says the same, passes with its key alone, and not when the manifest was changed."""
    private, public = keys()
    _, other = keys()
    signed = bundle.sign(written(), private)
    assert bundle.sign(signed, private) == signed
    assert read(signed).objects == read(written()).objects
    bundle.verify(signed, [other, public])
    with pytest.raises(PlutinoError, match="by none of the trusted keys"):
        bundle.verify(signed, [other])
    with pytest.raises(PlutinoError, match="not signed"):
        bundle.verify(written(), [public])
    forged = changed(signed, lambda f: f.update({"manifest.json": f["manifest.json"] + b" "}))
    with pytest.raises(PlutinoError, match="the manifest was changed after it"):
        bundle.verify(forged, [public])
    for wrong in (b"no key", public):
        with pytest.raises(PlutinoError, match="signing key"):
            bundle.sign(written(), wrong)
    with pytest.raises(PlutinoError, match="trusted key"):
        bundle.verify(signed, [private])


def files_of(content: Mapping[str, bytes]) -> DocumentContent:
    return finish(tree.read(content, content.__getitem__))


def test_faults_name_files_and_places() -> None:
    """Every file with a fault is named, with line and column inside of it."""
    files = {
        "rules/a.yaml": b"id: [\n",
        "rules/b.yaml": b"- 1\n",
        "streams/c.yaml": b"sql: x\nextra: y\n",
        "streams/d.yaml": b"\xff",
        "ruels/e.yaml": b"id: e",
        "rules/f.yaml": b"id: f\n---\nid: g\n",
        "README.md": b"about",
    }
    with pytest.raises(DocumentError) as caught:
        files_of(files)
    assert [(f.file, f.line, f.column, f.text) for f in caught.value.faults] == [
        ("ruels/e.yaml", 0, 0, "folder ruels is no section; did you mean rules?"),
        ("rules/a.yaml", 2, 1, "did not find expected node content"),
        ("rules/b.yaml", 1, 1, "cannot unmarshal !!seq into def.Rule"),
        ("rules/f.yaml", 2, 1, "a second document begins here; one is expected"),
        ("streams/d.yaml", 0, 0, "byte 0 is not UTF-8"),
    ]
    content = files_of({"streams/c.yaml": files["streams/c.yaml"], "rules/n.yaml": b"~"})
    assert [(w.path, w.file, w.line) for w in content.warnings] == [("streams.c.extra", "streams/c.yaml", 2)]
    (fault,) = content.placed([refused.failure for refused in content.refused])
    assert (fault.path, fault.file, fault.line) == ("rules.n", "rules/n.yaml", 1)


names = st.lists(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=12) | st.sampled_from(["CON", "nul", "a.", ".a", " a", "~", "%"]), max_size=4
)


@given(names, names)
def test_any_name_is_a_file_name(entries: list[str], more: list[str]) -> None:
    """Names of all kinds come back, whatever the file system makes of upper case, devices, dots and separators."""
    wanted = {*entries, *more, *(name.upper() for name in entries), "x" * 700}
    objects = [ObjectText("rules", name, "", "{}") for name in wanted] + [ObjectText("sinkConfig", name, "k", "{}") for name in wanted]
    content = read(written(*objects))
    assert {item.place for item in content.objects} == {item.place for item in objects}
