"""The recorded SQL cases straight on the compiler, through both tiers of the generated code."""

from __future__ import annotations

import re

import pytest

from corpus.in_process import Tier, run_case
from corpus.loader import SqlCase, compare, load_sql

ENGINE_OPTIONS = ("STRICT_VALIDATION",)
"""Stream options whose work the engine does in front of the program."""


def _is_program_alone(case: SqlCase) -> bool:
    """Whether decoder and program decide the result: no refused definition, no transform of the sink, no engine option."""
    refusal = case.expected.refusal
    if case.sql is None or (refusal is not None and (refusal.at != "rule" or "invalid options" in refusal.text)):
        return False
    if set(case.sink) - {"sendSingle"} or (case.options.get("sendError") and case.family == "sink"):
        return False
    if case.options.get("isEventTime") and any(not isinstance(_time_of(m.payload), int) for m in case.input):
        return False
    return not any(option in text.upper() for text in case.streams.values() for option in ENGINE_OPTIONS)


WINDOW = re.compile(r"\bgroup\s+by\b.*window\s*\(", re.IGNORECASE | re.DOTALL)
STATE = re.compile(r"\b(?:inc_\w+|last_\w*hit_\w+|changed_cols|join|union)\b", re.IGNORECASE)


def _has_state(case: SqlCase) -> bool:
    """Whether a rule remembers something between rows."""
    return case.has_window_or_analytic or bool(case.options.get("isEventTime")) or STATE.search(case.sql or "") is not None


def _time_of(payload: object) -> object:
    """The event time of a message, where it is one that needs no parsing."""
    return payload.get("ts") if isinstance(payload, dict) else None


CASES = [case for case in load_sql() if _is_program_alone(case)]
GIVING = [case for case in CASES if case.expected.refusal is None]


@pytest.mark.parametrize("tier", ["fast", "exact"])
@pytest.mark.parametrize("sql_case", CASES, ids=lambda case: case.name)
def test_both_tiers_give_the_recorded_messages(sql_case: SqlCase, tier: Tier) -> None:
    """Decoding, running and encoding a case gives what was recorded, whichever tier computes it."""
    result = compare(sql_case, run_case(sql_case, tier))
    assert result.equal, f"{sql_case.note}\n  sql  {sql_case.sql}\n  {result.difference}"


@pytest.mark.parametrize("sql_case", GIVING, ids=lambda case: case.name)
def test_a_batch_gives_what_its_rows_give_one_by_one(sql_case: SqlCase) -> None:
    """All input of a case as one batch gives the same messages as message by message."""
    one_by_one, together = run_case(sql_case, "fast"), run_case(sql_case, "fast", together=True)
    assert together == one_by_one


@pytest.mark.parametrize("sql_case", [c for c in GIVING if WINDOW.search(c.sql or "")], ids=lambda case: case.name)
def test_windows_that_keep_rows_give_the_same(sql_case: SqlCase) -> None:
    """Windows give the same whether they keep their rows or, where the aggregates allow it, accumulators."""
    result = compare(sql_case, run_case(sql_case, "exact", keeping_rows=True))
    assert result.equal, f"{sql_case.note}\n  sql  {sql_case.sql}\n  {result.difference}"


@pytest.mark.parametrize("tier", ["fast", "exact"])
@pytest.mark.parametrize("sql_case", [c for c in GIVING if _has_state(c)], ids=lambda case: case.name)
def test_a_restart_before_every_row_changes_nothing(sql_case: SqlCase, tier: Tier) -> None:
    """A program that goes on with the snapshot of the one before gives the same messages, wherever it is interrupted."""
    result = compare(sql_case, run_case(sql_case, tier, interrupted=True))
    assert result.equal, f"{sql_case.note}\n  sql  {sql_case.sql}\n  {result.difference}"
