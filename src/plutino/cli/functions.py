"""``functions``: the SQL functions that rules can call, from their own specs."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import click

from plutino.cli.output import Misuse, json_option, print_json, print_table
from plutino.model.nearest import nearest
from plutino.spi import Arg, ArgCheck, FunctionKind, FunctionSpec, Nulls

KINDS = {
    FunctionKind.AGGREGATE: (
        "Aggregates",
        "Over the rows of a window or of a group; `DISTINCT` in front of the argument takes each value once.",
    ),
    FunctionKind.ANALYTIC: (
        "Analytic functions",
        "Out of the rows before, for each row as it arrives; `OVER (PARTITION BY … WHEN …)` may follow.",
    ),
    FunctionKind.MULTI_ROW: ("Functions that make rows", "One in a statement, as an item of the select list."),
    FunctionKind.MULTI_COLUMN: ("Functions that make columns", "As an item of the select list."),
    FunctionKind.WINDOW: ("Row numbers", "In the select list; `OVER (PARTITION BY … ORDER BY …)` may follow."),
    FunctionKind.CONTEXT: ("Window, metadata, rule and clock", "Values that do not come from the columns of the row."),
}
NULLS = {Nulls.CALL: "", Nulls.NULL: "null", Nulls.FALSE: "false", Nulls.ZERO: "0"}
CHECKS = {
    ArgCheck.ANY: "",
    ArgCheck.NUMBER: "number",
    ArgCheck.INT: "whole number",
    ArgCheck.STRING: "text",
    ArgCheck.DATETIME: "date",
    ArgCheck.BOOL: "true or false",
}


def _parsed(name: str, about: str, *args: str, optional: int = 0) -> FunctionSpec:
    """What is called like a function, but is read by the grammar: nothing calls it."""

    def nothing(*_: Any) -> None:
        return None

    kind = FunctionKind.WINDOW
    return FunctionSpec(name, nothing, about, tuple(map(Arg, args)), optional=optional, kind=kind)


PARSED = {
    spec.name: spec
    for spec in (
        _parsed("tumblingwindow", "Windows of one length, one after the other; in GROUP BY", "unit", "length"),
        _parsed("hoppingwindow", "Windows of one length that begin at a distance; in GROUP BY", "unit", "length", "distance"),
        _parsed(
            "slidingwindow", "A window that ends with each row, or some time after it; in GROUP BY", "unit", "length", "delay", optional=1
        ),
        _parsed(
            "sessionwindow",
            "Windows that end when nothing has come for a while, or after the longest time; in GROUP BY",
            "unit",
            "longest",
            "silence",
        ),
        _parsed("countwindow", "Windows of a number of rows, each or every so many; in GROUP BY", "rows", "distance", optional=1),
        _parsed(
            "statewindow",
            "Windows from a row for which one condition holds to one for which another does; in GROUP BY",
            "begin",
            "end",
            optional=1,
        ),
        _parsed(
            "dedup_trigger",
            "The parts of the time between two columns that were not given out lately, when the time is over; an item of the select list",
            "start",
            "end",
            "now",
            "expire",
        ),
    )
}
"""What has the form of a call and is no function."""

_INTRODUCTION = """\
# Functions

What expressions can call; [sql.md](sql.md) says where. This page is written by `plutino functions --markdown` from the specs of the
functions, and every example is run by a test. `plutino functions NAME` shows one of them, those of installed packages included.

- Arguments in brackets may be left out, `…` may be repeated. Names are found in any case; a result without alias is called like its
  function, in small letters.
- *Null gives*: what comes out when an argument is null, missing, or an empty list or map, without the function being called. Where the
  column is empty the function sees the null itself.
- Whole numbers of schemaless JSON are floats; the examples are written with literals.
"""


@click.command(short_help="SQL functions, with their arguments and examples.")
@click.argument("name", required=False)
@click.option("--markdown", is_flag=True, help="All of them as the page docs/functions.md.")
@json_option
def functions(name: str | None, markdown: bool, as_json: bool) -> None:
    """List the functions of SQL, or show one with its arguments and examples."""
    from plutino.app import components as discovered

    known = discovered().functions
    if name is not None:
        spec = known.get(name.lower()) or known.get(name) or PARSED.get(name.lower())
        if spec is None:
            near = nearest(name.lower(), [*known, *PARSED], 3) or sorted(known)[:3]
            raise Misuse(f"no function {name!r}", "did you mean " + ", ".join(near) + "?")
        if as_json:
            print_json(described(spec))
        else:
            click.echo("\n".join(_shown(spec)))
    elif markdown:
        click.echo(page(known), nl=False)
    elif as_json:
        print_json({spec.name: described(spec) for spec in _distinct(known)})
    else:
        print_table(("FUNCTION", "KIND", "ABOUT"), [(signature(spec), spec.kind.value, spec.about) for spec in _distinct(known)])


commands: Sequence[click.Command] = (functions,)


def page(known: Mapping[str, FunctionSpec]) -> str:
    """The whole page of documentation."""
    lines = [_INTRODUCTION]
    families: dict[str, list[FunctionSpec]] = {}
    for spec in _distinct(known):
        if spec.kind is FunctionKind.SCALAR:
            families.setdefault(_family(spec), []).append(spec)
    for title in sorted(families):
        lines += [f"## {title}", "", *_table(families[title]), ""]
    for kind, (title, text) in KINDS.items():
        specs = [spec for spec in _distinct(known) if spec.kind is kind]
        if specs:
            lines += [f"## {title}", "", text, "", *_table(specs), ""]
    lines += ["## Windows and triggers", "", "What has the form of a call, but is a part of the grammar.", ""]
    lines += ["| call | gives |", "| --- | --- |", *(f"| `{signature(spec)}` | {spec.about} |" for spec in PARSED.values())]
    return "\n".join(lines).rstrip("\n") + "\n"


def signature(spec: FunctionSpec) -> str:
    """How a function is called: ``round(x [, decimals])``."""
    least = len(spec.args) - spec.optional
    text = ", ".join(arg.name for arg in spec.args[:least])
    for arg in spec.args[least:]:
        text += f" [, {arg.name}]" if text else f"[{arg.name}]"
    return f"{spec.name}({text}{', …' if spec.variadic else ''})"


def described(spec: FunctionSpec) -> dict[str, Any]:
    """A function as JSON."""
    examples: list[dict[str, Any]] = [{"call": text, "gives": value} for text, value in spec.examples]
    examples += [{"call": text, "over": list(values), "gives": result} for text, values, result in spec.over_rows]
    return {
        "signature": signature(spec),
        "kind": spec.kind.value,
        "about": spec.about,
        "arguments": [{"name": arg.name, "literal": CHECKS[arg.check]} for arg in spec.args],
        "returns": spec.returns,
        "null": NULLS[spec.nulls] or None,
        "synonyms": list(spec.synonyms),
        "examples": examples,
    }


def _distinct(known: Mapping[str, FunctionSpec]) -> list[FunctionSpec]:
    """Each function once, by name."""
    return [spec for name, spec in sorted(known.items()) if name == spec.name]


def _family(spec: FunctionSpec) -> str:
    """What the module of a function says it is about."""
    name = getattr(spec.call, "__module__", None) or "others"
    module = sys.modules.get(name)
    about = (module.__doc__ or "").strip().splitlines() if module is not None else []
    return about[0].partition(" (")[0].rstrip(".") if about else name


def _table(specs: Sequence[FunctionSpec]) -> Iterator[str]:
    yield "| function | gives | null gives | examples |"
    yield "| --- | --- | --- | --- |"
    for spec in specs:
        synonyms = f"; also `{'`, `'.join(spec.synonyms)}`" if spec.synonyms else ""
        examples = "<br>".join(_examples(spec)).replace("|", "\\|")
        yield f"| `{signature(spec)}` | {spec.about}{synonyms} | {NULLS[spec.nulls]} | {examples} |"


def _examples(spec: FunctionSpec) -> Iterator[str]:
    for text, value in spec.examples:
        yield f"`{text}` → `{_literal(value)}`"
    for text, values, result in spec.over_rows:
        over = ", ".join(_literal(value) for value in values)
        given = ", ".join(_literal(r) for r in result) if spec.kind is not FunctionKind.AGGREGATE else _literal(result)
        yield f"`{text}` over `{over}` → `{given}`"


def _literal(value: Any) -> str:
    """A value as JSON, whole floats as the wire shows them."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, list):
        return "[" + ", ".join(map(_literal, value)) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(k)}: {_literal(v)}" for k, v in value.items()) + "}"
    return json.dumps(value, ensure_ascii=False, default=str)


def _shown(spec: FunctionSpec) -> Iterator[str]:
    yield signature(spec)
    yield ""
    yield f"{spec.about}."
    yield ""
    yield f"kind      {spec.kind.value}"
    yield f"returns   {spec.returns}"
    if NULLS[spec.nulls]:
        yield f"null      gives {NULLS[spec.nulls]}"
    if spec.synonyms:
        yield f"also      {', '.join(spec.synonyms)}"
    for arg in spec.args:
        if CHECKS[arg.check]:
            yield f"literal   {arg.name}: {CHECKS[arg.check]}"
    examples = [example.replace("`", "") for example in _examples(spec)]
    if examples:
        yield from ("", *examples)
