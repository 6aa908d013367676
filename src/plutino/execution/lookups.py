"""Joins with lookup tables: which queries the rows of a message ask, and what the answers make of them (sql reference §5.7)."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from msgspec import UNSET, Struct

from plutino.errors import EvaluationError, PlutinoError
from plutino.execution.entry import Entry, Span, pack_entry, unpack_entry
from plutino.execution.failures import StageError
from plutino.execution.joining import Row, is_match
from plutino.spi import LookupAnswer, LookupCall
from plutino.spi.suspension import key_of


class LookupCode(Struct, frozen=True):
    """One lookup join.

    - ``right`` is the number of the table among the sources, ``left`` keeps rows without partner
    - ``keys`` and ``fields`` as in ``LookupCall``; ``values(e, s)`` gives the values of the keys for a row
    - ``on(e)``: the rest of the condition, None where there is none
    - ``make``: a row of ``columns``; with ``whole`` the plan also reads the whole record
    """

    table: str
    right: int
    left: bool
    keys: tuple[str, ...]
    fields: tuple[str, ...]
    values: Callable[..., tuple[Any, ...]]
    on: Callable[[Row, Sequence[Any]], Any] | None
    make: Callable[..., Any]
    columns: tuple[str, ...]
    whole: bool


class Message(Struct):
    """The rows of one window (or one row with its partners) between its joins and its output."""

    rows: list[Row]
    span: Span


class Group(Struct):
    """What one push made, in order: messages, and errors that stand between them.

    ``rows`` it had when it began to wait. ``stage`` lookups are done; ``asked`` says per message, and row, which query it waits for (None:
    none). ``ready``: no lookup is left.
    """

    token: int
    arrival: int
    items: list[Message | StageError]
    rows: int = 0
    stage: int = 0
    asked: list[list[int | None]] = []
    ready: bool = False


class Held:
    """What one call makes where it must wait for lookups, in order."""

    __slots__ = ("items",)

    def __init__(self) -> None:
        self.items: list[Message | StageError] = []

    def fail(self, error: StageError) -> None:
        """A message failed before its lookups: its error stands in its place."""
        self.items.append(error)


class Waiting:
    """The groups of one program that wait, oldest first."""

    __slots__ = ("_codes", "_groups", "_memories", "_next", "counts", "rows")

    def __init__(self, codes: Sequence[LookupCode], memories: Sequence[Any]) -> None:
        self._codes = codes
        self._memories = memories
        self._groups: deque[Group] = deque()
        self._next = 0
        self.rows = 0
        """How many rows wait."""
        self.counts = [[0, 0, 0] for _ in codes]
        """Per lookup messages in, messages out, errors."""

    @property
    def oldest(self) -> int | None:
        """The token of the oldest group."""
        return self._groups[0].token if self._groups else None

    def add(self, items: list[Message | StageError], arrival: int) -> Group:
        """Let the items of one push wait."""
        group = Group(self._next, arrival, items, _rows(items))
        self._next += 1
        self.rows += group.rows
        self._groups.append(group)
        return group

    def calls(self, group: Group) -> tuple[LookupCall, ...]:
        """What the group must ask next; nothing once it is ready. A message whose key values fail is an error from here on."""
        while group.stage < len(self._codes):
            code, count = self._codes[group.stage], self.counts[group.stage]
            queries: dict[tuple[Any, ...], tuple[int, tuple[Any, ...]]] = {}
            group.asked = []
            for i, item in enumerate(group.items):
                asked: list[int | None] = []
                if isinstance(item, Message):
                    count[0] += 1
                    try:
                        asked = [self._query(code, row, queries) for row in item.rows]
                    except StageError as error:
                        count[2] += 1
                        group.items[i] = error
                group.asked.append(asked)
            if queries:
                return (LookupCall(code.table, code.fields, code.keys, tuple(values for _, values in queries.values())),)
            self.take(group, ())
        group.ready = True
        return ()

    def _query(self, code: LookupCode, row: Row, queries: dict[tuple[Any, ...], tuple[int, tuple[Any, ...]]]) -> int | None:
        try:
            values = code.values(row, self._memories)
        except EvaluationError as error:
            raise StageError(code.table, f"run Join error: {error}") from error
        if None in values:
            return None  # a null equals nothing
        key = key_of(values)
        known = queries.get(key)
        if known is None:
            known = queries[key] = (len(queries), values)
        return known[0]

    def find(self, token: int) -> Group:
        """The group with this token."""
        return next(group for group in self._groups if group.token == token)

    def take(self, group: Group, answers: Sequence[LookupAnswer]) -> None:
        """Join the rows of a group with the answers to what it asked."""
        code, count = self._codes[group.stage], self.counts[group.stage]
        made: dict[int, list[Entry]] = {}
        for i, (item, asked) in enumerate(zip(group.items, group.asked, strict=True)):
            if isinstance(item, Message):
                try:
                    for number in asked:
                        if number is not None and number not in made:
                            made[number] = _entries(code, answers[number], group.arrival)
                    item.rows = _joined(code, item, asked, made, self._memories)
                except StageError as error:
                    count[2] += 1
                    group.items[i] = error
                else:
                    count[1] += bool(item.rows)
        group.stage += 1

    def leaving(self) -> list[Group]:
        """The groups that are ready and wait for nobody, oldest first; they wait no more."""
        found: list[Group] = []
        while self._groups and self._groups[0].ready:
            group = self._groups.popleft()
            self.rows -= group.rows
            found.append(group)
        return found

    def unanswered(self) -> list[Group]:
        """The groups that are not ready, oldest first."""
        return [group for group in self._groups if not group.ready]

    def snapshot(self) -> Any:
        """Tokens go on where they were, so that who holds something by token can keep it."""
        return [self._next, [[g.token, g.arrival, g.stage, [_pack(item) for item in g.items]] for g in self._groups]]

    def restore(self, state: Any) -> None:
        self._next, groups = state
        self._groups.clear()
        for token, arrival, stage, packed in groups:
            items = [_unpack(item) for item in packed]
            self._groups.append(Group(token, arrival, items, _rows(items), stage, ready=stage == len(self._codes)))
        self.rows = sum(group.rows for group in self._groups)


def _rows(items: Sequence[Message | StageError]) -> int:
    return sum(len(item.rows) for item in items if isinstance(item, Message))


def _joined(
    code: LookupCode, message: Message, asked: Sequence[int | None], made: Mapping[int, Sequence[Entry]], memories: Sequence[Any]
) -> list[Row]:
    """The rows of a message with their partners. One failed query fails the message, as any failing row of a window does."""
    out: list[Row] = []
    right, on = code.right, code.on
    for row, number in zip(message.rows, asked, strict=True):
        found = False
        for partner in made[number] if number is not None else ():
            joined = (*row[:right], partner, *row[right + 1 :])
            if on is None or is_match(joined, on, memories):
                found = True
                out.append(joined)
        if not found and code.left:
            out.append(row)
    return out


def _entries(code: LookupCode, answer: LookupAnswer, time: int) -> list[Entry]:
    if isinstance(answer, PlutinoError):
        raise StageError(code.table, answer.message)
    columns = code.columns
    return [
        Entry(code.make(*[record.get(name, UNSET) for name in columns]), time, {}, record if code.whole else None, (), code.right)
        for record in answer
    ]


def _pack(item: Message | StageError) -> Any:
    if isinstance(item, StageError):
        return [item.stage, str(item)]
    return [[[pack_entry(entry) for entry in row] for row in item.rows], item.span]


def _unpack(packed: Any) -> Message | StageError:
    first, second = packed
    if isinstance(first, str):
        return StageError(first, second)
    start, end, trigger = second
    return Message([tuple(unpack_entry(entry) for entry in row) for row in first], (start, end, trigger))
