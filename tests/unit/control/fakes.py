"""Small kinds and an engine that only remembers, for tests of the control path.

Texts of all fake kinds are JSON objects: ``uses`` lists needed objects as ``kind:name``, ``refuse`` makes the check fail with that text,
``crash`` makes the activation fail, ``temp`` and ``version`` do what they do in rules.
"""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from plutino.catalog import Catalog
from plutino.control import Controller
from plutino.errors import DefinitionError, PlanError, Position, ProvisionError
from plutino.model import Definition, Ref
from plutino.spi import Action, Environment, Mode, Origin, Registry

ORIGIN = Origin("rest", "127.0.0.1", "test")


class CountingClock:
    """Time that moves a millisecond with each look."""

    def __init__(self) -> None:
        self._times = itertools.count(1_700_000_000_000)

    def now_ms(self) -> int:
        return next(self._times)

    async def sleep(self, seconds: float) -> None:
        raise AssertionError("nothing here waits")


class FakeHost:
    """Remembers what it was asked to do; ``log`` in order, ``rules`` by state, ``errors`` of failed rules."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.rules: dict[str, str] = {}
        self.errors: dict[str, str] = {}
        self.streams: set[str] = set()
        self.open = 0

    def begin(self) -> None:
        assert self.open == 0
        self.open += 1
        self.log.append("begin")

    async def finish(self) -> None:
        self.open -= 1
        self.log.append("finish")

    def fail(self, rule: str, error: str) -> None:
        self.log.append(f"fail {rule}")
        self.rules[rule] = "stopped by error"
        self.errors[rule] = error

    async def remove(self, rule: str) -> None:
        self.log.append(f"remove {rule}")
        self.rules.pop(rule, None)
        self.errors.pop(rule, None)

    async def start(self, rule: str) -> None:
        self.log.append(f"start {rule}")
        self.rules[rule] = "running"

    async def stop(self, rule: str) -> None:
        self.log.append(f"stop {rule}")
        self.rules[rule] = "stopped"

    def state(self, rule: str) -> str:
        return self.rules.get(rule, "")

    def status(self, rule: str) -> dict[str, Any] | None:
        return {"status": self.rules[rule], "message": self.errors.get(rule, "")} if rule in self.rules else None

    def deployed(self, rule: str, triggered: bool) -> None:
        self.rules[rule] = "running" if triggered else "stopped"
        self.errors.pop(rule, None)

    def actions(self) -> list[str]:
        """The log since the last look, without begin and finish."""
        found = [line for line in self.log if line not in ("begin", "finish")]
        self.log.clear()
        return found


class FakeKind:
    """A kind whose ``check`` demands that what is used exists."""

    def __init__(self, kind: str, section: str) -> None:
        self.kind = kind
        self.section = section
        self.actions: Sequence[Action] = ()
        self.parses = 0
        self.checks = 0
        self.seen: Callable[[str, str], None] = lambda what, name: None
        """Called with ``check`` or ``activate`` and a name, for tests that do something at that moment."""

    def parse(self, ref: Ref, text: str) -> Definition:
        self.parses += 1
        try:
            content = msgspec.json.decode(text, type=dict[str, Any])
        except msgspec.DecodeError as error:
            raise DefinitionError(f"Parse {self.kind} error: {error}.") from error
        return Definition(ref, text, content, temporary=bool(content.get("temp")))

    def depends_on(self, definition: Definition, env: Environment) -> Iterable[Ref]:
        return [Ref(*use.split(":")) for use in definition.content.get("uses", ())]

    def check(self, before: Definition | None, after: Definition | None, env: Environment, mode: Mode) -> Any:
        self.checks += 1
        self.seen("check", (after or before or Definition(Ref("", ""), "")).ref.name)
        if after is None:
            if before is not None and before.content.get("keep"):
                raise DefinitionError(f"{before.ref} must stay")
            return None
        content = after.content
        if "refuse" in content:
            raise PlanError(content["refuse"], position=Position(2, 7, 20, 21), suggestion="this")
        for ref in self.depends_on(after, env):
            if env.get(ref) is None:
                raise PlanError(f"fail to get {ref}, please check if it is created")
        if mode in (Mode.UPDATE, Mode.PARTIAL) and before is not None:
            old, new = before.content.get("version", ""), content.get("version", "")
            if (old or new) and new <= old:
                raise DefinitionError(f"{after.ref} already exists with version ({old}), new version ({new}) is lower")
        flag = env.triggered(after.ref.name)
        return content.get("triggered", True) if flag is None else flag

    async def activate(self, before: Definition | None, after: Definition | None, prepared: Any, host: Any) -> None:
        verb = "create" if before is None else "delete" if after is None else "replace"
        definition = after or before
        assert definition is not None
        self.seen("activate", definition.ref.name)
        host.log.append(f"{verb} {definition.ref.kind} {definition.ref.name}")
        if after is None and self.kind == "rule":
            host.rules.pop(definition.ref.name, None)
        elif after is None:
            host.streams.discard(definition.ref.name)
        elif "crash" in after.content:
            raise ProvisionError(after.content["crash"])
        elif self.kind == "rule":
            assert isinstance(prepared, bool)
            host.deployed(after.ref.name, prepared)
        else:
            host.streams.add(after.ref.name)

    def secrets(self, definition: Definition, env: Environment) -> Iterable[tuple[str, ...]]:
        return [("password",), ("servers", "*", "password")]


def kinds() -> dict[str, FakeKind]:
    """Specs of a rule, a stream and two grouped kinds."""
    specs = (
        FakeKind("stream", "streams"),
        FakeKind("rule", "rules"),
        FakeKind("source_config", "sourceConfig"),
        FakeKind("connection", "connectionConfig"),
    )
    return {spec.kind: spec for spec in specs}


class Bench:
    """A controller on a directory, with its parts in reach."""

    def __init__(self, directory: Path, keep_revisions: int) -> None:
        self.directory = directory
        self.keep = keep_revisions
        self.specs = kinds()
        self.host = FakeHost()
        self.clock = CountingClock()

    async def open(self) -> Bench:
        self.catalog = await Catalog.open(self.directory, clock=self.clock, keep_revisions=self.keep)
        self.control = Controller(
            self.catalog,
            self.host,  # type: ignore[arg-type]
            self.specs,
            registry=Registry(),
            settings={"timezone": "UTC"},
        )
        self.booted = await self.control.boot()
        return self

    async def close(self) -> None:
        await self.catalog.close()

    async def reopen(self) -> Bench:
        """What a restart of the process does."""
        await self.close()
        self.host = FakeHost()
        return await self.open()

    def texts(self) -> dict[str, str]:
        """Everything that is kept, as ``kind:name``."""
        return {f"{ref.kind}:{ref.name}": text for ref, text in self.catalog.definitions.items()}

    async def write(self, **rules: Any) -> None:
        """Put rules (or ``stream_x`` streams) with JSON contents, one after the other."""
        for name, content in rules.items():
            kind, _, rest = name.partition("_")
            ref = Ref(kind, rest) if kind in ("stream", "rule") and rest else Ref("rule", name)
            await self.control.put(ref, dumps(content), mode=Mode.UPDATE, origin=ORIGIN)


async def bench(directory: Path | None = None, keep_revisions: int = 1000) -> Bench:
    """A booted controller; without a directory on one of its own."""
    return await Bench(directory or Path(tempfile.mkdtemp()), keep_revisions).open()


def dumps(value: Any) -> str:
    """JSON text."""
    return msgspec.json.encode(value).decode()


def document(**sections: Mapping[str, Any]) -> str:
    """A v1 document; entries that are no text are encoded."""
    return dumps({s: {name: v if isinstance(v, str) else dumps(v) for name, v in entries.items()} for s, entries in sections.items()})
