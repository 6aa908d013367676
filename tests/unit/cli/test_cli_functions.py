"""What `plutino functions` says of the functions of SQL."""

from __future__ import annotations

import json

import pytest

from plutino.cli import functions, shell

Output = pytest.CaptureFixture[str]


def run(*arguments: str) -> int:
    """The command by itself."""
    return shell.run(shell.group_of(functions.commands, "1"), ("functions", *arguments))


def test_list(capsys: Output) -> None:
    """One row per function, with what it takes."""
    assert run() == 0
    rows = {line.split("(")[0].strip(): line for line in capsys.readouterr().out.splitlines()}
    assert {"lag", "sum", "unnest", "window_start"} <= set(rows)


def test_one_with_its_examples(capsys: Output) -> None:
    """Any case finds it; arguments, meaning and examples follow."""
    assert run("ROUND") == 0
    text = capsys.readouterr().out
    assert text.startswith("round(x [, decimals])")
    assert "round(2.567, 2) → 2.57" in text


def test_for_programs(capsys: Output) -> None:
    """--json gives one, or all by name."""
    assert run("round", "--json") == 0
    assert json.loads(capsys.readouterr().out)["signature"] == "round(x [, decimals])"
    assert run("--json") == 0
    assert "round" in json.loads(capsys.readouterr().out)


def test_unknown_function(capsys: Output) -> None:
    """The names that are near are the hint."""
    assert run("roudn") == 2
    assert "round" in capsys.readouterr().err
