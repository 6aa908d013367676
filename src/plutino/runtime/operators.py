"""The operators of a run, as the status shows them: names, numbers, troubles."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from plutino.runtime.place import Place
from plutino.runtime.status import Node, Trouble
from plutino.spi import Drawing, Program

_NO_TROUBLE = Node("op", "")
_WINDOW_FILTER = "windowFilter"
"""Has the number of the window behind it."""


class Operators:
    """What a program and a drawing of its rule tell about operators. The program counts; what failed is noted here.

    ``kinds`` are the operators without numbers, ``push_us`` the last time measured of a batch.
    """

    __slots__ = ("_drawing", "_program", "_troubles", "kinds", "push_us")

    def __init__(self, program: Program, drawing: Drawing | None) -> None:
        self._program = program
        self._drawing = drawing
        self._troubles: dict[str, Trouble] | None = None
        self.kinds = tuple(map(_kind, program.operators))
        self.push_us = 0

    def known(self, kind: str, otherwise: int) -> str:
        """The operator ``kind`` where there is one, else that at the position ``otherwise``."""
        return kind if kind in self.kinds or not self.kinds else self.kinds[otherwise]

    def note(self, kind: str, now: int, text: str, count: int) -> None:
        """Something failed at an operator."""
        if self._troubles is None:
            self._troubles = {}
        trouble = self._troubles.get(kind)
        if trouble is None:
            trouble = self._troubles[kind] = Trouble()
        trouble.add(now, text, count)

    def names(self, index: int) -> list[str]:
        """As the status calls them, where ``index`` others stand before them; a lookup is called like its table."""
        return [
            kind if kind == name else f"{index + 1 + k - self.kinds[:k].count(_WINDOW_FILTER)}_{kind}"
            for k, (kind, name) in enumerate(zip(self.kinds, self._program.operators, strict=True))
        ]

    def nodes(self, places: Sequence[Place], index: int) -> list[Node]:
        """The operators, or the nodes of a drawing with the numbers of the operators that do their work."""
        counted = self._counted(places, index)
        if self._drawing is None:
            return counted
        rows = sum(place.feed.decoded - place.before.decoded for place in places)
        last = max((item.last_invocation for item in counted), default=0)
        # what fails in an operator shows at one node, the first that works in it
        failing: dict[int, int] = {}
        for number, (_, _, at) in enumerate(self._drawing.operators):
            if at.failing is not None:
                failing.setdefault(at.failing, number)
        found = []
        for number, (_, shown, at) in enumerate(self._drawing.operators):
            item = _drawn_node(shown, [counted[k] for k in at.operators], at.passes, rows, last)
            fails = at.failing
            trouble = counted[fails] if fails is not None and failing[fails] == number else _NO_TROUBLE
            found.append(
                replace(
                    item,
                    exceptions=trouble.exceptions,
                    last_exception=trouble.last_exception,
                    last_exception_at=trouble.last_exception_at,
                )
            )
        return found

    def _counted(self, places: Sequence[Place], index: int) -> list[Node]:
        found = []
        credited = sum(place.credited for place in places)
        came = any(place.feed.received > place.before.received for place in places)
        last = max((place.feed.last for place in places), default=0) if came else 0
        names = self.names(index)
        for k, (kind, counter) in enumerate(zip(self.kinds, self._program.counters, strict=True)):
            rows_in, rows_out, errors, *late = counter
            rows_in, rows_out = rows_in + credited, rows_out + credited
            if k == 0 and len(places) == 1 and self._program.inputs[places[0].feed.request.stream].guard is not None:
                # rows that the guard already told apart never reach the program, but they did reach the rule
                rows_in = max(rows_in, places[0].feed.decoded - places[0].before.decoded)
            trouble = self._troubles.get(kind) if self._troubles is not None else None
            found.append(
                Node(
                    "op",
                    names[k],
                    rows_in,
                    rows_out,
                    latency_us=self.push_us if k == 0 else 0,
                    last_invocation=last,
                    exceptions=max(errors, trouble.count if trouble is not None else 0),
                    last_exception=trouble.text if trouble is not None else "",
                    last_exception_at=trouble.at if trouble is not None else 0,
                    late=late[0] if late else 0,
                )
            )
        return found


def _drawn_node(name: str, operators: Sequence[Node], passes: bool, rows: int, last: int) -> Node:
    """A node of a drawing; ``rows``: how many came to the program."""
    given = sum(operator.records_out for operator in operators) if operators else rows
    if passes or not operators:
        return Node("op", name, given, given, last_invocation=last)
    return replace(operators[0], name=name, records_out=given)


def _kind(name: str) -> str:
    """The kind of an operator without its number (``3_filter``)."""
    head, _, rest = name.partition("_")
    return rest if head.isdigit() and rest else name
