"""The shape of the house: who may import whom, and what discovery costs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).resolve().parents[2]

# What an idle server may have loaded after discovery; every other third-party library waits until a component is opened.
LOADED_BY_DISCOVERY = {"msgspec", "yaml", "_yaml", "click", "uvloop", "typing_extensions"}

DISCOVER = """
import json, sys, sysconfig
import plutino.app
plutino.app.components()
site = tuple({sysconfig.get_path("purelib"), sysconfig.get_path("platlib")})
files = {name: getattr(module, "__file__", None) or "" for name, module in sys.modules.items()}
print(json.dumps(sorted({name.partition(".")[0] for name, file in files.items() if file.startswith(site)})))
"""


def run(*command: str) -> subprocess.CompletedProcess[str]:
    """Run a command in the repository, with the sources on the path."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "COLUMNS": "140"}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=120)


def test_import_contracts_hold() -> None:
    """All contracts of [tool.importlinter] in pyproject.toml hold."""
    result = run(sys.executable, "-c", "from importlinter.cli import lint_imports_command; lint_imports_command()")
    assert result.returncode == 0, result.stdout + result.stderr


def test_no_file_reads_another_in_a_circle() -> None:
    """Imports have an order, those for type checkers included."""
    graph = grimp.build_graph("plutino", cache_dir=None)
    order = TopologicalSorter({module: graph.find_modules_directly_imported_by(module) for module in graph.modules})
    try:
        order.prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


def test_discovery_loads_no_optional_library() -> None:
    """Scanning the leaf folders loads no library that only an opened component needs."""
    result = run(sys.executable, "-c", DISCOVER)
    assert result.returncode == 0, result.stderr
    assert set(json.loads(result.stdout)) - LOADED_BY_DISCOVERY - {"plutino", "__editable___plutino", "_distutils_hack"} == set()
