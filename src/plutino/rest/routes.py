"""Which action answers a request: paths with one segment per parameter, literal segments before parameters."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from plutino.spi import Action


@dataclass(frozen=True, slots=True)
class Match:
    """The action of a request with its path parameters, or the methods that the path knows when this one is not among them."""

    action: Action | None
    params: Mapping[str, str]
    methods: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Pattern:
    segments: tuple[str, ...]
    actions: dict[str, Action]

    @property
    def literals(self) -> int:
        return sum(not segment.startswith("{") for segment in self.segments)

    def params(self, segments: tuple[str, ...]) -> dict[str, str] | None:
        found = {}
        for wanted, segment in zip(self.segments, segments, strict=True):
            if wanted.startswith("{"):
                if not segment:
                    return None
                found[wanted[1:-1]] = segment
            elif wanted != segment:
                return None
        return found


class Routes:
    """All actions by path and method. Two actions for the same path and method are a defect."""

    def __init__(self, actions: Iterable[Action]) -> None:
        self.actions = tuple(actions)
        self._by_length: dict[int, list[_Pattern]] = {}
        known: dict[tuple[str, ...], _Pattern] = {}
        for action in self.actions:
            segments = _segments(action.path)
            pattern = known.get(segments)
            if pattern is None:
                pattern = known[segments] = _Pattern(segments, {})
                self._by_length.setdefault(len(segments), []).append(pattern)
            if action.method in pattern.actions:
                raise ValueError(f"{action.method} {action.path} is defined twice")
            pattern.actions[action.method] = action
        for patterns in self._by_length.values():
            patterns.sort(key=lambda p: -p.literals)

    def find(self, method: str, path: str) -> Match | None:
        """The match of a decoded path, None when no path fits. A path that fits twice goes to the first with the method."""
        segments = _segments(path)
        methods: list[str] = []
        for pattern in self._by_length.get(len(segments), ()):
            params = pattern.params(segments)
            if params is None:
                continue
            action = pattern.actions.get(method)
            if action is not None:
                return Match(action, params)
            methods.extend(pattern.actions)
        return Match(None, {}, tuple(dict.fromkeys(methods))) if methods else None


def cleaned(path: str) -> str:
    """A path without empty and relative segments; a slash at the end stays."""
    clean = "/" + posixpath.normpath(f"/{path}").lstrip("/")
    return f"{clean}/" if path.endswith("/") and clean != "/" else clean


def _segments(path: str) -> tuple[str, ...]:
    return tuple(path.split("/")[1:])
