"""Native plugins: built-in names that travel on, Python packages, and what is said about Go libraries."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from plutino.errors import DefinitionError
from plutino.model import Ref
from plutino.resources.native_plugin import NativePluginKind
from unit.resources.archives import packed, wheel
from unit.rest.kit import Api, Reply

FUNCTIONS = "/plugins/functions"
UNREACHABLE = "http://plugins.example/geohash_amd64.zip"


async def install(api: Api, role: str, name: str, url: str, **fields: Any) -> Reply:
    return await api.ask("POST", f"/plugins/{role}", {"name": name, "file": url, **fields})


@pytest.fixture
def url(tmp_path: Path) -> str:
    """A wheel with one function."""
    return packed(tmp_path / "packages" / "geo-1.4.0-py3-none-any.whl", wheel())


@pytest.mark.parametrize(
    ("role", "name"),
    [("sources", "random"), ("sources", "zmq"), ("sources", "kafka"), ("sinks", "influx2"), ("sinks", "tdengine"), ("sinks", "image")],
)
async def test_what_is_built_in_counts_as_installed(api: Api, role: str, name: str) -> None:
    """Nothing is fetched, and the entry travels on as it came."""
    created = await install(api, role, name, UNREACHABLE, shellParas=["a", "b"])
    assert (created.status, created.text) == (201, f"{role} plugin {name} is created")
    assert (await api.ask("GET", f"/plugins/{role}")).json == [name]
    assert (await api.ask("GET", f"/plugins/{role}/{name}")).json == {"name": name, "version": ""}
    exported = (await api.ask("GET", "/data/export")).json["nativePlugins"]
    assert {key: json.loads(text) for key, text in exported.items()} == {
        f"{role}_{name}": {"name": name, "file": UNREACHABLE, "shellParas": ["a", "b"]},
    }
    again = await install(api, role, name, UNREACHABLE)
    assert again.json["message"] == f"{role} plugins create command error: invalid name {name}: duplicate"
    # Nothing waits for a restart, so the client need not ask for one.
    deleted = await api.ask("DELETE", f"/plugins/{role}/{name}?stop=1")
    assert deleted.text == f"{role} plugin {name} is deleted and eKuiper must restart for the change to take effect."
    assert (await api.ask("GET", f"/plugins/{role}")).json == []


async def test_functions_of_a_plugin_are_kept(api: Api) -> None:
    """The list is part of the entry, also when it is registered later, and comes out in documents."""
    await install(api, "functions", "geohash", UNREACHABLE)
    assert (await api.ask("GET", "/plugins/udfs")).json == ["geohash"]
    body = {"functions": ["geohashEncode", "geohashDecode"]}
    registered = await api.ask("POST", f"{FUNCTIONS}/geohash/register", body)
    assert registered.text == "function plugin geohash function list is registered"
    assert (await api.ask("GET", "/plugins/udfs")).json == ["geohashDecode", "geohashEncode"]
    assert (await api.ask("GET", "/plugins/udfs/geohashEncode")).json == {"name": "geohashEncode", "plugin": "geohash"}
    assert (await api.ask("GET", f"{FUNCTIONS}/geohash")).json == {"name": "geohash", "version": "", **body}
    exported = (await api.ask("GET", "/data/export")).json["nativePlugins"]["functions_geohash"]
    assert json.loads(exported) == {"name": "geohash", "file": UNREACHABLE, **body}
    empty = await api.ask("POST", f"{FUNCTIONS}/geohash/register", {"functions": []})
    assert empty.json["message"] == "function plugins geohash regiser functions error: property 'functions' must not be empty"
    broken = await api.ask("POST", f"{FUNCTIONS}/geohash/register", "{")
    assert broken.json["message"].startswith("Invalid body: Error decoding the function list json")
    unknown = await api.ask("POST", f"{FUNCTIONS}/none/register", body)
    assert (unknown.status, unknown.json["message"]) == (404, "register functions plugin none error: not found")


async def test_prebuilt_plugins_can_be_created(api: Api) -> None:
    """What is offered is accepted as it is."""
    for role in ("sources", "sinks", "functions"):
        offered = (await api.ask("GET", f"/plugins/{role}/prebuild")).json
        assert offered
        for name, file in offered.items():
            assert (await install(api, role, name, file)).status == 201, name


async def test_a_wheel_is_a_plugin(api: Api, url: str) -> None:
    """Its entry points say what it brings; none of its code runs."""
    created = await install(api, "functions", "geo", url)
    assert (created.status, created.text) == (201, "functions plugin geo is created")
    assert (await api.ask("GET", f"{FUNCTIONS}/geo")).json == {"name": "geo", "version": "1.4.0", "functions": ["geodist"]}
    await api.stream()
    assert (await api.rule("r1", "SELECT geodist(a, b) AS d FROM demo")).status == 201
    text = "function geodist of native plugin functions_geo: native plugins are declared, but not executed by this version"
    assert api.host.messages["r1"] == text
    refused = await api.ask("DELETE", f"{FUNCTIONS}/geo")
    assert refused.json["message"] == "plugin geo is referenced by the rule r1"


async def test_functions_of_a_package_are_registered_without_fetching(api: Api, url: str, tmp_path: Path) -> None:
    """The package is known by its hash."""
    points = "[plutino.functions]\nnear = geo.functions:NEAR\nfar = geo.functions:FAR\n"
    packed(tmp_path / "packages" / "geo-1.4.0-py3-none-any.whl", wheel(points=points))
    await install(api, "functions", "geo", url)
    (tmp_path / "packages" / "geo-1.4.0-py3-none-any.whl").unlink()
    assert (await api.ask("POST", f"{FUNCTIONS}/geo/register", {"functions": ["near"]})).status == 200
    assert (await api.ask("GET", f"{FUNCTIONS}/geo")).json == {"name": "geo", "version": "1.4.0", "functions": ["near"]}
    refused = await api.ask("POST", f"{FUNCTIONS}/geo/register", {"functions": ["nearer"]})
    assert refused.json["message"].endswith("function nearer is not declared by the package; it declares near, far")


async def test_a_zip_with_a_manifest_is_a_plugin(api: Api, tmp_path: Path) -> None:
    """For packages that are no wheels; sources and sinks become types of streams and actions."""
    files: dict[str, Any] = {"probe.json": {"version": "v2.0.1", "module": "probing", "sources": ["probe"]}, "probing.py": "x = 1\n"}
    assert (await install(api, "sources", "probe", packed(tmp_path / "probe.zip", files))).status == 201
    assert (await api.ask("GET", "/plugins/sources/probe")).json == {"name": "probe", "version": "2.0.1"}
    await api.ask("POST", "/streams", {"sql": 'CREATE STREAM s () WITH (TYPE="probe", DATASOURCE="x", FORMAT="json")'})
    await api.rule("r1", "SELECT * FROM s")
    assert api.host.messages["r1"].startswith("source probe of native plugin sources_probe: native plugins are declared")


@pytest.mark.parametrize(
    ("role", "files", "message"),
    [
        (
            "functions",
            {"geo.so": "ELF", "geo.json": {"functions": ["geodist"]}},
            "geo.so is a compiled library, which this engine does not load; install a Python package (a wheel, or a zip with geo.json) "
            "or a portable plugin that brings function geo",
        ),
        ("functions", {"x.txt": ""}, "missing geo.json, found 1 files in total; install a Python package"),
        ("functions", {"geo.json": {"functions": ["f"]}}, "missing module geo; geo.py is expected in the package"),
        ("functions", {"geo.json": {"functions": []}, "geo.py": ""}, "invalid plugin, must define at least one function"),
        ("functions", {"geo.json": {"language": "go", "functions": ["f"]}, "geo.py": ""}, "invalid plugin, language 'go' is not supported"),
        (
            "functions",
            {"geo.json": {"name": "other", "functions": ["f"]}, "geo.py": ""},
            "invalid plugin, expect name 'geo' but got 'other'",
        ),
        ("functions", {"geo.json": {"module": "../geo", "functions": ["f"]}, "geo.py": ""}, "missing module ../geo"),
        ("sources", {"geo.json": {"sources": ["other"]}, "geo.py": ""}, "invalid plugin, source geo is not declared by the package"),
        ("functions", {"geo.json": "{", "geo.py": ""}, "geo.json: unexpected end of JSON input"),
        ("functions", wheel(points="[console_scripts]\ngeo = geo:main\n"), "no entry points of the group plutino.functions"),
        ("functions", wheel(points="[plutino.functions]\nf = elsewhere:F\n"), "f = elsewhere:F; a module of the wheel is expected"),
        ("functions", wheel(points="[plutino.functions\n"), "geo-1.4.0.dist-info/entry_points.txt: "),
    ],
)
async def test_packages_that_cannot_be_used_are_refused(api: Api, tmp_path: Path, role: str, files: dict[str, Any], message: str) -> None:
    """The text says what is wrong and what to do."""
    refused = await install(api, role, "geo", packed(tmp_path / "geo.zip", files))
    assert refused.status == 400
    prefix = f"{role} plugins create command error: fail to install plugin: "
    assert refused.json["message"].startswith(prefix)
    assert message in refused.json["message"]
    assert (await api.ask("GET", f"/plugins/{role}")).json == []


async def test_a_library_in_a_document_is_a_fault_of_its_entry(api: Api, tmp_path: Path) -> None:
    """The others of the document are not to blame, and nothing is applied."""
    library = packed(tmp_path / "fast.zip", {"fast.so": "ELF"})
    entries = {
        "sinks_fast": json.dumps({"name": "fast", "file": library}),
        "sources_random": json.dumps({"name": "random", "file": "http://plugins.example/random.zip"}),
    }
    refused = await api.ask("POST", "/data/import", {"content": json.dumps({"nativePlugins": entries})})
    faults = json.loads(refused.json["message"])["nativePlugins"]
    assert list(faults) == ["sinks_fast"]
    assert "fast.so is a compiled library" in faults["sinks_fast"]
    assert (await api.ask("GET", "/plugins/sources")).json == []
    content = {"content": json.dumps({"nativePlugins": entries})}
    assert (await api.ask("POST", "/data/import?onError=continue", content)).status == 200
    assert (await api.ask("GET", "/plugins/sources")).json == ["random"]


async def test_what_is_installed_already_needs_no_package(api: Api) -> None:
    """A component of this installation stands for the plugin, wherever its package has gone."""
    assert (await install(api, "functions", "upper", UNREACHABLE)).status == 201
    assert (await install(api, "functions", "texts", "file:///none.zip", functions=["upper", "lower"])).status == 201
    refused = await install(api, "functions", "odd", "file:///none.zip", functions=["upper", "nosuch"])
    message = "fail to download file file:///none.zip: stat /none.zip: no such file or directory"
    assert refused.json["message"] == f"functions plugins create command error: {message}"


async def test_replacing_keeps_the_name_of_the_path(api: Api, url: str) -> None:
    """The body cannot put another plugin in its place."""
    await install(api, "functions", "geo", url)
    other = await api.ask("PUT", f"{FUNCTIONS}/geo", {"name": "other", "file": url})
    assert other.json["message"] == "update functions plugin geo error: invalid name other: the path says geo"
    updated = await api.ask("PUT", f"{FUNCTIONS}/geo", {"file": url})
    assert updated.text == "plugin geo is updated and eKuiper must restart for the change to take effect."
    missing = await api.ask("PUT", f"{FUNCTIONS}/none", {"name": "none", "file": url})
    text = "update functions plugin none error, cannot delete old version: invalid name none: not exist"
    assert (missing.status, missing.json["message"]) == (404, text)


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("random", "sources_, sinks_ or functions_ is expected in front of the name"),
        ("readers_random", "sources_, sinks_ or functions_ is expected in front of the name"),
        ("sources_other", "invalid name my_random: the entry is called sources_other; sources_my_random is expected"),
    ],
)
def test_names_of_entries_are_not_guessed(name: str, fault: str) -> None:
    """Only the first underscore divides, and an unknown word in front is no source."""
    spec = NativePluginKind()
    text = '{"name":"my_random","file":"http://a/b.zip"}'
    with pytest.raises(DefinitionError, match=fault):
        spec.parse(Ref("native_plugin", name), text)
    assert spec.parse(Ref("native_plugin", "sources_my_random"), text).content.name == "my_random"
