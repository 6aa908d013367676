"""Rules about the text of the repository that no linter knows."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MAX_LINES = 500

# Longer files, each with the reason why cutting it would make it harder to read.
LONG_FILES: dict[str, str] = {}

# Folders of somebody's machine, and hosts that the lock files must not tie a user to.
MACHINE_PATH = re.compile(r"(?<![\w.])/(?:work|root|home/\w+|Users/\w+)/|\bpypi\.org\b|\bpythonhosted\.org\b")


def tracked(*patterns: str) -> list[Path]:
    """The files of the repository that git knows, or would add."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *patterns]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    return [ROOT / name for name in listed if (ROOT / name).is_file()]


def test_files_stay_small() -> None:
    """No Python file is longer than 500 lines, unless the list above says why; and no entry of that list is stale."""
    long = {str(path.relative_to(ROOT)) for path in tracked("*.py") if len(path.read_text().splitlines()) > MAX_LINES}
    assert long == set(LONG_FILES)


def test_no_machine_paths() -> None:
    """Nothing in the repository names a folder of a developer's machine or the host of a package registry."""
    found = []
    for path in tracked():
        if path == Path(__file__):
            continue
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
            if MACHINE_PATH.search(line):
                found.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()[:120]}")
    assert found == []


def test_packages_say_what_they_are_for() -> None:
    """Every module of the package starts with a docstring."""
    silent = [str(p.relative_to(ROOT)) for p in tracked("src/*.py") if not p.read_text().lstrip().startswith(('"""', 'r"""'))]
    assert silent == []


def test_the_architecture_names_files_that_are_there() -> None:
    """Every folder and file in the tables of ARCHITECTURE.md exists."""
    package, room, gone = ROOT / "src" / "plutino", "", []
    for line in (ROOT / "ARCHITECTURE.md").read_text().splitlines():
        cells = [cell.strip() for cell in line.split("|")[1:-1]]
        if len(cells) == 4:
            gone += [name for name in re.findall(r"`([\w./]+)`", cells[1]) if name != "src/plutino" and not (package / name).exists()]
        elif len(cells) == 3:
            room = cells[0].strip("`") or room
            named = re.findall(r"`([\w/]+(?:\.py|/))`", cells[1])
            inside = re.findall(r"`(\w+\.py)`", cells[2])
            gone += [f"{room}{name}" for name in named if not (package / room / name).exists()]
            gone += [f"{room}{name}" for name in inside if not any((package / room / near / name).exists() for near in ("", *named))]
    assert gone == []
