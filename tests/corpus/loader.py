"""The recorded corpora as values: which cases are in force, and when a result equals the recorded one.

Nothing here knows how a case is run: the same cases go through a server over MQTT and straight through the compiler.
"""

from __future__ import annotations

import base64
import fnmatch
import json
import math
import re
import tomllib
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal

FOLDER = Path(__file__).resolve().parent

WINDOW_OR_ANALYTIC = re.compile(
    r"\b\w+window\s*\(|\bover\s*\(|\b(?:lag|latest|changed_cols?|had_changed|acc_\w+|row_number|window_(?:start|end|trigger))\s*\(",
    re.IGNORECASE,
)
_TOKEN = re.compile(r"\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*'|`[^`]*`|[A-Za-z][A-Za-z0-9_]*|.", re.DOTALL)
_WITH = re.compile(r"\bWITH\s*\(\s*", re.IGNORECASE)
_TYPE = re.compile(r"\bTYPE\s*=", re.IGNORECASE)


# ------------------------------------------------------------------------------------------------------------ SQL cases
@dataclass(frozen=True)
class Message:
    """One input message: the stream it is for, and what is sent (an object goes as JSON, a string as it is)."""

    stream: str
    payload: Any

    @property
    def data(self) -> bytes:
        """The bytes on the wire."""
        if isinstance(self.payload, dict) and set(self.payload) == {"$base64"}:
            return base64.b64decode(self.payload["$base64"])
        if isinstance(self.payload, str):
            return self.payload.encode()
        return json.dumps(self.payload, ensure_ascii=False).encode()


@dataclass(frozen=True)
class Refusal:
    """A case that is refused: at the ``stream`` or ``rule`` statement, or at ``run`` time; ``status`` is the HTTP status."""

    at: Literal["stream", "rule", "run"]
    status: int | str
    text: str


@dataclass(frozen=True)
class Outcome:
    """What a run of a case gave: parsed messages in order, or a refusal."""

    messages: tuple[Any, ...] = ()
    refusal: Refusal | None = None


@dataclass(frozen=True)
class SqlCase:
    """One SQL case, recorded or (``own``) written down after the reference; the keys of the file are described in README.md."""

    name: str
    note: str
    sql: str | None = None
    streams: dict[str, str] = field(default_factory=dict)
    tables: dict[str, str] = field(default_factory=dict)
    ddl: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    options: dict[str, Any] = field(default_factory=dict)
    sink: dict[str, Any] = field(default_factory=dict)
    input: tuple[Message, ...] = ()
    gap_ms: int | None = None
    idle_ms: int = 0
    unordered: bool = False
    crash: bool = False
    quirk: str | None = None
    differs: str | None = None
    recorded: dict[str, Any] | None = None
    expected: Outcome = Outcome()
    own: bool = False

    @property
    def family(self) -> str:
        """The file that holds the case."""
        return self.name.partition(".")[0]

    @property
    def all_names(self) -> frozenset[str]:
        """The names of streams and tables, to be made unique where cases share a server."""
        return frozenset(self.streams) | frozenset(self.tables) | frozenset(self.names)

    @property
    def has_window_or_analytic(self) -> bool:
        """The statement uses a window or an analytic function."""
        return self.sql is not None and WINDOW_OR_ANALYTIC.search(self.sql) is not None

    def renamed(self, text: str, suffix: str) -> str:
        """``text`` with ``suffix`` on every stream and table name, outside of string literals."""
        names, parts = self.all_names, []
        for token in _TOKEN.findall(text):
            if token in names:
                token += suffix
            elif token[0] == "`" and token[1:-1] in names:
                token = f"`{token[1:-1]}{suffix}`"
            parts.append(token)
        return "".join(parts)

    def parse_message(self, data: bytes) -> Any:
        """A result message: JSON as it is, any other text wrapped in an object with one key."""
        try:
            text = data.decode()
        except UnicodeDecodeError:
            return {"$base64": base64.b64encode(data).decode()}
        try:
            return json.loads(text)
        except ValueError:
            return {"$error" if self.options.get("sendError") else "$raw": text}


def create_statement(kind: Literal["stream", "table"], name: str, columns: str, *, topic: str, source: str, conf_key: str | None) -> str:
    """The full DDL statement of a case's stream: topic, source type and configuration are added where its options have none."""
    match = _WITH.search(columns)
    if match is None:
        return f"create {kind} {name} {columns}"
    options = columns[match.end() :]
    added = [] if "DATASOURCE" in options.upper() else [f'DATASOURCE="{topic}"']
    if not _TYPE.search(options):
        added.append(f'TYPE="{source}"')
        if conf_key is not None and "CONF_KEY" not in options.upper():
            added.append(f'CONF_KEY="{conf_key}"')
    glue = "" if options.lstrip().startswith(")") or not added else ", "
    return f"create {kind} {name} {columns[: match.end()]}{', '.join(added)}{glue}{options}"


def load_sql(part: str | None = None) -> list[SqlCase]:
    """The SQL cases of one part, or of all parts in force."""
    chosen = parts_in_force() if part is None else (part,)
    cases: dict[str, SqlCase] = {}
    for name in chosen:
        cases.update({case.name: case for case in _cases_of(_parts()[name])})
    return list(cases.values())


def all_sql() -> list[SqlCase]:
    """Every SQL case of the corpus, in force or not."""
    return [case for name in families() for case in _family(name)]


def families() -> list[str]:
    """The names of all families, those without a recorded case too."""
    return sorted({path.stem for folder in (FOLDER / "sql", FOLDER / "sql" / "own") for path in folder.glob("*.jsonl")})


def _cases_of(part: dict[str, Any]) -> list[SqlCase]:
    whole = [f for f in families() if any(fnmatch.fnmatchcase(f, pattern) for pattern in part["sql"])]
    cases = [case for family in whole for case in _family(family)]
    if not part.get("windows_and_analytic", True):
        cases = [case for case in cases if not case.has_window_or_analytic]
    for family in part.get("sql_errors", []):
        at = part["only_errors_at"]
        cases += [case for case in _family(family) if case.expected.refusal is not None and case.expected.refusal.at == at]
    return cases


@cache
def _family(name: str) -> tuple[SqlCase, ...]:
    cases: list[SqlCase] = []
    for own, path in ((False, FOLDER / "sql" / f"{name}.jsonl"), (True, FOLDER / "sql" / "own" / f"{name}.jsonl")):
        lines = path.read_text().split("\n") if path.exists() else ()
        cases += [_sql_case(json.loads(line), own) for line in lines if line]
    return tuple(cases)


def _sql_case(raw: dict[str, Any], own: bool) -> SqlCase:
    values = {**raw, "own": own, "ddl": tuple(raw.get("ddl", ())), "names": tuple(raw.get("names", ()))}
    error = values.pop("error", None)
    values["expected"] = Outcome(tuple(raw.get("expected", ())), Refusal(**error) if error else None)
    values["input"] = tuple(Message(item["stream"], item["payload"]) for item in raw.get("input", ()))
    return SqlCase(**values)


# ----------------------------------------------------------------------------------------------------------- comparison
@dataclass(frozen=True)
class Comparison:
    """``difference`` is empty when a run equals the record; wording of error texts is counted apart and never a difference."""

    difference: str = ""
    texts: int = 0
    equal_texts: int = 0

    @property
    def equal(self) -> bool:
        """The run equals the record."""
        return not self.difference


def compare(case: SqlCase, got: Outcome) -> Comparison:
    """Compare the outcome of a run with the recorded one.

    Key order does not count; numbers are equal by value (floats to 1e-9 relative); the order of messages and inside lists
    counts unless the case is ``unordered``. A refusal must be at the same place with the same status.
    """
    want = case.expected
    if want.refusal is not None or got.refusal is not None:
        return _compare_refusals(want, got)
    messages = got.messages[: len(want.messages)] if case.crash else got.messages
    if len(want.messages) != len(messages):
        count = f"{len(messages)} messages instead of {len(want.messages)}"
        return Comparison(f"{count}\n  want {shown(want.messages)}\n  got  {shown(messages)}")
    texts: list[bool] = []
    for index, (wanted, given) in enumerate(zip(want.messages, messages, strict=True)):
        if not _same(wanted, given, case.unordered, texts):
            difference = f"message {index + 1} differs\n  want {shown(wanted)}\n  got  {shown(given)}"
            return Comparison(difference, len(texts), sum(texts))
    return Comparison("", len(texts), sum(texts))


def shown(value: Any) -> str:
    """A value as compact JSON for a report."""
    return json.dumps(value, ensure_ascii=False, default=str)


def _compare_refusals(want: Outcome, got: Outcome) -> Comparison:
    wanted, given = want.refusal, got.refusal
    if wanted is None:
        return Comparison(f"refused\n  want {shown(want.messages)}\n  got  {given}")
    if given is None:
        return Comparison(f"not refused\n  want {wanted}\n  got  {shown(got.messages)}")
    difference = "" if (wanted.at, wanted.status) == (given.at, given.status) else f"refused otherwise\n  want {wanted}\n  got  {given}"
    return Comparison(difference, 1, int(wanted.text == given.text))


def _same(want: Any, got: Any, unordered: bool, texts: list[bool]) -> bool:
    if isinstance(want, bool) or isinstance(got, bool):
        return want is got
    if isinstance(want, int | float) and isinstance(got, int | float):
        both_integers = isinstance(want, int) and isinstance(got, int)
        return want == got if both_integers else math.isclose(want, got, rel_tol=1e-9)
    if type(want) is not type(got):
        return False
    if isinstance(want, dict):
        if set(want) == {"$error"} == set(got):
            texts.append(want == got)
            return True
        return want.keys() == got.keys() and all(_same(want[key], got[key], unordered, texts) for key in want)
    if isinstance(want, list):
        if len(want) != len(got):
            return False
        if unordered:
            want, got = sorted(want, key=_canonical), sorted(got, key=_canonical)
        return all(_same(w, g, unordered, texts) for w, g in zip(want, got, strict=True))
    return bool(want == got)


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


# ------------------------------------------------------------------------------------------------------- REST scenarios
@dataclass(frozen=True)
class RestScenario:
    """One recorded conversation; the keys of its steps are described in README.md."""

    name: str
    title: str
    steps: tuple[dict[str, Any], ...]
    fixtures: dict[str, Any] = field(default_factory=dict)
    needs: tuple[str, ...] = ()


def load_rest(part: str | None = None) -> list[RestScenario]:
    """The REST scenarios of one part, or of all parts in force."""
    chosen = parts_in_force() if part is None else (part,)
    patterns = [pattern for name in chosen for pattern in _parts()[name]["rest"]]
    return [s for s in all_rest() if any(fnmatch.fnmatchcase(s.name, pattern) for pattern in patterns)]


def all_rest() -> list[RestScenario]:
    """Every REST scenario of the corpus, in force or not."""
    found = []
    for path in sorted((FOLDER / "rest").glob("*.json")):
        raw = json.loads(path.read_text())
        found.append(RestScenario(raw["name"], raw["title"], tuple(raw["steps"]), raw.get("fixtures", {}), tuple(raw.get("needs", ()))))
    return found


# ---------------------------------------------------------------------------------------------------------------- parts
def parts() -> tuple[str, ...]:
    """The names of all parts, in the order of the manifest."""
    return tuple(_parts())


def parts_in_force() -> tuple[str, ...]:
    """The names of the parts whose cases must pass now."""
    return tuple(name for name, part in _parts().items() if part["in_force"])


@cache
def _parts() -> dict[str, dict[str, Any]]:
    return tomllib.loads((FOLDER / "parts.toml").read_text())
