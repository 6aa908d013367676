"""Streams and tables: statements, replacement, views."""

from __future__ import annotations

import json
from typing import Any

import pytest

from plutino.errors import NotFoundError, PlutinoError, SqlSyntaxError, StreamError
from plutino.model import Ref
from plutino.resources.stream.kind import SourceKind
from unit.rest.kit import Api

STREAM, TABLE = SourceKind("stream"), SourceKind("table")


async def _post(api: Api, sql: str, path: str = "/streams") -> Any:
    return await api.ask("POST", path, {"sql": sql})


def test_equal_statements_are_equal_definitions() -> None:
    """Another spelling says the same; the text stays as written."""
    first = STREAM.parse(Ref("stream", "s"), 'CREATE STREAM s (a BIGINT) WITH (DATASOURCE="x", FORMAT="json")')
    second = STREAM.parse(Ref("stream", "s"), 'create stream s (a bigint) with (datasource="x" , format="json");')
    assert first == second
    assert first.text != second.text
    assert first != STREAM.parse(Ref("stream", "s"), 'CREATE STREAM s (a FLOAT) WITH (DATASOURCE="x", FORMAT="json")')


@pytest.mark.parametrize(
    ("text", "kind", "message"),
    [
        ("", StreamError, "Invalid stream statement: "),
        ("DROP STREAM s", StreamError, "Invalid stream statement: DROP STREAM s"),
        ("SELECT 1", SqlSyntaxError, 'found "EOF", expected FROM.'),
        ('CREATE TABLE s () WITH (DATASOURCE="x")', NotFoundError, "stream s is not found"),
        ('CREATE STREAM t () WITH (DATASOURCE="x")', StreamError, "Replace s fails: the sql statement must update the s source."),
    ],
)
def test_texts_that_define_nothing(text: str, kind: type[PlutinoError], message: str) -> None:
    """Only a CREATE of this kind and name is a definition."""
    with pytest.raises(kind) as caught:
        STREAM.parse(Ref("stream", "s"), text)
    assert str(caught.value) == message


def test_temporary_streams_say_so() -> None:
    """They live in memory only."""
    assert STREAM.parse(Ref("stream", "s"), 'CREATE STREAM s () WITH (TEMP="true")').temporary
    assert not TABLE.parse(Ref("table", "s"), "CREATE TABLE s () WITH ()").temporary


async def test_describe_shows_columns_with_defaults_and_nested_types(api: Api) -> None:
    """As a JSON object and as text."""
    await _post(api, 'CREATE STREAM s (a BIGINT DEFAULT 5, b ARRAY(STRUCT(x FLOAT))) WITH (DATASOURCE="d", SHARED="true", RETAIN_SIZE="3")')
    shown = (await api.ask("GET", "/streams/s")).json
    assert shown["StreamFields"] == [
        {"FieldType": "bigint", "Name": "a", "DefaultClause": 5},
        {
            "FieldType": {"Type": "array", "ElementType": {"Type": "struct", "Fields": [{"FieldType": "float", "Name": "x"}]}},
            "Name": "b",
        },
    ]
    assert shown["Options"] == {"datasource": "d", "shared": True, "retainSize": 3}
    text = (await _post(api, "DESCRIBE STREAM s")).text
    assert "a\tbigint\tDEFAULT\t5\nb\tarray(struct(x float))\n" in text
    assert text.endswith("DATASOURCE: d\nRETAIN_SIZE: 3\nSHARED: true\n")
    assert (await api.ask("GET", "/streams/s/schema")).json["a"] == {"type": "bigint", "index": 0, "default": 5}


async def test_streams_and_tables_share_one_name_space(api: Api) -> None:
    """A name is either, whatever path is used, and neither hides the other."""
    await _post(api, 'CREATE TABLE t () WITH (DATASOURCE="x", TYPE="file")')
    refused = await _post(api, 'CREATE STREAM t () WITH (DATASOURCE="x")')
    assert refused.json == {"error": 3000, "message": "Stream command error: Create stream fails: Item t already exists."}
    replaced = await api.ask("PUT", "/streams/t", {"sql": 'CREATE STREAM t () WITH (DATASOURCE="x")'})
    assert replaced.status == 400
    assert "a table has this name" in replaced.json["message"]
    dropped = await api.ask("DELETE", "/streams/t")
    assert (dropped.status, dropped.json["message"]) == (404, "delete stream error: stream t is not found")
    assert (await api.ask("GET", "/tables")).json == ["t"]


async def test_schema_of_what_is_missing_or_undeclared(api: Api) -> None:
    """An error for the one, null for the other."""
    await _post(api, 'CREATE STREAM s () WITH (DATASOURCE="x")')
    assert (await api.ask("GET", "/streams/s/schema")).json is None
    missing = await api.ask("GET", "/tables/nosuch/schema")
    assert missing.json == {"error": 3000, "message": "get schema of table error: Describe table fails, nosuch is not found."}


async def test_a_running_rule_protects_its_stream_until_it_is_forced(api: Api) -> None:
    """Go's spellings of true count for force."""
    await api.stream()
    await api.rule()
    assert (await api.ask("DELETE", "/streams/demo")).json["message"] == "stream demo has been referenced by other rules"
    assert (await api.ask("DELETE", "/streams/demo?force=no")).status == 400
    assert (await api.ask("DELETE", "/streams/demo?force=T")).status == 200
    assert (await api.ask("GET", "/rules/r/status")).json["status"] == "running"


async def test_success_texts_are_escaped_for_html(api: Api) -> None:
    """What SHOW and DESCRIBE repeat of an author's text cannot be markup."""
    await _post(api, "CREATE STREAM s () WITH (DATASOURCE=\"<b>&'x'\")")
    assert "DATASOURCE: &lt;b&gt;&amp;&#39;x&#39;" in (await _post(api, "DESCRIBE STREAM s")).text


@pytest.mark.parametrize("name", ["a.b", " x", "ä", "x!"])
async def test_names_in_paths_are_checked_first(api: Api, name: str) -> None:
    """The text has no prefix and code 1000."""
    for method in ("GET", "PUT", "DELETE"):
        reply = await api.ask(method, f"/streams/{name}", {"sql": "x"})
        assert reply.json["error"] == 1000
        assert reply.json["message"].startswith(f"id '{name}' contains ")


async def test_lookup_and_scan_tables_are_told_apart(api: Api) -> None:
    """By the query parameter kind, of lists and details."""
    await _post(api, 'CREATE TABLE scan () WITH (DATASOURCE="x", TYPE="file", KIND="scan")', "/tables")
    await _post(api, 'CREATE TABLE look () WITH (DATASOURCE="x", TYPE="memory", KIND="LOOKUP", KEY="id")', "/tables")
    assert (await api.ask("GET", "/tables?kind=lookup")).json == ["look"]
    assert [row["name"] for row in (await api.ask("GET", "/tabledetails?kind=scan")).json] == ["scan"]
    assert (await api.ask("GET", "/tables?kind=any")).json == ["look", "scan"]


async def test_formats_are_checked_when_the_statement_runs(api: Api) -> None:
    """Unknown ones by name, as written."""
    refused = await _post(api, 'CREATE STREAM s () WITH (DATASOURCE="x", FORMAT="XML")')
    assert refused.json == {"error": 3000, "message": "Stream command error: option 'format=XML' is invalid"}


async def test_replacing_with_the_same_statement_is_no_error(api: Api) -> None:
    """Without versions any replacement is allowed."""
    sql = {"sql": 'CREATE STREAM s () WITH (DATASOURCE="x")'}
    for _ in range(2):
        assert (await api.ask("PUT", "/streams/s", sql)).text == "Stream s is replaced."


async def test_a_temporary_stream_gives_way_to_one_that_stays(api: Api) -> None:
    """Not the other way round, and not to another temporary one."""
    await api.stream("s", options=', TEMP="true"')
    temporary = 'CREATE STREAM s () WITH (DATASOURCE="x", TEMP="true")'
    assert (await _post(api, temporary)).status == 400
    assert json.loads((await api.ask("GET", "/data/export")).text)["streams"] == {}
    lasting = 'CREATE STREAM s () WITH (DATASOURCE="x")'
    assert (await _post(api, lasting)).text == "Stream s is created."
    assert json.loads((await api.ask("GET", "/data/export")).text)["streams"] == {"s": lasting}
    assert (await _post(api, temporary)).status == 400


async def test_names_in_documents_are_checked(api: Api) -> None:
    """What cannot be named in a path is not made by an import either."""
    document = {"streams": {"a.b": 'CREATE STREAM `a.b` () WITH (DATASOURCE="x", TYPE="memory")'}}
    reply = await api.ask("POST", "/data/import?partial=1", {"content": json.dumps(document)})
    reason = "id 'a.b' contains invalid characters: only alphanumeric, hyphens and underscores are allowed"
    assert json.loads(reply.json["message"])["streams"] == {"a.b": reason}
    assert (await api.ask("GET", "/streams")).json == []
