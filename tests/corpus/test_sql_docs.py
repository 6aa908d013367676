"""The page of the SQL language executes: every statement on it is run over the rows under it."""

from __future__ import annotations

import fnmatch
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from corpus.in_process import run_case
from corpus.loader import Message, Outcome, SqlCase, compare

PAGE = Path(__file__).resolve().parents[2] / "docs" / "sql.md"
_BLOCK = re.compile(r"^```sql\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_CREATE = re.compile(r"CREATE (STREAM|TABLE) (\w+) (.*)")
_INPUT = re.compile(r"-- (?:(\w+) +)?(\{.*?\}|\[.*?\])(?: +→ (.*))?$")
ANY = '() WITH (FORMAT="json")'


@dataclass
class Example:
    """A statement with its rows; ``results`` are the texts behind the arrows, by row."""

    line: int
    case: SqlCase
    results: list[str] = field(default_factory=list)
    refused: str = ""


def examples() -> Iterator[Example]:
    """The statements of the page, each over the streams that were defined above it."""
    text = PAGE.read_text()
    streams, tables = {"demo": ANY}, {}
    for block in _BLOCK.finditer(text):
        lines = block[1].splitlines()
        if all(line.startswith("CREATE") for line in lines):
            for kind, name, definition in (match.groups() for line in lines if (match := _CREATE.fullmatch(line))):
                (streams if kind == "STREAM" else tables)[name] = definition
            continue
        yield _example(text.count("\n", 0, block.start()) + 1, lines, dict(streams), dict(tables))


def _example(line: int, lines: list[str], streams: dict[str, str], tables: dict[str, str]) -> Example:
    sql = "\n".join(text for text in lines if not text.startswith("--"))
    first = re.search(r"FROM (\w+)", sql)
    assert first is not None
    options: dict[str, Any] = {"sendError": True}
    example, rows = Example(line, SqlCase(f"docs.line_{line}", "")), []
    for text in (text for text in lines if text.startswith("--")):
        if text.startswith("-- options "):
            options |= json.loads(text.removeprefix("-- options "))
        elif text.startswith("-- refused: "):
            example.refused = text.removeprefix("-- refused: ")
        else:
            match = _INPUT.fullmatch(text)
            assert match is not None, f"line {line}: {text!r} is no row"
            rows.append(Message(match[1] or first[1], json.loads(match[2])))
            example.results.append(match[3] or "")
    example.case = SqlCase(example.case.name, "", sql, streams, tables, options=options, input=tuple(rows))
    return example


EXAMPLES = list(examples())


@pytest.mark.parametrize("example", [pytest.param(e, id=f"line_{e.line}") for e in EXAMPLES])
def test_statement(example: Example) -> None:
    """A statement gives for each row what stands behind it, in both tiers."""
    for tier in ("fast", "exact"):
        if example.refused:
            refusal = run_case(example.case, tier).refusal
            assert refusal is not None
            assert example.refused in refusal.text
            continue
        seen = 0
        for count, wanted in enumerate(example.results, 1):
            part = SqlCase(**{**vars(example.case), "input": example.case.input[:count]})
            messages = run_case(part, tier, linger_ms=0).messages
            said = f"line {example.line}, row {count}: {messages[seen:]} instead of {wanted or 'nothing'}"
            assert _fits(part, messages[seen:], wanted), said
            seen = len(messages)


def _fits(case: SqlCase, messages: tuple[Any, ...], wanted: str) -> bool:
    if wanted.startswith("error: "):
        pattern = wanted.removeprefix("error: ").replace("[", "[[]").replace("…", "*")
        return len(messages) == 1 and fnmatch.fnmatchcase(messages[0].get("$error", ""), pattern)
    expected = json.loads("[" + re.sub(r"\] \[", "], [", wanted) + "]")
    return compare(SqlCase(case.name, "", expected=Outcome(tuple(expected))), Outcome(messages)).equal


def test_the_page_shows_every_clause() -> None:
    """Each clause and each kind of window has an example."""
    text = " ".join(example.case.sql or "" for example in EXAMPLES)
    clauses = ("WHERE", "GROUP BY", "HAVING", "ORDER BY", "LIMIT", "UNION ALL", "WITHIN", "OVER", "PARTITION")
    for word in (*clauses, "EXCEPT", "REPLACE", "INVISIBLE"):
        assert word in text
    for window in ("COUNTWINDOW", "TUMBLINGWINDOW", "SLIDINGWINDOW", "STATEWINDOW"):
        assert window in text
