"""Errors of planning know their place in the statement, and a suggestion where there is one."""

from __future__ import annotations

import pytest

from corpus.in_process import FixedEnvironment
from plutino.errors import PlanError, SqlSyntaxError, explanation
from plutino.model import Definition, Ref
from plutino.planner import plan_rule
from plutino.resources.stream.content import content_of
from plutino.spi import RuleOptions
from plutino.sql import parse_select, parse_statement, tree

TEXT = 'create stream demo (temperature float, device string) with (DATASOURCE="t", FORMAT="json")'


def _environment() -> FixedEnvironment:
    statement = parse_statement(TEXT)
    assert isinstance(statement, tree.CreateStream)
    ref = Ref("stream", "demo")
    return FixedEnvironment({ref: Definition(ref, TEXT, content_of(statement))})


@pytest.mark.parametrize(
    ("sql", "message", "underlined", "suggestion"),
    [
        ("select tempature from demo", "unknown field tempature", "tempature", "temperature"),
        ("select device\nfrom demo where temperature > 1 and devise = 'x'", "unknown field devise", "devise", "device"),
        ("select uper(device) as d from demo", "function uper not found", "uper(device)", "upper"),
        ("select ifnull(device, 'x') as d from demo", "function ifnull not found", "ifnull(device, 'x')", "coalesce"),
        ("select lower(device, 1) from demo", "validate function lower error: Expect 1 arguments but found 2.", "lower(device, 1)", None),
        ("select abs('x') from demo", "validate function abs error: Expect number - float or int type for parameter 1", "abs('x')", None),
        ("select device from dem", "fail to get stream dem, please check if stream is created", "dem", "demo"),
        ("select uper(device) as d from demo group by tumblngwindow(ss, 1)", "function uper", "uper(device)", "upper"),
        ("select avg(temperature) as t from demo group by tumblngwindow(ss, 1)", "function tumb", "tumblngwindow(ss, 1)", "tumblingwindow"),
        ("select device from demo group by device", "select stmt group by should be used with window", "device", None),
        ("select device as x, temperature as x from demo", "duplicate alias x", "temperature as x", None),
        ("select sum(count(device)) as n from demo group by countwindow(2)", "invalid argument for func sum", "count(device)", None),
    ],
)
def test_an_error_underlines_its_place(sql: str, message: str, underlined: str, suggestion: str | None) -> None:
    """The innermost expression at fault is underlined; a name that is nearly right is suggested."""
    with pytest.raises((PlanError, SqlSyntaxError)) as caught:
        plan_rule(parse_select(sql), _environment(), RuleOptions(), rule_id="r", text=sql)
    error = caught.value
    assert str(error).startswith(message)
    assert error.position is not None
    assert sql[error.position.start : error.position.end] == underlined
    assert error.suggestion == suggestion
    shown = explanation(error)
    assert shown is not None
    assert "^" * len(underlined) in shown


def test_a_function_from_nowhere_says_where_functions_come_from() -> None:
    """When no name is near: a document may have left out the script or plugin that brings it."""
    with pytest.raises(SqlSyntaxError) as caught:
        plan_rule(parse_select("select heatidx(temperature) from demo"), _environment(), RuleOptions(), rule_id="r")
    assert caught.value.suggestion is None
    assert "no script, plugin, service or installed package" in (caught.value.advice or "")
