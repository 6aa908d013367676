"""Rules whose statements can never work: accepted as by the original, and told of when advice is asked for."""

from __future__ import annotations

from unit.rest.kit import Api

STREAM = 'CREATE STREAM ty (temp BIGINT, name STRING, m STRUCT(k BIGINT)) WITH (DATASOURCE="t", TYPE="mqtt", FORMAT="json")'


async def test_doubts_are_advice(api: Api) -> None:
    """Each with its place in the statement; none any more when the stream says nothing about types."""
    await api.ask("POST", "/streams", {"sql": STREAM})
    assert (await api.rule("r", "SELECT abs(name) AS x\nFROM ty WHERE temp + name > m->kk")).status == 201
    found = (await api.ask("GET", "/data/advice?kind=rule&name=r")).json
    assert [(one["code"], one["path"]) for one in found] == [("doubtful", "sql")] * 3
    assert [one["text"].partition(": ")[0] for one in found] == ["line 1, column 8", "line 2, column 22", "line 2, column 29"]
    await api.ask("PUT", "/streams/ty", {"sql": 'CREATE STREAM ty () WITH (DATASOURCE="t", TYPE="mqtt", FORMAT="json")'})
    assert (await api.ask("GET", "/data/advice?kind=rule&name=r")).json == []


async def test_the_place_of_an_error_is_explained(api: Api) -> None:
    """To clients that ask for JSON; the text is the one of the wire either way."""
    await api.ask("POST", "/streams", {"sql": STREAM})
    rule = {"id": "r", "sql": "SELECT temp AS a, a AS b, b AS a2, c AS d, d AS c FROM ty", "actions": [{"nop": {}}]}
    plain = (await api.ask("POST", "/rules", rule)).json
    told = (await api.ask("POST", "/rules", rule, {"accept": "application/json"})).json
    assert plain == {key: value for key, value in told.items() if key != "explanation"}
    assert "select fields have cycled alias" in plain["message"]
    assert told["explanation"].split("\n")[0] == "line 1, column 36:"
    assert told["explanation"].endswith("d is made of c, c is made of d")
