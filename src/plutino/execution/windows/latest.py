"""As-of joins: each row of one stream with the latest row of another that has the same key."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from plutino.execution.aggregates import group_text
from plutino.execution.entry import Entry, pack_entry, unpack_entry
from plutino.execution.windows.operator import Fired


class LatestWindow:
    """Gives each row of the first stream, at once, together with the latest row of source ``right`` that came before it and has its key.

    ``keys``: the key by source; what is null has no partner. ``age``: how old a partner may be (ms), 0 for any age. ``outer``: rows
    without partner are given too. One row is kept per key.
    """

    def __init__(self, right: int, age: int, keys: Mapping[int, Callable[[Entry], Any]], *, outer: bool) -> None:
        self._right = right
        self._age = age
        self._keys = keys
        self._outer = outer
        self._latest: dict[Any, Entry] = {}
        """By key, the row that came first in front."""

    def start(self, now: int) -> None:
        """Nothing depends on when the rule begins."""

    def add(self, entry: Entry) -> list[Fired]:
        self._forget(entry.time)
        key = self._keys[entry.source](entry)
        key = None if key is None else group_text(key)
        if entry.source == self._right:
            if key is not None:
                self._latest.pop(key, None)
                self._latest[key] = entry
            return []
        partner = self._latest.get(key)
        if partner is not None:
            return [Fired([entry, partner], partner.time, entry.time, entry.time)]
        return [Fired([entry], entry.time, entry.time, entry.time)] if self._outer else []

    def _forget(self, now: int) -> None:
        while self._age and self._latest:
            key, oldest = next(iter(self._latest.items()))
            if now - oldest.time <= self._age:
                return
            del self._latest[key]

    def advance(self, now: int) -> list[Fired]:
        return []

    def deadline(self) -> int | None:
        return None

    def snapshot(self) -> Any:
        return [pack_entry(entry) for entry in self._latest.values()]

    def restore(self, state: Any) -> None:
        self._latest = {}
        for packed in state:
            self.add(unpack_entry(packed))
