"""What a rule with a window tells of its operators."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

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
) -> list[Numbers]:
    """The numbers of each operator: in front of the window rows are counted, behind it (or behind a lookup) windows.

    ``windowless``: there is no window, so everything is behind it.
    """
    found: list[Numbers] = []
    passed = windowless
    for name in names:
        if lookups is not None and name in lookups:
            passed = True
            found.append(list(lookups[name]))
        elif name.endswith("_window"):
            passed = True
            found.append(list(window))
        else:
            found.append(list(behind if passed else before))
    return found
