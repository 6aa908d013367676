"""Window constructors bound: lengths in milliseconds, conditions as expressions (sql reference §5.1)."""

from __future__ import annotations

from collections.abc import Sequence

from plutino.errors import PlanError
from plutino.planner.binder import Binder
from plutino.planner.plan import Scan, Window, WindowSpec
from plutino.planner.scope import Scope, SourceScope, error_at
from plutino.spi import RuleOptions
from plutino.sql import tree

UNIT_MS = {"dd": 86_400_000, "hh": 3_600_000, "mi": 60_000, "ss": 1000, "ms": 1}
LONGEST_MS = 36_500 * UNIT_MS["dd"]
"""A century: beyond it dates end before windows do."""
INTERVAL = "interval"
ASOF = "asof"


def bind_window(window: tree.Window, binder: Binder, options: RuleOptions) -> Window:
    """The window of GROUP BY. Its ``input`` is a placeholder; the planner puts it in its place."""
    condition = None if window.filter is None else binder.bind(window.filter)
    return Window(_nothing(binder), _spec(window, binder, options), condition)


def bind_interval(select: tree.Select, scope: Scope, binder: Binder) -> Window | None:
    """WITHIN or ASOF of a join as the window that it is: the rows of two streams that are close in time, or follow each other."""
    bounded = [(i, join) for i, join in enumerate(select.joins, 1) if join.within is not None or join.latest]
    if not bounded:
        return None
    right, join = bounded[0]
    word = "ASOF" if join.latest else "WITHIN"
    unit, length = join.within or ("ms", 0)
    streams = [i for i, source in enumerate(scope.sources.values()) if not source.content.is_table]
    if select.window is not None:
        what = "ASOF makes a join without a window" if join.latest else "WITHIN bounds a join without a window"
        raise error_at(join, f"{what}; leave out one of the two", binder.text)
    if len(bounded) > 1 or streams != [0, right]:
        told = f"{word} joins two streams, the one in FROM and the joined one; everything else must be a table"
        raise error_at(join, told, binder.text)
    kinds = ("INNER", "LEFT") if join.latest else ("INNER", "LEFT", "RIGHT")
    if join.kind not in kinds:
        raise error_at(join, f"{word} stands with {', '.join(kinds[:-1])} and {kinds[-1]} joins, not with {join.kind} JOIN", binder.text)
    if join.latest and not _is_equality(join.on, tuple(scope.sources), right):
        raise error_at(join, "ASOF needs ON with one equality between a column of each stream; put all else into WHERE", binder.text)
    if length * UNIT_MS[unit] > LONGEST_MS:
        raise error_at(join, f"{word} with {length} {unit}: at most {LONGEST_MS // UNIT_MS[unit]} are possible", binder.text)
    outer = {"LEFT": 0, "RIGHT": right}.get(join.kind)
    kind = ASOF if join.latest else INTERVAL
    return Window(_nothing(binder), WindowSpec(kind, unit, length, length * UNIT_MS[unit], size=length, outer=outer))


def _is_equality(on: tree.Expr | None, names: Sequence[str], right: int) -> bool:
    """Whether a condition is ``a.x = b.y`` between the first stream and the joined one."""
    match on:
        case tree.Binary(op="=", left=tree.Column(stream=left), right=tree.Column(stream=other)):
            return {left, other} == {names[0], names[right]}
        case _:
            return False


def _nothing(binder: Binder) -> Scan:
    source: SourceScope = next(iter(binder.scope.sources.values()))
    return Scan(source, ())


def _spec(window: tree.Window, binder: Binder, options: RuleOptions) -> WindowSpec:
    when = None if window.when is None else binder.bind(window.when)
    partition = tuple(binder.bind(p) for p in window.partition_by)
    if window.kind == "statewindow":
        begin, *rest = (binder.bind(a) for a in window.args)
        return WindowSpec(window.kind, "", 0, 0, begin=begin, emit=rest[0] if rest else None, partition=partition)
    numbers = [a.value for a in window.args if isinstance(a, tree.Literal) and isinstance(a.value, int)]
    if window.kind == "countwindow":
        length = numbers[0]
        every = numbers[1] if len(numbers) > 1 and numbers[1] > 0 else length
        return WindowSpec(window.kind, "", length, length, hop=every, size=length)
    unit = window.args[0]
    assert isinstance(unit, tree.TimeUnit)
    lengths = numbers[:1] if window.kind == "slidingwindow" else numbers[:2]  # a delay of zero is none
    if any(n <= 0 for n in lengths):
        raise PlanError(f"{window.kind} needs lengths above zero, but found {min(lengths)}")
    ms = [n * UNIT_MS[unit.unit] for n in numbers]
    if max(ms) > LONGEST_MS:
        most = LONGEST_MS // UNIT_MS[unit.unit]
        raise PlanError(f"{window.kind} with a length of {max(numbers)} {unit.unit}: at most {most} are possible")
    match window.kind:
        case "hoppingwindow":
            return WindowSpec(window.kind, unit.unit, numbers[1], ms[0], hop=ms[1], size=numbers[0])
        case "sessionwindow":
            return WindowSpec(window.kind, unit.unit, numbers[0], ms[0], hop=ms[1], size=numbers[0])
        case "slidingwindow":
            delay = ms[1] if len(ms) > 1 else 0
            return WindowSpec(
                window.kind, unit.unit, numbers[0], ms[0], delay=delay, when=when, version=options.window_version, size=numbers[0]
            )
        case _:
            return WindowSpec(window.kind, unit.unit, numbers[0], ms[0], size=numbers[0])
