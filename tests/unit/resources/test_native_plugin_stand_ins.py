"""Entries for the original's own Go plugins: what they declare is known to rules, which say why they do not run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from plutino.app import components
from plutino.model import Definition, Ref
from plutino.resources.native_plugin import NativePluginKind
from plutino.resources.native_plugin.builtin import listed
from plutino.resources.native_plugin.content import Role
from plutino.spi import FunctionKind
from unit.resources.archives import packed, portable, wheel
from unit.rest.kit import Api, Reply

GONE = "http://plugins.example/gone.zip"
READ = 'CREATE STREAM {name} () WITH (TYPE="{type}", DATASOURCE="x", FORMAT="json")'


async def install(api: Api, role: str, name: str, url: str = GONE, **fields: Any) -> Reply:
    return await api.ask("POST", f"/plugins/{role}", {"name": name, "file": url, **fields})


def missing(owner: str, what: str, todo: str, group: str) -> str:
    """The whole status text."""
    return (
        f"{what}: declared by the native plugin {owner}, whose Go library does not run here; {todo}, "
        f"or install a Python package that brings it (entry point plutino.{group})"
    )


@pytest.mark.parametrize("name", ["kafka", "zmq", "random", "video", "edgex", "nexmark"])
async def test_sources_are_known_by_their_entry(api: Api, name: str) -> None:
    """A stream can name the type before and after; a rule on it needs the entry."""
    assert (await api.ask("POST", "/streams", {"sql": READ.format(name="s", type=name)})).status == 201
    refused = await api.rule("r", "SELECT * FROM s")
    assert (refused.status, f"source type {name} not found" in refused.json["message"]) == (400, True)
    assert (await install(api, "sources", name)).status == 201
    assert (await api.rule("r", "SELECT * FROM s")).status == 201
    assert api.host.states["r"] == "stopped by error"
    assert api.host.messages["r"].startswith(f"source {name}: declared by the native plugin sources_{name}, whose Go library does not run")


@pytest.mark.parametrize("name", ["kafka", "influx", "influx2", "zmq", "tdengine", "tdengine3", "image", "edgex"])
async def test_sinks_are_known_by_their_entry(api: Api, name: str) -> None:
    """A rule with such an action needs the entry, and says what to do."""
    await api.stream()
    actions = [{name: {"server": "a:1"}}]
    refused = await api.rule("r", actions=actions)
    assert (refused.status, f"sink {name} is not defined" in refused.json["message"]) == (400, True)
    assert (await install(api, "sinks", name)).status == 201
    assert (await api.rule("r", actions=actions)).status == 201
    assert api.host.messages["r"].startswith(f"sink {name}: declared by the native plugin sinks_{name}, whose Go library does not run")


@pytest.mark.parametrize(
    ("plugin", "call"),
    [
        ("geohash", "geohashEncode(a, 1.5)"),
        ("geohash", "geohashNeighborsInt(a)"),
        ("image", "resize(b, 100, 100)"),
        ("image", "thumbnail(b, 50, 50)"),
        ("echo", "echo(b)"),
        ("accumulateWordCount", "accumulateWordCount(b, ' ')"),
        ("labelImage", "labelImage(b)"),
        ("tfLite", "tfLite('model', a)"),
        ("onnx", "onnx('model', a)"),
    ],
)
async def test_functions_are_known_by_their_entry(api: Api, plugin: str, call: str) -> None:
    """Those of the original's function plugins, with any number of arguments."""
    await api.stream()
    refused = await api.rule("r", f"SELECT {call} AS x FROM demo")
    assert refused.status == 400
    assert f"function {call.partition('(')[0]} not found" in refused.json["message"]
    assert (await install(api, "functions", plugin)).status == 201
    assert (await api.rule("r", f"SELECT {call} AS x FROM demo")).status == 201
    text = missing(f"functions_{plugin}", f"function {call.partition('(')[0]}", "take it out of the rule", "functions")
    assert api.host.messages["r"] == text


async def test_functions_that_the_entry_lists_are_known(api: Api) -> None:
    """Besides those of the plugin; a name that nobody lists is refused with the nearest one."""
    await api.stream()
    await install(api, "functions", "geohash", functions=["geohashShow"])
    assert (await api.rule("r1", "SELECT geohashShow() FROM demo")).status == 201
    assert (await api.rule("r2", "SELECT geohashDecode(b) FROM demo")).status == 201
    assert "function geohashDecod not found" in (await api.rule("r3", "SELECT geohashDecod(b) FROM demo")).json["message"]


async def test_an_aggregate_is_one(api: Api) -> None:
    """It may stand over a window beside other aggregates, and not in another one."""
    await api.stream()
    await install(api, "functions", "countPlusOne")
    window = "FROM demo GROUP BY TUMBLINGWINDOW(ss, 10)"
    assert (await api.rule("r1", f"SELECT countPlusOne(a) AS n, count(*) AS c {window}")).status == 201
    refused = await api.rule("r2", f"SELECT sum(countPlusOne(a)) AS n {window}")
    assert "aggregate argument is not allowed" in refused.json["message"]


async def test_the_status_names_all_that_is_missing(api: Api) -> None:
    """So that a rule is put right in one go."""
    for role, name in (("sources", "kafka"), ("sinks", "influx2"), ("functions", "image")):
        await install(api, role, name)
    await api.ask("POST", "/streams", {"sql": READ.format(name="s", type="kafka")})
    assert (await api.rule("r", "SELECT resize(b, 1, 1) FROM s", actions=[{"influx2": {}}, {"influx2": {}}, {"nop": {}}])).status == 201
    told = (
        missing("functions_image", "function resize", "take it out of the rule", "functions"),
        missing("sources_kafka", "source kafka", "read from mqtt or httppush", "connectors"),
        missing("sinks_influx2", "sink influx2", "remove the action or use rest", "connectors"),
    )
    assert api.host.messages["r"] == "; also: ".join(told)
    started = await api.ask("POST", "/rules/r/start")
    assert (started.status, started.json["message"]) == (400, f"start rule error: {'; also: '.join(told)}")
    advice = (await api.ask("GET", "/data/advice?kind=rule&name=r")).json
    assert [(one["path"], one["text"]) for one in advice if one["code"] == "doubtful"] == [
        ("sql", told[0]),
        ("actions.0.influx2", told[2]),
        ("actions.1.influx2", told[2]),
    ]
    advice = (await api.ask("GET", "/data/advice?kind=stream&name=s")).json
    assert advice == [{"code": "doubtful", "path": "options.TYPE", "text": told[1]}]


async def test_a_rule_runs_when_it_is_put_right(api: Api) -> None:
    """Without the action there is nothing in its way."""
    await api.stream()
    await install(api, "sinks", "kafka")
    await api.rule("r", actions=[{"kafka": {}}])
    put = await api.ask("PUT", "/rules/r", {"id": "r", "sql": "SELECT a FROM demo", "actions": [{"nop": {}}]})
    assert (put.status, api.host.states["r"]) == (200, "running")
    assert (await api.ask("DELETE", "/plugins/sinks/kafka")).status == 200


async def test_graphs_know_them_too(api: Api) -> None:
    """Sources that a graph connects itself, calls in its nodes, and its sinks."""
    nodes = {
        "in": {"type": "source", "nodeType": "random", "props": {"datasource": "x"}},
        "f": {"type": "operator", "nodeType": "function", "props": {"expr": "echo(b) AS e"}},
        "out": {"type": "sink", "nodeType": "zmq", "props": {"server": "tcp://127.0.0.1:5563"}},
    }
    topo = {"sources": ["in"], "edges": {"in": ["f"], "f": ["out"]}}
    body = {"id": "g", "graph": {"nodes": nodes, "topo": topo}}
    assert (await api.ask("POST", "/rules", body)).status == 400
    for role, name in (("sources", "random"), ("functions", "echo"), ("sinks", "zmq")):
        await install(api, role, name)
    assert (await api.ask("POST", "/rules", body)).status == 201
    for symbol in ("function echo", "source random", "sink zmq"):
        assert f"{symbol}: declared by the native plugin" in api.host.messages["g"]


@pytest.mark.parametrize("entry_first", [True, False])
async def test_what_is_really_there_goes_first(api: Api, tmp_path: Path, entry_first: bool) -> None:
    """A plugin that brings a function of the entry may stand beside it, whichever came first; without it the entry counts again."""
    adder = packed(tmp_path / "adder.zip", portable(functions=["echo"]))

    async def plugin() -> None:
        assert (await api.ask("POST", "/plugins/portables", {"name": "adder", "file": adder})).status == 201

    if entry_first:
        await install(api, "functions", "echo")
        await plugin()
    else:
        await plugin()
        await install(api, "functions", "echo")
    found = api.controller.environment.function("echo")
    assert str(found and found.owner) == "portable_plugin adder"
    assert (await api.ask("DELETE", "/plugins/portables/adder")).status == 200
    found = api.controller.environment.function("echo")
    assert str(found and found.owner) == "native_plugin functions_echo"


async def test_two_entries_do_not_declare_one_function(api: Api) -> None:
    """Neither would be there more than the other."""
    await install(api, "functions", "echo")
    refused = await install(api, "functions", "image", functions=["echo"])
    assert refused.json["message"].endswith(
        "belongs to native_plugin functions_echo; leave this entry out, as its Go library would not run here"
    )


async def test_a_wheel_under_such_a_name_is_read(api: Api, tmp_path: Path) -> None:
    """It is no Go library, so that it counts as what it is."""
    url = packed(tmp_path / "geo-1.4.0-py3-none-any.whl", wheel(points="[plutino.functions]\nresize = geo.functions:RESIZE\n"))
    assert (await install(api, "functions", "image", url)).status == 201
    assert (await api.ask("GET", "/plugins/functions/image")).json == {"name": "image", "version": "1.4.0", "functions": ["resize"]}
    absent = await install(api, "functions", "echo", "file:///none.whl")
    assert absent.json["message"].endswith("fail to download file file:///none.whl: stat /none.whl: no such file or directory")


@pytest.mark.parametrize("role", list(Role))
def test_each_of_the_originals_plugins_is_built_in_or_declared(role: Role) -> None:
    """An entry that counts as installed never leaves a rule with an unknown name."""
    registry, spec = components(), NativePluginKind()
    for name in sorted(listed(role)):
        parsed: Definition = spec.parse(Ref(spec.kind, f"{role}_{name}"), json.dumps({"name": name, "file": GONE}))
        if role is Role.FUNCTIONS:
            declared = spec.functions(parsed)
            assert declared
            assert all(function.unavailable and function.name not in registry.functions for function in declared)
            assert [f.name for f in declared if f.kind is FunctionKind.AGGREGATE] == (["countPlusOne"] if name == "countPlusOne" else [])
            continue
        found = registry.connectors.get(name)
        built_in = found is not None and (found.sink if role is Role.SINKS else found.source or found.lookup) is not None
        assert [made.name for made in spec.connectors(parsed)] == ([] if built_in else [name])


async def test_no_download_says_more_of_go_libraries(api: Api) -> None:
    """Whoever cannot reach the package learns that it would not help."""
    text = (await install(api, "functions", "mine", "http://10.1.2.3:1/mine.zip")).json["message"]
    assert text.startswith("functions plugins create command error: fail to download file http://10.1.2.3:1/mine.zip: ")
    assert text.endswith(
        "; a Go library, as plugins of eKuiper are, would not load here anyway: "
        "install a Python package (a wheel, or a zip with mine.json) or a portable plugin that brings function mine, or remove the entry"
    )


async def test_names_are_compared_before_the_address(api: Api) -> None:
    """An entry under another name than its own is told so, whatever else it lacks."""
    content = {"content": json.dumps({"nativePlugins": {"sinks_kafka2": json.dumps({"name": "kafka"})}})}
    refused = await api.ask("POST", "/data/import", content)
    text = json.loads(refused.json["message"])["nativePlugins"]["sinks_kafka2"]
    assert text == "invalid name kafka: the entry is called sinks_kafka2; sinks_kafka is expected"
