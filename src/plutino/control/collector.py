"""The garbage collector during large changes."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

_LARGE = 500
"""Objects of the configuration from which on a change counts as large."""


@contextmanager
def collector_at_rest(objects: int) -> Iterator[None]:
    """Keep the collector off what a change of so many objects makes.

    A change makes many things that stay and hardly any that are garbage in circles, so looking at them again and again finds nothing, but
    holds up running rules for a tenth of a second each time. Afterwards all that is there counts as permanent.
    """
    if objects < _LARGE or not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
