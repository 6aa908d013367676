"""Secrets over the API: how exports show them, how imports take them, and where they are never told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from plutino.control import Policy
from unit.rest.kit import Api, open_api

PASSPHRASE = {"plutino-passphrase": "correct horse battery"}
PASSWORD, TOKEN, KEY, LINK = "passw0rd-of-mqtt", "t0ken-of-the-api", "key-0f-nobody", "p@ss:w0rd-in-address"
SECRETS = (PASSWORD, TOKEN, KEY, LINK)
EXPORTS = ("GET /data/export", "GET /v2/data/export", "POST /ruleset/export", "GET /data/bundle", "POST /data/export")


def document(**changes: Any) -> dict[str, dict[str, str]]:
    """A configuration with secrets in every place that can have some."""
    extra = json.dumps(json.dumps({"password": PASSWORD}))
    rule = {
        "id": "r",
        "sql": "SELECT * FROM s",
        "actions": [
            {"mqtt": {"server": f"tcp://u:{LINK}@b:1883", "topic": "x", "password": PASSWORD}},
            {"rest": {"url": f"http://h/x?token={TOKEN}", "headers": {"Authorization": f"Bearer {TOKEN}"}, "unknownApiKey": KEY}},
        ],
    }
    return {
        "streams": {"s": f'CREATE STREAM s () WITH (DATASOURCE="t", TYPE="mqtt", CONF_KEY="k", EXTRA={extra})'},
        "rules": {"r": json.dumps(rule)},
        "sourceConfig": {"mqtt": json.dumps({"k": {"server": "tcp://b:1883", "password": PASSWORD, **changes}})},
        "connectionConfig": {"mqtt": json.dumps({"c": {"server": "tcp://b:1883", "password": PASSWORD}})},
        "uploads": {"u.json": json.dumps({"name": "u.json", "content": json.dumps({"api_key": KEY})})},
    }


async def put(api: Api, content: Any, query: str = "", headers: dict[str, str] | None = None) -> Any:
    text = content if isinstance(content, str) else json.dumps(content)
    return await api.ask("POST", f"/data/import{query}", {"content": text}, headers)


async def export(api: Api, endpoint: str, mode: str, headers: dict[str, str] | None = None) -> Any:
    method, path = endpoint.split()
    body = ["r"] if endpoint == "POST /data/export" else None
    return await api.ask(method, f"{path}?secrets={mode}", body, headers)


@pytest.mark.parametrize("endpoint", EXPORTS)
async def test_secrets_are_in_no_export_that_hides_them(api: Api, endpoint: str) -> None:
    """Every export shows them as they are by default, and none of them masked or encrypted; equal states give equal bytes."""
    assert (await put(api, document())).status == 200
    plain = await export(api, endpoint, "plain")
    if endpoint != "GET /data/bundle":  # packed
        assert PASSWORD in plain.text
    for mode, headers in (("redact", None), ("encrypt", PASSPHRASE)):
        hidden = await export(api, endpoint, mode, headers)
        assert hidden.status == 200
        shown = unpacked(hidden.data)
        for secret in SECRETS:
            assert secret not in shown, f"{mode}: {secret}"
        assert (await export(api, endpoint, mode, headers)).data == hidden.data


def unpacked(data: bytes) -> str:
    """The text of a document, or of all files of a bundle."""
    if data[:2] != b"PK":
        return data.decode()
    import io
    import zipfile

    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return "\n".join(archive.read(name).decode() for name in archive.namelist())


@pytest.mark.parametrize(("mode", "headers"), [("redact", None), ("encrypt", PASSPHRASE)])
async def test_a_hidden_export_is_no_change_where_it_came_from(api: Api, mode: str, headers: dict[str, str] | None) -> None:
    """Masks keep what is there; encrypted values are what they were."""
    await put(api, document())
    before = (await api.ask("GET", "/data/export")).data
    hidden = (await export(api, "GET /data/export", mode, headers)).text
    assert "******" in hidden or "${encrypted:" in hidden
    dry = (await put(api, hidden, "?dryRun=1", headers)).json
    assert {change["action"] for change in dry["changes"]} == {"unchanged"}
    assert (await put(api, hidden, "", headers)).status == 200
    assert (await api.ask("GET", "/data/export")).data == before


async def test_encrypted_secrets_open_on_another_server(api: Api, tmp_path: Path) -> None:
    """With the passphrase; without it, or with another one, each object says what it wants, and nothing changes."""
    await put(api, document())
    before = (await api.ask("GET", "/data/export")).data
    hidden = (await export(api, "GET /data/export", "encrypt", PASSPHRASE)).text
    async with open_api(tmp_path / "other") as other:
        asked = {"accept": "application/json"}
        refused = (await put(other, hidden, "", asked)).json
        paths = {fault["path"] for fault in refused["faults"]}
        assert paths == {"streams.s", "rules.r", "sourceConfig.mqtt.k", "connectionConfig.mqtt.c", "uploads.u.json"}
        assert all("no passphrase" in fault["text"] for fault in refused["faults"])
        wrong = (await put(other, hidden, "", {**asked, "plutino-passphrase": "something else"})).json
        assert all("does not open" in fault["text"] for fault in wrong["faults"])
        assert other.controller.revision == 0
        assert (await put(other, hidden, "", PASSPHRASE)).status == 200
        assert (await other.ask("GET", "/data/export")).data == before


async def test_masks_say_where_there_is_nothing_to_keep(api: Api) -> None:
    """A masked document on an empty server is refused at every masked value, all at once."""
    await put(api, document())
    hidden = (await export(api, "GET /data/export", "redact")).text
    await put(api, {})
    refused = (await put(api, hidden, "", {"accept": "application/json"})).json
    texts = {fault["path"]: fault["text"] for fault in refused["faults"]}
    assert texts["sourceConfig.mqtt.k"].startswith("password: ******")
    assert "actions.0.mqtt.server" in texts["rules.r"]
    assert "actions.1.rest.headers.Authorization" in texts["rules.r"]
    assert "options.EXTRA.password" in texts["streams.s"]
    assert all(fault["line"] for fault in refused["faults"])


async def test_masks_follow_their_action(api: Api) -> None:
    """An action keeps its secrets when another one is put in front of it, and when something else in it changes."""
    await put(api, document())
    hidden = json.loads((await export(api, "GET /data/export", "redact")).text)
    rule = json.loads(hidden["rules"]["r"])
    rule["actions"] = [{"log": {}}, rule["actions"][1], rule["actions"][0]]
    hidden["rules"]["r"] = json.dumps(rule)
    assert (await put(api, hidden)).status == 200
    actions = json.loads(json.loads((await api.ask("GET", "/data/export")).text)["rules"]["r"])["actions"]
    assert actions[2]["mqtt"] == {"server": f"tcp://u:{LINK}@b:1883", "topic": "x", "password": PASSWORD}
    assert actions[1]["rest"]["headers"] == {"Authorization": f"Bearer {TOKEN}"}


async def test_masks_are_kept_in_single_requests_too(api: Api) -> None:
    """A form that shows masks may send them back; a new object with one is refused."""
    await put(api, document())
    body = {"server": "tcp://new:1883", "password": "******"}
    assert (await api.ask("PUT", "/metadata/sources/mqtt/confKeys/k", body)).status == 200
    stored = json.loads((await api.ask("GET", "/data/export")).json["sourceConfig"]["mqtt"])["k"]
    assert stored == {"server": "tcp://new:1883", "password": PASSWORD}
    refused = await api.ask("PUT", "/metadata/sources/mqtt/confKeys/other", body)
    assert refused.status == 400
    assert "there is none here to keep" in refused.text


async def test_differences_and_history_show_changes_but_no_secrets(api: Api) -> None:
    """A changed password is a change of a masked value, in dry runs, differences and revisions."""
    await put(api, document())
    changed = document(password="an0ther-password", server="tcp://u:s0mething@b:1883")
    dry = (await put(api, changed, "?dryRun=1")).json
    [update] = [change for change in dry["changes"] if change["action"] == "updated" and change["kind"] == "source_config"]
    fields = {field["path"]: field for field in update["fields"]}
    assert (fields["password"]["old"], fields["password"]["new"]) == ("******", "******")
    assert fields["server"]["new"] == "tcp://u:******@b:1883"
    await put(api, changed)
    for path in ("/data/revisions", "/data/revisions/1", "/data/revisions/2", "/data/diff?from=1&to=2"):
        told = await api.ask("GET", path)
        assert told.status == 200, path
        for secret in (*SECRETS, "an0ther-password", "s0mething"):
            assert secret not in told.text, path


REFUSED: tuple[tuple[str, str, Any], ...] = (
    ("POST", "/rules", {"id": "x", "sql": "SELECT", "actions": [{"mqtt": {"password": PASSWORD}}]}),
    ("POST", "/rules", f'{{"id": "x", "sql": 1, "actions": [{{"mqtt": {{"password": "{PASSWORD}"}}}}]}}'),
    ("POST", "/rules", f'{{"id": "x", "actions": [{{"mqtt": {{"password": "{PASSWORD}"}}}}'),
    ("PUT", "/metadata/sources/mqtt/confKeys/k", {"password": "******", "apiToken": TOKEN}),
    ("POST", "/streams", {"sql": f'CREATE STREAM x () WITH (EXTRA="{{\\"password\\": \\"{PASSWORD}\\"}}", NOSUCH="a")'}),
    ("POST", "/data/import", {"content": json.dumps({"rules": {"x": json.dumps({"id": "x", "sql": "x", "token": TOKEN})}})}),
    ("POST", "/data/import", {"file": f"http://user:{TOKEN}@127.0.0.1:1/x.json"}),
    ("POST", "/data/import", {"file": f"ftp://user:{TOKEN}@127.0.0.1:1/x.json?token={TOKEN}"}),
    ("POST", "/connections", {"id": "c", "typ": "nosuch", "props": {"password": PASSWORD}}),
)


@pytest.mark.parametrize(("method", "path", "body"), REFUSED)
async def test_errors_do_not_repeat_secrets(api: Api, method: str, path: str, body: Any) -> None:
    """What is refused is quoted without its secrets."""
    answer = await api.ask(method, path, body, {"accept": "application/json"})
    assert answer.status == 400
    for secret in SECRETS:
        assert secret not in answer.text


async def test_faults_do_not_tell_secrets_of_what_an_object_uses(api: Api) -> None:
    """A password of the wrong type in a configuration makes the rule that uses it fail, without being told."""
    content = document()
    content["streams"] = {"s": 'CREATE STREAM s () WITH (DATASOURCE="t", TYPE="mqtt", CONF_KEY="k")'}
    content["sourceConfig"] = {"mqtt": json.dumps({"k": {"server": "tcp://b:1883", "password": 918273645546372}})}
    answer = await put(api, {name: content[name] for name in ("streams", "rules", "sourceConfig")}, "", {"accept": "application/json"})
    assert answer.status == 400
    assert "unconvertible type" in answer.text
    assert "918273645546372" not in answer.text


async def test_a_server_may_be_told_to_give_none_away(tmp_path: Path) -> None:
    """Plain is refused then, the default is to mask, and single objects are shown masked."""
    async with open_api(tmp_path, policy=Policy("redact", plain=False)) as api:
        await put(api, document())
        refused = await api.ask("GET", "/data/export?secrets=plain")
        assert (refused.status, "gives none away" in refused.text) == (403, True)
        stored = ("/metadata/sources/yaml/mqtt", "/metadata/connections/yaml/mqtt")
        for path in ("/data/export", "/connections", *stored, "/rules/r", "/streams/s"):
            told = await api.ask("GET", path)
            assert told.status == 200, path
            assert PASSWORD not in told.text, path
            assert TOKEN not in told.text, path
            assert "******" in told.text, path
        unknown = await api.ask("GET", "/data/export?secrets=nonsense")
        assert (unknown.status, "one of plain, redact, encrypt is expected" in unknown.text) == (400, True)
        without = await api.ask("GET", "/data/export?secrets=encrypt")
        assert "no passphrase" in without.text
        short = await api.ask("GET", "/data/export?secrets=encrypt", headers={"plutino-passphrase": "short"})
        assert "at least 8" in short.text


async def test_references_are_exported_as_they_are(api: Api) -> None:
    """In every mode; they are no secrets."""
    content = {"sourceConfig": {"mqtt": json.dumps({"k": {"password": "${env:PLANT}", "server": "tcp://u:${file:pw}@b:1883"}})}}
    await put(api, content)
    for mode, headers in (("plain", None), ("redact", None), ("encrypt", PASSPHRASE)):
        assert "${env:PLANT}" in (told := (await export(api, "GET /data/export", mode, headers)).text)
        assert "tcp://u:${file:pw}@b:1883" in told


async def test_stars_that_are_no_mask_stay(api: Api) -> None:
    """A banner in a script or a text in a statement is not taken for a hidden value, and its spelling is kept."""
    script = '{"id": "f", "description": "", "script": "/****** f ******\\/ function f(x) { return x }", "isAgg": false}'
    rule = '{"id":"r","sql":"SELECT * FROM s WHERE a = \'******\' OR b = \\"x\\"","actions":[{"log":{}}]}'
    content = {"streams": document()["streams"], "scripts": {"f": script}, "rules": {"r": rule}, "sourceConfig": document()["sourceConfig"]}
    assert (await put(api, content)).status == 200
    exported = json.loads((await api.ask("GET", "/data/export?secrets=redact")).text)
    assert (exported["scripts"]["f"], exported["rules"]["r"]) == (script, rule)
    assert (await put(api, exported)).status == 200
    assert json.loads((await api.ask("GET", "/data/export")).text)["scripts"]["f"] == script
