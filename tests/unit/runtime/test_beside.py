"""Programs whose work is done beside the event loop, piece by piece."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Executor, Future
from typing import Any

import pytest

from plutino.errors import EvaluationError
from plutino.model import Batch
from plutino.runtime.plugins.beside import NO_STATE, Beside, hand_over
from plutino.runtime.plugins.plugin import request_of, result_of
from plutino.spi import InputNeed, LookupAnswer, LookupCall, Suspended
from plutino.spi.outside import OutsideFunction


class Hand(Executor):
    """Does the work that was handed over when it is told to."""

    def __init__(self) -> None:
        self.work: list[Callable[[], None]] = []

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        self.work.append(lambda: fn(*args, **kwargs))
        return Future()

    async def do(self) -> None:
        """One piece."""
        self.work.pop(0)()
        await asyncio.sleep(0)


class Adder:
    """A program that adds to each value what a plugin gives, and keeps the sum; with ``looks_up`` each batch needs an answer of a table."""

    def __init__(self, looks_up: bool = False) -> None:
        self.sum = 0
        self.deadline: int | None = None
        self.function = OutsideFunction("p", "plus", "0")
        self.looks_up = looks_up
        self.held: dict[int, Batch] = {}
        self.token = 0

    inputs: Mapping[str, InputNeed] = {"demo": InputNeed(("a",), twin=lambda batch: batch)}
    json_numbers: Collection[str] | None = ()
    operators: Sequence[str] = ("2_project",)
    counters: Sequence[list[int]] = ([0, 0, 0],)
    tables: Sequence[str] = ("devices",)

    @property
    def oldest(self) -> int | None:
        return min(self.held, default=None)

    @property
    def waiting(self) -> int:
        return sum(len(batch) for batch in self.held.values())

    def push(self, stream: str, batch: Batch) -> Batch | Suspended | None:
        rows = [{"a": self.function(row["a"])} for row in batch.rows]
        self.sum += len(rows)
        self.deadline = 10 * self.sum
        if not self.looks_up:
            return Batch(rows)
        self.token += 1
        self.held[self.token] = Batch(rows)
        return Suspended(self.token, (LookupCall("devices", ("*",), ("id",), ((1,),)),))

    def resume(self, token: int, answers: Sequence[Sequence[LookupAnswer]]) -> Batch | Suspended | None:
        return self.held.pop(token)

    def suspended(self) -> Sequence[Suspended]:
        return ()

    def advance(self, now: int) -> Batch | Suspended | None:
        self.deadline = None
        return Batch([{"now": now}])

    def next_deadline(self) -> int | None:
        return self.deadline

    def start(self, now: int) -> None:
        self.deadline = None

    def snapshot(self) -> bytes:
        return str(self.sum).encode()

    def restore(self, state: bytes) -> None:
        self.sum = int(state)


class Calls:
    """Carries calls out at once, unless it is told that they fail."""

    failing = False

    def call(self, plugin: str, symbol: str, args: Sequence[Any]) -> Any:
        if self.failing:
            raise EvaluationError("no answer")
        return args[0] + 1


class Stage:
    """A program beside, and what it gave."""

    def __init__(self, program: Adder | None = None) -> None:
        self.program = program or Adder()
        self.hand = Hand()
        self.calls = Calls()
        self.beside = Beside(self.program, self.hand, self.calls)
        self.out: list[Any] = []

    def take(self, made: Batch | Suspended | None) -> None:
        """What the runtime does with what leaves a program."""
        if not isinstance(made, Suspended):
            self.out += made.rows if made is not None else []
            return
        (call,) = made.calls
        if call.table == "devices":
            self.take(self.beside.resume(made.token, [[[{"id": 1}]]]))
            return
        self.beside.ask(call, lambda _, done: self.take(self.beside.resume(made.token, [[done]])))

    def push(self, *values: int) -> None:
        """Rows with these values."""
        self.take(self.beside.push("demo", Batch([{"a": value} for value in values])))


async def test_work_is_done_piece_by_piece() -> None:
    """In order, and nothing before its turn."""
    stage = Stage()
    stage.push(1, 2)
    stage.push(3)
    assert (stage.out, stage.beside.waiting, len(stage.hand.work)) == ([], 3, 1)
    first = stage.beside.oldest
    await stage.hand.do()
    assert (stage.out, stage.beside.waiting, len(stage.hand.work)) == ([{"a": 2}, {"a": 3}], 1, 1)
    assert stage.beside.oldest != first
    await stage.hand.do()
    assert (stage.out[2:], stage.beside.waiting, stage.beside.oldest) == ([{"a": 4}], 0, None)
    assert stage.beside.inputs["demo"].twin is None


async def test_what_a_program_raises_comes_up_where_it_is_kept() -> None:
    """And not on the thread; calls outside of a rule are refused."""
    stage = Stage()
    stage.calls.failing = True
    suspended = stage.beside.push("demo", Batch([{"a": 1}]))
    found: list[Any] = []
    stage.beside.ask(suspended.calls[0], lambda _, done: found.append(done))
    await stage.hand.do()
    with pytest.raises(EvaluationError, match="no answer"):
        stage.beside.resume(suspended.token, [found])
    with pytest.raises(EvaluationError, match="can only be called by a rule"):
        OutsideFunction("p", "plus", "0")(1)


async def test_deadlines_are_those_after_the_work() -> None:
    """While the passing of time waits for its turn there is none."""
    stage = Stage()
    moves: list[int | None] = []
    stage.beside.moved = lambda: moves.append(stage.beside.next_deadline())
    stage.beside.start(0)
    stage.push(1)
    assert stage.beside.next_deadline() is None
    await stage.hand.do()
    assert moves == [10]
    stage.take(stage.beside.advance(10))
    assert stage.beside.next_deadline() is None
    stage.push(1)
    await stage.hand.do()
    await stage.hand.do()
    assert stage.out == [{"a": 2}, {"now": 10}, {"a": 2}]
    assert moves == [10, None, 20]


async def test_a_state_stands_between_two_pieces() -> None:
    """It has what was there when it was asked for, and nothing that came later."""
    stage = Stage()
    stage.push(1)
    state = stage.beside.state_after()
    stage.push(1)
    assert not state.done()
    await stage.hand.do()
    assert await state == b"1"
    await stage.hand.do()
    last = stage.beside.state_after()
    assert await last == b"2"
    stage.push(1)
    lost = stage.beside.state_after()
    stage.beside.close()
    assert lost.cancelled()
    await stage.hand.do()
    assert len(stage.out) == 2


async def test_the_next_version_waits_for_the_state() -> None:
    """Its rows wait until the first has done its work."""
    old, new = Stage(), Stage()
    told: list[str] = []
    old.push(1)
    hand_over(old.beside, new.beside, lambda: told.append("then"))
    new.push(5)
    assert new.hand.work == []
    await old.hand.do()
    await asyncio.sleep(0)
    assert (told, new.program.sum) == (["then"], 1)
    await new.hand.do()
    assert (new.out, new.program.sum) == ([{"a": 6}], 2)


async def test_a_version_that_never_gives_its_state() -> None:
    """The next one begins without."""
    old, new = Stage(), Stage()
    old.push(1)
    hand_over(old.beside, new.beside, lambda: None)
    old.beside.close()
    await asyncio.sleep(0)
    new.push(5)
    await new.hand.do()
    assert (new.out, new.program.sum) == ([{"a": 6}], 1)


async def test_lookups_inside_wait_twice() -> None:
    """Rows that were worked on ask their table, and go on beside the event loop again."""
    stage = Stage(Adder(looks_up=True))
    assert stage.beside.tables == ("$plugins", "devices")
    stage.push(1)
    await stage.hand.do()
    assert (stage.out, len(stage.hand.work)) == ([], 1)
    await stage.hand.do()
    assert (stage.out, stage.beside.waiting, stage.beside.oldest) == ([{"a": 2}], 0, None)


async def test_a_program_without_state_has_one_nevertheless() -> None:
    """So that its rows may wait."""
    stage = Stage()
    stage.program.snapshot = lambda: b""  # type: ignore[method-assign]
    assert stage.beside.snapshot() == NO_STATE
    stage.beside.restore(NO_STATE)
    assert stage.program.sum == 0


@pytest.mark.parametrize(
    ("answer", "value"),
    [
        (b'{"state":true,"result":3}', 3.0),
        (b'{"state":true,"result":{"a":[1,true,"x",null]}}', {"a": [1.0, True, "x", None]}),
        (b'{"state":true,"result":9007199254740993}', 9007199254740993),
        (b'{"state":true}', None),
        (b'{"state":false,"result":null}', None),
    ],
)
def test_answers_are_dialect_values(answer: bytes, value: Any) -> None:
    """Numbers are floats, as in JSON without a schema."""
    found = result_of(answer)
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    ("answer", "text"),
    [(b'{"state":false,"result":"no luck"}', "no luck"), (b'{"state":false,"result":[1]}', "[1]"), (b"what", "answer what; an object")],
)
def test_other_answers_are_errors(answer: bytes, text: str) -> None:
    """With the text of the plugin."""
    with pytest.raises(EvaluationError, match=text.replace("[", r"\[")):
        result_of(answer)


def test_requests_have_the_arguments_and_the_rule() -> None:
    """Whole floats without a fraction, what JSON does not know as null."""
    expected = (
        b'{"func":"Exec","arg":[1,1.5,null,[2],"{\\"ruleId\\":\\"r1\\",\\"opId\\":\\"project\\",\\"instanceId\\":0,\\"funcId\\":0}"]}'
    )
    assert request_of("r1", [1.0, 1.5, float("nan"), [2.0]]) == expected
