"""What a rule with a window tells of its operators."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from plutino.execution.ordering import EventOrder

Numbers = list[int]
"""Rows (or windows) in, out, and how many failed."""


def by_operator(
    names: Sequence[str],
    before: Numbers,
    window: Numbers,
    behind: Numbers,
    *,
    lookups: Mapping[str, Numbers] | None = None,
    windowless: bool = False,
    order: EventOrder | None = None,
) -> list[Numbers]:
    """The numbers of each operator: in front of the window rows are counted, behind it (or behind a lookup) windows.

    ``windowless``: there is no window, so everything is behind it. ``order``: what holds rows until the watermark.
    """
    found: list[Numbers] = []
    passed = windowless
    for name in names:
        if order is not None and name.endswith("_watermark"):
            found.append(order.counts(before[0]))
        elif lookups is not None and name in lookups:
            passed = True
            found.append(list(lookups[name]))
        elif name.endswith("_window"):
            passed = True
            found.append(list(window))
        else:
            found.append(list(behind if passed else before))
    return found
