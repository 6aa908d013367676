"""Documentation executes: every example of every page is run against a real server, and tables are what they describe."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from e2e.docs_runner import ROOT, Reader
from e2e.harness import Server
from plutino.app import components
from plutino.cli.components import page as connectors_page
from plutino.cli.functions import page as functions_page

PAGES = (
    *(
        "README.md",
        "docs/getting-started.md",
        "docs/cli.md",
        "docs/configuration.md",
        "docs/rest.md",
        "docs/extensions.md",
        "docs/transfer.md",
        "docs/security.md",
    ),
    "examples/plant/README.md",
)


@pytest.mark.parametrize("name", PAGES)
def test_page(name: str, tmp_path: Path) -> None:
    """Commands work, and print what the page shows."""
    server = Server(tmp_path / "data")
    folder = tmp_path / "reader"
    folder.mkdir()
    try:
        Reader(ROOT / name, folder, server).work()
    finally:
        server.stop()


def test_connectors_page_is_what_the_specs_say() -> None:
    """docs/connectors.md is written by `plutino components --markdown`; run it again after changing a component."""
    assert (ROOT / "docs/connectors.md").read_text() == connectors_page(components())


def test_functions_page_is_what_the_specs_say() -> None:
    """docs/functions.md is written by `plutino functions --markdown`; its examples are run by tests/conformance."""
    assert (ROOT / "docs/functions.md").read_text() == functions_page(components().functions)


def test_no_page_is_forgotten() -> None:
    """Every page is run, here or (SQL) by tests/corpus, written by a command, or known to hold no examples."""
    elsewhere = {"docs/connectors.md", "docs/functions.md", "docs/sql.md"}
    without = {"ARCHITECTURE.md", "CHANGELOG.md", "docs/differences.md", *elsewhere}
    pages = {str(path.relative_to(ROOT)) for path in (*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("examples/*/*.md"))}
    assert pages == without | set(PAGES)
    for name in sorted(without - elsewhere):
        assert re.findall(r"^```(?!text$)\w+", (ROOT / name).read_text(), re.MULTILINE) == []


def test_links_lead_somewhere() -> None:
    """Every relative link of every page names a file that exists."""
    for page in (*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("examples/*/*.md")):
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text()):
            if "://" not in target:
                assert (page.parent / target).exists(), f"{page.relative_to(ROOT)} links to {target}"


def test_architecture_names_every_folder() -> None:
    """The table of folders has exactly the folders and modules of the package."""
    table = set(re.findall(r"^\| \d+ \| `([\w./]+)` \|", (ROOT / "ARCHITECTURE.md").read_text(), re.MULTILINE))
    package = ROOT / "src/plutino"
    folders = {f"{path.name}/" for path in package.iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert table == folders | {path.name for path in package.glob("[a-z]*.py")}
