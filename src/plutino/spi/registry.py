"""All components of this process, by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from plutino.spi.connector import ConnectorSpec
from plutino.spi.format import FormatSpec
from plutino.spi.function import FunctionSpec


@dataclass(frozen=True, slots=True)
class Registry:
    """Connectors, formats and functions (also by synonym)."""

    connectors: Mapping[str, ConnectorSpec] = field(default_factory=dict)
    formats: Mapping[str, FormatSpec] = field(default_factory=dict)
    functions: Mapping[str, FunctionSpec] = field(default_factory=dict)
