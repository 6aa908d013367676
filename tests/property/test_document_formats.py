"""Every format holds the whole configuration: out and in again is no change, and all formats say the same."""

from __future__ import annotations

import asyncio
import base64
import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from plutino.cli import layout
from plutino.control import BUNDLE, RULESET, SECTIONS, V1, V2, Controller, Format
from plutino.model import Ref
from plutino.spi import Mode, Origin
from unit.resources.archives import packed, portable, service
from unit.rest.kit import open_api

ORIGIN = Origin("import")
FORMATS: tuple[Format[Any], ...] = (V1, V2, BUNDLE)


def _package(name: str, files: Mapping[str, Any]) -> str:
    """A package as a ``data:`` URL."""
    with tempfile.TemporaryDirectory() as folder:
        packed(Path(folder) / name, dict(files))
        return "data:application/zip;base64," + base64.b64encode((Path(folder) / name).read_bytes()).decode()


PORTABLE, SERVICE = _package("adder.zip", portable()), _package("math.zip", service())

# Texts that some reader of YAML, JSON or file names could take for something else.
words = st.text(st.characters(exclude_categories=["Cs"]), max_size=12) | st.sampled_from(
    [
        "yes",
        "~",
        "1",
        "1.0",
        "0x1F",
        "2001-01-01",
        "a: b",
        "- a",
        "#",
        "multi\nline\n",
        "trailing ",
        "\t",
        "'\"",
        "\u2028",
        "=",
        "<<",
        "null",
    ]
)
names = st.from_regex(r"[a-zA-Z0-9_\-]{1,8}", fullmatch=True) | st.sampled_from(["A", "a", "con", "n", "True", "007", "x" * 200])
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=5,
)
properties = st.dictionaries(words.filter(lambda w: w.lower() not in ("interval", "timeout", "expiration", "lookup")), values, max_size=3)


def json_text(value: Any, pretty: bool) -> str:
    """JSON, in one of two spellings."""
    return json.dumps(value, ensure_ascii=pretty, indent=2 if pretty else None)


def _stream(name: str, options: dict[str, str], schema: str) -> str:
    written = ", ".join(f'{option}="{value}"' for option, value in options.items())
    return f'CREATE STREAM `{name}` ({schema}) WITH (TYPE="memory", DATASOURCE="t/{name}", {written})'


@st.composite
def configurations(draw: st.DrawFn) -> dict[str, dict[str, str]]:
    """A v1 document with objects of all kinds that an empty server takes."""
    pretty = draw(st.booleans())
    found: dict[str, dict[str, str]] = {section: {} for section in SECTIONS}
    options = st.fixed_dictionaries({"FORMAT": st.just("json")}, optional={"CONF_KEY": names, "SHARED": st.just("true")})
    schemas = st.sampled_from(["", "a BIGINT,\n  b STRING", "pos STRUCT(lat FLOAT)"])
    for name in draw(st.lists(names, max_size=3, unique=True)):
        found["streams"][name] = _stream(name, draw(options), draw(schemas))
    streams = list(found["streams"])
    for name in draw(st.lists(names.filter(lambda n: n not in streams), max_size=1)):
        found["tables"][name] = f'CREATE TABLE `{name}` (id BIGINT) WITH (TYPE="memory", DATASOURCE="k", KIND="lookup", KEY="id")'
    for id in draw(st.lists(names, max_size=3, unique=True)) if streams else ():
        fields = st.fixed_dictionaries(
            {"id": st.just(id), "sql": st.sampled_from([f"SELECT * FROM `{s}` WHERE 2 > 1.50" for s in streams])},
            optional={
                "triggered": st.booleans(),
                "name": words,
                "tags": st.lists(words, max_size=2),
                "options": st.fixed_dictionaries(
                    {}, optional={"qos": st.integers(0, 2), "bufferLength": st.just(0), "debug": st.booleans()}
                ),
                "note": values,
            },
        )
        rule = {**draw(fields), "actions": draw(st.lists(st.just({"nop": {"log": True}}), min_size=1, max_size=2))}
        found["rules"][id] = json_text(dict(draw(st.permutations(list(rule.items())))), pretty)
    for section in ("sourceConfig", "sinkConfig"):
        for kind in draw(st.lists(st.sampled_from(["mqtt", "simulator", "other.type"]), max_size=2, unique=True)):
            found[section][kind] = json_text(draw(st.dictionaries(names, properties, min_size=1, max_size=2)), pretty)
    connection = st.fixed_dictionaries({"server": st.just("tcp://127.0.0.1:1")}, optional={"password": words, "qos": st.integers(0, 2)})
    if ids := draw(st.dictionaries(names, connection, max_size=2)):
        found["connectionConfig"]["mqtt"] = json_text(ids, pretty)
    for name in draw(st.lists(st.sampled_from(["a.json", "sub/b.txt", "ü x.csv", "A.JSON"]), max_size=2, unique=True)):
        found["uploads"][name] = json_text({"name": name, "content": draw(words.filter(bool))}, pretty)
    for name in draw(st.lists(names, max_size=1)):
        content = f"message M {{ optional string v = {draw(st.integers(1, 9))}; }}\n// é\n"
        found["Schema"][f"protobuf_{name}"] = json_text({"type": "protobuf", "name": name, "content": content}, pretty)
    for name in draw(st.lists(st.sampled_from(["area", "vol"]), max_size=2, unique=True)):
        script = f"function {name}(x) {{\n  return x * 2;\n}}"
        found["scripts"][name] = json_text({"id": name, "description": draw(words), "script": script, "isAgg": draw(st.booleans())}, pretty)
    if draw(st.booleans()):
        found["portablePlugins"]["adder"] = json_text(
            {"name": "adder", "file": PORTABLE, "shellParas": draw(st.lists(words, max_size=1))}, pretty
        )
    if draw(st.booleans()):
        found["Service"]["math"] = json_text({"name": "math", "file": SERVICE}, pretty)
    if draw(st.booleans()):
        found["nativePlugins"]["sources_random"] = json_text({"name": "random", "file": "http://plugins.example/random.zip"}, pretty)
    return found


async def load(controller: Controller, form: Format[Any], document: Any) -> dict[str, int]:
    """A full import; gives what it counted."""
    result = await controller.import_document(document, form=form, partial=False, origin=ORIGIN)
    assert (result.faults, result.passed_over) == ((), ())
    return result.changeset.counts()


async def check(document: dict[str, dict[str, str]], binary: bytes, stopped: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with open_api(Path(folder) / "a") as first:
            control = first.controller
            await load(control, V1, json.dumps(document))
            async with control.holding(binary) as url:
                text = json.dumps({"name": "raw.bin", "file": url})
                await control.put(Ref("upload", "raw.bin"), text, mode=Mode.UPDATE, origin=ORIGIN)
            if stopped and document["rules"]:
                await control.trigger([next(iter(document["rules"]))], False, origin=ORIGIN)
            written = {form.name: await control.export(form) for form in FORMATS}
            total = sum(1 for _ in json_objects(written["v1"]))
            revision = control.revision
            for form in FORMATS:
                assert (await load(control, form, written[form.name])) == {"created": 0, "updated": 0, "deleted": 0, "unchanged": total}
                for other in FORMATS:
                    assert await control.export(other) == written[other.name], (form.name, other.name)
            assert control.revision <= revision + 1  # a rule's stored trigger moves into its text
            await check_folder(Path(folder) / "files", written["bundle"])
            for form in FORMATS:
                async with open_api(Path(folder) / form.name) as second:
                    assert (await load(second.controller, form, written[form.name]))["created"] == total
                    for other in FORMATS:
                        changed = await load(second.controller, other, written[other.name])
                        assert changed == {"created": 0, "updated": 0, "deleted": 0, "unchanged": total}, (form.name, other.name)
                    assert await second.controller.export(V2) == written["v2"]
                    assert await second.controller.export(BUNDLE) == written["bundle"]


async def check_folder(folder: Path, bundle: bytes) -> None:
    """A bundle unpacked to a folder and packed again is the same bundle."""
    layout.write_folder(layout.files_of(bundle), str(folder))
    if any(folder.iterdir()):
        assert layout.read_document(str(folder)).content == bundle


def json_objects(text: str) -> Any:
    """Every object of a v1 document."""
    for section, entries in json.loads(text).items():
        for entry in entries.values():
            yield from json.loads(entry) if section.endswith("Config") else (entry,)


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(configurations(), st.binary(min_size=1, max_size=20), st.booleans())
def test_all_formats_are_equivalent(document: dict[str, dict[str, str]], binary: bytes, stopped: bool) -> None:
    """Export, import, export again: the same bytes and no difference, in each format and across them, here and on an empty server."""
    asyncio.run(check(document, binary, stopped))


async def check_ruleset(document: dict[str, dict[str, str]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with open_api(Path(folder)) as api:
            await load(api.controller, V1, json.dumps(document))
            whole, ruleset = await api.controller.export(V1), await api.controller.export(RULESET)
            assert json.loads(ruleset) == {section: json.loads(whole)[section] for section in ("streams", "tables", "rules")}
            result = await api.controller.import_document(ruleset, form=RULESET, partial=True, origin=ORIGIN)
            assert {change.verb for change in result.changeset.changes} <= {"unchanged"}
            assert await api.controller.export(V1) == whole


@settings(deadline=None, max_examples=15, suppress_health_check=[HealthCheck.too_slow])
@given(configurations())
def test_a_ruleset_is_a_part_of_the_document(document: dict[str, dict[str, str]]) -> None:
    """The ruleset has the three sections as the whole document has them, and laying it over changes nothing."""
    asyncio.run(check_ruleset(document))
