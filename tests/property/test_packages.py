"""Whatever a package says about itself: it is read, or refused with one of our own errors, and never run."""

from __future__ import annotations

import asyncio
import hashlib
import json
import tempfile
from pathlib import Path
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from plutino.errors import PlutinoError
from plutino.model import Definition, Ref
from plutino.resources.native_plugin import NativePluginKind
from plutino.resources.portable_plugin import PortablePluginKind
from plutino.resources.service import ServiceKind
from plutino.spi import Blob, Mode
from plutino.testing import FakeEnvironment
from unit.resources.archives import CALCULATOR, SHARED, packed, portable, service, wheel

TEXT = st.text(max_size=8) | st.sampled_from(
    ["", "main.py", "python", "go", "plus", "../x", "rest", "grpc", "http://h:1", "tcp://[", "protobuf"]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
Files = dict[str, str | bytes | dict[str, Any]]


class _Area:
    """``spi.Area`` with one package."""

    def __init__(self, path: Path) -> None:
        data = path.read_bytes()
        self._blob = Blob(hashlib.sha256(data).hexdigest(), len(data), str(path))

    async def fetch(self, role: str, url: str, *, limit: int = 0) -> Blob:
        return self._blob

    async def put(self, role: str, data: bytes) -> Blob:
        return self._blob


def staged(spec: PortablePluginKind | NativePluginKind | ServiceKind, name: str, files: Files) -> Definition | str:
    """What staging and checking make of a package, or why it is refused."""
    entry = name.partition("_")[2] if isinstance(spec, NativePluginKind) else name
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "p.zip"
        packed(path, files)
        try:
            parsed = spec.parse(Ref(spec.kind, name), json.dumps({"name": entry, "file": "http://h/p.zip"}))
            found = asyncio.run(spec.stage(parsed, _Area(path)))
            spec.check(None, found, FakeEnvironment(), Mode.CREATE)
        except PlutinoError as error:
            return error.message
    msgspec.json.encode(msgspec.to_builtins(found.content))
    spec.functions(found)
    return found


def replaced(data: st.DataObject, value: dict[str, Any]) -> dict[str, Any]:
    """An object with some of its members changed, taken away or added."""
    changed = dict(value)
    for _ in range(data.draw(st.integers(1, 3))):
        key = data.draw(st.sampled_from([*value, "name", "extra"]))
        match data.draw(st.integers(0, 2)):
            case 0:
                changed.pop(key, None)
            case 1:
                changed[key] = data.draw(VALUES)
            case _:
                changed[data.draw(TEXT)] = data.draw(VALUES)
    return changed


@settings(deadline=None, max_examples=150)
@given(st.data())
def test_manifests_of_portable_plugins(data: st.DataObject) -> None:
    """Any manifest."""
    files = portable(sources=["probe"])
    manifest = files["adder.json"]
    assert isinstance(manifest, dict)
    files["adder.json"] = replaced(data, manifest)
    files["sources/probe.yaml"] = data.draw(st.sampled_from(["", "a: 1", "[", "a: &a [*a]", "- 1", "\x00", "a: !!python/object:x {}"]))
    found = staged(PortablePluginKind(), "adder", files)
    assert isinstance(found, str) or found.content.manifest is not None


@settings(deadline=None, max_examples=150)
@given(st.data())
def test_manifests_of_native_plugins(data: st.DataObject) -> None:
    """Any manifest of a zip, and any entry points of a wheel."""
    if data.draw(st.booleans()):
        files: Files = {"geo.json": replaced(data, {"module": "geo", "functions": ["geodist"]}), "geo.py": ""}
    else:
        line = data.draw(TEXT) + data.draw(st.sampled_from(["=", ":", " = geo.functions:X", ""])) + data.draw(TEXT)
        files = wheel(points=data.draw(st.sampled_from(["[plutino.functions]\n", "", "[x]\n"])) + line + "\n" + data.draw(TEXT))
    found = staged(NativePluginKind(), "functions_geo", files)
    assert isinstance(found, str) or found.content.symbols


@settings(deadline=None, max_examples=150)
@given(st.data())
def test_descriptors_of_services(data: st.DataObject) -> None:
    """Any descriptor, with any interface."""
    files = service()
    descriptor = files["math.json"]
    assert isinstance(descriptor, dict)
    interface = replaced(data, descriptor["interfaces"]["calculator"])
    whole = {**descriptor, "interfaces": {data.draw(TEXT): interface}}
    files["math.json"] = whole if data.draw(st.booleans()) else replaced(data, whole)
    found = staged(ServiceKind(), "math", files)
    assert isinstance(found, str) or found.content.read


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_schemas_of_services(data: st.DataObject) -> None:
    """Any text in place of a part of a schema."""
    text = data.draw(st.sampled_from([CALCULATOR, SHARED]))
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(len(text), start + 20)))
    changed = text[:start] + data.draw(st.text(max_size=6) | st.sampled_from(["{", "}", ";", '"', "message", "rpc", "0x"])) + text[end:]
    files = service()
    files["schemas/calculator.proto" if text is CALCULATOR else "schemas/shared.proto"] = changed.encode("utf-8", "surrogatepass")
    staged(ServiceKind(), "math", files)
