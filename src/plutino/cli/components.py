"""``components``: what this installation can read, write and decode, with every option, from the components' own specs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import click
from msgspec import NODEFAULT, Struct

from plutino.cli.output import Misuse, json_option, print_json, print_table
from plutino.model import format_duration
from plutino.spi import ConnectorSpec, Example, FormatSpec, Registry
from plutino.spi.options import Option, encode_options, flat_options, json_schema

ROLES = {"source": "Source", "sink": "Sink", "lookup": "Lookup table", "connection": "Connection"}
_NAMES = {"int": "number", "float": "number", "bool": "true/false", "any": "any", "struct": "object", "map": "object", "string": "text"}

_INTRODUCTION = """\
# Connectors and formats

What rules can read and write. This page is written by `plutino components --markdown` from the specs of the components; their tests run
the examples. `plutino components NAME` shows one of them, those of installed packages included.

- A **source** is the TYPE of a stream or table. Its options come from the configuration that CONF_KEY names (section `sourceConfig`), from
  the connection that `connectionSelector` names, and from the stream option EXTRA: see [configuration.md](configuration.md).
- A **sink** is an action of a rule: `{"mqtt": {"topic": "plant/alarms"}}`. Options of every sink (`sendSingle`, `dataTemplate`, …) are in
  [configuration.md](configuration.md) too.
- Durations are text like `500ms`, `10s`, `1m30s`, or numbers of milliseconds. Names of options match in any case. Options marked
  *template* may hold a data template, resolved for each message; those marked *secret* are masked wherever they are shown.
"""


@click.command(short_help="Connectors and formats, with every option.")
@click.argument("name", required=False)
@click.option("--markdown", is_flag=True, help="All of them as the page docs/connectors.md.")
@json_option
def components(name: str | None, markdown: bool, as_json: bool) -> None:
    """List connectors and formats, or show one with its options and examples."""
    from plutino.app import components as discovered

    registry = discovered()
    if name is not None:
        found = registry.connectors.get(name) or registry.formats.get(name)
        if found is None:
            raise Misuse(f"no connector or format {name!r}", "known are " + ", ".join(sorted((*registry.connectors, *registry.formats))))
        if as_json:
            print_json(_schemas(found))
        else:
            click.echo("\n".join(_section(found)))
    elif markdown:
        click.echo(page(registry), nl=False)
    elif as_json:
        print_json({spec.name: _schemas(spec) for spec in _sorted(registry)})
    else:
        print_table(("NAME", "KIND", "ABOUT"), [(spec.name, _kinds(spec), spec.about) for spec in _sorted(registry)])


commands: Sequence[click.Command] = (components,)


def page(registry: Registry) -> str:
    """The whole page of documentation."""
    lines = [_INTRODUCTION, "| name | kind | about |", "| --- | --- | --- |"]
    lines += [f"| [{spec.name}](#{spec.name.lower()}) | {_kinds(spec)} | {spec.about} |" for spec in _sorted(registry)]
    for spec in _sorted(registry):
        lines += ["", *_section(spec)]
    return "\n".join(lines) + "\n"


def _sorted(registry: Registry) -> list[ConnectorSpec | FormatSpec]:
    return [*sorted(registry.connectors.values(), key=lambda s: s.name), *sorted(registry.formats.values(), key=lambda s: s.name)]


def _kinds(spec: ConnectorSpec | FormatSpec) -> str:
    if isinstance(spec, FormatSpec):
        return "format"
    return ", ".join(label.lower() for role, label in ROLES.items() if getattr(spec, role) is not None)


def _models(spec: ConnectorSpec | FormatSpec) -> Iterator[tuple[str, type[Struct], tuple[Example, ...], Mapping[str, Any]]]:
    """Each role with its option model, its examples and its shipped defaults; lookup tables start from those of the source."""
    if isinstance(spec, FormatSpec):
        yield "Format", spec.options, (), {}
        return
    for role, label in ROLES.items():
        part = getattr(spec, role)
        if part is not None:
            shipping = spec.source if role == "lookup" and spec.source is not None else part
            yield label, part.options, getattr(part, "examples", ()), getattr(shipping, "defaults", {})


def _schemas(spec: ConnectorSpec | FormatSpec) -> dict[str, Any]:
    return {"about": spec.about, **{label.lower(): json_schema(model) for label, model, _, _ in _models(spec)}}


def _section(spec: ConnectorSpec | FormatSpec) -> Iterator[str]:
    yield f"## {spec.name}"
    yield ""
    yield f"{spec.about}."
    for label, model, examples, defaults in _models(spec):
        options = list(_options(flat_options(model), defaults))
        if label != "Format":
            yield ""
            yield f"### {label} {spec.name}"
        yield ""
        if isinstance(spec, ConnectorSpec) and label == "Source" and spec.source is not None and spec.source.datasource is not None:
            yield f"DATASOURCE: {spec.source.datasource.hint}."
            yield ""
        yield from ["| option | type | default | meaning |", "| --- | --- | --- | --- |", *options] if options else ["No options."]
        for example in examples:
            yield ""
            place = f", DATASOURCE `{example.datasource}`" if example.datasource else ""
            yield f"Example, {example.title}{place}:"
            yield from ("", "```json", json.dumps(example.options, ensure_ascii=False), "```")


def _options(options: Sequence[Option], defaults: Mapping[str, Any], path: str = "") -> Iterator[str]:
    for option in options:
        name, shape, opt = f"{path}{option.name}", option.shape, option.opt
        if shape.model is not None:
            yield from _options(flat_options(shape.model), {}, f"{name}.")
            continue
        marks = [mark for mark, is_set in (("required", opt.required), ("template", opt.dynamic), ("secret", opt.secret)) if is_set]
        meaning = opt.hint + (f" (*{', '.join(marks)}*)" if marks else "")
        yield f"| `{name}` | {_type(option)} | {_default(option, defaults)} | {meaning} |"


def _type(option: Option) -> str:
    values = option.opt.values or option.shape.values
    if values:
        return ", ".join(f"`{value}`" for value in values if value != "")
    kind = option.shape.kind
    return "list" if kind == "list" else _NAMES.get(kind, kind)


def _default(option: Option, defaults: Mapping[str, Any]) -> str:
    value = next((value for name, value in defaults.items() if name.lower() == option.name.lower()), option.default)
    if value is NODEFAULT or value is None or value in ("", [], {}):
        return ""
    if option.shape.kind == "duration" and isinstance(value, int):
        value = format_duration(value)
    value = encode_options(value) if isinstance(value, Struct) else value
    return f"`{value if isinstance(value, str) else json.dumps(value)}`"
