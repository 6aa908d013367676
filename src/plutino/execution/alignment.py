"""Where the first boundary of a time window lies (sql reference §5.2)."""

from __future__ import annotations

from datetime import timedelta

from plutino.model.moment import from_epoch_ms, to_epoch_ms


def first_boundary(unit: str, step: int, now: int) -> int:
    """Epoch milliseconds of the first boundary for a rule that begins (or whose first row stands) at ``now``.

    ``step`` counts ``unit``. Boundaries follow the calendar unit above: hours the day, minutes the hour, seconds the minute,
    milliseconds the second, all in the server's zone. As in the original it may lie in the past when ``now`` is inside the
    ``step``-th unit.
    """
    moment = from_epoch_ms(now)
    match unit:
        case "dd":
            base, value, size = moment.replace(hour=0, minute=0, second=0, microsecond=0), 0, timedelta(days=1)
        case "hh":
            base, value, size = moment.replace(hour=0, minute=0, second=0, microsecond=0), moment.hour, timedelta(hours=1)
        case "mi":
            base, value, size = moment.replace(minute=0, second=0, microsecond=0), moment.minute, timedelta(minutes=1)
        case "ss":
            base, value, size = moment.replace(second=0, microsecond=0), moment.second, timedelta(seconds=1)
        case _:
            base, value, size = moment.replace(microsecond=0), moment.microsecond // 1000, timedelta(milliseconds=1)
    gap = step if value <= step else step * (value // step + 1)
    return to_epoch_ms(base + size * gap)
