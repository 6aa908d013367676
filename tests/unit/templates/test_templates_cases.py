"""Recorded behaviour of Go's text/template with Sprig, one file of cases per family.

A case has a ``template``, perhaps ``data`` (else the file's), and ``output``, ``error`` (when run) or ``fault`` (when parsed). In data,
``{"$int64": 1}``, ``{"$int": 1}`` and ``{"$bytes": "a"}`` stand for values of those Go types; plain numbers are float64.
"""

from __future__ import annotations

import json
import random
from datetime import UTC
from pathlib import Path
from typing import Any

import pytest

from plutino.errors import TemplateError
from plutino.templates import Host, compile_template
from plutino.templates.go.values import Int

_FILES = sorted(Path(__file__).with_name("cases").glob("*.json"))


def _value(data: Any) -> Any:
    """Data of a case as a template gets them."""
    match data:
        case {"$int64": number}:
            return number
        case {"$int": number}:
            return Int(number)
        case {"$bytes": text}:
            return text.encode()
        case dict():
            return {key: _value(value) for key, value in data.items()}
        case list():
            return [_value(value) for value in data]
        case bool():
            return data
        case int():
            return float(data)
    return data


def _cases() -> list[Any]:
    found = []
    for path in _FILES:
        document = json.loads(path.read_text())
        for index, case in enumerate(document["cases"]):
            found.append(pytest.param(case, case.get("data", document["data"]), id=f"{path.stem}-{index}"))
    return found


@pytest.mark.parametrize(("case", "data"), _cases())
def test_template_gives_what_go_gives(case: dict[str, Any], data: Any) -> None:
    """Output, run-time error or parse error are those of the original, to the letter."""
    host = Host(now_ms=lambda: 1_700_000_000_000, zone=UTC, random=random.Random(1))
    if "fault" in case:
        with pytest.raises(TemplateError) as caught:
            compile_template(case["template"], host)
        assert str(caught.value) == case["fault"]
        return
    template = compile_template(case["template"], host)
    if "error" in case:
        with pytest.raises(TemplateError) as caught:
            template.render(_value(data))
        assert str(caught.value) == case["error"]
    else:
        assert template.render(_value(data)) == case["output"]


def test_every_family_of_functions_has_cases() -> None:
    """There is a file of cases for each family whose results can be recorded."""
    assert {"builtin", "dates", "dicts", "lists", "text", "integers", "floats", "regexes", "urls"} <= {path.stem for path in _FILES}
