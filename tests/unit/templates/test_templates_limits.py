"""No template hangs the engine or eats its memory: what would, fails soon."""

from __future__ import annotations

import pytest

from plutino.errors import TemplateError
from plutino.templates import compile_template

_DOUBLED = "{{$x := list 1}}" + "{{$x = list $x $x}}" * 60
_CIRCLE = '{{$d := dict}}{{$_ := set $d "s" $d}}'


@pytest.mark.parametrize(
    "template",
    [
        "{{range 1000000000}}x{{end}}",
        "{{range 10000}}{{range 10000}}x{{end}}{{end}}",
        '{{repeat 1000000000 "x"}}',
        "{{until 100000000}}",
        "{{seq 1000000000}}",
        "{{randAlpha 1000000000}}",
        '{{$x := "aaaaaaaa"}}' + "{{$x = print $x $x}}" * 60,
        "{{$x := list 1}}" + "{{$x = concat $x $x}}" * 60,
        _CIRCLE + "{{$d}}",
        _CIRCLE + "{{json $d}}",
        _CIRCLE + "{{deepCopy $d}}",
        _CIRCLE + '{{printf "%v" $d}}',
        _CIRCLE + "{{merge $d $d}}",
        '{{define "x"}}{{template "x"}}{{end}}{{template "x"}}',
        '{{define "x"}}{{range 9}}{{template "x"}}{{end}}{{end}}{{template "x"}}',
        '{{range 100000}}{{printf "%1000000d" 5}}{{end}}',
        '{{printf "%99999999999d" 5}}',
        r'{{indent 1000000 (repeat 100000 "\n")}}',
        '{{replace "a" (repeat 4000 "b") (repeat 4000 "a")}}',
        '{{join (repeat 10000 "x") (until 10000)}}',
        '{{range 1000}}{{derivePassword 1 "pin" "p" "u" "s" | printf "%s%s" (repeat 4000000 "x")}}{{end}}',
    ],
)
def test_endless_work_fails(template: str) -> None:
    """Loops, growth, recursion and data that contain themselves end in an error."""
    compiled = compile_template(template)
    with pytest.raises(TemplateError):
        compiled.render({})


def test_shared_parts_are_counted() -> None:
    """A list that holds itself twice, sixty times over, is not printed in full."""
    with pytest.raises(TemplateError, match="too large"):
        compile_template(_DOUBLED + "{{$x}}").render({})


@pytest.mark.parametrize(
    ("pattern", "text"),
    [("(a+)+$", "a" * 5000 + "b"), ("(a|aa)*b", "a" * 3000), ("(x+x+)+y", "x" * 500), ("(a*)*(b*)*c", "ab" * 1000)],
)
def test_no_pattern_backtracks_for_ever(pattern: str, text: str) -> None:
    """Patterns that take exponential time elsewhere are answered at once."""
    assert compile_template("{{regexMatch .p .t}}").render({"p": pattern, "t": text}) == "false"


@pytest.mark.parametrize(
    "template",
    [
        "{{" + "(" * 500 + "1" + ")" * 500 + "}}",
        "{{if 1}}" * 500 + "{{end}}" * 500,
        "{{range 1}}" * 30 + "{{end}}" * 30,
        "{{if 0}}" + "{{else if 0}}" * 500 + "{{end}}",
        "{{.a" + ".b" * 500 + "}}",
        "{{.a" + " | print" * 500 + "}}",
        "{{.a}}" * 20_000,
        "{{.a}}" + "x" * 1_000_000,
        '{{block "a" .}}' * 500 + "{{end}}" * 500,
    ],
)
def test_excessive_templates_are_refused(template: str) -> None:
    """Depth and size of a template are limited when it is compiled."""
    with pytest.raises(TemplateError):
        compile_template(template)


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{{" + "(" * 29 + "1" + ")" * 29 + "}}", "1"),
        ("{{" + "(trunc 1 " * 29 + '"a"' + ")" * 29 + "}}", "a"),
        ("{{" + "(and .a " * 29 + "5" + ")" * 29 + "}}", "5"),
        ("{{if 1}}" * 29 + "x" + "{{end}}" * 29, "x"),
        ("{{range 1}}" * 15 + "x" + "{{end}}" * 15, "x"),
        ("{{if 0}}" + "{{else if 0}}" * 149 + "{{else}}z{{end}}", "z"),
        ("{{.a}}" * 2000, "1" * 2000),
    ],
)
def test_what_the_limits_allow_works(template: str, expected: str) -> None:
    """Templates at the limits compile and run: generated code does not nest more deeply than Python allows."""
    assert compile_template(template).render({"a": 1}) == expected


def test_deep_data_fail_or_print() -> None:
    """Data nested beyond reason give an error, not a crash."""
    data: list[object] = []
    for _ in range(5000):
        data = [data]
    for template in ("{{.a}}", "{{json .a}}", '{{printf "%v" .a}}', "{{deepCopy .a}}", '{{join "," .a}}', "{{deepEqual .a .a}}"):
        try:
            compile_template(template).render({"a": data})
        except TemplateError as error:
            assert "nested" in str(error)  # noqa: PT017 - either way is right


def test_large_windows_are_no_problem() -> None:
    """Limits leave room for what sinks really send: ten thousand rows in one list."""
    rows = [{"id": f"s{i}", "t": i / 2, "ok": True} for i in range(10_000)]
    text = compile_template("[{{range $i, $r := .}}{{if $i}},{{end}}{{json $r}}{{end}}]").render(rows)
    assert text == compile_template("{{json .}}").render(rows)
