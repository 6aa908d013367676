"""Finding components: leaf folders are scanned, installed packages come in through entry points.

A component module has module-level values that are ``ConnectorSpec``, ``FormatSpec`` or ``FunctionSpec`` (or tuples and lists of them).
Nothing is registered by name anywhere else.
"""

from __future__ import annotations

import importlib
import logging
import pkgutil
from collections.abc import Callable, Iterable, Iterator
from importlib.metadata import entry_points
from types import ModuleType
from typing import Final, TypeVar

from plutino.errors import PlutinoError
from plutino.spi.connector import ConnectorSpec
from plutino.spi.format import FormatSpec
from plutino.spi.function import FunctionSpec
from plutino.spi.registry import Registry
from plutino.spi.resource import ResourceSpec

T = TypeVar("T")

_LOG: Final = logging.getLogger(__name__)
"""The server's log takes it over; a command without a server shows it on stderr."""


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


def installed(group: str, kind: type[T]) -> Iterator[tuple[str, T]]:
    """Every spec that installed packages declare under an entry point group (a module or a spec), each with what names its origin.

    A package that does not load is left out, and the log says why: what is built in and the other packages go on without it.
    """
    for point in entry_points(group=group):
        origin = f"{point.dist.name if point.dist is not None else 'a package'}: entry point {point.name} of {group}"
        try:
            value = point.load()
        except (Exception, SystemExit) as error:  # foreign code: a broken package must not keep the engine from starting
            _leave_out(origin, str(error) if isinstance(error, PlutinoError) else f"{type(error).__name__}: {error}")
            continue
        if isinstance(value, ModuleType):
            yield from ((origin, spec) for spec in specs_in(value, kind))
        elif isinstance(value, kind):
            yield origin, value
        else:
            _leave_out(origin, f"{value!r}; a module or a {kind.__name__} is expected")


def discover(connectors: str, formats: str, functions: str) -> Registry:
    """The registry of the given leaf packages plus everything installed.

    A name that appears twice among the folders is an error, so that no component hides another; an installed component whose name is
    taken is left out, and the log says so.
    """
    return Registry(
        _by_name(scan(connectors, ConnectorSpec), installed("plutino.connectors", ConnectorSpec), lambda s: (s.name,)),
        _by_name(scan(formats, FormatSpec), installed("plutino.formats", FormatSpec), lambda s: (s.name,)),
        _by_name(scan(functions, FunctionSpec), installed("plutino.functions", FunctionSpec), lambda s: (s.name, *s.synonyms)),
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


def _by_name(own: Iterable[T], added: Iterable[tuple[str, T]], names: Callable[[T], tuple[str, ...]]) -> dict[str, T]:
    found: dict[str, T] = {}
    for spec in {id(s): s for s in own}.values():
        for name in names(spec):
            if name in found:
                raise PlutinoError(f"component {name} is defined twice; rename one of them")
            found[name] = spec
    for origin, spec in added:
        taken = [name for name in names(spec) if name in found]
        if not taken:
            found.update(dict.fromkeys(names(spec), spec))
        elif found[taken[0]] is not spec:
            _leave_out(origin, f"{taken[0]} is there already; rename it")
    return found


def _leave_out(origin: str, why: str) -> None:
    _LOG.error("left out: %s: %s", origin, why)
