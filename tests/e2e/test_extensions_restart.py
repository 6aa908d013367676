"""Plugins and services survive a killed server without the place that their packages came from."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from e2e.harness import Server
from unit.resources.archives import packed, portable, service, wheel


def blobs(server: Server) -> list[str]:
    folder = server.data / "blobs"
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def test_packages_survive_without_their_origin(new_server: Callable[..., Server], tmp_path: Path) -> None:
    """What was installed is there after a kill, byte by byte, and rules say the same about it."""
    server = new_server()
    packages = tmp_path / "packages"
    adder = packed(packages / "adder.zip", portable(sources=["probe"]))
    math = packed(packages / "math.zip", service())
    geo = packed(packages / "geo-1.4.0-py3-none-any.whl", wheel())
    assert server.request("POST", "/plugins/portables", json={"name": "adder", "file": adder}).status_code == 201
    assert server.request("POST", "/services", json={"name": "math", "file": math}).status_code == 201
    assert server.request("POST", "/plugins/functions", json={"name": "geo", "file": geo}).status_code == 201
    assert server.request("POST", "/plugins/sources", json={"name": "random", "file": "http://gone.example/r.zip"}).status_code == 201
    sql = 'CREATE STREAM demo (a BIGINT) WITH (DATASOURCE="t", TYPE="memory", FORMAT="json")'
    server.request("POST", "/streams", json={"sql": sql})
    rule = {"id": "r1", "sql": "SELECT addUp(a, 1) AS s FROM demo", "actions": [{"nop": {}}]}
    assert server.request("POST", "/rules", json=rule).status_code == 201
    paths = ("/plugins/portables", "/services/functions", "/plugins/functions/geo", "/plugins/sources", "/services/math", "/data/export")
    before = {path: server.request("GET", path).json() for path in paths}
    kept = blobs(server)
    assert len(kept) == 3
    for file in packages.iterdir():
        file.unlink()
    server.restart(killed=True)
    assert {path: server.request("GET", path).json() for path in paths} == before
    assert blobs(server) == kept
    server.wait_for_rule("r1", "stopped by error")
    message = server.request("GET", "/rules/r1/status").json()["message"]
    assert message == "function addUp of service math: services are declared, but not executed by this version"
    assert server.request("DELETE", "/services/math").json()["message"] == "service math is referenced by the rule r1"


def test_a_refused_document_leaves_nothing(new_server: Callable[..., Server], tmp_path: Path) -> None:
    """Packages that were fetched for a document with one fault are gone again, and what was there is untouched."""
    server = new_server()
    adder = packed(tmp_path / "adder.zip", portable())
    math = packed(tmp_path / "math.zip", service())
    server.request("POST", "/services", json={"name": "math", "file": math})
    before, kept = server.request("GET", "/data/export").content, blobs(server)
    entries = {
        "portablePlugins": {"adder": json.dumps({"name": "adder", "file": adder})},
        "Service": {"calc": json.dumps({"name": "calc", "file": f"file://{tmp_path}/none.zip"})},
    }
    refused = server.request("POST", "/data/import", json={"content": json.dumps(entries)})
    assert refused.status_code == 400
    assert "fail to download file" in json.loads(refused.json()["message"])["Service"]["calc"]
    assert server.request("GET", "/data/export").content == before
    assert blobs(server) == kept
    del entries["Service"]
    assert server.request("POST", "/data/import", json={"content": json.dumps(entries)}).status_code == 200
    assert server.request("GET", "/services").json() == []
    assert [plugin["name"] for plugin in server.request("GET", "/plugins/portables").json()] == ["adder"]
    # The service is part of the history, so that it can come back: its package stays as long as a kept revision names it.
    assert set(kept) < set(blobs(server))
