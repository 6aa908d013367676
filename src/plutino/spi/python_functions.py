"""Python functions as SQL functions: ``@sql_function`` makes the spec out of a signature.

A package brings its functions by naming the module in its entry points::

    [project.entry-points."plutino.functions"]
    climate = "climate.functions"
"""

from __future__ import annotations

import inspect
from asyncio import CancelledError
from collections.abc import Callable, Sequence
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from msgspec import Struct

from plutino.errors import EvaluationError, PlutinoError
from plutino.spi.function import Arg, ArgCheck, FunctionSpec, Nulls

_CHECKS = {float: ArgCheck.NUMBER, int: ArgCheck.INT, str: ArgCheck.STRING, bool: ArgCheck.BOOL}
_RETURNS = {float: "float", int: "bigint", str: "string", bool: "boolean"}
_TAKES = {float: ("bigint", "float"), int: ("bigint", "float"), str: ("string",), bool: ("boolean",)}


def sql_function(
    name: str = "",
    *,
    vectorised: bool = False,
    pure: bool = True,
    examples: Sequence[tuple[str, Any]] = (),
) -> Callable[[Callable[..., Any]], FunctionSpec]:
    """Declare a Python function for SQL; the decorated name is its ``FunctionSpec``, which can still be called.

    - Parameters annotated ``float``, ``int``, ``str`` or ``bool`` get such values: whole numbers fit both kinds of numbers, anything else
      is an error of the row. Others get what there is. Defaults make arguments optional, ``*args`` takes any number, none
      included (a vectorised function gets at least one column: it says how many rows there are).
    - A null argument gives null without a call, unless some parameter is annotated with ``| None``.
    - The first line of the docstring is what ``plutino functions`` and ``GET /metadata/functions`` say of it.
    - ``vectorised``: parameters are annotated ``list[float]`` and the like; each call gets the values of many rows, column by column, and
      gives a list (or an array with ``tolist``) of as many results.
    - ``pure``: equal arguments give equal results, so that the engine may call it as often as it likes.
    - ``examples``: ``("dew_point(20, 60)", 12.0)``, shown in the documentation.

    What the function raises is an error of the row, an attempt to end the process too. PlutinoError here for a signature that SQL cannot
    call.
    """

    def declared(function: Callable[..., Any]) -> FunctionSpec:
        called = name or function.__name__
        hints = get_type_hints(function)
        parameters = list(inspect.signature(function).parameters.values())
        slots = [_slot(called, p, hints.get(p.name, Any), vectorised) for p in parameters]
        if vectorised and not slots:
            raise PlutinoError(f"SQL function {called}: no parameters; a vectorised one needs a column to know how many rows there are")
        result = hints.get("return", Any)
        result = _element(called, "its result", result) if vectorised and result is not Any else _plain(result)[0]
        optional = sum(p.default is not p.empty or p.kind is p.VAR_POSITIONAL for p in parameters)
        variadic = any(p.kind is p.VAR_POSITIONAL for p in parameters)
        many = _Many(called, function, slots, result) if vectorised else None
        return FunctionSpec(
            name=called,
            call=_One(function, slots, result) if many is None else many.one,
            about=(inspect.getdoc(function) or "").partition("\n")[0].rstrip("."),
            args=tuple(
                Arg(p.name, _CHECKS.get(slot.type, ArgCheck.ANY), _TAKES.get(slot.type, ()))
                for p, slot in zip(parameters, slots, strict=True)
            ),
            optional=min(optional, len(parameters) - 1) if vectorised else optional,
            variadic=variadic,
            returns=_RETURNS.get(result, "any"),
            nulls=Nulls.CALL if any(slot.null for slot in slots) else Nulls.NULL,
            kind_blind=pure,
            pure=pure,
            examples=tuple(examples),
            call_many=many,
        )

    return declared


class _Slot(Struct, frozen=True):
    """What a parameter takes: values of ``type`` (Any: all), and null where ``null``."""

    name: str
    type: Any
    null: bool

    def fit(self, value: Any) -> Any:
        """The value as the parameter wants it; EvaluationError when it does not fit."""
        kind = self.type
        if kind is Any or value.__class__ is kind or (value is None and self.null):
            return value
        if kind is float and value.__class__ is int:
            return float(value)
        if kind is int and value.__class__ is float and value.is_integer():
            return int(value)
        raise EvaluationError(f"expect {kind.__name__} for {self.name} but got {type(value).__name__}({value!r})")


def _slot(function: str, parameter: inspect.Parameter, hint: Any, vectorised: bool) -> _Slot:
    if parameter.kind in (parameter.KEYWORD_ONLY, parameter.VAR_KEYWORD):
        raise PlutinoError(f"SQL function {function}: parameter {parameter.name} can only be given by name; SQL gives them by position")
    if vectorised:
        return _Slot(parameter.name, _element(function, f"parameter {parameter.name}", hint), False)
    return _Slot(parameter.name, *_plain(hint))


def _plain(hint: Any) -> tuple[Any, bool]:
    """The class that an annotation stands for (Any when it is none of SQL's), and whether None is among what it allows."""
    choices = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    kinds = [choice for choice in choices if choice is not NoneType]
    return (kinds[0] if len(kinds) == 1 and kinds[0] in _CHECKS else Any), len(kinds) < len(choices)


def _element(function: str, what: str, hint: Any) -> Any:
    inner = get_args(hint)
    if get_origin(hint) is not list or len(inner) != 1:
        raise PlutinoError(f"SQL function {function}: {what} is annotated {hint!r}; a vectorised one works on lists, such as list[float]")
    return _plain(inner[0])[0]


class _One:
    """A function of single values as the engine calls it."""

    def __init__(self, function: Callable[..., Any], slots: Sequence[_Slot], result: Any) -> None:
        self._function, self._slots, self._result = function, slots, _Slot("the result", result, True)

    def __call__(self, *args: Any) -> Any:
        fitting = [slot.fit(arg) for slot, arg in zip(_repeated(self._slots, args), args, strict=True)]
        return self._result.fit(_calling(self._function, fitting))


class _Many:
    """A function of columns as the engine calls it."""

    def __init__(self, name: str, function: Callable[..., Any], slots: Sequence[_Slot], result: Any) -> None:
        self._name, self._function, self._slots, self._result = name, function, slots, _Slot("the result", result, True)

    def __call__(self, *columns: list[Any]) -> list[Any]:
        slots = _repeated(self._slots, columns)
        fitting = [
            column if slot.type is Any else [v if v.__class__ is slot.type else slot.fit(v) for v in column]
            for slot, column in zip(slots, columns, strict=True)
        ]
        made = _calling(self._listed, fitting)
        if len(made) != len(columns[0]):
            raise EvaluationError(f"{self._name} gave {len(made)} results for {len(columns[0])} rows")
        kind = self._result.type
        return made if kind is Any else [v if v.__class__ is kind else self._result.fit(v) for v in made]

    def _listed(self, *columns: list[Any]) -> list[Any]:
        found = self._function(*columns)
        return list(found.tolist() if hasattr(found, "tolist") else found)

    def one(self, *args: Any) -> Any:
        """The same for one row."""
        return self(*([arg] for arg in args))[0]


def _repeated(slots: Sequence[_Slot], args: Sequence[Any]) -> Sequence[_Slot]:
    """A slot for each argument: the last one repeats."""
    return [*slots[: len(args)], *(slots[-1],) * (len(args) - len(slots))]


def _calling(function: Callable[..., Any], args: Sequence[Any]) -> Any:
    try:
        return function(*args)
    except EvaluationError:
        raise
    except (KeyboardInterrupt, CancelledError, GeneratorExit):
        raise
    except BaseException as error:  # foreign code: whatever it raises, sys.exit() too, is an error of the row and of nothing else
        # What str() of a KeyError or an empty error says is not enough to find it by.
        text = str(error)
        raise EvaluationError(f"{type(error).__name__}: {text}" if text else type(error).__name__) from error
