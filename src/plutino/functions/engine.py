"""Functions that ask the process: its clock, its environment, its shared state (sql reference §6.9)."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from itertools import count
from typing import Any

from plutino.errors import EvaluationError
from plutino.model.moment import now, to_epoch_ms
from plutino.model.value import to_bool, to_datetime, to_float, to_int, to_text
from plutino.spi import Arg, ArgCheck, FunctionSpec, Nulls
from plutino.spi.function import Literal
from plutino.spi.state import keyed_state

_CASTS: dict[str, Callable[[Any], Any]] = {
    "bigint": to_int,
    "float": to_float,
    "string": to_text,
    "boolean": to_bool,
    "datetime": to_datetime,
}
_serial = count()


def _tstamp() -> int:
    return to_epoch_ms(now())


def _snowflake() -> str:
    """An id that grows with time: 41 bits of milliseconds, then a serial number of 12 bits."""
    return str((_tstamp() << 12) | (next(_serial) & 0xFFF))


def _props(name: Any) -> str:
    """A property from the environment variable ``KUIPER_PROPS_<NAME>``; ``et`` is the time, ``snowflake`` a new id."""
    key = to_text(name)
    if key == "et":
        return str(_tstamp())
    if key == "snowflake":
        return _snowflake()
    found = os.environ.get(f"KUIPER_PROPS_{key.upper()}")
    if found is None:
        raise EvaluationError("")
    return found


def _delay(ms: Any, value: Any) -> Any:
    """The value. A rule does not wait for it: one that blocks would hold up its neighbours."""
    to_int(ms)
    return value


def _keyed_state(key: Any, kind: Any, default: Any) -> Any:
    if type(kind) is not str or kind not in _CASTS:
        raise EvaluationError("unknow type, only support bigint, float, string, boolean and datetime")
    return _CASTS[kind](keyed_state.get(to_text(key), default))


def _keyed_kind(args: Sequence[Literal]) -> str | None:
    if len(args) > 1 and args[1].known and args[1].value not in tuple(_CASTS):
        return "expect one of following value for the 2nd parameter: bigint, float, string, boolean, datetime"
    return None


FUNCTIONS = (
    FunctionSpec(name="tstamp", call=_tstamp, about="The current time, epoch ms", returns="bigint", pure=False),
    FunctionSpec(
        name="props",
        call=_props,
        about="A property from the environment (KUIPER_PROPS_NAME), the time as text (et) or a new id (snowflake)",
        args=(Arg("name", ArgCheck.STRING),),
        returns="string",
        pure=False,
    ),
    FunctionSpec(
        name="delay",
        call=_delay,
        about="The second argument; rules never block",
        args=(Arg("ms"), Arg("value")),
        nulls=Nulls.NULL,
        examples=(("delay(5, 'x')", "x"),),
    ),
    FunctionSpec(
        name="get_keyed_state",
        call=_keyed_state,
        about="A value of the state that the rules of a process share, or a default",
        args=(Arg("key"), Arg("type", ArgCheck.STRING), Arg("default")),
        validate=_keyed_kind,
        pure=False,
    ),
)
