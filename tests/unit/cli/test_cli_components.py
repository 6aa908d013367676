"""What `plutino components` says of connectors and formats."""

from __future__ import annotations

import json

import pytest

from plutino.cli import components, shell

Output = pytest.CaptureFixture[str]


def run(*arguments: str) -> int:
    """The command by itself."""
    return shell.run(shell.group_of(components.commands, "1"), ("components", *arguments))


def test_list(capsys: Output) -> None:
    """One row per component with what it can be."""
    assert run() == 0
    rows = {line.split()[0]: line for line in capsys.readouterr().out.splitlines()}
    assert "source, sink, lookup table" in rows["memory"]
    assert "format" in rows["json"]


def test_one_with_its_options(capsys: Output) -> None:
    """Options with type, shipped default, meaning and marks; nested ones with their path; secrets are marked."""
    assert run("mqtt") == 0
    text = capsys.readouterr().out
    assert "| `qos` | `0`, `1`, `2` | `1` |" in text
    assert "| `password` | text |  | Password (*secret*) |" in text
    assert "| `topic` | text |  | Topic to publish under (*required, template*) |" in text
    assert run("httppull") == 0
    assert "| `oAuth.access.url` |" in capsys.readouterr().out


def test_schemas_for_programs(capsys: Output) -> None:
    """--json gives a JSON schema per role."""
    assert run("memory", "--json") == 0
    assert json.loads(capsys.readouterr().out)["sink"]["properties"]["topic"]["type"] == "string"
    assert run("--json") == 0
    assert "mqtt" in json.loads(capsys.readouterr().out)


def test_unknown_component(capsys: Output) -> None:
    """The names that are known are the hint."""
    assert run("mqqt") == 2
    assert "known are binary, delimited, file" in capsys.readouterr().err
