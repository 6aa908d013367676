"""The recorded SQL cases straight on the compiler, through both tiers of the generated code."""

from __future__ import annotations

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
    if set(case.sink) - {"sendSingle"} or case.tables or (case.options.get("sendError") and case.family == "sink"):
        return False
    if case.options.get("isEventTime") and any(not isinstance(_time_of(m.payload), int) for m in case.input):
        return False
    return not any(option in text.upper() for text in case.streams.values() for option in ENGINE_OPTIONS)


def _time_of(payload: object) -> object:
    """The event time of a message, where it is one that needs no parsing."""
    return payload.get("ts") if isinstance(payload, dict) else None


CASES = [case for case in load_sql() if _is_program_alone(case)]


@pytest.mark.parametrize("tier", ["fast", "exact"])
@pytest.mark.parametrize("sql_case", CASES, ids=lambda case: case.name)
def test_both_tiers_give_the_recorded_messages(sql_case: SqlCase, tier: Tier) -> None:
    """Decoding, running and encoding a case gives what was recorded, whichever tier computes it."""
    result = compare(sql_case, run_case(sql_case, tier))
    assert result.equal, f"{sql_case.note}\n  sql  {sql_case.sql}\n  {result.difference}"


@pytest.mark.parametrize("sql_case", [c for c in CASES if c.expected.refusal is None], ids=lambda case: case.name)
def test_a_batch_gives_what_its_rows_give_one_by_one(sql_case: SqlCase) -> None:
    """All input of a case as one batch gives the same messages as message by message."""
    one_by_one, together = run_case(sql_case, "fast"), run_case(sql_case, "fast", together=True)
    assert together == one_by_one
