"""Every connector that is found keeps the contract."""

from __future__ import annotations

import sys
from pathlib import Path
from subprocess import run

import pytest

from plutino.spi import ConnectorSpec, discover
from plutino.testing import check_lookup_spec, check_sink_spec, check_source_spec, check_unopened_sink_closes, sink_context, source_context

REGISTRY = discover("plutino.connectors", "plutino.formats", "plutino.functions")
CONNECTORS = list(REGISTRY.connectors.values())
SOURCES = [pytest.param(c, id=c.name) for c in CONNECTORS if c.source is not None]
SINKS = [pytest.param(c, id=c.name) for c in CONNECTORS if c.sink is not None]
LOOKUPS = [pytest.param(c, id=c.name) for c in CONNECTORS if c.lookup is not None]


@pytest.mark.parametrize("spec", SOURCES)
def test_source_keeps_the_static_contract(spec: ConnectorSpec, tmp_path: Path) -> None:
    """Options, shipped keys and examples of a source decode, and examples make sources."""
    check_source_spec(spec, source_context(str(tmp_path)))


@pytest.mark.parametrize("spec", SINKS)
def test_sink_keeps_the_static_contract(spec: ConnectorSpec, tmp_path: Path) -> None:
    """Options and examples of a sink decode, and examples make sinks."""
    check_sink_spec(spec, sink_context(str(tmp_path)))


@pytest.mark.parametrize("spec", SINKS)
async def test_sink_closes_without_having_been_opened(spec: ConnectorSpec, tmp_path: Path) -> None:
    """Closing is always possible."""
    await check_unopened_sink_closes(spec, sink_context(str(tmp_path)))


@pytest.mark.parametrize("spec", LOOKUPS)
def test_lookup_keeps_the_static_contract(spec: ConnectorSpec, tmp_path: Path) -> None:
    """Options and examples of a lookup decode, and examples make lookups."""
    check_lookup_spec(spec, source_context(str(tmp_path)))


@pytest.mark.parametrize("spec", [pytest.param(c, id=c.name) for c in CONNECTORS])
def test_connector_has_a_role_and_says_what_it_is(spec: ConnectorSpec) -> None:
    """A connector is a source, a sink, a lookup or a connection at least, and has a description."""
    assert spec.source or spec.sink or spec.lookup or spec.connection
    assert spec.about


def test_the_main_path_has_its_connectors() -> None:
    """Discovery finds what the original has built in and the demo needs."""
    assert {p.values[0].name for p in SOURCES} >= {"mqtt", "httppull", "httppush", "file", "memory", "simulator"}  # type: ignore[union-attr]
    assert {p.values[0].name for p in SINKS} >= {"mqtt", "rest", "file", "memory", "log", "logToMemory", "nop"}  # type: ignore[union-attr]


def test_discovery_imports_no_client_library() -> None:
    """Third-party clients are imported when they are used, so that an idle server stays small."""
    code = (
        "import sys; from plutino.spi import discover; discover('plutino.connectors', 'plutino.formats', 'plutino.functions');"
        "print([m for m in ('gmqtt', 'aiohttp', 'redis', 'sqlalchemy', 'ssl', 'csv') if m in sys.modules and m not in ('csv', 'ssl')])"
    )
    done = run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"PYTHONPATH": ":".join(sys.path)})
    assert done.stdout.strip() == "[]"
