"""What installed packages bring: taken in when it loads, left out and told when it does not."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from plutino.spi import Registry, discover

DECLARED = 'from plutino.spi import sql_function\n\n@sql_function()\ndef {name}(t: float) -> float:\n    """It."""\n    return t\n'


def _discover(folder: Path, monkeypatch: pytest.MonkeyPatch, module: str, text: str) -> Registry:
    (folder / f"{module}.py").write_text(text)
    about = folder / f"{module}-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(f"[plutino.functions]\n{module} = {module}\n")
    monkeypatch.syspath_prepend(str(folder))
    try:
        return discover("plutino.connectors", "plutino.formats", "plutino.functions")
    finally:
        sys.modules.pop(module, None)


def test_an_installed_function_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """Beside what is built in, and nothing has to be said about it."""
    registry = _discover(tmp_path, monkeypatch, "good_package", DECLARED.format(name="brought_by_a_package"))
    assert "brought_by_a_package" in registry.functions
    assert "upper" in registry.functions
    assert caplog.messages == []


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("import nosuchmodule", "ModuleNotFoundError: No module named 'nosuchmodule'"),
        ("def broken(:", "SyntaxError: "),
        ("raise SystemExit(3)", "SystemExit: 3"),
        (DECLARED.format(name="upper"), "upper is there already; rename it"),
    ],
)
def test_a_package_that_is_no_use_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, text: str, told: str
) -> None:
    """The log names the package and why; everything else is there."""
    registry = _discover(tmp_path, monkeypatch, "bad_package", text)
    assert registry.functions["upper"].about
    [message] = caplog.messages
    assert message.startswith(f"left out: bad_package: entry point bad_package of plutino.functions: {told}")
