"""SQL cases straight on the compiler: decode, run the program, encode. No server, no broker, either tier of the generated code."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial
from typing import Any, Literal

import msgspec
from msgspec.structs import replace

from corpus.loader import Outcome, Refusal, SqlCase, create_statement
from plutino.compiler import CompiledRule, compile_plan
from plutino.compiler.buffered import compile_buffered
from plutino.compiler.rule import operator_names
from plutino.errors import FormatError, PlutinoError, SqlSyntaxError
from plutino.execution.accumulating import AccumulatingProgram
from plutino.execution.buffered import BufferedProgram
from plutino.execution.rows import RowProgram
from plutino.execution.slicing import SlicingProgram
from plutino.model import Batch, Definition, Duration, Ref, StreamContent
from plutino.planner import RulePlan, plan_rule
from plutino.resources.rule.body import options_of
from plutino.resources.stream.content import content_of
from plutino.spi import (
    DecodePlan,
    Decoder,
    InputNeed,
    LookupAnswer,
    LookupCall,
    Program,
    Registry,
    RuleOptions,
    Suspended,
    Suspending,
    discover,
)
from plutino.spi.options import decode_options
from plutino.sql import parse_select, parse_statement, tree
from plutino.testing import source_context

Tier = Literal["fast", "exact"]
ARRIVAL = 1_700_000_000_000
LINGER_MS = 1500
"""How long a case goes on after its last message."""


@lru_cache(maxsize=1)
def registry() -> Registry:
    """Every component of the source tree."""
    return discover("plutino.connectors", "plutino.formats", "plutino.functions")


@dataclass
class FixedEnvironment:
    """The desired state of one case: its streams and tables."""

    definitions: dict[Ref, Definition] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def registry(self) -> Registry:
        return registry()

    def get(self, ref: Ref) -> Definition | None:
        return self.definitions.get(ref)

    def names(self, kind: str) -> Sequence[str]:
        return sorted(ref.name for ref in self.definitions if ref.kind == kind)

    def function(self, name: str) -> None:
        return None

    def functions(self) -> Sequence[str]:
        return ()

    def connector(self, role: str, name: str) -> None:
        return None


class _Options(msgspec.Struct, rename="camel"):
    is_event_time: bool = False
    late_tolerance: Duration = 1000
    send_meta_to_sink: bool = False
    send_nil_field: bool = False
    send_error: bool = False
    disable_buffer_full_discard: bool = False


def rule_options(options: Mapping[str, Any]) -> RuleOptions:
    """The options of a rule that its program depends on."""
    read = decode_options(_Options, options, where="options")
    of_windows = options_of({"options": options})
    return RuleOptions(
        **{name: getattr(read, name) for name in read.__struct_fields__},
        window_version=of_windows.window_version,
        send_sliding_window_twice=of_windows.send_sliding_window_twice,
    )


def environment_of(case: SqlCase) -> FixedEnvironment:
    """The streams and tables of a case as the catalog would hold them."""
    env = FixedEnvironment()
    for name, columns in case.streams.items():
        env.definitions[Ref("stream", name)] = stream_of(name, columns)
    for name, columns in case.tables.items():
        env.definitions[Ref("table", name)] = stream_of(name, columns, "table")
    return env


def stream_of(name: str, columns: str, kind: Literal["stream", "table"] = "stream") -> Definition:
    """A stream or table with these columns and options."""
    text = create_statement(kind, name, columns, topic=name, source="mqtt", conf_key=None)
    statement = parse_statement(text)
    assert isinstance(statement, tree.CreateStream)
    return Definition(Ref(kind, name), text, content_of(statement))


def plan_case(case: SqlCase, env: FixedEnvironment) -> RulePlan:
    """The plan of a case's rule, which is a single query."""
    assert case.sql is not None
    plan = plan_rule(parse_select(case.sql), env, rule_options(case.options), rule_id="rule")
    assert isinstance(plan, RulePlan)
    return plan


def compile_case(case: SqlCase, env: FixedEnvironment) -> CompiledRule:
    """The rule of a case, compiled."""
    assert case.sql is not None
    return compile_plan(plan_rule(parse_select(case.sql), env, rule_options(case.options), rule_id="rule"))


def compile_keeping_rows(plan: RulePlan) -> CompiledRule:
    """The rule of a plan in the form that keeps the rows of its windows, even where accumulators would do."""
    code, _ = compile_buffered(plan, operator_names(plan))
    needs = {source.stream: source.need for source in code.sources}
    return CompiledRule(partial(BufferedProgram, code), tuple(needs), plan.columns, code.shape, needs)


def run_case(
    case: SqlCase,
    tier: Tier,
    *,
    together: bool = False,
    interrupted: bool = False,
    keeping_rows: bool = False,
    linger_ms: int = LINGER_MS,
) -> Outcome:
    """What the case's rule gives, message by message (or ``together``: all input as one batch).

    ``interrupted``: before each message and each deadline a new program goes on with the state of the one before. ``keeping_rows``: see
    ``compile_keeping_rows``. ``linger_ms``: how long time goes on after the last message.
    """
    env = environment_of(case)
    try:
        compiled = compile_keeping_rows(plan_case(case, env)) if keeping_rows else compile_case(case, env)
    except SqlSyntaxError as error:
        return Outcome(refusal=Refusal("rule", 400, f"invalid rule json: Parse SQL {case.sql} error: {error}."))
    except PlutinoError as error:
        return Outcome(refusal=Refusal("rule", 400, str(error)))

    def make() -> Program:
        program = compiled.factory()
        return exact_only(program) if tier == "exact" else program

    decoders = {name: _decoder(env, name, need, tier) for name, need in compiled.needs.items()}
    played = Played(case, env, make, interrupted)
    for stream, payloads in _portions(case, together):
        if stream in decoders:
            batch = _batch(decoders[stream], payloads, stream, env)
            played.step(lambda program, name=stream, rows=batch: program.push(name, rows))
    deadline = played.program.next_deadline()
    while deadline is not None and deadline <= ARRIVAL + linger_ms:
        played.step(lambda program, now=deadline: program.advance(now))
        deadline = played.program.next_deadline()
    return Outcome(tuple(played.messages))


class Played:
    """The program of a case at work; with ``interrupted``, another one goes on with its state before each step."""

    def __init__(self, case: SqlCase, env: FixedEnvironment, make: Callable[[], Program], interrupted: bool) -> None:
        self.messages: list[Any] = []
        self.program = make()
        self.program.start(ARRIVAL)
        self._case = case
        self._env = env
        self._make = make
        self._interrupted = interrupted

    def step(self, push: Callable[[Program], Batch | Suspended | None]) -> None:
        """Let the program work, answer what waits for lookup tables, and keep the messages."""
        self._restart()
        out = push(self.program)
        while isinstance(out, Suspended):
            self._restart()
            program = self.program
            assert isinstance(program, Suspending)
            asked = program.suspended()[0] if self._interrupted else out
            out = program.resume(asked.token, [_answers(call, self._env) for call in asked.calls])
        self.messages += _shown(out, self._case)

    def _restart(self) -> None:
        """A new program after a restart that took some time."""
        if self._interrupted:
            state = self.program.snapshot()
            self.program = self._make()
            self.program.start(ARRIVAL + 3_600_000)
            self.program.restore(state)


def _answers(call: LookupCall, env: FixedEnvironment) -> list[LookupAnswer]:
    """What a lookup table says that needs nothing but its options."""
    definition = env.get(Ref("table", call.table))
    assert definition is not None
    content: StreamContent = definition.content
    spec = registry().connectors[content.connector].lookup
    assert spec is not None
    extra = msgspec.json.decode(content.option("EXTRA") or "{}")
    table = spec.create(decode_options(spec.options, extra), content.option("DATASOURCE"), source_context("."))
    answers = table.lookup(call.fields, call.keys, call.queries)
    assert isinstance(answers, list)
    return answers


def exact_only(program: Program) -> Program:
    """The same program without its fast tier."""
    if isinstance(program, RowProgram):
        return RowProgram(replace(program._code, fast=None))
    if isinstance(program, AccumulatingProgram | SlicingProgram):
        code: Any = program._code
        return type(program)(replace(code, groups=replace(code.groups, fast=None)))
    return program


def _portions(case: SqlCase, together: bool) -> list[tuple[str, list[bytes]]]:
    if together and len({m.stream for m in case.input}) == 1:
        return [(case.input[0].stream, [m.data for m in case.input])]
    return [(m.stream, [m.data]) for m in case.input]


def _decoder(env: FixedEnvironment, name: str, need: InputNeed, tier: Tier) -> Decoder:
    definition = env.get(Ref("stream", name)) or env.get(Ref("table", name))
    assert definition is not None
    content: StreamContent = definition.content
    spec = registry().formats[content.format]
    extra = msgspec.json.decode(content.option("EXTRA") or "{}")
    options = decode_options(spec.options, {"delimiter": content.option("DELIMITER") or ",", **extra}, where="stream")
    plan = DecodePlan(need.columns, need.whole, need.kinds if tier == "fast" else {}, content.schema)
    return spec.decoder(plan, options)


def _batch(decoder: Decoder, payloads: list[bytes], stream: str, env: FixedEnvironment) -> Batch:
    batch = decoder.decode(payloads)
    batch.arrival = ARRIVAL
    batch.meta = {"topic": f"corpus/{stream}", "qos": 1, "messageId": 1}
    definition = env.get(Ref("stream", stream))
    column = "" if definition is None else definition.content.option("TIMESTAMP")
    if column:
        times = [msgspec.structs.asdict(row).get(_attribute(column)) for row in batch.rows]
        if all(isinstance(t, int | float) for t in times):
            batch.times = [int(t) for t in times if isinstance(t, int | float)]
    return batch


def _attribute(column: str) -> str:
    from plutino.model import attribute

    return attribute(column)


def _shown(batch: Batch | None, case: SqlCase) -> list[Any]:
    """Output as the recorded messages show it: errors only with ``sendError``, lists unless ``sendSingle``."""
    if batch is None:
        return []
    if batch.passthrough:
        rows: list[Any] = [msgspec.json.decode(p) for p in batch.payloads or []]
    else:
        rows = [_on_the_wire(row) for row in batch.rows]
    single = case.sink.get("sendSingle") is True
    messages: list[Any] = []
    if batch.sizes is not None:
        start = 0
        for size in batch.sizes:
            part, start = rows[start : start + size], start + size
            failed = [row for row in part if isinstance(row, Unencodable)]
            messages += failed[:1] or (part if single else [part])
    else:
        messages = [row if single or isinstance(row, Unencodable) else [row] for row in rows]
    if case.options.get("sendError") is True:
        for moved, error in enumerate(batch.errors or ()):
            messages.insert(error.at + moved, {"$error": error.text})
        return [{"$error": m.text} if isinstance(m, Unencodable) else m for m in messages]
    return [m for m in messages if not isinstance(m, Unencodable)]


@dataclass(frozen=True)
class Unencodable:
    """A row that has no JSON form; with ``sendError`` its text is sent instead."""

    text: str


def _on_the_wire(row: Any) -> Any:
    try:
        return msgspec.json.decode(registry().formats["json"].encoder(None).encode_rows([row])[0])
    except FormatError as error:
        return Unencodable(str(error))
