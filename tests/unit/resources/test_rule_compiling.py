"""Rules of one document that say the same are compiled once, and never run what was compiled for something else."""

from __future__ import annotations

import json
from typing import Any

from unit.rest.kit import Api

LAG = "SELECT a, lag(a) AS before FROM demo"


async def _import(api: Api, streams: dict[str, str], rules: dict[str, Any]) -> None:
    texts = {name: json.dumps({"id": name, "actions": [{"nop": {}}], **fields}) for name, fields in rules.items()}
    answer = await api.ask("POST", "/data/import", {"content": json.dumps({"streams": streams, "rules": texts})})
    assert (answer.status, answer.json["ErrorMsg"]) == (200, "")


def _stream(columns: str, name: str = "demo") -> str:
    return f'CREATE STREAM {name} ({columns}) WITH (TYPE="memory", DATASOURCE="t", FORMAT="json")'


async def test_equal_statements_share_their_code_and_no_state(api: Api) -> None:
    """Each rule has a program of its own."""
    await _import(api, {"demo": _stream("")}, {"one": {"sql": LAG}, "two": {"sql": LAG}, "other": {"sql": LAG + " WHERE a > 1"}})
    one, two, other = (api.host.deployed[name].program for name in ("one", "two", "other"))
    assert one is two
    assert one is not other
    assert one() is not two()


async def test_what_differs_is_compiled_for_itself(api: Api) -> None:
    """Options, and statements that ask for the name of their rule."""
    named = "SELECT rule_id() AS id FROM demo"
    rules = {
        "one": {"sql": LAG},
        "nil": {"sql": LAG, "options": {"sendNilField": True}},
        "first": {"sql": named},
        "second": {"sql": named},
    }
    await _import(api, {"demo": _stream("")}, rules)
    assert len({id(api.host.deployed[name].program) for name in rules}) == 4


async def test_another_stream_of_that_name_is_another_input(api: Api) -> None:
    """A later document compiles against what it brings, also where the statement stays as it was."""
    await _import(api, {"demo": _stream("")}, {"one": {"sql": "SELECT * FROM demo"}})
    before = api.host.deployed["one"]
    await _import(api, {"demo": _stream("a BIGINT")}, {"one": {"sql": "SELECT * FROM demo"}, "two": {"sql": "SELECT * FROM demo"}})
    for name in ("one", "two"):
        assert api.host.deployed[name].program().inputs["demo"].columns == ("a",)
    assert before.program().inputs["demo"].columns == ()
