"""Functions over whole rows and windows: set-returning ones, changed columns, row numbers, values of the engine (reference §6.8, §6.9).

The engine computes these itself; their specs carry names, arguments and documentation.
"""

from __future__ import annotations

from typing import Any

from plutino.errors import EvaluationError
from plutino.spi import Arg, ArgCheck, FunctionKind, FunctionSpec


def _as_it_is(value: Any) -> Any:
    """The rows are made where the select list ends; inside an expression the argument itself counts."""
    return value


def _map(value: Any) -> Any:
    if value is not None and not isinstance(value, dict):
        raise EvaluationError("extract should use map")
    return value


def _engine(*_: Any) -> Any:
    """Computed by the engine; a call of its own gives null."""
    return None


def _context(name: str, about: str) -> FunctionSpec:
    return FunctionSpec(name=name, call=_engine, about=about, returns="bigint", kind=FunctionKind.CONTEXT, pure=False)


FUNCTIONS = (
    FunctionSpec(
        name="unnest",
        call=_as_it_is,
        about="One output row per element of a list; maps spread as columns",
        args=(Arg("list"),),
        kind=FunctionKind.MULTI_ROW,
        over_rows=(("unnest(x)", ([1, {"a": 2}],), [{"unnest": 1.0}, {"a": 2.0}]),),
    ),
    FunctionSpec(
        name="extract",
        call=_map,
        about="The keys of a map as columns of the row",
        args=(Arg("map"),),
        kind=FunctionKind.MULTI_ROW,
        over_rows=(("extract(x)", ({"a": 1, "b": 2},), [{"a": 1.0, "b": 2.0}]),),
    ),
    FunctionSpec(
        name="changed_cols",
        call=_engine,
        about="The columns whose value differs from the one before, each under a prefix and its name",
        args=(Arg("prefix", ArgCheck.STRING), Arg("ignore_null", ArgCheck.BOOL), Arg("column")),
        variadic=True,
        kind=FunctionKind.MULTI_COLUMN,
        pure=False,
        over_rows=(("changed_cols('c_', true, x)", (1, 1, 2), [{"c_x": 1}, {}, {"c_x": 2}]),),
    ),
    FunctionSpec(
        name="row_number",
        call=_engine,
        about="The position of a row in the output of its window, or in its partition under OVER",
        returns="bigint",
        kind=FunctionKind.WINDOW,
    ),
    FunctionSpec(
        name="meta",
        call=_engine,
        about="A value of the metadata of the row by its key, also source.key and key.inner; all of it for *",
        args=(Arg("key"),),
        kind=FunctionKind.CONTEXT,
        pure=False,
        over_rows=(("meta(topic)", (1,), ["hall/1"]), ("meta(nothing)", (1,), [None]), ("meta(*)->topic", (1,), ["hall/1"])),
    ),
    FunctionSpec(
        name="mqtt",
        call=_engine,
        about="The topic or the messageid of the MQTT message that the row came with",
        args=(Arg("topic or messageid"),),
        kind=FunctionKind.CONTEXT,
        pure=False,
        over_rows=(("mqtt(topic)", (1,), ["hall/1"]),),
    ),
    _context("window_start", "When the window begins, epoch ms; null without a window"),
    _context("window_end", "When the window ends, epoch ms; null without a window"),
    _context("window_trigger", "When the window was given out, epoch ms; null without a window"),
    _context("event_time", "The time of the row, or the end of the window in an aggregate query, epoch ms"),
    _context("rule_start", "When the rule began, epoch ms"),
    FunctionSpec(name="rule_id", call=_engine, about="The id of the rule", returns="string", kind=FunctionKind.CONTEXT),
    _context("last_hit_count", "How many rows the clause has taken before this one"),
    _context("last_hit_time", "When the clause took a row last, epoch ms; 0 before the first"),
    _context("last_agg_hit_count", "How many groups were given out before this one"),
    _context("last_agg_hit_time", "When a group was given out last, epoch ms; 0 before the first"),
)
