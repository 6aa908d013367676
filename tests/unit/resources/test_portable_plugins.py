"""Portable plugins behind their endpoints, in documents, and under rules."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from plutino.errors import DefinitionError
from plutino.model import Definition, Ref
from plutino.resources.portable_plugin import Manifest, PortableContent, PortablePluginKind, check_name
from plutino.spi import FunctionKind, Mode, Origin
from plutino.spi.package import Request
from plutino.testing import FakeEnvironment
from unit.resources.archives import packed, portable
from unit.rest.kit import Api, Reply

PATH = "/plugins/portables"
CREATE = "portable plugin create command error: "


async def install(api: Api, url: str, name: str = "adder", **fields: Any) -> Reply:
    return await api.ask("POST", PATH, {"name": name, "file": url, **fields})


@pytest.fixture
def url(tmp_path: Path) -> str:
    """A package that is all right."""
    return packed(tmp_path / "packages" / "adder.zip", portable())


def stored_blobs(tmp_path: Path) -> list[Path]:
    return [path for path in (tmp_path / "data" / "blobs").rglob("*") if path.is_file()]


async def test_life_of_a_plugin(api: Api, url: str, tmp_path: Path) -> None:
    """Installed, shown, replaced, removed; nothing stays behind."""
    created = await install(api, url)
    assert (created.status, created.text) == (201, "portable plugin adder is created")
    view = {
        "name": "adder",
        "version": "v1.2.0",
        "language": "python",
        "executable": str(tmp_path / "data" / "plugins" / "portable" / "adder" / "main.py"),
        "sources": [],
        "sinks": [],
        "functions": ["plus"],
    }
    assert (await api.ask("GET", PATH)).json == [view]
    assert (await api.ask("GET", f"{PATH}/adder")).json == view
    assert (await api.ask("GET", f"{PATH}/adder/status")).json == {"refCount": {}, "status": "running", "errMsg": ""}
    package = api.host.plugins["adder"]
    assert (package.executable, package.language, package.functions, package.script_args) == ("main.py", "python", ("plus",), None)
    assert hashlib.sha256(Path(package.archive).read_bytes()).hexdigest() == package.digest
    duplicate = await install(api, url)
    assert duplicate.json["message"] == f"{CREATE}invalid name adder: duplicate"
    packed(tmp_path / "packages" / "adder.zip", portable(version="v2.0.0"))
    updated = await api.ask("PUT", f"{PATH}/adder", {"name": "adder", "file": url})
    assert updated.text == "portable plugin adder is updated"
    assert (await api.ask("GET", f"{PATH}/adder")).json["version"] == "v2.0.0"
    assert api.host.plugins["adder"].digest != package.digest
    assert (await api.ask("DELETE", f"{PATH}/adder")).text == "portable plugin adder is deleted"
    assert api.host.plugins == {}
    assert (await api.ask("GET", PATH)).json == []
    assert (await api.ask("GET", "/data/export")).json["portablePlugins"] == {}


@pytest.mark.parametrize(
    ("manifest", "message"),
    [
        ({"language": ""}, "invalid plugin, missing language"),
        ({"executable": ""}, "invalid plugin, missing executable"),
        ({"language": "cobol"}, "invalid plugin, language 'cobol' is not supported"),
        ({"functions": []}, "invalid plugin, must define at lease one source, sink or function"),
        ({"name": "other"}, "invalid plugin, expect name 'adder' but got 'other'"),
        ({"executable": "lib/run"}, "missing lib/run"),
        ({"executable": "../../bin/sh"}, "missing ../../bin/sh"),
        ({"functions": "plus"}, "adder.json: json: cannot unmarshal string into Go struct field PluginInfo.functions of type []string"),
        (
            {"functions": ["../plus"]},
            "invalid plugin, function name '../plus': only alphanumeric, hyphens and underscores are allowed",
        ),
        ({"functions": ["plus", "plus"]}, "invalid plugin, function plus is given twice"),
    ],
)
async def test_wrong_manifests_are_refused(api: Api, tmp_path: Path, manifest: dict[str, Any], message: str) -> None:
    """The text says what is wrong, and nothing is kept."""
    refused = await install(api, packed(tmp_path / "a.zip", portable(**manifest)))
    assert refused.json == {"error": 1000, "message": f"{CREATE}fail to install plugin: {message}"}
    assert stored_blobs(tmp_path) == []
    assert (await api.ask("GET", PATH)).json == []


async def test_sources_need_their_configuration(api: Api, tmp_path: Path) -> None:
    """It must be there, and be YAML."""
    files = portable(sources=["probe"])
    del files["sources/probe.yaml"]
    refused = await install(api, packed(tmp_path / "a.zip", files))
    assert refused.json["message"] == f"{CREATE}fail to install plugin: missing sources/probe.yaml"
    files["sources/probe.yaml"] = "default: [1\n"
    refused = await install(api, packed(tmp_path / "b.zip", files))
    assert refused.json["message"].startswith(f"{CREATE}fail to install plugin: sources/probe.yaml: ")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"name": "x"}, "invalid uri "),
        ({"name": "x", "file": "ftp://a/b.zip"}, "invalid uri ftp://a/b.zip"),
        ({"name": "x", "file": "http://a/b.tar"}, "invalid uri http://a/b.tar"),
        ({"file": "http://a/b.zip"}, "invalid name : should not be empty"),
        ({"name": "a/b", "file": "http://a/b.zip"}, "invalid name a/b: letters, digits and ._- are expected, and no dot in front"),
        ({"name": "x", "file": "http://a/b.zip", "sha256": "12"}, "sha256: 12; 64 hexadecimal digits are expected"),
    ],
)
async def test_wrong_requests_are_refused(api: Api, body: dict[str, Any], message: str) -> None:
    """Before anything is fetched."""
    assert (await api.ask("POST", PATH, body)).json["message"] == CREATE + message


@pytest.mark.parametrize("name", ["", " ", ".", "..", ".hidden", "a/b", "a\\b", "a b", "ä", "x" * 201])
def test_names_stay_in_their_directory(name: str) -> None:
    """A plugin's name is that of a directory."""
    with pytest.raises(DefinitionError):
        check_name(name)


async def test_the_checksum_counts(api: Api, url: str, tmp_path: Path) -> None:
    """Other bytes than the announced ones are refused; the right ones are not fetched twice."""
    wrong = await install(api, url, sha256="0" * 64)
    assert wrong.json["message"].endswith(f"; {'0' * 64} is expected")
    assert stored_blobs(tmp_path) == []
    file = tmp_path / "packages" / "adder.zip"
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    assert (await install(api, url, sha256=digest.upper())).status == 201
    file.unlink()
    again = await api.ask("PUT", f"{PATH}/adder", {"name": "adder", "file": url, "sha256": digest})
    assert again.text == "portable plugin adder is updated"


async def test_a_failed_replacement_leaves_the_old_one(api: Api, url: str, tmp_path: Path) -> None:
    """There is no moment without a plugin."""
    await install(api, url)
    broken = packed(tmp_path / "broken.zip", {"adder.json": "{"})
    refused = await api.ask("PUT", f"{PATH}/adder", {"name": "adder", "file": broken})
    assert (
        refused.json["message"] == "portable plugin update command error: fail to install plugin: adder.json: unexpected end of JSON input"
    )
    assert (await api.ask("GET", f"{PATH}/adder")).json["version"] == "v1.2.0"
    other = await api.ask("PUT", f"{PATH}/adder", {"name": "other", "file": url})
    assert other.json["message"] == "portable plugin update command error: invalid name other: the path says adder"
    assert [plugin["name"] for plugin in (await api.ask("GET", PATH)).json] == ["adder"]


async def test_a_package_can_be_uploaded(api: Api, tmp_path: Path) -> None:
    """As a form; a document that goes elsewhere then has the bytes in it."""
    packed(tmp_path / "a.zip", portable())
    data = (tmp_path / "a.zip").read_bytes()
    head = b'--b\r\nContent-Disposition: form-data; name="name"\r\n\r\nadder\r\n--b\r\n'
    body = head + b'Content-Disposition: form-data; name="file"; filename="a.zip"\r\n\r\n' + data + b"\r\n--b--\r\n"
    created = await api.ask("POST", PATH, body, {"content-type": "multipart/form-data; boundary=b"})
    assert created.text == "portable plugin adder is created"
    exported = (await api.ask("GET", "/data/export")).json["portablePlugins"]["adder"]
    assert json.loads(exported)["file"].startswith("data:application/octet-stream;base64,")
    await api.ask("DELETE", f"{PATH}/adder")
    document = {"content": json.dumps({"portablePlugins": {"adder": exported}})}
    assert (await api.ask("POST", "/data/import", document)).status == 200
    assert (await api.ask("GET", f"{PATH}/adder")).json["functions"] == ["plus"]
    no_file = head[:-5] + b"--b--\r\n"
    refused = await api.ask("POST", PATH, no_file, {"content-type": "multipart/form-data; boundary=b"})
    assert refused.status == 400


async def test_a_rule_with_its_function_runs_beside_the_event_loop(api: Api, url: str) -> None:
    """It is checked like any other, and its deployment tells that it waits for a plugin."""
    await install(api, url)
    await api.stream()
    unknown = await api.rule("r0", "SELECT minus(a, 1) AS s FROM demo")
    assert "function minus not found" in unknown.json["message"]
    assert (await api.rule("r1", "SELECT plus(a, 1) AS s FROM demo")).status == 201
    assert api.host.deployed["r1"].plugins == ("adder",)
    assert (await api.rule("r2", "SELECT a FROM demo")).status == 201
    assert api.host.deployed["r2"].plugins == ()


async def test_a_new_package_makes_its_rules_anew(api: Api, url: str, tmp_path: Path) -> None:
    """Rules that use it; what a plugin has said about its functions counts for the next rule."""
    await install(api, url)
    await api.stream()
    await api.rule("r1", "SELECT plus(a, 1) AS s FROM demo")
    await api.rule("r2", "SELECT a FROM demo")
    api.host.calls.clear()
    packed(tmp_path / "packages" / "adder.zip", portable(version="v2.0.0"))
    api.host.aggregates = ("plus",)
    assert (await api.ask("PUT", f"{PATH}/adder", {"name": "adder", "file": url})).status == 200
    assert [call for call in api.host.calls if call[0] == "deploy"] == [("deploy", "r1")]
    found = api.controller.environment.function("plus")
    assert found is not None
    assert found.spec.kind is FunctionKind.AGGREGATE


async def test_a_rule_with_its_source_or_sink_is_deployed(api: Api, tmp_path: Path) -> None:
    """Types of streams and actions come from plugins as well; shipped configurations are those of the package."""
    files = portable(functions=[], sources=["probe"], sinks=["beam"])
    files["sources/probe.yaml"] = "default:\n  interval: 1000\n  unit: mm\nfast:\n  interval: 10\n"
    await install(api, packed(tmp_path / "a.zip", files))
    sql = 'CREATE STREAM probed () WITH (TYPE="probe", DATASOURCE="x", FORMAT="json", CONF_KEY="fast")'
    await api.ask("POST", "/streams", {"sql": sql})
    await api.stream()
    assert (await api.rule("r1", "SELECT * FROM probed")).status == 201
    assert (await api.rule("r2", "SELECT * FROM demo", actions=[{"beam": {"power": 3, "connectionSelector": ""}}])).status == 201
    feed, sink = api.host.deployed["r1"].feeds[0], api.host.deployed["r2"].sinks[0]
    assert (feed.connector, feed.properties["interval"], feed.properties["unit"]) == ("probe", 10, "mm")
    assert (sink.connector, sink.properties["power"]) == ("beam", 3)
    refused = await api.ask("DELETE", f"{PATH}/adder")
    assert refused.json == {"error": 1000, "message": "plugin adder is referenced by the rule r1, r2"}
    exported = (await api.ask("POST", "/data/export", ["r1"])).json
    assert list(exported["portablePlugins"]) == ["adder"]


async def test_a_plugin_in_use_stays(api: Api, url: str) -> None:
    """Until no rule needs it; stopped rules count too."""
    await install(api, url)
    await api.stream()
    await api.rule("r1", "SELECT plus(a, 1) AS s FROM demo", triggered=False)
    refused = await api.ask("DELETE", f"{PATH}/adder")
    assert (refused.status, refused.json["message"]) == (400, "plugin adder is referenced by the rule r1")
    await api.ask("DELETE", "/rules/r1")
    assert (await api.ask("DELETE", f"{PATH}/adder")).status == 200
    gone = await api.rule("r1", "SELECT plus(a, 1) AS s FROM demo")
    assert "function plus not found" in gone.json["message"]


async def test_names_belong_to_one_plugin(api: Api, url: str, tmp_path: Path) -> None:
    """Two plugins cannot bring the same function, source or sink."""
    await install(api, url)
    second = await install(api, packed(tmp_path / "b.zip", portable("second")), "second")
    assert second.json["message"] == f"{CREATE}function name plus already exists; it belongs to portable_plugin adder"
    probe = portable("third", functions=[], sources=["probe"])
    assert (await install(api, packed(tmp_path / "c.zip", probe), "third")).status == 201
    fourth = await install(api, packed(tmp_path / "d.zip", portable("fourth", functions=[], sources=["probe"])), "fourth")
    assert fourth.json["message"] == f"{CREATE}source name probe already exists; it belongs to portable_plugin third"


async def test_plugin_and_rule_come_in_one_document(api: Api, url: str) -> None:
    """The rule is checked against what will be; a fault anywhere leaves everything as it was."""
    stream = 'CREATE STREAM demo (a BIGINT) WITH (DATASOURCE="t", TYPE="memory", FORMAT="json")'
    rule = {"id": "r1", "sql": "SELECT plus(a, 1) AS s FROM demo", "actions": [{"nop": {}}]}
    plugin = json.dumps({"name": "adder", "file": url})
    content = {"streams": {"demo": stream}, "rules": {"r1": json.dumps(rule)}, "portablePlugins": {"adder": plugin}}
    bad = {**content, "portablePlugins": {"adder": plugin, "p": json.dumps({"name": "p", "file": url})}}
    refused = await api.ask("POST", "/data/import", {"content": json.dumps(bad)})
    faults = json.loads(refused.json["message"])
    assert faults["portablePlugins"] == {
        "p": "fail to install plugin: missing or invalid json file p.json, found 2 files in total",
    }
    assert (await api.ask("GET", PATH)).json == []
    assert (await api.ask("POST", "/data/import", {"content": json.dumps(content)})).json["ErrorMsg"] == ""
    assert api.host.deployed["r1"].plugins == ("adder",)
    partial = await api.ask("POST", "/data/import?partial=1", {"content": json.dumps({"portablePlugins": {"adder": plugin + " "}})})
    assert partial.status == 200
    without = await api.ask("POST", "/data/import", {"content": json.dumps({k: v for k, v in content.items() if k != "portablePlugins"})})
    assert "function plus not found" in json.loads(without.json["message"])["rules"]["r1"]


async def test_present_ones_stay_in_a_partial_import(api: Api, url: str, tmp_path: Path) -> None:
    """They are told apart, and their package is not even fetched."""
    await install(api, url)
    entry = json.dumps({"name": "adder", "file": f"file://{tmp_path}/none.zip"})
    document = {"content": json.dumps({"portablePlugins": {"adder": entry}})}
    reply = await api.ask("POST", "/data/import?partial=1", document, {"accept": "application/json"})
    assert reply.status == 200
    assert reply.json["ignored"] == ["portablePlugins.adder"]
    assert (await api.ask("GET", f"{PATH}/adder")).json["version"] == "v1.2.0"


def test_installation_scripts_are_refused_unless_allowed() -> None:
    """Nobody's shell script runs because an archive was sent."""
    spec = PortablePluginKind()
    manifest = Manifest("1", "python", "main.py", (), (), ("plus",), script=True)
    ref = Ref("portable_plugin", "adder")
    plugin = Definition(ref, "{}", PortableContent(Request("adder", "http://a/b.zip"), "0" * 64, manifest))
    with pytest.raises(DefinitionError, match=r"fail to install plugin: install\.sh is not run by this server"):
        spec.check(None, plugin, FakeEnvironment(), Mode.CREATE)
    spec.check(None, plugin, FakeEnvironment(settings={"allow_install_scripts": True}), Mode.CREATE)
    spec.check(None, plugin, FakeEnvironment(), Mode.BOOT)


def test_credentials_in_a_url_are_secret() -> None:
    """Differences do not show them, and neither do error texts."""
    spec = PortablePluginKind()
    text = '{"name":"adder","file":"https://me:hidden@host/adder.zip"}'
    plugin = spec.parse(Ref("portable_plugin", "adder"), text)
    assert list(spec.secrets(plugin, FakeEnvironment())) == [("request", "file")]
    with pytest.raises(DefinitionError) as caught:
        spec.parse(Ref("portable_plugin", "adder"), text.replace(".zip", ".rar"))
    assert caught.value.message == "invalid uri https://host/adder.rar"


async def test_a_deleted_plugin_comes_back_without_its_origin(api: Api, url: str, tmp_path: Path) -> None:
    """A rollback needs nothing but what the server keeps."""
    await install(api, url)
    revision = api.controller.revision
    await api.ask("DELETE", f"{PATH}/adder")
    (tmp_path / "packages" / "adder.zip").unlink()
    await api.controller.rollback(revision, origin=Origin("rollback"))
    assert (await api.ask("GET", f"{PATH}/adder")).json["functions"] == ["plus"]
    await api.stream()
    assert (await api.rule("r1", "SELECT plus(a, 1) AS s FROM demo")).status == 201
