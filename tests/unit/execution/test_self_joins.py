"""A stream or a scan table under two names: each name has all of its rows."""

from __future__ import annotations

from typing import Any

import pytest

from corpus.in_process import FixedEnvironment
from plutino.compiler import compile_plan
from plutino.model import Definition, Ref
from plutino.model.moment import set_zone
from plutino.planner import plan_rule
from plutino.resources.stream.content import content_of
from plutino.spi import RuleOptions
from plutino.sql import parse_select, parse_statement, tree
from unit.planner.test_extensions import START, compiled, push, shown, started


def joined(condition: str, *rows: dict[str, Any], window: str = " GROUP BY TUMBLINGWINDOW(ss, 1)", at: int = START) -> list[Any]:
    """What ``SELECT … FROM a AS x … a AS y`` gives in one second."""
    set_zone("UTC")
    rule = compiled(f"SELECT x.v AS xv, y.v AS yv FROM a AS x {condition}{window}")
    program = started(rule)
    assert rule.streams == ("a",)
    found = push(rule, program, "a", *rows, at=at)
    return [*found, *shown(program.advance(at + 1001))]


ROWS: tuple[dict[str, Any], ...] = ({"id": 1, "v": 10}, {"id": 2, "v": 20}, {"id": 1, "v": 11})


def pairs(found: list[Any]) -> list[tuple[Any, Any]]:
    return [(row.get("xv"), row.get("yv")) for row in found]


def test_each_name_has_all_rows() -> None:
    """Rows of one id, each with each."""
    found = pairs(joined("INNER JOIN a AS y ON x.id = y.id", *ROWS))
    assert found == [(10, 10), (10, 11), (20, 20), (11, 10), (11, 11)]


def test_conditions_tell_the_names_apart() -> None:
    """The next larger one of the same id; rows without partner stay."""
    assert pairs(joined("LEFT JOIN a AS y ON x.id = y.id AND x.v < y.v", *ROWS)) == [(10, 11), (20, None), (11, None)]
    assert len(joined("CROSS JOIN a AS y", *ROWS)) == 9


def test_three_names() -> None:
    """One id has two rows: eight ways."""
    found = joined("INNER JOIN a AS y ON x.id = y.id INNER JOIN a AS z ON z.id = y.id", *ROWS)
    assert len(found) == 9


def test_a_scan_table_alone_gives_its_rows() -> None:
    """Each as it comes."""
    text = 'create table t () with (DATASOURCE="t", FORMAT="json", TYPE="memory")'
    statement = parse_statement(text)
    assert isinstance(statement, tree.CreateStream)
    ref = Ref("table", "t")
    env = FixedEnvironment({ref: Definition(ref, text, content_of(statement))})
    rule = compile_plan(plan_rule(parse_select("select v from t"), env, RuleOptions(), rule_id="r"))
    assert push(rule, started(rule), "t", {"v": 1}, {"v": 2}) == [{"v": 1}, {"v": 2}]


@pytest.mark.parametrize("kind", ["INNER", "LEFT"])
def test_close_in_time(kind: str) -> None:
    """Interval joins pair rows with themselves and with their neighbours."""
    found = pairs(joined(f"{kind} JOIN a AS y ON x.id = y.id WITHIN (ss, 1)", *ROWS, window=""))
    assert set(found) >= {(10, 10), (20, 20), (11, 11), (10, 11), (11, 10)}
