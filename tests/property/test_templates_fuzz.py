"""Random templates on random data: the only exception is TemplateError, and the result is always text."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from plutino.errors import TemplateError
from plutino.templates import Host, compile_template
from plutino.templates.functions.registry import all_functions
from plutino.templates.go.values import Int

_SLOW = {"derivePassword"}
_FUNCTIONS = {name: function for name, function in all_functions().items() if name not in _SLOW}
_NAMES = sorted(_FUNCTIONS)

_scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(1 << 63), (1 << 63) - 1),
    st.integers(-5, 5).map(Int),
    st.floats(),
    st.text(max_size=12),
    st.binary(max_size=6),
    st.datetimes().map(lambda t: t.replace(tzinfo=UTC)),
    st.sampled_from(["2024-02-29", "1h", "a,b,c", "{}", "[1,2]", "aGk=", "1.2.3", "http://h/p?q", "(", "a+", "%d %s"]),
)
_data = st.recursive(
    _scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from("abcxyz"), inner, max_size=4), max_leaves=12
)
_rows = st.dictionaries(st.sampled_from("abcxyz"), _data, max_size=6) | st.lists(
    st.dictionaries(st.sampled_from("abcxyz"), _data, max_size=4), max_size=3
)

_FIELDS = [".", "$", ".a", ".b", ".c", ".x.y", ".z", "$.a", ".a.b.c", "(index . 0).a"]
_LITERALS = [
    *['"a"', '"a,b"', '""', "`x y`", '"[a-z]+"', '"2006-01-02"', '"%v %d %5.2f"', '"\\xff"', "nil", "true", "'a'", "1i"],
    *["0", "1", "2", "-3", "100", "1.5", "0x1F", "1e300", "-0.0", "9223372036854775807", "1000000"],
]


@st.composite
def _operands(draw: st.DrawFn, depth: int) -> str:
    """A field, a literal, or a call in parentheses."""
    if depth and draw(st.booleans()):
        return f"({draw(_pipelines(depth - 1))})"
    return draw(st.sampled_from(_FIELDS + _LITERALS))


@st.composite
def _pipelines(draw: st.DrawFn, depth: int = 2) -> str:
    """Calls of any functions, with about as many arguments as they take."""
    if draw(st.integers(0, 4)) == 0:
        return draw(st.sampled_from(_FIELDS + _LITERALS))
    stages = []
    for _ in range(draw(st.integers(1, 3))):
        name = draw(st.sampled_from(_NAMES))
        function = _FUNCTIONS[name]
        count = len(function.parameters) + (draw(st.integers(0, 2)) if function.variadic else 0) - draw(st.integers(0, 1))
        stages.append(" ".join([name, *[draw(_operands(depth)) for _ in range(count)]]))
    return " | ".join(stages)


@st.composite
def _templates(draw: st.DrawFn, depth: int = 2) -> str:
    """Actions and blocks."""
    parts = []
    for _ in range(draw(st.integers(1, 3))):
        pipe = draw(_pipelines())
        if not depth or draw(st.booleans()):
            parts.append(draw(st.sampled_from(["text", "{{%s}}", "{{- $v := %s -}} {{$v}}"])).replace("%s", pipe, 1))
            continue
        form = draw(st.sampled_from(_BLOCKS))
        parts.append(form.replace("PIPE", pipe).replace("BODY", draw(_templates(depth - 1))))
    return "".join(parts)


_BLOCKS = [
    "{{if PIPE}}BODY{{else}}BODY{{end}}",
    "{{range $i, $e := PIPE}}BODY{{$i}}{{$e}}{{end}}",
    "{{range PIPE}}BODY{{else}}BODY{{end}}",
    "{{with $w := PIPE}}BODY{{$w}}{{else with PIPE}}{{.}}{{end}}",
    '{{block "b" PIPE}}BODY{{end}}',
]
_PIECES = r"""
{{ }} {{- -}} ( ) | . .a $ $x := = , if else end range with define template block break continue nil true 1 1.5 0x 'a' "s" ` " '
/* */ print index eq \ é
"""
_pieces = st.sampled_from([*_PIECES.split(), "\n"])


def _host() -> Host:
    return Host(now_ms=lambda: 1_700_000_000_000, zone=UTC, random=random.Random(3))


def _check(template: str, data: Any) -> None:
    try:
        result = compile_template(template, _host()).render(data)
    except TemplateError as error:
        assert str(error).startswith("template: ")  # noqa: PT017 - either way is right
        return
    result.encode()


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(_templates(), _rows)
def test_wellformed_templates_end_in_text_or_in_a_template_error(template: str, data: Any) -> None:
    """Every function, on every kind of data, gives text or a TemplateError."""
    _check(template, data)


@settings(max_examples=300, deadline=None)
@given(st.lists(_pieces, max_size=25).map(" ".join) | st.lists(_pieces, max_size=25).map("".join))
def test_token_soup_ends_in_text_or_in_a_template_error(template: str) -> None:
    """Any mixture of the language's tokens compiles or is refused."""
    _check("{{" + template, {"a": 1})


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=60))
def test_any_text_ends_in_text_or_in_a_template_error(template: str) -> None:
    """Any text at all compiles or is refused."""
    _check("{{" + template + "}}", {"a": datetime(2024, 1, 1, tzinfo=UTC)})
    _check(template, [])


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=40).filter(lambda text: "{{" not in text))
def test_text_without_actions_is_left_alone(text: str) -> None:
    """A static text comes out as it went in."""
    template = compile_template(text)
    assert template.is_static
    assert template.render({}) == text


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=20))
def test_strings_pass_through_unchanged(text: str) -> None:
    """A string of the data, and a string literal, print as they are."""
    assert compile_template("<{{.a}}>").render({"a": text}) == f"<{text}>"
    assert compile_template("{{printf `%s|%v` .a .a}}").render({"a": text}) == f"{text}|{text}"
    assert compile_template("{{b64dec (b64enc .a)}}").render({"a": text}) == text
