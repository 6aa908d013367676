"""Every error of the planner that is about something written underlines it; the texts are those of the wire."""

from __future__ import annotations

import pytest

from plutino.errors import PlanError, SqlSyntaxError, explanation
from plutino.planner import plan_rule
from plutino.spi import RuleOptions
from plutino.sql import parse_select
from unit.planner.test_extensions import environment_with

OBJECTS = (
    'create stream ty (temp bigint, name string, l array(bigint), m struct(k bigint)) with (DATASOURCE="t", FORMAT="json", SHARED="true")',
    'create stream two (temp bigint, other string) with (DATASOURCE="t2", FORMAT="json")',
    'create stream free () with (DATASOURCE="t3", FORMAT="json")',
    'create table tab (name string, place string) with (DATASOURCE="t4", FORMAT="json", TYPE="memory")',
    'create table look (name string, place string) with (DATASOURCE="t5", FORMAT="json", TYPE="memory", KIND="lookup", KEY="name")',
)


PLAIN = RuleOptions()
HAVING = "Not allowed to call non-aggregate functions in HAVING clause:"
GROUP = "Not allowed to call aggregate functions in GROUP BY clause:"
W = "tumblingwindow(ss, 1)"


@pytest.mark.parametrize(
    ("sql", "message", "underlined", "options"),
    [
        ("select temp as b, b as a, a as b2, name from ty where b2 > 1 and c > 1", "unknown field c", "c", PLAIN),
        ("select name, a as b, b as a from ty", "select fields have cycled alias", "a as b", PLAIN),
        ("select name as x, c + 1 as b, b as c from ty", "select fields have cycled alias", "c + 1 as b", PLAIN),
        ("select temp, temp from ty", "duplicate field definition temp", "temp", PLAIN),
        (f"select count(name), count(*) from ty group by {W}", "duplicate field definition count", "count(*)", PLAIN),
        ("select * replace(1 as y, 2 as y) from free", "duplicate field definition y", "2 as y", PLAIN),
        ("select temp as x, * replace(1 as x) from free", "duplicate alias x", "1 as x", PLAIN),
        (f"select name from ty group by name, max(temp), {W}", GROUP, "max(temp)", PLAIN),
        (f"select max(temp) as x from ty group by x, {W}", GROUP, "x", PLAIN),
        (f"select name from ty group by name, {W} having max(temp) > 1 and upper(name) = 'X'", HAVING, "upper(name)", PLAIN),
        (f"select name from ty group by name, {W} having name = 'X' or max(temp) > 1", HAVING, "name", PLAIN),
        ("select unnest(unnest(l)) from ty", "select clause shouldn't has nested", "unnest(l)", PLAIN),
        ("select unnest(l), extract(m) from ty", "select clause shouldn't has multi", "extract(m)", PLAIN),
        ("select name from ty where unnest(l) > 1", "select statement shouldn't has srf", "unnest(l)", PLAIN),
        (f"select count(*) from ty group by unnest(l), {W}", "select statement shouldn't has srf", "unnest(l)", PLAIN),
        ("select name, temp from ty group by name", "select stmt group by should be used with window", "name", PLAIN),
        ("select * except(temp, nme) from ty", "unknown field nme", "nme", PLAIN),
        ("select nope, * except(name, `nope`) from free inner join ty on true", "a time window", "ty", PLAIN),
        ("select * replace(nope as temp) from ty", "unknown field nope", "nope", PLAIN),
        ("select ty.* except(other) from ty inner join two on true group by countwindow(2)", "unknown field other", "other", PLAIN),
        ("select nope.* from ty", "stream nope not found", "nope.*", PLAIN),
        ("select to_json(nope.*) as j from ty", "stream nope not found", "nope.*", PLAIN),
        ("select temp from ty inner join two on ty.temp = two.temp", "ambiguous field temp", "temp", PLAIN),
        ("select l[3:1] as p from ty", "colon start value can't be greater", "l[3:1]", PLAIN),
        ("select upper(distinct name) as u from ty", "DISTINCT in upper", "upper(distinct name)", PLAIN),
        ("select name from ty where row_number() > 1", "window functions can only be", "row_number()", PLAIN),
        ("select row_number() as r from ty where r > 1", "window functions can only be", "r", PLAIN),
        (
            "select abs(temp) over (when true) as a from ty",
            "Found OVER after non analytic",
            "abs(temp) over (when true)",
            PLAIN,
        ),
        ("select lag(max(temp)) as x from ty", "aggregate max in analytic function lag", "max(temp)", PLAIN),
        ("select upper(changed_cols('a', true, temp)) from ty", "function changed_cols can only", "changed_cols('a', true, temp)", PLAIN),
        ("select changed_cols('a', 1, temp) from ty", "validate function changed_cols", "changed_cols('a', 1, temp)", PLAIN),
        ("select dedup_trigger(temp, temp, temp) from ty", "validate function dedup_trigger", "dedup_trigger(temp, temp, temp)", PLAIN),
        ("select dedup_trigger(temp, 1, temp, 5) from ty", "validate function dedup_trigger error: Expect column", "1", PLAIN),
        ("select dedup_trigger(temp, temp, temp, name) from ty", "validate function dedup_trigger error: Expect int", "name", PLAIN),
        (
            "select dedup_trigger(temp, temp, temp, 5), dedup_trigger(temp, temp, temp, 6) from ty",
            "dedup_trigger stands twice",
            "dedup_trigger(temp, temp, temp, 6)",
            PLAIN,
        ),
        (
            f"select dedup_trigger(temp, temp, temp, 5) from ty group by {W}",
            "dedup_trigger with a window",
            "dedup_trigger(temp, temp, temp, 5)",
            PLAIN,
        ),
        (f"select last_hit_count() as h, count(*) from ty group by {W}", "function last_hit_count is not", "last_hit_count()", PLAIN),
        ("select meta(a, b) as x from ty", "validate function meta error: Expect 1", "meta(a, b)", PLAIN),
        ("select mqtt(a) as x from ty", "validate function mqtt error", "mqtt(a)", PLAIN),
        ("select name from tab group by countwindow(2)", "cannot run window for TABLE", "countwindow(2)", PLAIN),
        ("select ty.temp from ty inner join two on ty.temp = two.temp", "a time window or count window", "two", PLAIN),
        (f"select name from ty group by {W}", "Invalid option sendMetaToSink", W, RuleOptions(send_meta_to_sink=True)),
        ("select name from ty", "preprocessor is set to be event time", "ty", RuleOptions(is_event_time=True)),
        ("select name from ty", "disableBufferFullDiscard can't", "ty", RuleOptions(disable_buffer_full_discard=True)),
        (
            "select lag(look.place) as p from ty inner join look on ty.name = look.name",
            "analytic function lag reads lookup table look",
            "lag(look.place)",
            PLAIN,
        ),
        (
            "select ty.temp from ty inner join look on ty.name = look.name group by slidingwindow(ss, 1) over (when look.place = 'x')",
            "the window slidingwindow reads lookup table look",
            "slidingwindow(ss, 1) over (when look.place = 'x')",
            PLAIN,
        ),
        ("select look.place from look inner join ty on ty.name = look.name", "cannot find lookup table look", "look", PLAIN),
        ("select place from ty inner join look on ty.temp > 1", "join condition", "inner join look on ty.temp > 1", PLAIN),
    ],
)
def test_what_is_at_fault_is_underlined(sql: str, message: str, underlined: str, options: RuleOptions) -> None:
    """The error begins as on the wire, and its place is the text that must change."""
    with pytest.raises((PlanError, SqlSyntaxError)) as caught:
        plan_rule(parse_select(sql), environment_with(OBJECTS), options, rule_id="r", text=sql)
    error = caught.value
    assert str(error).startswith(message)
    assert error.position is not None
    assert sql[error.position.start : error.position.end].lower() == underlined
    assert "^" * len(underlined) in (explanation(error) or "")


def test_the_advice_of_a_cycle_names_its_aliases() -> None:
    """Who is made of whom, so that the cycle is seen in a long list."""
    sql = "select temp + c as a, a as b, name, b as c from ty"
    with pytest.raises(PlanError) as caught:
        plan_rule(parse_select(sql), environment_with(OBJECTS), PLAIN, rule_id="r", text=sql)
    assert caught.value.advice == "a is made of c, c is made of b, b is made of a"


@pytest.mark.parametrize(
    "sql",
    [
        "select * except(temp) from ty",
        "select * except(count), count(*) from ty group by countwindow(2)",
        "select * except(other) from ty inner join two on true group by countwindow(2)",
        "select * except(anything) replace(1 as something) from free",
        "select * except(anything) from ty inner join free on true group by countwindow(2)",
        "select * except(t) from (select temp as t, name from ty) as x",
    ],
)
def test_names_of_except_and_replace_that_mean_something(sql: str) -> None:
    """Columns of any of the sources, items beside the star, and whatever a stream without schema may have."""
    plan_rule(parse_select(sql), environment_with(OBJECTS), PLAIN, rule_id="r", text=sql)


def test_a_name_in_except_is_suggested() -> None:
    """A typing error in EXCEPT would give out the column that was meant to stay here."""
    sql = "select * except(Temp) from ty"
    with pytest.raises(PlanError) as caught:
        plan_rule(parse_select(sql), environment_with(OBJECTS), PLAIN, rule_id="r", text=sql)
    assert caught.value.suggestion == "temp"
