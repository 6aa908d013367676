"""The corpora themselves: every case belongs somewhere, and every deliberate difference is written down."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from corpus import loader
from corpus.rest_replay import Answer, judge

DIFFERENCES = Path(__file__).resolve().parents[2] / "docs" / "differences.md"


def test_names_are_unique_and_name_their_family() -> None:
    """A case is found by its name: `family.case`, once."""
    counts = Counter(case.name for case in loader.all_sql())
    assert [name for name, count in counts.items() if count > 1] == []
    assert {case.family for case in loader.all_sql()} == set(loader.families())


def test_every_family_has_as_many_cases_of_our_own() -> None:
    """Each family has at least as many own cases as recorded ones."""
    recorded = Counter(case.family for case in loader.all_sql() if not case.own)
    own = Counter(case.family for case in loader.all_sql() if case.own)
    assert {family: (count, own[family]) for family, count in recorded.items() if own[family] < count} == {}


def test_every_case_belongs_to_a_part() -> None:
    """No case and no scenario is left out of the manifest, and no pattern is a slip of the pen."""
    cases = {case.name for part in loader.parts() for case in loader.load_sql(part)}
    assert cases == {case.name for case in loader.all_sql()}
    owners = Counter(scenario.name for part in loader.parts() for scenario in loader.load_rest(part))
    assert owners == Counter({scenario.name: 1 for scenario in loader.all_rest()})


def test_every_case_equals_its_own_record() -> None:
    """The comparison finds no difference between a record and itself."""
    assert [case.name for case in loader.all_sql() if not loader.compare(case, case.expected).equal] == []


@pytest.mark.parametrize(
    ("want", "got", "equal"),
    [
        ([{"a": 1}], [{"a": 1.0}], True),
        ([{"a": 1}], [{"a": True}], False),
        ([{"a": 0.1}], [{"a": 0.1 + 1e-13}], True),
        ([{"a": 9007199254740993}], [{"a": 9007199254740992}], False),
        ([{"a": "1"}], [{"a": 1}], False),
        ([{"a": 1, "b": None}], [{"b": None, "a": 1}], True),
        ([{"a": 1, "b": None}], [{"a": 1}], False),
        ([{"$error": "one wording"}], [{"$error": "another"}], True),
        ([[1, 2]], [[2, 1]], False),
        ([1], [1, 1], False),
    ],
)
def test_sql_comparison(want: list[object], got: list[object], equal: bool) -> None:
    """Numbers are equal by value, types and order count, wording of error messages does not."""
    case = loader.SqlCase("x.y", "", expected=loader.Outcome(tuple(want)))
    assert loader.compare(case, loader.Outcome(tuple(got))).equal is equal


@pytest.mark.parametrize(
    ("want", "got", "kinds"),
    [
        ({"a": 1}, '{"a": 1}', []),
        ({"a": 1}, '{"a": 1, "b": 2}', ["body"]),
        ({"a": {"$type": "number"}}, '{"a": true}', ["body"]),
        ({"$part": {"a": {"$re": "x.*"}}}, '{"a": "xyz", "b": 2}', []),
        ({"$has": [{"$part": {"a": 1}}]}, '[{"a": 2}, {"a": 1, "b": 2}]', []),
        ({"$keys": ["a", "b"]}, '{"b": 1, "a": 2}', []),
        ({"error": 1, "message": "one"}, '{"error": 1, "message": "two"}', ["text"]),
        ({"error": 1, "message": "one"}, '{"error": 2, "message": "one"}', ["body"]),
        ("done", "done\n", []),
        ({"doc": '{"a": 1}'}, '{"doc": "{ \\"a\\":1 }"}', []),
        ([1, 2], "[2, 1]", ["body", "body"]),
    ],
)
def test_rest_comparison(want: object, got: str, kinds: list[str]) -> None:
    """Matchers, JSON inside strings and loose wording work as README.md says."""
    found = judge({}, Answer(200, {}, got), {"status": 200, "body": want})
    assert [difference.kind for difference in found] == kinds


def test_deliberate_differences_are_written_down() -> None:
    """Each `differs` of a case or a step names a row of docs/differences.md."""
    assert _named_differences() - set(_differences()) == set()


def test_differences_have_tests() -> None:
    """Each row has an id of its own, and tests that are there: files, or the cases and steps that name it."""
    ids = [id for id in re.findall(r"^\| (\w[\w-]*) \|", DIFFERENCES.read_text(), re.MULTILINE) if id != "id"]
    assert sorted(ids) == sorted(_differences())
    named = _named_differences()
    untested = [
        id
        for id, tests in _differences().items()
        if ("that name it" in tests and id not in named)
        or any(not (DIFFERENCES.parents[1] / path).exists() for path in re.findall(r"`(tests/[^`]+)`", tests))
    ]
    assert untested == []


def _differences() -> dict[str, str]:
    """The tests that stand in the last column of each row, by id."""
    rows = re.findall(r"^\| (\w[\w-]*) \|.*\| ([^|]+) \|$", DIFFERENCES.read_text(), re.MULTILINE)
    return {id: tests for id, tests in rows if id != "id"}


def _named_differences() -> set[str]:
    """The differences that recorded and own cases name."""
    named = {case.differs for case in loader.all_sql() if case.differs}
    return named | {step["differs"] for scenario in loader.all_rest() for step in scenario.steps if "differs" in step}
