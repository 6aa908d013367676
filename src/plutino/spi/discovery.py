"""Finding components: leaf folders are scanned, installed packages come in through entry points.

A component module has module-level values that are ``ConnectorSpec``, ``FormatSpec`` or ``FunctionSpec`` (or tuples and lists of them).
Nothing is registered by name anywhere else.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterable, Iterator
from importlib.metadata import entry_points
from types import ModuleType
from typing import TypeVar

from plutino.errors import PlutinoError
from plutino.spi.connector import ConnectorSpec
from plutino.spi.format import FormatSpec
from plutino.spi.function import FunctionSpec
from plutino.spi.registry import Registry
from plutino.spi.resource import ResourceSpec

T = TypeVar("T")


def specs_in(module: ModuleType, kind: type[T]) -> Iterator[T]:
    """Every spec of this kind among the module's values, also inside tuples and lists."""
    for value in list(vars(module).values()):
        members = value if isinstance(value, tuple | list) else (value,)
        for member in members:
            if isinstance(member, kind):
                yield member


def scan(package: str, kind: type[T]) -> Iterator[T]:
    """Every spec in the modules of a leaf folder (sub-packages of it are one component each)."""
    root = importlib.import_module(package)
    for info in sorted(pkgutil.iter_modules(root.__path__), key=lambda i: i.name):
        yield from specs_in(importlib.import_module(f"{package}.{info.name}"), kind)


def installed(group: str, kind: type[T]) -> Iterator[T]:
    """Every spec that installed packages declare under an entry point group (a module or a spec)."""
    for point in entry_points(group=group):
        value = point.load()
        if isinstance(value, ModuleType):
            yield from specs_in(value, kind)
        elif isinstance(value, kind):
            yield value
        else:
            raise PlutinoError(f"entry point {point.name} of {group}: {value!r}; a module or a {kind.__name__} is expected")


def discover(connectors: str, formats: str, functions: str) -> Registry:
    """The registry of the given leaf packages plus everything installed.

    A name that appears twice is an error, so that no component hides another.
    """
    return Registry(
        _by_name((*scan(connectors, ConnectorSpec), *installed("plutino.connectors", ConnectorSpec)), lambda s: (s.name,)),
        _by_name((*scan(formats, FormatSpec), *installed("plutino.formats", FormatSpec)), lambda s: (s.name,)),
        _by_name((*scan(functions, FunctionSpec), *installed("plutino.functions", FunctionSpec)), lambda s: (s.name, *s.synonyms)),
    )


def resource_kinds(package: str) -> dict[str, ResourceSpec]:
    """The kinds of a folder by name; each of its modules lists its specs in ``SPECS``."""
    root = importlib.import_module(package)
    found: dict[str, ResourceSpec] = {}
    for info in sorted(pkgutil.iter_modules(root.__path__), key=lambda i: i.name):
        for spec in importlib.import_module(f"{package}.{info.name}").SPECS:
            if spec.kind in found:
                raise PlutinoError(f"resource kind {spec.kind} is defined twice; rename one of them")
            found[spec.kind] = spec
    return found


def _by_name(specs: Iterable[T], names: Callable[[T], tuple[str, ...]]) -> dict[str, T]:
    found: dict[str, T] = {}
    for spec in {id(s): s for s in specs}.values():
        for name in names(spec):
            if name in found:
                raise PlutinoError(f"component {name} is defined twice; rename one of them")
            found[name] = spec
    return found
