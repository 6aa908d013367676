"""Every SQL case in force, end to end against a real server and a real broker."""

from __future__ import annotations

import pytest

from corpus.loader import Outcome, SqlCase, compare, load_sql
from corpus.sql_over_mqtt import SqlOverMqtt
from e2e.harness import Broker, Server

NEED_A_SERVER = ("errors", "lookups", "sink", "stream_options")
"""Families whose cases are not about the program alone. Our own cases of the others run in process only, to save minutes."""


@pytest.fixture(scope="session")
def sql_outcomes(request: pytest.FixtureRequest, running_server: Server, broker: Broker) -> dict[str, Outcome]:
    """The outcomes of all cases that this session has selected, run together: one by one they would take minutes."""
    functions = [item for item in request.session.items if isinstance(item, pytest.Function) and "sql_outcomes" in item.fixturenames]
    chosen = [case for function in functions if isinstance(case := function.callspec.params["sql_case"], SqlCase)]
    with SqlOverMqtt(running_server.url, broker.url) as runner:
        return runner.run(chosen)


@pytest.mark.parametrize("sql_case", [c for c in load_sql() if not c.own or c.family in NEED_A_SERVER], ids=lambda case: case.name)
def test_case_gives_the_recorded_messages(sql_case: SqlCase, sql_outcomes: dict[str, Outcome]) -> None:
    """The messages (or the refusal) of the case are the recorded ones."""
    result = compare(sql_case, sql_outcomes[sql_case.name])
    assert result.equal, f"{sql_case.note}\n  sql  {sql_case.sql or sql_case.ddl}\n  {result.difference}"
