"""JavaScript functions."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest

from plutino.errors import DefinitionError, EvaluationError, PlutinoError
from plutino.model import Ref
from plutino.resources.script import JavaScript, ScriptKind
from plutino.spi import javascript
from unit.rest.kit import Api, Reply

pytest.importorskip("quickjs")

AREA = "function area(x, y) { return x * y; }"


async def _create(api: Api, id: str = "area", text: str = AREA, **fields: Any) -> Reply:
    return await api.ask("POST", "/udf/javascript", {"id": id, "script": text, **fields})


def _run(body: str, *args: Any, aggregate: bool = False) -> Any:
    return JavaScript("f", f"function f(a, b) {{ {body} }}", aggregate)(*args)


async def test_life_of_a_function(api: Api) -> None:
    """Created, listed, shown, replaced, deleted, with the texts and codes of the original."""
    reply = await _create(api, description="x*y", isAgg=False)
    assert (reply.status, reply.text) == (201, "javascript function area is created")
    assert (await api.ask("GET", "/udf/javascript")).json == ["area"]
    shown = {"id": "area", "description": "x*y", "script": AREA, "isAgg": False}
    assert (await api.ask("GET", "/udf/javascript/area")).json == shown
    again = await _create(api)
    assert again.json == {"error": 1000, "message": "javascript function create command error: Item area already exists"}
    body = {"id": "area", "description": "new", "script": "function area(){}"}
    assert (await api.ask("PUT", "/udf/javascript/area", body)).text == "javascript function area is updated"
    assert (await api.ask("GET", "/udf/javascript/area")).json == {**body, "isAgg": False}
    assert (await api.ask("DELETE", "/udf/javascript/area")).text == "javascript function area is deleted"
    missing = await api.ask("GET", "/udf/javascript/area")
    assert (missing.status, missing.json["message"]) == (400, "describe javascript function area error: not found")
    gone = await api.ask("DELETE", "/udf/javascript/area")
    assert (gone.status, gone.json) == (404, {"error": 1002, "message": "delete javascript function area error: area is not found"})


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("{", "Invalid body: Error decoding the new javascript function json: unexpected EOF"),
        ('{"script":"x"}', "id cannot be empty"),
        ('{"id":"a.b","script":"x"}', "id 'a.b' contains invalid characters: only alphanumeric, hyphens and underscores are allowed"),
        ('{"id":"x"}', 'javascript function create command error: cannot find function "x" in script'),
        ('{"id":"x","script":"function y(){}"}', 'javascript function create command error: cannot find function "x" in script'),
        ('{"id":"x","script":"var x = 1"}', 'javascript function create command error: cannot find function "x" in script'),
        ('{"id":"if","script":""}', 'javascript function create command error: cannot find function "if" in script'),
        ('{"id":"x","script":"function ("}', "javascript function create command error: failed to interprete script: SyntaxError: "),
        (
            '{"id":"x","script":"\\n  nope()"}',
            "javascript function create command error: failed to interprete script: ReferenceError: nope is not defined at line 2",
        ),
        (
            '{"id":"x","script":"while(true){}"}',
            "javascript function create command error: failed to interprete script: interrupted: it took more than 100 ms",
        ),
    ],
)
async def test_bodies(api: Api, body: str, message: str) -> None:
    """A script that cannot work is refused when it is created."""
    reply = await api.ask("POST", "/udf/javascript", body)
    assert reply.status == 400
    assert reply.json["message"].startswith(message)
    assert (await api.ask("GET", "/udf/javascript")).json == []


async def test_a_put_means_the_function_in_its_path(api: Api) -> None:
    """Another id in the body is refused; none at all means that of the path."""
    reply = await api.ask("PUT", "/udf/javascript/area", {"id": "other", "script": "function other(){}"})
    assert reply.json["message"] == "javascript function update command error: id other; area as in the path is expected"
    assert (await api.ask("PUT", "/udf/javascript/area", {"script": AREA})).status == 200
    assert (await api.ask("GET", "/udf/javascript")).json == ["area"]


@pytest.mark.parametrize(
    "text",
    [
        AREA,
        AREA + "; 7n // done",
        "var area = (x, y) => x * y",
        "const area = function (x, y) { return x * y }",
        "globalThis.area = (x, y) => x * y",
    ],
)
def test_ways_to_define_a_function(text: str) -> None:
    """Whatever makes the name mean a function."""
    assert JavaScript("area", text, False)(2.0, 3.0) == 6


def test_names_that_are_no_words_of_the_language() -> None:
    """Ids may have hyphens."""
    assert JavaScript("a-b", 'globalThis["a-b"] = x => x + 1', False)(1) == 2


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        (True, True),
        (1, 1),
        (2**40, 2**40),
        (2**53, 2**53),
        (-(2**31) - 1, -(2**31) - 1),
        (10.0, 10),
        (2.5, 2.5),
        (1e300, 1e300),
        ("", ""),
        ("äß😀\n", "äß😀\n"),
        ([1, 2.5, "x", None, {"a": [True]}], [1, 2.5, "x", None, {"a": [True]}]),
        ({"a": {"b": 1}}, {"a": {"b": 1}}),
        (b"\x00\xff", [0, 255]),
        ([b"\x01"], [[1]]),
        (datetime(2020, 1, 1, tzinfo=UTC), "2020-01-01T00:00:00.000Z"),
        (["a\x00b"], ["a\x00b"]),
    ],
)
def test_values_come_back(value: Any, expected: Any) -> None:
    """Numbers are those of JavaScript, times are dates, bytes are arrays."""
    found = _run("return a", value)
    assert (type(found), found) == (type(expected), expected)


def test_what_scripts_see() -> None:
    """Types, dates and missing arguments."""
    assert _run("return typeof a + typeof b + arguments.length", 1) == "numberundefined1"
    assert _run("return a.getTime()", datetime(2020, 1, 1, tzinfo=UTC)) == 1577836800000
    assert _run("return a === null", None) is True
    assert _run("return a.map(x => x * 2)", [1, 2]) == [2, 4]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("", None),
        ("return undefined", None),
        ("return () => 1", None),
        ("return Symbol()", None),
        ("return -0", -0.0),
        ("return [NaN]", [None]),
        ("return 7n", 7),
    ],
)
def test_results_that_are_no_plain_values(body: str, expected: Any) -> None:
    """What JSON does not have is null."""
    assert _run(body) == expected


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("return 0 / 0", "result is NaN"),
        ("return 1 / 0", "result is Inf"),
        ("return 1n << 70n", "RangeError: result is 1180591620717411303424; whole numbers up to 9007199254740991 are exact"),
        ("throw new Error('boom')", "Error: boom at line 1"),
        ("throw 'text'", "text"),
        ("return nope", "ReferenceError: nope is not defined"),
        ("return f()", "RangeError: Maximum call stack size exceeded"),
        ("for (;;) {}", "interrupted: it took more than 100 ms"),
        ("const o = {}; o.o = o; return o", "TypeError: circular reference"),
        ("return 'a\\0b'", "TypeError: result is a text with a NUL character"),
        ("return '\\ud800'", "half of a surrogate pair"),
    ],
)
def test_calls_that_fail(body: str, message: str) -> None:
    """Only this row fails, and the next call works."""
    function = JavaScript("f", f"function f(a) {{ if (a) return a; {body} }}", False)
    with pytest.raises(EvaluationError) as raised:
        function()
    assert str(raised.value).startswith(message)
    assert function(5) == 5


def test_texts_that_cannot_be_handed_over() -> None:
    """Better an error than half a text."""
    for text in ("a\x00b", "\ud800"):
        with pytest.raises(EvaluationError):
            _run("return a", text)


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A script that keeps too much fails, and goes on with a new machine."""
    monkeypatch.setattr(javascript, "MEMORY_LIMIT", 1 << 20)
    function = JavaScript(
        "f", "const kept = []; function f(n) { for (let i = 0; i < n; i++) kept.push('x'.repeat(1000) + i); return kept.length }", False
    )
    assert (function(10), function(10)) == (10, 20)
    with pytest.raises(EvaluationError, match="out of memory; 1 MB are allowed"):
        function(10_000)
    assert function(10) == 10


def test_scripts_reach_nothing() -> None:
    """There is no file, no network, no process and no module."""
    names = ("require", "process", "std", "os", "fetch", "XMLHttpRequest", "console", "setTimeout", "scriptArgs", "print", "load")
    assert _run(f"return [{','.join(f'typeof {name}' for name in names)}]") == ["undefined"] * len(names)


def test_aggregates_get_arrays() -> None:
    """The values of the group, and each constant as often."""
    total = JavaScript("f", "function f(a, k) { return a.reduce((x, y, i) => x + y * k[i], 0) + k.length }", True)
    assert total([1, 2, 3], 10) == 63
    assert _run("return a.length", [], aggregate=True) == 0


def test_equal_scripts_are_equal_functions() -> None:
    """So that a rule is left alone when nothing changes, and started anew when something does."""
    kind = ScriptKind()

    def specs(text: str) -> Any:
        return kind.functions(kind.parse(Ref("script", "f"), json.dumps({"id": "f", "script": text})))

    assert specs("function f(){}") == specs("function f(){}")
    assert hash(specs("function f(){}")) == hash(specs("function f(){}"))
    assert specs("function f(){}") != specs("function f(){ return 1 }")


async def test_rules_use_functions(api: Api) -> None:
    """By their name as written; built-in functions go first; what does not exist is refused with a suggestion."""
    await _create(api)
    await _create(api, "abs", "function abs(){}")
    await api.stream()
    assert (await api.rule(sql="SELECT area(a, 2) AS r, abs(a) AS b FROM demo")).status == 201
    for name in ("AREA", "areas"):
        reply = await api.rule("x", sql=f"SELECT {name}(a) FROM demo")
        assert f"function {name} not found" in reply.json["message"]


async def test_aggregate_functions_are_checked_as_such(api: Api) -> None:
    """One column, then constants; not inside of each other."""
    await _create(api, "total", "function total(a, k) { return 0 }", isAgg=True)
    await api.stream()
    window = "FROM demo GROUP BY TUMBLINGWINDOW(ss, 1)"
    assert (await api.rule(sql=f"SELECT total(a, 2) AS t {window}")).status == 201
    reply = await api.rule("x", sql=f"SELECT total(a, b) AS t {window}")
    assert "Expect a constant for parameter 2; an aggregate script gets one column" in reply.json["message"]
    assert (await api.rule("x", sql=f"SELECT total(total(a)) AS t {window}")).status == 400


async def test_a_changed_function_starts_its_rules_anew(api: Api) -> None:
    """And no other rule; the same text again changes nothing."""
    await _create(api)
    await api.stream()
    await api.rule(sql="SELECT area(a, 2) AS r FROM demo WHERE area(a, 1) > 0")
    await api.rule("other")
    api.host.calls.clear()
    await api.ask("PUT", "/udf/javascript/area", {"description": "changed", "script": AREA.replace("*", "+")})
    assert [call for call in api.host.calls if call[0] == "deploy"] == [("deploy", "r")]
    api.host.calls.clear()
    document = (await api.ask("GET", "/data/export")).text
    await api.ask("POST", "/data/import", {"content": document})
    assert [call for call in api.host.calls if call[0] == "deploy"] == []


async def test_deleting_a_function_in_use(api: Api) -> None:
    """By hand it goes, and what runs goes on; a document that leaves it out is refused for the rule."""
    await _create(api)
    await api.stream()
    await api.rule(sql="SELECT area(a, 2) AS r FROM demo")
    document = (await api.ask("GET", "/data/export")).json
    del document["scripts"]
    reply = await api.ask("POST", "/data/import", {"content": json.dumps(document)})
    assert "function area not found" in json.loads(reply.json["message"])["rules"]["r"]
    assert (await api.ask("DELETE", "/udf/javascript/area")).status == 200
    assert api.host.states["r"] == "running"
    api.host.calls.clear()
    await _create(api)
    assert api.host.states["r"] == "running"
    assert (await api.ask("POST", "/rules/r/start")).status == 200


async def test_exports_of_rules_have_their_functions(api: Api) -> None:
    """Those that the rule calls, and no others."""
    await _create(api)
    await _create(api, "unused", "function unused(){}")
    await api.stream()
    await api.rule(sql="SELECT a FROM demo WHERE CASE WHEN area(a, 2) > 1 THEN true ELSE false END = true")
    found = (await api.ask("POST", "/data/export", ["r"])).json
    assert list(found["scripts"]) == ["area"]


async def test_documents(api: Api) -> None:
    """Scripts are overwritten by either import; a rule may use what comes with it; a wrong entry is told."""
    await _create(api)
    entry = json.dumps({"id": "area", "description": "d", "script": "function area(x) { return x }", "isAgg": False})
    rule = json.dumps({"id": "r", "sql": "SELECT area(a) AS r, more(a) FROM demo", "actions": [{"nop": {}}]})
    more = json.dumps({"id": "more", "script": "function more(x) { return x }"})
    await api.stream()
    content = json.dumps({"scripts": {"area": entry, "more": more}, "rules": {"r": rule}})
    assert (await api.ask("POST", "/data/import?partial=1", {"content": content})).status == 200
    assert (await api.ask("GET", "/udf/javascript/area")).json["description"] == "d"
    assert (await api.ask("GET", "/data/export")).json["scripts"]["area"] == entry
    for key, text, message in (
        ("b", entry, "the script id area does not match the key b"),
        ("a.b", '{"id":"a.b"}', "id 'a.b' contains invalid characters: only alphanumeric, hyphens and underscores are allowed"),
        ("b", "{", "unexpected end of JSON input"),
        ("b", '{"id":"b","script":"function c(){}"}', 'cannot find function "b" in script'),
    ):
        reply = await api.ask("POST", "/data/import?partial=1", {"content": json.dumps({"scripts": {key: text}})})
        assert json.loads(reply.json["message"])["scripts"] == {key: message}


def test_without_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says what to install."""
    import sys

    monkeypatch.setitem(sys.modules, "quickjs", None)
    with pytest.raises(PlutinoError, match=r"install plutino\[javascript\]"):
        ScriptKind().parse(Ref("script", "f"), '{"id":"f","script":"function f(){}"}')
    with pytest.raises(DefinitionError, match="does not match the key"):
        ScriptKind().parse(Ref("script", "g"), '{"id":"f","script":"function f(){}"}')


def test_threads_take_turns() -> None:
    """Rules that call plugins run on threads, and share the machine with those of the event loop."""
    function = JavaScript("f", "let n = 0; function f(x) { n++; let s = 0; for (let i = 0; i < 50; i++) s += x; return s }", False)
    with ThreadPoolExecutor(4) as threads:
        assert set(threads.map(lambda _: function(2), range(2000))) == {100}
