"""Every payload format that is found keeps the contract."""

from __future__ import annotations

import pytest

from plutino.spi import FormatSpec, discover
from plutino.testing import check_format

FORMATS = discover("plutino.connectors", "plutino.formats", "plutino.functions").formats


@pytest.mark.parametrize("spec", [pytest.param(f, id=f.name) for f in FORMATS.values()])
def test_format_keeps_the_contract(spec: FormatSpec) -> None:
    """Garbage never raises, and what was encoded comes back."""
    check_format(spec)
