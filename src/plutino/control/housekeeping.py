"""Memory of the process around large changes: the garbage collector, and what the allocator holds back."""

from __future__ import annotations

import ctypes
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
        give_back()


def settle() -> None:
    """What is there now lives as long as the process: the collector need not look at it again, and what was only needed to make it goes."""
    gc.collect()
    gc.freeze()
    give_back()


def give_back() -> None:
    """Return freed memory to the system where the C library offers that (glibc keeps it for itself otherwise)."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
