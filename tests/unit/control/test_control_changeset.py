"""A changeset can be shown with secrets masked, applied, and undone."""

from __future__ import annotations

from plutino.catalog.trigger import started, with_started
from plutino.control import Changeset
from plutino.control.graph import Graph, in_order
from plutino.control.pacer import Pacer
from plutino.model import Definition, Ref
from plutino.spi import Change
from unit.control.fakes import dumps

R, S = Ref("rule", "r"), Ref("stream", "s")


def definition(ref: Ref, content: object) -> Definition:
    return Definition(ref, dumps(content), content)


def changeset(*changes: Change) -> Changeset:
    paths = (("password",), ("servers", "*", "password"))
    return Changeset(changes, 4, lambda _: paths, (("rule", "rules"), ("stream", "streams")))


def test_fields_are_shown_with_old_and_new_values() -> None:
    """An update lists the fields that differ by path; equal ones are left out."""
    old = {"a": 1, "same": [1, 2], "deep": {"x": 1, "y": 2}, "list": [{"k": 1}, {"k": 2}], "gone": None}
    new = {"a": True, "same": [1, 2], "deep": {"x": 1, "y": 3, "z": 4}, "list": [{"k": 1}, {"k": 5}], "len": [1]}
    wire = changeset(Change(R, definition(R, old), definition(R, new))).to_wire()
    assert wire["summary"] == {"created": 0, "updated": 1, "deleted": 0, "unchanged": 0}
    assert wire["revision"] == 4
    assert wire["changes"] == [
        {
            "section": "rules",
            "kind": "rule",
            "name": "r",
            "action": "updated",
            "fields": [
                {"path": "a", "old": 1, "new": True},
                {"path": "deep.y", "old": 2, "new": 3},
                {"path": "deep.z", "new": 4},
                {"path": "list.1.k", "old": 2, "new": 5},
                {"path": "gone", "old": None},
                {"path": "len", "new": [1]},
            ],
        }
    ]


def test_created_deleted_and_unchanged() -> None:
    """A created object has one field without an old value, a deleted one without a new value, an unchanged one none."""
    content = {"x": 1}
    same = Change(S, Definition(S, '{"x":1}', content), Definition(S, '{ "x": 1 }', {"x": 1}))
    wire = changeset(Change(R, None, definition(R, content)), same, Change(S, definition(S, content), None)).to_wire()
    assert [(c["action"], c["fields"]) for c in wire["changes"]] == [
        ("created", [{"path": "", "new": content}]),
        ("unchanged", []),
        ("deleted", [{"path": "", "old": content}]),
    ]


def test_secrets_never_show() -> None:
    """Secrets are masked wherever they stand, and a changed secret still shows as a change."""
    old = {"password": "p1", "servers": [{"password": "p2", "host": "h"}], "user": "u"}
    new = {"password": "q1", "servers": [{"password": "q2", "host": "h"}, {"password": "q3"}], "user": "u"}
    wire = changeset(Change(R, definition(R, old), definition(R, new)), Change(S, None, definition(S, new))).to_wire()
    assert wire["changes"][0]["fields"] == [
        {"path": "password", "old": "******", "new": "******"},
        {
            "path": "servers",
            "old": [{"password": "******", "host": "h"}],
            "new": [{"password": "******", "host": "h"}, {"password": "******"}],
        },
    ]
    assert not any(secret in dumps(wire) for secret in ("p1", "p2", "q1", "q2", "q3"))
    unreadable = changeset(Change(R, Definition(R, '{"password":"p1"'), None)).to_wire()
    assert "p1" not in dumps(unreadable)


def test_the_inverse_undoes_in_reverse_order() -> None:
    """Applying the texts of the inverse leads back; twice inverted is the same again."""
    changes = changeset(Change(R, None, definition(R, {"x": 1})), Change(S, definition(S, {"y": 1}), None))
    assert changes
    assert changes.texts() == {R: '{"x":1}', S: None}
    assert changes.inverse().texts() == {S: '{"y":1}', R: None}
    assert [c.verb for c in changes.inverse().changes] == ["created", "deleted"]
    assert changes.inverse().inverse().changes == changes.changes
    assert not changeset(Change(R, definition(R, 1), definition(R, 1)))


def test_definitions_are_equal_by_content() -> None:
    """Another spelling is equal, in both directions of the question; another type of the same number is not."""
    spelled = Definition(R, '{ "a": [1, {"b": 1}] }', {"a": [1, {"b": 1}]})
    same = definition(R, {"a": [1, {"b": 1}]})
    assert spelled == same
    assert not spelled != same  # noqa: SIM202 - != has a method of its own
    for other in ({"a": [1, {"b": True}]}, {"a": [1.0, {"b": 1}]}, {"a": [1]}, {"a": [1, {"b": 1}], "c": None}):
        assert spelled != definition(R, other)
    assert spelled != definition(S, {"a": [1, {"b": 1}]})


def test_a_rule_says_whether_it_is_started() -> None:
    """``triggered`` counts in any case, true when missing; setting it keeps values as written and sorts the keys."""
    assert started('{"id":"r"}')
    assert started('{"triggered": true}')
    assert not started('{"Triggered": false}')
    assert started("no json")
    assert with_started('{"z": 12345678901234567890123, "TRIGGERED": true, "a": 1.0}', False) == (
        '{"a":1.0,"triggered":false,"z":12345678901234567890123}'
    )
    assert with_started("[1]", False) == "[1]"


async def test_what_is_used_comes_first() -> None:
    """Order follows the uses through objects that are not asked for, keeps the given order otherwise, and survives circles."""
    a, b, c, d = (Ref("x", name) for name in "abcd")
    uses = {a: (d,), d: (c,), b: (), c: ()}
    assert await in_order([a, b, c], lambda ref: uses[ref], Pacer()) == [c, a, b]
    circle = {a: (b,), b: (c,), c: (a,)}
    assert await in_order([a, b, c], lambda ref: circle[ref], Pacer()) == [c, b, a]
    long = [Ref("x", str(i)) for i in range(5_000)]
    chain = dict(zip(long, [*((ref,) for ref in long[1:]), ()], strict=True))
    assert await in_order(long, lambda ref: chain[ref], Pacer()) == long[::-1]


def test_the_graph_knows_users_and_uses() -> None:
    """Users are transitive, follow changes, and need no object to exist."""
    a, b, c, d = (Ref("x", name) for name in "abcd")
    graph = Graph()
    graph.put(a, (b, c))
    graph.put(b, (d,))
    assert set(graph.users([d])) == {a, b}
    assert graph.users([a]) == []
    graph.put(a, (c,))
    assert graph.users([d]) == [b]
    graph.put(b, ())
    graph.put(a, ())
    assert graph.users([b, c, d]) == []
