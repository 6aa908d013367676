"""Data templates as sinks use them: rows with and without ``sendSingle``, numbers without a schema, errors."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from plutino.errors import TemplateError
from plutino.templates import compile_template, has_actions, json_numbers

_ROWS: list[dict[str, Any]] = [{"a": 1, "b": "x", "c": {"d": 2.5, "e": [1, 2]}}, {"a": 2, "b": "<y>", "n": None}]

_SINGLE = [
    ('{"id":{{.a}},"name":"{{.b}}"}', _ROWS[0], '{"id":1,"name":"x"}'),
    ('{"id":{{.a}},"name":"{{.b}}"}', _ROWS[1], '{"id":2,"name":"<y>"}'),
    ('{"raw":{{json .c}},"same":{{toJson .c}}}', _ROWS[0], '{"raw":{"d":2.5,"e":[1,2]},"same":{"d":2.5,"e":[1,2]}}'),
    ('{"s":"{{if gt .a 1.0}}high{{else}}low{{end}}"}', _ROWS[0], '{"s":"low"}'),
    ('{"s":"{{if gt .a 1.0}}high{{else}}low{{end}}"}', _ROWS[1], '{"s":"high"}'),
    ("a is {{.a}} and b is {{.b}}", _ROWS[1], "a is 2 and b is <y>"),
    ("{{.x}}|{{.y}}", {"x": 1000000, "y": 1e-05}, "1e+06|1e-05"),
    ("{{.x}}|{{.y}}", {"x": 20.0, "y": 1234567.5}, "20|1.2345675e+06"),
    ("{{.zz}}|{{.n}}|{{.a}}", _ROWS[1], "<no value>|<no value>|2"),
    (
        "{{.l}} {{.m}} {{.t}} {{index .l 1}} {{.m.z}}",
        {"l": [1, "a"], "m": {"z": 1, "b": "y"}, "t": True},
        "[1 a] map[b:y z:1] true a 1",
    ),
    (
        '{{.b | trim | upper}}|{{trunc 3 (trim .b)}}|{{replace "o" "0" .b}}|{{.b | trim | quote}}',
        {"b": " Hello World "},
        'HELLO WORLD|Hel| Hell0 W0rld |"Hello World"',
    ),
    ("{{add .a 1}}|{{addf .a 1.25}}|{{mulf .a 2}}|{{round .a 0}}|{{div .a 2}}|{{int .a}}", {"a": 7.5}, "8|8.75|15|8|3|7"),
    (
        '{{default "none" .a}}|{{ternary "yes" "no" .z}}|{{list 1 2 3 | join "-"}}|{{b64enc "hi"}}|{{contains "b" "abc"}}',
        {"a": "", "z": True},
        "none|yes|1-2-3|aGk=|true",
    ),
    ("{{base64 .b}}|{{base64 .a}}", {"a": 12.5, "b": "hi"}, "aGk=|MTIuNQ=="),
    ("{{toJson .}}", {"t": 31.5, "id": "a"}, '{"id":"a","t":31.5}'),
    ("{{if gt .t 30.0}}HOT{{else}}ok{{end}}", {"t": 31.5}, "HOT"),
    ("{{round (mulf .t 2) 1}}", {"t": 31.5}, "63"),
]


@pytest.mark.parametrize(("template", "row", "expected"), _SINGLE)
def test_one_row(template: str, row: dict[str, Any], expected: str) -> None:
    """With ``sendSingle`` the row is the dot; numbers without a schema are float64."""
    assert compile_template(template).render(json_numbers(row)) == expected


@pytest.mark.parametrize(
    ("template", "rows", "expected"),
    [
        ('{"n":{{len .}},"first":{{(index . 0).a}}}', _ROWS[:1], '{"n":1,"first":1}'),
        ('[{{range $i,$r := .}}{{if $i}},{{end}}{"v":{{$r.a}}}{{end}}]', _ROWS, '[{"v":1},{"v":2}]'),
        ("{{range $i,$r := .}}{{if $i}},{{end}}{{.b}}{{end}}", _ROWS, "x,<y>"),
        ("{{json .}}", [{"a": 1}], '[{"a":1}]'),
        ("{{.}}", [{"a": 1, "b": None}], "[map[a:1 b:<nil>]]"),
        ("{{range .}}x{{else}}none{{end}}", [], "none"),
    ],
)
def test_list_of_rows(template: str, rows: list[dict[str, Any]], expected: str) -> None:
    """Without ``sendSingle`` the dot is the list, also for a single row."""
    assert compile_template(template).render(json_numbers(rows)) == expected


def test_typed_numbers_print_by_their_type() -> None:
    """An int is an int64 and keeps its digits, a float has an exponent from a million on."""
    assert compile_template("{{.x}}|{{.y}}").render({"x": 1000000, "y": 1000000.0}) == "1000000|1e+06"


@pytest.mark.parametrize(
    ("template", "data", "message"),
    [
        (
            "{{index .a 5}}",
            {"a": 1.0},
            'template: sink:1:2: executing "sink" at <index .a 5>: error calling index: can\'t index item of type float64',
        ),
        (
            "{{if gt .a 1}}x{{end}}",
            {"a": 1.0},
            'template: sink:1:5: executing "sink" at <gt .a 1>: error calling gt: incompatible types for comparison: float64 and int',
        ),
        (
            "{{.a}}",
            [{"a": 1.0}],
            'template: sink:1:2: executing "sink" at <.a>: can\'t evaluate field a in type []map[string]interface {}',
        ),
        (
            "{{base64 .a}}",
            {"a": [1.0]},
            'template: sink:1:2: executing "sink" at <base64 .a>: error calling base64: Unsupported data type slice for base64 function.',
        ),
        (
            "é\n  {{.a.b}}",
            {"a": "x"},
            'template: sink:2:6: executing "sink" at <.a.b>: can\'t evaluate field b in type interface {}',
        ),
    ],
)
def test_errors_name_the_place(template: str, data: Any, message: str) -> None:
    """A template that fails says where and why, in the words of the original."""
    with pytest.raises(TemplateError) as caught:
        compile_template(template).render(data)
    assert str(caught.value) == message


def test_bad_template_is_refused_with_its_line() -> None:
    """A template that does not parse is refused when it is compiled."""
    with pytest.raises(TemplateError, match=r"^template: sink:1: unclosed action$"):
        compile_template("{{if")


def test_static_text_needs_no_data() -> None:
    """A text without actions is static, and the cheap test tells."""
    template = compile_template("plain } text")
    assert template.is_static
    assert template.render({}) == "plain } text"
    assert template.text == "plain } text"
    assert not has_actions("plain } text")
    assert has_actions("sensors/{{.id}}")
    assert not compile_template("sensors/{{.id}}").is_static


def test_json_numbers_change_numbers_only() -> None:
    """Ints at any depth become floats; all else stays."""
    data = {"a": 1, "b": [2, True, None, "x", {"c": 3}], "d": 1.5}
    made = json_numbers(data)
    assert made == data
    assert type(made["a"]) is float
    assert type(made["b"][0]) is float
    assert made["b"][1] is True
    assert type(made["b"][4]["c"]) is float


def test_times_in_rows() -> None:
    """A time prints as Go prints it, goes to JSON as RFC 3339, has Go's methods; without a zone it is UTC."""
    zone = timezone(timedelta(hours=2), "CEST")
    row = {"t": datetime(2024, 7, 1, 12, 30, 5, 120000, tzinfo=zone), "n": datetime(2024, 1, 2)}
    render = compile_template('{{.t}}|{{.n}}|{{json .t}}|{{.t.Format "15:04"}}|{{.t.UnixMilli}}|{{.t.UTC.Hour}}|{{kindOf .t}}').render
    assert render(row) == (
        '2024-07-01 12:30:05.12 +0200 CEST|2024-01-02 00:00:00 +0000 UTC|"2024-07-01T12:30:05.12+02:00"|12:30|1719829805120|10|struct'
    )


def test_result_is_valid_unicode() -> None:
    """Bytes that make no text come out as U+FFFD, halves of a character that meet again as the character."""
    assert compile_template('{{b64dec "/w=="}}').render({}) == "\ufffd"
    assert compile_template('{{trunc 1 "é"}}{{trunc -1 "é"}}').render({}) == "é"
    assert compile_template("{{.a}}").render({"a": "\ud800"}).encode()
    assert compile_template("\ud800{{.a}}").render({"a": 1}).encode()


def test_render_keeps_no_state() -> None:
    """A template gives the same result again, whatever data came between."""
    template = compile_template('{{range $i, $r := .}}{{$i}}{{$r.a}}{{end}}{{with (index . 0)}}{{.a | printf "%v"}}{{end}}')
    first = template.render([{"a": 1}, {"a": 2}])
    with pytest.raises(TemplateError):
        template.render([])
    assert template.render([{"a": 1}, {"a": 2}]) == first == "01121"


def test_templates_of_one_shape_share_code() -> None:
    """Texts and names are bound as constants: the generated code does not contain them, and is compiled once."""
    one = compile_template('{"secret-one":{{.alpha}}}')
    other = compile_template('{"secret-two":{{.beta}}}')
    code_of = [t._render.__code__ for t in (one, other)]
    assert code_of[0] is code_of[1]
    assert (one.render({"alpha": 1}), other.render({"beta": 2})) == ('{"secret-one":1}', '{"secret-two":2}')
