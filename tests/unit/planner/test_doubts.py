"""What can never work is doubted at its place; what may work is not."""

from __future__ import annotations

import pytest

from corpus.in_process import environment_of
from corpus.loader import all_sql
from plutino.planner import plan_rule
from plutino.planner.doubts import doubts_of
from plutino.spi import RuleOptions
from plutino.sql import parse_select
from unit.planner.test_extensions import environment_with

COLUMNS = (
    "(temp bigint, level float, name string, ok boolean, at datetime, raw bytea, l array(bigint), "
    "m struct(k bigint, deep struct(a string)))"
)
OBJECTS = (
    f'create stream ty {COLUMNS} with (DATASOURCE="t", FORMAT="json", TYPE="mqtt")',
    'create stream two (other string) with (DATASOURCE="t2", FORMAT="json", TYPE="mqtt")',
    'create stream free () with (DATASOURCE="t3", FORMAT="json", TYPE="mqtt")',
    f'create stream inside {COLUMNS} with (DATASOURCE="t4", FORMAT="json", TYPE="memory")',
    f'create stream strict {COLUMNS} with (DATASOURCE="t4", FORMAT="json", TYPE="memory", STRICT_VALIDATION="true")',
    f'create stream cut {COLUMNS} with (DATASOURCE="t5", FORMAT="delimited", TYPE="mqtt")',
)


ENV = environment_with(OBJECTS)
W = "group by countwindow(2)"


@pytest.mark.parametrize(
    ("sql", "doubted", "why"),
    [
        ("select abs(name) as x from ty", "abs(name)", "name is string; abs works with bigint or float"),
        ("select round(level, ok) as x from ty", "round(level, ok)", "ok is boolean"),
        ("select array_max(temp) as x from ty", "array_max(temp)", "temp is bigint; array_max works with array"),
        ("select keys(l) as x from ty", "keys(l)", "l is array(bigint); keys works with struct"),
        ("select hour(ok) as x from ty", "hour(ok)", "ok is boolean"),
        (f"select sum(name) as x from ty {W}", "sum(name)", "name is string"),
        (f"select max(ok) as x from ty {W}", "max(ok)", "ok is boolean; max works with bigint or float or string"),
        ("select abs(concat(name, 'x')) as x from ty", "abs(concat(name, 'x'))", "concat(name, 'x') is string"),
        ("select temp + name as x from ty", "name", "+ computes with numbers; texts are put together with concat"),
        ("select ok * 2 as x from ty", "ok", "* computes with numbers"),
        ("select level & 1 as x from ty", "level", "& combines whole numbers"),
        ("select name from ty where temp", "temp", "is bigint; WHERE wants"),
        ("select name from ty where name > 5", "name > 5", "compares string with bigint"),
        ("select name from ty where ok > true", "ok > true", "no order"),
        ("select name from ty where l = 5", "l = 5", "compares array(bigint) with bigint"),
        ("select name from ty where temp > 1 and name", "name", "AND connects"),
        ("select name from ty where name like 5", "5", "a pattern of LIKE is a text"),
        ("select name from ty where temp like 'a%'", "temp", "LIKE looks at texts"),
        ("select name from ty where temp between 'a' and 5", "'a'", "is string, and temp bigint"),
        ("select name from ty where name in ('a', 5)", "5", "is bigint, and name string"),
        ("select name from ty where name in temp", "temp", "IN looks into a list"),
        ("select name from ty where name in l", "name in l", "looks for string in array(bigint)"),
        ("select temp[0] as x from ty", "temp", "only an array has elements"),
        ("select l[name] as x from ty", "name", "the place of an element"),
        ("select m[1:2] as x from ty", "m", "only an array"),
        ("select l->z as x from ty", "l->z", "l is array(bigint); only a struct has keys"),
        ("select temp.z as x from ty", "temp.z", "temp is bigint; only a struct has keys"),
        ("select m->kk as x from ty", "m->kk", "always null; did you mean k?"),
        ("select ty.m.deep.b as x from ty", "ty.m.deep.b", "always null; there is a"),
        ("select m->quite_other as x from ty", "m->quite_other", "there are k, deep"),
        ("select m->1 as x from ty", "m->1", "a key is a name"),
        ("select upper(name) as u, u * 2 as x from ty", "u", "is string; * computes"),
        ("select case when temp > 1 then 'a' else name end * 2 as x from ty", "case when temp > 1 then 'a' else name end", "is string"),
        ("select case name when 5 then 1 end as x from ty", "5", "is bigint, and name string"),
        ("select lag(temp) over (when name) as x from ty", "name", "WHEN wants"),
        (f"select count(*) as n from ty {W} having count(*)", "count(*)", "HAVING wants"),
        ("select ty.temp from ty inner join two on temp = other group by countwindow(2)", "temp = other", "compares bigint with string"),
        ("select temp from ty group by slidingwindow(ss, 1) over (when temp)", "temp", "WHEN wants"),
        ("select temp from strict where temp", "temp", "WHERE wants"),
        ("select x.t from (select temp as t from ty where temp) as x", "temp", "WHERE wants"),
        ("select other from two union all select name from ty where temp", "temp", "WHERE wants"),
        (f"select name from ty {W}", "countwindow(2)", "no aggregate; each row"),
        ("select name, temp from ty group by name, countwindow(2)", "countwindow(2)", "no aggregate; the first row of each group"),
        ("select name from ty where max(temp) > 5", "max(temp)", "without a window an aggregate sees one row"),
        ("select max(temp) as x from free", "max(temp)", "without a window"),
    ],
)
def test_what_can_never_work_is_doubted(sql: str, doubted: str, why: str) -> None:
    """One doubt, with its place, on statements that the planner takes."""
    plan_rule(parse_select(sql), ENV, RuleOptions(), rule_id="r", text=sql)
    [doubt] = doubts_of(parse_select(sql), ENV, sql)
    assert sql[doubt.position.start : doubt.position.end] == doubted
    assert why in doubt.text
    assert str(doubt).startswith(f"line 1, column {doubt.position.column}: {doubted}: ")


@pytest.mark.parametrize(
    "sql",
    [
        "select abs(a) + b as x, a[0] as y, a->b as z from free where c and d > 'x' and e like f",
        "select abs(name) + temp as x, l->z as y from inside where temp",
        "select abs(name) as x from cut where temp",
        "select cast(name, 'bigint') + 1 as x, abs(cast(name, 'float')) as y from ty",
        "select case when temp > 1 then 1 else name end + 1 as x, case when ok = true then temp end + 1 as y from ty",
        "select x.t + 1 as y from (select name as t from ty) as x where x.t",
        "select temp + level as x, temp / 2.5 as y, m->k + 1 as z, m.deep.a as a, l[0] + 1 as e, l[temp:2] as p from ty where ok",
        "select upper(temp) as u, concat(temp, ok, m) as c, length(l) as n, to_json(m) as j from ty",
        "select at + 1 as x, abs(at) as y, hour(at) as h, hour(name) as i, hour(temp) as j, raw + 1 as r from ty where at > 'x' and at > 5",
        "select name as temp, temp + 1 as x from free",
        "select temp + 1 as temp, temp * 2 as x from ty",
        "select meta(topic) + 1 as t, mqtt(topic) as m, meta(a->b) as b from ty where meta(x)",
        "select isnull(name) as i, name is not null and ok as j, coalesce(name, 1) + 1 as c from ty",
        "select lag(temp) + 1 as x, latest(name, 5) as y, had_changed(true, name, temp) as z from ty",
        "select name from ty where temp in (1, 2.5) or temp in l or name not between 'a' and 'b'",
        "select * from ty group by tumblingwindow(ss, 10)",
        "select collect(*) as x from ty group by tumblingwindow(ss, 10)",
        "select name from ty group by name, tumblingwindow(ss, 10)",
        "select temp, window_end() as e from ty group by tumblingwindow(ss, 10)",
        "select temp from ty group by slidingwindow(ss, 5) over (when temp > 5)",
        "select temp from ty group by statewindow(temp > 5, temp < 1)",
        "select temp from ty group by countwindow(10) order by temp desc limit 1",
        "select ty.temp from ty inner join two on ty.name = two.other group by countwindow(2)",
        "select max(name) as a, min(temp) as b, count(ok) as c, last_value(l, true) as d from ty group by countwindow(2)",
        "select split_value(name, '/', name) as s, mod(temp, name) as o, element_at(m, 'k') as e, element_at(l, 0) as f from ty",
        "select array_map('upper', l) as x, array_create(name, 1)[0] + 1 as y, values(m)[0] + 1 as z, items(m)[0][1] as i from ty",
        "select inc_sum(name) as s, acc_sum(name) as a from ty",
    ],
)
def test_what_may_work_is_not_doubted(sql: str) -> None:
    """Neither columns without a type, nor what depends on a cast, a condition or the row."""
    plan_rule(parse_select(sql), ENV, RuleOptions(), rule_id="r", text=sql)
    assert [str(doubt) for doubt in doubts_of(parse_select(sql), ENV, sql)] == []


def test_a_statement_that_does_not_bind_has_no_doubts() -> None:
    """Its stream may be gone since; that is an error and told as one."""
    for sql in (
        "select abs('x') + 'y' as x from gone",
        "select nope(1) as x, name + 1 as y from ty",
        "select b + 1 as a, a + 1 as b from ty",
    ):
        assert doubts_of(parse_select(sql), ENV, sql) == ()


def test_recorded_statements_that_work_are_not_doubted() -> None:
    """Whatever of the recorded corpus gives rows without an error; what is said of windows and aggregates is about the meaning."""
    seen = 0
    for case in all_sql():
        if case.sql is None or case.ddl or not case.expected.messages or "$error" in str(case.expected.messages):
            continue
        doubts = doubts_of(parse_select(case.sql), environment_of(case), case.sql)
        assert [str(doubt) for doubt in doubts if "aggregate" not in doubt.text] == [], case.name
        seen += 1
    assert seen > 500
