"""Names that are most like a misspelt one, for suggestions."""

from __future__ import annotations

from collections.abc import Iterable


def nearest(word: str, known: Iterable[str], count: int = 1, cutoff: float = 0.6) -> list[str]:
    """At most ``count`` of the known names, the most similar first; ``cutoff`` 1 takes equal ones only, 0 all."""
    import difflib  # with the first mistake: hardly any server makes one

    return difflib.get_close_matches(word, list(known), count, cutoff)
