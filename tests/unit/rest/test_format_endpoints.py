"""The further formats over REST: the same door, the answers of the original, more for those that ask."""

from __future__ import annotations

import io
import json
import zipfile

from unit.rest.kit import Api

STREAM = 'CREATE STREAM demo (a BIGINT) WITH (TYPE="memory", DATASOURCE="topic/demo")'
YAML = f"streams:\n    demo:\n        sql: {STREAM}\n"


async def test_yaml_in_and_out(api: Api) -> None:
    """What is imported is exported; a range of it can be asked for."""
    assert (await api.ask("POST", "/v2/data/import", {"content": YAML})).data == b"success"
    whole = await api.ask("GET", "/v2/data/export")
    assert whole.text == f"{YAML}rules: {{}}\n"
    assert whole.headers["content-disposition"] == "Attachment"
    assert (await api.ask("GET", "/v2/data/export", headers={"range": "bytes=0-6"})).data == b"streams"


async def test_yaml_is_laid_over_unless_it_is_to_be_all(api: Api) -> None:
    """Other objects stay; with partial=0 they go; a dry run tells so."""
    await api.ask("POST", "/v2/data/import", {"content": YAML})
    other = {"content": YAML.replace("demo", "other")}
    plan = (await api.ask("POST", "/v2/data/import?partial=0&dryRun=1", other)).json
    assert plan["summary"] == {"created": 1, "updated": 0, "deleted": 1, "unchanged": 0}
    await api.ask("POST", "/v2/data/import", other)
    assert (await api.ask("GET", "/streams")).json == ["demo", "other"]
    await api.ask("POST", "/v2/data/import?partial=0", other)
    assert (await api.ask("GET", "/streams")).json == ["other"]


async def test_versions_do_not_stop_yaml(api: Api) -> None:
    """As in the original, a v2 document replaces what has a higher version; a ruleset does not."""
    await api.stream("demo", options=', VERSION="5"')
    lower = STREAM.replace('"topic/demo"', '"x", VERSION="4"')
    refused = await api.ask("POST", "/ruleset/import", {"content": json.dumps({"streams": {"demo": lower}})})
    assert "new version (4) is lower" in refused.json["message"]
    assert (await api.ask("POST", "/v2/data/import", {"content": json.dumps({"streams": {"demo": {"sql": lower}}})})).data == b"success"


async def test_what_is_left_out_is_told(api: Api) -> None:
    """With onError=continue the rest is applied; counts are those of what was."""
    document = json.dumps({"streams": {"demo": STREAM, "bad": "CREATE"}})
    reply = await api.ask("POST", "/ruleset/import?onError=continue", {"content": document})
    assert (reply.data, reply.headers["plutino-faults"]) == (b"imported 1 streams, 0 tables and 0 rules", "1")
    reply = await api.ask("POST", "/ruleset/import?onError=continue", {"content": document}, {"accept": "application/json"})
    assert (reply.json["error"], [f["path"] for f in reply.json["faults"]]) == ("1 entries were refused and left out", ["streams.bad"])


async def test_bundles_in_and_out(api: Api) -> None:
    """A bundle is a zip archive; a damaged one changes nothing and names the file."""
    await api.ask("POST", "/v2/data/import", {"content": YAML})
    bundle = (await api.ask("GET", "/data/bundle")).data
    assert zipfile.ZipFile(io.BytesIO(bundle)).namelist() == ["manifest.json", "streams/demo.yaml"]
    await api.ask("DELETE", "/streams/demo")
    reply = await api.ask("POST", "/data/bundle", bundle)
    assert (reply.status, reply.json["ErrorMsg"]) == (200, "")
    assert (await api.ask("GET", "/streams")).json == ["demo"]
    plan = (await api.ask("POST", "/data/bundle?dryRun=1", bundle)).json
    assert plan["summary"] == {"created": 0, "updated": 0, "deleted": 0, "unchanged": 1}
    buffer = io.BytesIO(bundle)
    with zipfile.ZipFile(buffer, "a") as archive:
        archive.writestr("rules/evil.yaml", "id: evil")
    reply = await api.ask("POST", "/data/bundle", buffer.getvalue(), {"accept": "application/json"})
    assert (reply.status, reply.json["faults"][0]["file"]) == (400, "rules/evil.yaml")
    assert (await api.ask("POST", "/data/bundle", b"no zip")).status == 400
