"""Contract of SQL functions: one spec per name gives the planner, the compiler, metadata and the docs what they need."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class FunctionKind(StrEnum):
    """How a function is called (sql reference §6.1)."""

    SCALAR = "scalar"
    AGGREGATE = "aggregate"
    ANALYTIC = "analytic"
    MULTI_COLUMN = "multi_column"
    MULTI_ROW = "multi_row"
    WINDOW = "window"
    CONTEXT = "context"


class ArgCheck(StrEnum):
    """What the planner refuses at an argument when it is a *literal* (columns and calls always pass)."""

    ANY = "any"
    NUMBER = "number - float or int"
    INT = "int"
    STRING = "string"
    DATETIME = "datetime"
    BOOL = "bool"


class Nulls(StrEnum):
    """What happens before the call when an argument is null, an empty list or an empty map."""

    CALL = "call"
    NULL = "null"
    FALSE = "false"
    ZERO = "zero"


@dataclass(frozen=True, slots=True)
class Arg:
    """One declared argument, for checks and documentation.

    ``takes``: names of the types that a value can have when rows come, where ``check`` does not tell: a number for NUMBER and INT, a
    number, text or moment for DATETIME, anything for all others. ``any`` stands for all. A column of another type is advised against.
    """

    name: str
    check: ArgCheck = ArgCheck.ANY
    takes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Literal:
    """What a validator sees of an argument: ``value`` when it is a literal (``known``)."""

    known: bool
    value: Any = None


@dataclass(frozen=True, slots=True)
class FunctionSpec:
    """A SQL function.

    ``call`` gets dialect values: ``int`` (bigint), ``float``, ``str``, ``bool``, ``None``, ``datetime`` (aware), ``bytes``, ``list``,
    ``dict``; numbers from schemaless JSON arrive as float. It must not change its arguments, is pure unless ``pure`` is False, and raises
    EvaluationError with the bare message; the engine adds ``call func NAME error: `` unless ``bare_errors``.

    - ``optional``: how many of ``args`` (from the end) may be left out; ``variadic``: the last argument may repeat
    - ``nulls``: guard that runs before ``call``
    - ``validate``: extra parse-time check over the arguments; returns an error text or None
    - ``kind_blind``: the result has the same JSON form and value whether a whole number comes as int or float, so the fast tier may
      call it without converting
    - ``returns``: type name for the planner (``float``, ``bigint``, ``string``, ``boolean``, ``any`` …)
    - for aggregates ``call`` gets the list of the values of a group first (nulls included), then the other arguments of its first row;
      ``incremental`` names the accumulator of the execution room where one exists (``count sum avg min max``)
    - ``whole_rows``: an aggregate that also gets the list of the group's whole rows, as its last argument
    - ``call_many``: the same for many rows at once, if there is such a thing: gets a list of values for each argument, all equally long and
      without nulls, and gives a list of as many results; EvaluationError when one of the rows fails
    - ``examples``: ``("round(2.567, 2)", 2.57)``: run as tests and shown in the docs
    - ``over_rows``: examples of functions that look at several rows, ``("sum(x)", (1, 2, None), 3.0)``: the call, the values of column x
      row by row, and what comes out: of an aggregate the value, of any other function a list with the value for each row (null where there
      is none) or the rows that it makes
    """

    name: str
    call: Callable[..., Any]
    about: str
    args: tuple[Arg, ...] = ()
    optional: int = 0
    variadic: bool = False
    returns: str = "any"
    kind: FunctionKind = FunctionKind.SCALAR
    nulls: Nulls = Nulls.CALL
    validate: Callable[[Sequence[Literal]], str | None] | None = None
    bare_errors: bool = False
    kind_blind: bool = False
    pure: bool = True
    synonyms: tuple[str, ...] = ()
    incremental: str | None = None
    whole_rows: bool = False
    examples: tuple[tuple[str, Any], ...] = field(default=())
    over_rows: tuple[tuple[str, tuple[Any, ...], Any], ...] = field(default=())
    call_many: Callable[..., list[Any]] | None = None
    count_error: str | None = None
    """Wire text when the number of arguments is wrong, where it is not the usual ``Expect N arguments but found M.``"""
    unavailable: str = ""
    """Why ``call`` cannot work here, for functions that a package only declares: rules that use one are checked, but do not start."""

    def __call__(self, *args: Any) -> Any:
        """The function itself, as Python calls it."""
        return self.call(*args)
