"""Random statements and rows for the tests of whole rules: from a grammar, and out of damaged statements of the corpus."""

from __future__ import annotations

import json
import math
from random import Random
from typing import Any

from corpus.in_process import registry
from corpus.loader import all_sql
from plutino.spi import FunctionKind
from plutino.sql.lexer import tokenize

COLUMNS = ("a", "b", "s", "f", "l", "m", "ts", "zz")
LITERALS = ("1", "-2", "0", "2.5", "9223372036854775807", "'x'", "'a%'", "''", "'bigint'", "'$.k'", "'yyyy-MM-dd'", "true", "false")
BINARY = ("+", "-", "*", "/", "%", "&", "|", "^", "=", "!=", "<", "<=", ">", ">=", "AND", "OR")
WINDOWS = (
    "countwindow(3)",
    "countwindow(3, 1)",
    "tumblingwindow(ss, 1)",
    "tumblingwindow(ms, 500)",
    "hoppingwindow(ss, 2, 1)",
    "slidingwindow(ss, 1)",
    "slidingwindow(ss, 1, 1)",
    "sessionwindow(ss, 5, 1)",
)
ODD_NUMBERS = (0, 1, -1, 2.5, 1e300, 9007199254740993, 9223372036854775807)
ODD_VALUES: tuple[Any, ...] = (None, True, False, *ODD_NUMBERS, "", "x", "2024-01-01", "1", [], [1, None, "x"], {}, {"k": 1})
USUAL: dict[str, tuple[Any, ...]] = {
    "a": (1, 2, 3),
    "b": (0.5, 2.0),
    "s": ("x", "ab"),
    "f": (True, False),
    "l": ([1, 2], ["x"]),
    "m": ({"k": 1}, {"k": {"k": 2}}),
}


class Grammar:
    """Statements over ``demo`` (and ``other``) drawn from one source of chance."""

    def __init__(self, chance: Random, *, repeatable: bool = False) -> None:
        """``repeatable``: only functions that give the same for the same arguments."""
        self.chance = chance
        self.aliases: list[str] = []
        functions = registry().functions
        kinds = (FunctionKind.SCALAR,) if repeatable else (FunctionKind.SCALAR, FunctionKind.CONTEXT)
        self.scalars = sorted(n for n, spec in functions.items() if spec.kind in kinds and (spec.pure or not repeatable))
        self.aggregates = sorted(n for n, spec in functions.items() if spec.kind is FunctionKind.AGGREGATE)
        self.analytics = sorted(n for n, spec in functions.items() if spec.kind is FunctionKind.ANALYTIC)
        self.others = ("unnest", "extract", "row_number", "changed_cols", "meta", "mqtt")
        self.specs = functions

    def pick(self, *choices: Any) -> Any:
        return self.chance.choice(choices)

    def expression(self, depth: int = 3) -> str:
        chance = self.chance
        if depth <= 0 or chance.random() < 0.25:
            return self.leaf()

        def inner() -> str:
            return self.expression(depth - 1)

        shape = chance.randrange(14)
        if shape < 3:
            return f"({inner()} {self.pick(*BINARY)} {inner()})"
        if shape < 7:
            return self.call(self.pick(*self.scalars), depth)
        if shape == 7:
            return self.call(self.pick(*self.aggregates), depth)
        if shape == 8:
            return self.call(self.pick(*self.analytics), depth) + self.over()
        if shape == 9:
            return str(self.pick(f"({inner()} {self.pick('', 'NOT ')}IN ({inner()}, {inner()}))", f"({inner()} IN {self.column()})"))
        if shape == 10:
            return f"({inner()} {self.pick('', 'NOT ')}BETWEEN {self.leaf()} AND {self.leaf()})"
        if shape == 11:
            like = f"({inner()} {self.pick('', 'NOT ')}LIKE {self.leaf()})"
            return str(self.pick(like, f"({self.column()} IS {self.pick('', 'NOT ')}NULL)"))
        if shape == 12:
            simple = f"CASE {inner()} WHEN {self.leaf()} THEN {inner()} ELSE {inner()} END"
            return str(self.pick(simple, f"CASE WHEN {inner()} = {self.leaf()} THEN {inner()} END"))
        part = f"{self.column()}[{self.leaf()}:{self.leaf()}]"
        return str(self.pick(f"{self.column()}->k", f"{self.column()}[{inner()}]", part, f"m.k[{self.leaf()}]"))

    def leaf(self) -> str:
        shape = self.chance.randrange(8)
        if shape < 4:
            return self.column()
        if shape < 7:
            return str(self.pick(*LITERALS))
        return self.call(self.pick(*self.others), 0) if self.chance.random() < 0.2 else self.column()

    def column(self) -> str:
        if self.aliases and self.chance.random() < 0.3:
            return str(self.pick(*self.aliases))
        return str(self.pick(*COLUMNS, "demo.a"))

    def call(self, name: str, depth: int) -> str:
        spec = self.specs.get(name)
        if name in ("meta", "mqtt"):
            return f"{name}({self.pick('topic', '*', 'm.k')})"
        count = 1 if spec is None else max(0, len(spec.args) - self.chance.randint(0, spec.optional))
        if self.chance.random() < 0.05:
            count += self.pick(-1, 1)
        arguments = [self.pick("*", "1") if self.chance.random() < 0.03 else self.expression(depth - 1) for _ in range(count)]
        if spec is not None and spec.kind is FunctionKind.AGGREGATE and len(arguments) > 1:
            arguments[1:] = [self.pick("0.5", "true") for _ in arguments[1:]]
        if name in ("lag", "had_changed", "changed_col", "cast", "encode", "compress", "conv", "round", "format", "get_keyed_state"):
            arguments = [self.usual(name, i, a) for i, a in enumerate(arguments)]
        distinct = "DISTINCT " if name in ("count", "collect", "sum") and count == 1 and self.chance.random() < 0.1 else ""
        return f"{name}({distinct}{', '.join(arguments)})"

    def usual(self, name: str, index: int, text: str) -> str:
        """Arguments that must be literals of a kind, most of the time."""
        wanted = {
            "lag": {1: "2", 3: "true"}, "had_changed": {0: "true"}, "changed_col": {0: "true"}, "cast": {1: "'string'"},
            "encode": {1: "'base64'"}, "compress": {1: "'gzip'"}, "conv": {1: "16", 2: "10"}, "round": {1: "2"}, "format": {1: "2"},
            "get_keyed_state": {1: "'string'"},
        }[name].get(index)  # fmt: skip
        return text if wanted is None or self.chance.random() < 0.2 else wanted

    def over(self) -> str:
        if self.chance.random() < 0.6:
            return ""
        partition = f"PARTITION BY {self.expression(1)}" if self.chance.random() < 0.7 else ""
        when = f" WHEN {self.expression(1)}" if not partition or self.chance.random() < 0.3 else ""
        return f" OVER ({partition}{when})"

    def statement(self) -> str:
        """A statement, now and then over another one, or two of them put together."""
        shape = self.chance.random()
        if shape < 0.05:
            return f"{self.select()} UNION ALL {self.select()}"
        return self.select(f"({self.select()}) AS demo") if shape < 0.1 else self.select()

    def select(self, source: str = "demo") -> str:
        chance = self.chance
        self.aliases = []
        items = [self.item(i) for i in range(chance.randint(1, 4))]
        within = chance.random() < 0.03
        window = "" if within else self.window() if chance.random() < 0.6 else ""
        join = self.join(within) if within or chance.random() < 0.12 else ""
        parts = [f"SELECT {', '.join(items)} FROM {source}{join}"]
        if chance.random() < 0.4:
            parts.append(f"WHERE {self.expression(2)}")
        if window:
            keys = [self.expression(1) for _ in range(self.pick(0, 0, 1, 2))]
            parts.append("GROUP BY " + ", ".join([*keys, window]))
            if chance.random() < 0.25:
                parts.append(f"HAVING {self.call(self.pick(*self.aggregates), 1)} {self.pick('=', '>', '!=')} {self.expression(1)}")
            if chance.random() < 0.25:
                parts.append(f"ORDER BY {self.column()} {self.pick('', 'DESC')}")
        if chance.random() < 0.1:
            parts.append(f"LIMIT {self.pick(0, 1, 2)}")
        return " ".join(parts)

    def item(self, index: int) -> str:
        if self.chance.random() < 0.07:
            return str(self.pick("*", "* EXCEPT(a)", f"* REPLACE({self.expression(1)} AS a)", "demo.*"))
        text = self.expression()
        if self.chance.random() < 0.3:
            return text
        alias = self.pick(f"x{index}", "a", "y")
        self.aliases.append(alias)
        return f"{text} AS {alias}{self.pick('', '', ' INVISIBLE')}"

    def join(self, within: bool) -> str:
        if within:
            return f" {self.pick('INNER', 'LEFT', 'RIGHT')} JOIN other ON demo.a = other.a WITHIN (ms, {self.pick(0, 100, 1000)})"
        kind = self.pick("INNER", "LEFT", "RIGHT", "FULL", "CROSS")
        return f" {kind} JOIN other" + ("" if kind == "CROSS" else f" ON {self.pick('demo.a = other.a', self.expression(1))}")

    def window(self) -> str:
        if self.chance.random() < 0.15:
            return f"statewindow({self.expression(1)}, {self.expression(1)})" + self.pick("", f" OVER (PARTITION BY {self.column()})")
        window = str(self.pick(*WINDOWS))
        if self.chance.random() < 0.15:
            window += f" FILTER (WHERE {self.expression(1)})"
        if window.startswith("sliding") and self.chance.random() < 0.4:
            window += f" OVER (WHEN {self.expression(1)})"
        return window

    def rows(self) -> list[bytes]:
        """Payloads: usual values most of the time, odd ones, missing keys, now and then no JSON at all."""
        chance, made, time = self.chance, [], 1000
        for _ in range(chance.randint(1, 8)):
            if chance.random() < 0.03:
                made.append(self.pick(b"", b"nope", b"[]", b"[1]", b"null", b'[{"a":1},{"a":2}]'))
                continue
            odd = chance.random() < 0.4
            row: dict[str, Any] = {}
            for name, usual in USUAL.items():
                if chance.random() < 0.85:
                    row[name] = self.pick(*(ODD_VALUES if odd and chance.random() < 0.5 else usual))
            time += self.pick(0, 200, 700, 1500, -300)
            row["ts"] = time if chance.random() < 0.97 else self.pick(*ODD_VALUES)
            made.append(json.dumps(row).encode())
        return made


def plain(value: Any) -> Any:
    """Values by what they mean on the wire: whole floats are integers, not-a-number equals itself.

    Twelve digits count: sums of floats depend on how rows come together, and what is calculated with schemaless whole numbers may be a
    float or, exactly, an integer.
    """
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, list):
        return [plain(v) for v in value]
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    if math.isnan(value):
        return "nan"
    return value if isinstance(value, int) and abs(value) < 2**53 else float(f"{value:.12g}")


def damaged(chance: Random) -> str:
    """A statement of the corpus with some of its tokens removed, repeated, exchanged or taken from another one."""
    texts = _corpus()
    text, donor = chance.choice(texts), chance.choice(texts)
    parts = [text[start:end] for _, _, start, end in tokenize(text) if end > start]
    others = [donor[start:end] for _, _, start, end in tokenize(donor) if end > start]
    for _ in range(chance.randint(0, 3)):
        if not parts:
            break
        at = chance.randrange(len(parts))
        match chance.randrange(4):
            case 0:
                del parts[at : at + chance.randint(1, 2)]
            case 1:
                parts[at:at] = parts[at : at + 3]
            case 2:
                parts[at], parts[at - 1] = parts[at - 1], parts[at]
            case _:
                parts[at] = chance.choice(others) if others else "a"
    return " ".join(parts)


_texts: list[str] = []


def _corpus() -> list[str]:
    if not _texts:
        _texts.extend(case.sql for case in all_sql() if case.sql)
    return _texts
