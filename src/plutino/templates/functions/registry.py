"""How a template function is declared, and where the compiler finds it.

A family declares its functions with their Go signatures::

    @define("trunc", "int, string -> string")
    def trunc(length: int, text: str) -> str: ...

Parameters are ``any`` (every value, nil is ``None``), ``value`` (the same, but a missing key is ``MISSING``), ``string``, ``int``,
``bool``, ``float64``, ``uint32``, ``map`` and ``time``; the compiler checks arguments against them, so that a function gets what it
declares. ``...`` before the last one makes it variadic. The result is ``string``, ``int`` (the compiler makes it an ``Int``), ``int64``,
``float64``, ``bool`` or ``any``. ``grows`` marks functions that can make much out of little: templates with them are counted. ``host``
functions get the ``Host`` as first argument.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar

from plutino.templates import functions

_PARAMETERS = frozenset({"any", "value", "string", "int", "bool", "float64", "uint32", "map", "time"})
_RESULTS = frozenset({"any", "string", "int", "int64", "float64", "bool"})

_F = TypeVar("_F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Function:
    """One function: its parameters, the type of further ones (``None`` when it is not variadic) and its result."""

    name: str
    parameters: tuple[str, ...]
    variadic: str | None
    result: str
    call: Callable[..., Any]
    grows: bool = False
    host: bool = False


_declared: dict[str, Function] = {}


def define(names: str, signature: str, *, grows: bool = False, host: bool = False) -> Callable[[_F], _F]:
    """Declare a function under one or more names, separated by spaces."""
    left, _, result = signature.rpartition("->")
    written = [p.strip() for p in left.split(",") if p.strip()]
    variadic = written.pop().removeprefix("...") if written and written[-1].startswith("...") else None
    result = result.strip()
    unknown = {*written, *([variadic] if variadic else [])} - _PARAMETERS
    if unknown or result not in _RESULTS:
        raise ValueError(f"signature of {names}: {signature!r}; parameters are {sorted(_PARAMETERS)}, results {sorted(_RESULTS)}")

    def declare(call: _F) -> _F:
        for name in names.split():
            if name in _declared:
                raise ValueError(f"template function declared twice: {name}")
            _declared[name] = Function(name, tuple(written), variadic, result, call, grows, host)
        return call

    return declare


@cache
def all_functions() -> dict[str, Function]:
    """Every function by name; the families are imported at the first call."""
    for module in pkgutil.iter_modules(functions.__path__):
        importlib.import_module(f"{functions.__name__}.{module.name}")
    return dict(_declared)
