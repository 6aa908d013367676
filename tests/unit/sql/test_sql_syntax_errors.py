"""Refused statements: the compatible text, the place and the hints. A new case is a new row."""

from __future__ import annotations

import pytest

from plutino.errors import SqlSyntaxError, explanation
from plutino.sql import parse_select, parse_statement

OPTIONS = (
    "unknown option keys(DATASOURCE|FORMAT|KEY|CONF_KEY|SHARED|STRICT_VALIDATION|TYPE|TIMESTAMP|TIMESTAMP_FORMAT|RETAIN_SIZE|SCHEMAID"
    "|EXTRA|VERSION|TEMP|KIND|DELIMITER)."
)
TYPES = "expect valid stream field types(BIGINT | FLOAT | STRING | DATETIME | BOOLEAN | BYTEA | ARRAY | STRUCT)."

STATEMENTS = [
    ("", "Invalid stream statement: "),
    ("make stream demo", "Invalid stream statement: make stream demo"),
    ("select 1", 'found "EOF", expected FROM.'),
    ("create stwream demo () with ()", 'found "STWREAM", expected keyword stream or table.'),
    ("create stream", 'found "EOF", expected stream name.'),
    ('create stream "sp ace" () with ()', 'found "sp ace", expected stream name.'),
    ("create stream select (a bigint) with ()", 'found "SELECT", expected stream name.'),
    ("create stream demo", 'found "EOF", expected lparen after stream name.'),
    ('create stream demo with (FORMAT="json")', 'found "with", expected lparen after stream name.'),
    ("create stream if not exists demo (a bigint) with ()", 'found "NOT", expected lparen after stream name.'),
    ("create stream demo (a bigint)", 'found "EOF", expected is with.'),
    ("create stream demo (a bigint) now", 'found "NOW", expected is with.'),
    ("create stream demo () now", 'found "now", expected is with.'),
    ("create stream demo (a bigint) with", 'found "EOF", expect stream options.'),
    ("create stream demo (a bigint) with () now", 'found "now", expected semicolon or EOF.'),
    ("create stream demo (a bigint with ()", 'found "with", expect comma or rparen.'),
    ("create stream demo (1 bigint) with ()", 'found "1", expect stream field name.'),
    ("create stream demo (a integer) with ()", f'found "integer", {TYPES}'),
    ("create stream demo (a, b bigint) with ()", f'found ",", {TYPES}'),
    ("create stream demo (a array) with ()", 'found "with", expect comma or rparen.'),
    ("create stream demo (a array(integer)) with ()", 'found "integer", expect stream data types.'),
    ("create stream demo (a array(bigint, string)) with ()", 'found ",", expect rparen in array type definition.'),
    ("create stream demo (a array(array(bigint) x)) with ()", 'found "x", expect rparen in array of array type definition.'),
    ("create stream demo (a struct) with ()", 'found ")", expected lparen after stream name.'),
    ("create stream demo (a struct()) with ()", 'found ")", expect stream field name.'),
    ("create stream demo (a struct(b bigint) default 1) with ()", 'found "DEFAULT", expected is with.'),
    ("create stream demo (a bigint default 'x') with ()", "cannot convert string(x) to int64"),
    ("create stream demo (a bigint default 1.5) with ()", "cannot convert string(1.5) to int64"),
    ("create stream demo (a bigint default 9223372036854775808) with ()", "cannot convert string(9223372036854775808) to int64"),
    ("create stream demo (a float default 'nan') with ()", "cannot convert string(nan) to float64"),
    ("create stream demo (a boolean default 'yes') with ()", 'strconv.ParseBool: parsing "yes": invalid syntax'),
    ("create stream demo (a array(bigint) default '1') with ()", "DEFAULT clause is not supported for *ast.ArrayType"),
    ("create stream demo (a datetime default '2024') with ()", "DEFAULT clause is not supported for datetime"),
    ("create stream demo (a bytea default 'x') with ()", "DEFAULT clause is not supported for bytea"),
    ("create stream demo (a bigint default b) with ()", 'found "b", expect literal value after DEFAULT.'),
    ('create stream demo () with (COLOR="red")', f'found "COLOR", {OPTIONS}'),
    ('create stream demo () with (color="red")', f'found "COLOR", {OPTIONS}'),
    ("create stream demo () with (FORMAT='json')", 'found "json", expect string or boolean value in option.'),
    ("create stream demo () with (RETAIN_SIZE=3)", 'found "3", expect string or boolean value in option.'),
    ('create stream demo () with (RETAIN_SIZE="x")', 'found "x", expect number value in RETAIN_SIZE option.'),
    ('create stream demo () with (SHARED="yes")', 'found "yes", expect TRUE/FALSE value in SHARED option.'),
    ('create stream demo () with (FORMAT "json")', 'found "json", expect equals(=) in options.'),
    ('create stream demo () with (EXTRA="nope")', "invalid extra option, expect JSON string"),
    (
        "create stream `demo.x` () with ()",
        "id 'demo.x' contains invalid characters: only alphanumeric, hyphens and underscores are allowed",
    ),
    ('create stream demo (a bytea, b bytea) with (FORMAT="binary")', "'binary' format stream can have only one field"),
    ('create stream demo (a string) with (FORMAT="binary")', "'binary' format stream can have only 'bytea' type field"),
    ('create table demo () with (FORMAT="binary")', "'binary' format is not supported for table"),
    ('create table demo () with (TYPE="memory", KIND="lookup")', 'Option "key" is required for memory lookup table.'),
    ("show stream", 'found "STREAM", expected keyword streams or tables.'),
    ("show streams now", 'found "now", expected semicolon or EOF.'),
    ("drop demo", 'found "DEMO", expected keyword stream or table.'),
    ("drop table", 'found "EOF", expected table name.'),
    ("describe stream 5", 'found "5", expected stream name.'),
]

QUERIES = [
    ("selct a from demo", "SQL selct a from demo is not a select statement"),
    ("create stream demo () with ()", "SQL create stream demo () with () is not a select statement"),
    ("select a", 'found "EOF", expected FROM.'),
    ("select from demo", 'found "FROM", expected expression.'),
    ("select a form demo", 'found "form", expected FROM.'),
    ("select a, from demo", 'found "FROM", expected expression.'),
    ("select a,,s from demo", 'found ",", expected expression.'),
    ("select abs(a from demo", 'found function call "abs", expected ), but with "FROM".'),
    ("select abs(a)) from demo", 'found ")", expected FROM.'),
    ("select (a from demo", 'found "FROM", expected right paren.'),
    ("select 'abc from demo", 'found "\\"abc from demo", expected expression.'),
    ("select '\\q' as x from demo", 'found "invalid string: \\"\\\\q\\"", expected expression.'),
    ("select 'a\nb' as x from demo", 'found "invalid string: \\"a\\nb\\"", expected expression.'),
    ("select a as select from demo", 'found "SELECT", expected as alias.'),
    ("select a as from demo", 'found "FROM", expected as alias.'),
    ("select a as 'x' from demo", 'found "x", expected as alias.'),
    ("select a as ss from demo", 'found "SS", expected as alias.'),
    ("select a x from demo", 'found "x", expected FROM.'),
    ("select * as x from demo", "alias is not supported for *"),
    ("select demo.* as x from demo", "alias is not supported for *"),
    ("select a. from demo", 'found "FROM", expected expression.'),
    ("select a + * f as x from demo", 'found "f", expected FROM.'),
    ("select a + from demo", 'found "FROM", expected expression.'),
    ("select -a as x from demo", 'found "-", expected expression.'),
    ("select a ! b from demo", 'found "!", expected FROM.'),
    ("select s || s as x from demo", 'found "|", expected expression.'),
    ("select 1e5 as x from demo", 'found "e5", expected FROM.'),
    ("select 1.2.3 as x from demo", 'found "1.2.3", invalid number value.'),
    ("select 9223372036854775808 from demo", 'found "9223372036854775808", invalid number value: integers have 64 bits.'),
    ("select " + "9" * 400 + ". from demo", 'found "' + "9" * 400 + '.", invalid number value.'),
    ("select distinct a from demo", 'found "a", expected FROM.'),
    ("select * except a from demo", 'Found "a" after EXCEPT, expect left parentheses.'),
    ("select * except(1) from demo", 'Found "1" in EXCEPT'),
    ("select * replace(a + 1) from demo", 'found ")", expected AS in REPLACE.'),
    ("select * replace(a as b c) from demo", 'Found "c" in REPLACE'),
    ("select a except (b) from demo", 'found "EXCEPT", expected FROM.'),
    ("select count(*) filter(where a > 1) as n from demo", 'found "FILTER", expected FROM.'),
    ("select lag(a) over () as x from demo", 'Found ")" after OVER (, expect partition by or when.'),
    ("select lag(a) over a from demo", 'Found "a" after OVER, expect parentheses.'),
    ("select lag(a) over (partition a) from demo", 'found "a", expected by after partition.'),
    ("select lag(a) over (when a > 1 partition by a) from demo", 'Found "PARTITION", expect right parentheses after OVER '),
    ("select a[0-i] from demo", 'Unexpected token "0". when parsing bracket expressions.'),
    ("select a[0:1+i] from demo", 'Found "+", expected right bracket.'),
    ("select a[b from demo", 'Unexpected token "FROM". when parsing bracket expressions.'),
    ("select case when a > 1 then 2 from demo", "invalid CASE expression, END expected"),
    ("select case a else 2 end as x from demo", "invalid CASE expression, WHEN expected before ELSE"),
    ("select case end from demo", 'found "END", expected expression.'),
    ("select case a end from demo", "invalid CASE expression, WHEN expected before END"),
    ("select case when a > 1 else 2 end from demo", "invalid CASE expression, THEN expected after WHEN"),
    ("select case when a then 2 end as x from demo", "invalid CASE expression, WHEN expression must be a bool condition"),
    ("select case when isnull(a) then 2 end from demo", "invalid CASE expression, WHEN expression must be a bool condition"),
    ("select a from", 'found "EOF", expected stream name.'),
    ("select a from where a > 1", 'found "WHERE", expected stream name.'),
    ("select a from demo, other", 'found ",", expected EOF.'),
    ("select a from demo x", 'found "x", expected EOF.'),
    ("select a from demo as 5", 'found "5", expected as alias.'),
    ("select a from demo left outer join b on a = b", 'found "LEFT", expected JOIN key word.'),
    ("select a from demo join b", 'found "JOIN", expected EOF.'),
    ("select a from demo cross join b on a = b", "On expression is not required for cross join type.\n"),
    ("select a from demo where", 'found "EOF", expected expression.'),
    ("select a from demo where not a > 1", 'found "NOT", expected expression.'),
    ("select a from demo where a not 1", 'found "1", expected expression'),
    ("select a from demo where a <> 1", 'found ">", expected expression.'),
    ("select a from demo where a == 1", 'found "=", expected expression.'),
    ("select a from demo where a in ()", 'expect elements for IN expression, but found ")", expected expression.'),
    ("select a from demo where a in (1, 2", 'expect ) for IN expression, but got "EOF"'),
    ("select a from demo where a between 1 or 2", "expect AND expression after between but found OR"),
    ("select a from demo where a between 1", "expect AND expression after between but found EOF"),
    ("select a from demo group a", 'found "a", expected BY statement.'),
    ("select a from demo order a", 'found "a", expected BY keyword.'),
    ("select a from demo order by 1", 'found "1", expected EOF.'),
    ("select a from demo limit 'x'", "limit should be integer"),
    ("select a from demo limit 1.5", "limit should be integer"),
    ("select a from demo limit true", "limit should be integer"),
    ("select a from demo limit 5 offset 2", 'found "offset", expected EOF.'),
    ("select a from demo; and then some", 'found "AND", expected EOF.'),
    ("select a from demo /* open", 'found "/*", expected EOF.'),
    ("select a from demo where ä > 1", 'found "ä", expected expression.'),
]

WINDOWS = [
    ("tumblingwindow(ss)", "The arguments for tumblingwindow should be 2.\n"),
    ("hoppingwindow(ss, 2)", "The arguments for hoppingwindow should be 3.\n"),
    ("slidingwindow(ss)", "The arguments for slidingwindow should be 2 or 3.\n"),
    ("statewindow()", "The arguments for statewindow should be 1 or 2.\n"),
    (
        "tumblingwindow(week, 1)",
        "The 1st argument for tumblingwindow is expecting timer literal expression. One value of [dd|hh|mi|ss|ms].\n",
    ),
    ("tumblingwindow(ss, 'x')", "The 1 argument for tumblingwindow is expecting interger literal expression. \n"),
    ("tumblingwindow(ss, ss)", "The 1 argument for tumblingwindow is expecting interger literal expression. \n"),
    ("hoppingwindow(ss, 1, a)", "The 2 argument for hoppingwindow is expecting interger literal expression. \n"),
    ("tumblingwindow(ss, 0)", "Invalid parameter value 0."),
    ("slidingwindow(ss, 1, -1)", "Invalid parameter value -1."),
    ("countwindow()", "Invalid parameter count."),
    ("countwindow(0)", "Invalid parameter value 0."),
    ("countwindow(a, 1)", "Invalid parameter value a, 1."),
    ("countwindow(2, 3)", "The second parameter value 3 should be less than the first parameter 2."),
    ("countwindow(2) filter where a", 'Found "WHERE" after FILTER, expect parentheses.'),
    ("countwindow(2) filter (a)", 'Found "a" after FILTER(, expect WHERE.'),
    ("countwindow(2) filter (where a", 'Found "EOF" after FILTER, expect right parentheses.'),
    ("countwindow(2) over (a)", 'Found "a" after OVER, expect right parentheses.'),
]


def refusal(text: str, select: bool) -> SqlSyntaxError:
    with pytest.raises(SqlSyntaxError) as refused:
        (parse_select if select else parse_statement)(text)
    return refused.value


@pytest.mark.parametrize(("text", "message"), STATEMENTS)
def test_refused_statements(text: str, message: str) -> None:
    """Statements about streams are refused with the dialect's text."""
    assert refusal(text, False).message == message


@pytest.mark.parametrize(("text", "message"), QUERIES)
def test_refused_queries(text: str, message: str) -> None:
    """Queries are refused with the dialect's text."""
    assert refusal(text, True).message == message


@pytest.mark.parametrize(("window", "message"), WINDOWS)
def test_refused_windows(window: str, message: str) -> None:
    """Windows are refused for their arguments."""
    assert refusal(f"select a from s group by {window}", True).message == message


@pytest.mark.parametrize(
    ("text", "suggestion"),
    [
        ("select a form demo", "FROM"),
        ("selct a from demo", "SELECT"),
        ("select a from demo wehre a > 1", "WHERE"),
        ("select a from demo gruop by a", "GROUP"),
        ("select a from demo where a <> 1", "!="),
        ("select a from demo where a ! 1", "!="),
        ("select a from demo where a == 1", "="),
        ("select a || b from demo", "concat(a, b)"),
        ("select 1e5 from demo", "a number without exponent"),
        ("select case when a then 1 end from demo", "a comparison, e.g. = TRUE"),
        ("select a from demo where a => 1", ">="),
        ("select lag(a) over (partiton by b) from demo", "PARTITION"),
        ("select count(*) from demo group by tumblingwindow(seconds, 1)", "SS"),
        ("select count(*) from demo group by tumblingwindow(minute, 1)", "MI"),
        ('select count(*) from demo group by tumblingwindow("ms", 1)', "MS"),
        ("select count(*) from demo group by tumblingwindow(a + 1, 1)", None),
        ("select zzz zzz from demo", None),
    ],
)
def test_suggestions_for_queries(text: str, suggestion: str | None) -> None:
    """Misspelt words and operators of other dialects get a hint."""
    assert refusal(text, True).suggestion == suggestion


@pytest.mark.parametrize(
    ("text", "suggestion"),
    [
        ('create stream s () with (DATASUORCE="x")', "DATASOURCE"),
        ("create stream s (a bigin) with ()", "BIGINT"),
        ("create stream s (a integer) with ()", "BIGINT"),
        ("create stream s (a integr) with ()", "BIGINT"),
        ("create stream s (a text) with ()", "STRING"),
        ("create stream s (a array(strng)) with ()", "STRING"),
        ("create steam s () with ()", "STREAM"),
        ("crate stream s () with ()", "CREATE"),
        ("show steams", "STREAMS"),
    ],
)
def test_suggestions_for_definitions(text: str, suggestion: str) -> None:
    """Misspelt options, types and keywords get a hint."""
    assert refusal(text, False).suggestion == suggestion


@pytest.mark.parametrize(
    ("text", "query", "advice"),
    [
        ('select a from demo where a = "pen', True, "the text that begins here has no closing quote"),
        ('select a from demo where a = "\\z"', True, r"a text in quotes stands on one line; a line break in it is \n, a backslash is \\"),
        ("select a /* from demo", True, "the comment that begins here has no end"),
        ("select a, from demo", True, "remove the comma before FROM"),
        ("select end from demo", True, "END is a reserved word; where it is meant as a name, write `end` in backquotes"),
        ("select count(*) c from demo", True, "another name for a column needs AS: AS c"),
        ("select a from demo d", True, "another name for a stream needs AS: AS d"),
        ("select a form demo", True, None),
        ("replace demo", True, None),
        ("select a from demo where not a > 1", True, "a condition is negated with = false: (a > 1) = false"),
        ("select cast(a as bigint) as b from demo", True, 'the type is a text, the second argument: cast(a, "bigint")'),
        ("select a::bigint from demo", True, 'types are converted by cast(a, "bigint")'),
        ("select a as 'b' from demo", True, "a name stands without quotes, or in backquotes: `b`"),
        ("select a as order from demo", True, "ORDER is a reserved word; where it is meant as a name, write `order` in backquotes"),
        ("select a from demo where b is true", True, "only NULL can be asked for with IS; compare with = true"),
        ("select a from demo where b regexp 'x'", True, None),
        ("select a from demo join x on a = b", True, "the kind of a join is always written: INNER JOIN, LEFT JOIN …"),
        ("select a from demo tumblingwindow(ss, 1)", True, "a window stands in GROUP BY: GROUP BY tumblingwindow"),
        ("create stream s () with (TYPE='file')", False, 'write it between double quotes: "file"'),
    ],
)
def test_advice(text: str, query: bool, advice: str | None) -> None:
    """What no other word would mend is told in words, and shown last."""
    error = refusal(text, query)
    assert error.advice == advice
    if advice is not None:
        assert (explanation(error) or "").endswith(advice)


def test_signs_that_were_expected_are_quoted() -> None:
    """A comma in a list of what was expected is told from the commas between."""
    assert 'expected: "," or ")"' in (explanation(refusal("select avg(a from demo", True)) or "")


def test_place_and_explanation() -> None:
    """An error knows its line and column, what was expected, and underlines the place."""
    text = "select a\nfrom demo\nwhere a > 1 limt 5"
    error = refusal(text, True)
    assert error.position is not None
    assert (error.position.line, error.position.column) == (3, 13)
    assert text[error.position.start : error.position.end] == "limt"
    assert "LIMIT" in error.expected
    assert str(error) == 'found "limt", expected EOF.'
    assert (explanation(error) or "").split("\n") == [
        "line 3, column 13:",
        "where a > 1 limt 5",
        "            ^^^^",
        "expected: INNER, LEFT, RIGHT, FULL, CROSS, WHERE, GROUP, HAVING, ORDER, LIMIT",
        "did you mean LIMIT?",
    ]
