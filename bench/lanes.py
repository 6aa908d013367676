"""What one rule costs, without engine: decoder, program and encoder of the product against loops of msgspec that do the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import messages
import msgspec
from figures import Figure, compared
from msgspec import Struct
from rig import Rig, rig, stream

from plutino.compiler import CompiledRule
from plutino.model import Batch
from plutino.spi import DecodePlan, Program, Registry

BATCH = 256
"""Messages that come together; a second figure says what they cost one by one."""

FILTER = "SELECT temperature, humidity FROM plant WHERE temperature > 30"
COMPUTED = "SELECT id, temperature * 1.8 + 32 AS f, upper(device) AS device FROM plant WHERE humidity < 50 AND status = 'pump'"
WINDOWS = {
    "tumbling, 1 s of 1000 rows": "GROUP BY TUMBLINGWINDOW(ss, 1)",
    "tumbling, 50 groups": "GROUP BY device, TUMBLINGWINDOW(ss, 1)",
    "hopping, 1 s each 200 ms": "GROUP BY HOPPINGWINDOW(ms, 1000, 200)",
    "hopping, 50 groups": "GROUP BY device, HOPPINGWINDOW(ms, 1000, 200)",
    "count, 100 rows": "GROUP BY COUNTWINDOW(100)",
    "count, 100 rows, 50 groups": "GROUP BY device, COUNTWINDOW(100)",
    "count, 100 rows each 20": "GROUP BY COUNTWINDOW(100, 20)",
    "sliding, 1 s for each row": "GROUP BY SLIDINGWINDOW(ss, 1)",
    "sliding, 1 s, triggers 1 in 300": "GROUP BY SLIDINGWINDOW(ss, 1) OVER (WHEN temperature > 39.9)",
    "sliding, 50 groups, triggers 1 in 300": "GROUP BY device, SLIDINGWINDOW(ss, 1) OVER (WHEN temperature > 39.9)",
    "sliding, 1 s and 200 ms behind, triggers 1 in 300": "GROUP BY SLIDINGWINDOW(ss, 1, 200) OVER (WHEN temperature > 39.9)",
    "session, 1 s": "GROUP BY SESSIONWINDOW(ss, 1, 500)",
    "state": "GROUP BY STATEWINDOW(temperature > 39, temperature < 11)",
    "count, FILTER": "GROUP BY COUNTWINDOW(100) FILTER (WHERE humidity < 50)",
}
LISTED = {
    "count, the rows themselves": "SELECT * FROM plant GROUP BY COUNTWINDOW(100)",
    "lag of each device": "SELECT device, temperature - lag(temperature) OVER (PARTITION BY device) AS step FROM plant",
}
NOW = 1_700_000_000_000


class Filtered(Struct):
    """What FILTER reads and gives."""

    temperature: float
    humidity: float


class Read(Struct):
    """What COMPUTED reads."""

    id: int
    device: str
    temperature: float
    humidity: float
    status: str


class Given(Struct):
    """What COMPUTED gives."""

    id: int
    f: float
    device: str


class Lane:
    """A rule between its decoder and its encoder; a message each millisecond."""

    def __init__(self, compiled: CompiledRule, registry: Registry) -> None:
        json = registry.formats["json"]
        ((self._stream, need),) = compiled.needs.items()
        self._decode = json.decoder(DecodePlan(need.columns, need.whole, need.kinds), json.options()).decode
        self._encoder = json.encoder(None)
        self._program: Program = compiled.factory()
        self._program.start(NOW)
        self._now = NOW

    def run(self, batches: Sequence[Sequence[bytes]]) -> int:
        """Bytes of what comes out."""
        program, decode, name = self._program, self._decode, self._stream
        size = 0
        for payloads in batches:
            deadline = program.next_deadline()
            while deadline is not None and deadline <= self._now:
                size += self._encoded(program.advance(deadline))
                deadline = program.next_deadline()
            batch = decode(payloads)
            batch.arrival = self._now
            self._now += len(payloads)
            size += self._encoded(program.push(name, batch))
        return size

    def _encoded(self, out: Any) -> int:
        if out is None:
            return 0
        assert isinstance(out, Batch)
        assert not out.errors
        return sum(map(len, self._messages(out)))

    def _messages(self, out: Batch) -> list[bytes]:
        if out.sizes is not None:
            return [self._encoder.encode_list(rows) for rows in _windows(out.dicts() if out.passthrough else out.rows, out.sizes)]
        if out.passthrough:
            return [b"[%b]" % payload for payload in out.payloads or ()]
        return self._encoder.encode_lists(out.rows)


def _windows(rows: Sequence[Any], sizes: Sequence[int]) -> Iterator[Sequence[Any]]:
    start = 0
    for size in sizes:
        yield rows[start : start + size]
        start += size


def bare_filter() -> Callable[[Sequence[bytes]], int]:
    """FILTER by hand."""
    decode, encode = msgspec.json.Decoder(Filtered).decode, msgspec.json.Encoder().encode

    def run(payloads: Sequence[bytes]) -> int:
        size = 0
        for payload in payloads:
            row = decode(payload)
            if row.temperature > 30:
                size += len(encode([row]))
        return size

    return run


def bare_computed() -> Callable[[Sequence[bytes]], int]:
    """COMPUTED by hand."""
    decode, encode = msgspec.json.Decoder(Read).decode, msgspec.json.Encoder().encode

    def run(payloads: Sequence[bytes]) -> int:
        size = 0
        for payload in payloads:
            row = decode(payload)
            if row.humidity < 50 and row.status == "pump":
                size += len(encode([Given(row.id, row.temperature * 1.8 + 32, row.device.upper())]))
        return size

    return run


def bare_star(payloads: Sequence[bytes]) -> int:
    """Everything as it is: each payload read, which tells that it is JSON, and written again."""
    decode, encode = msgspec.json.Decoder().decode, msgspec.json.Encoder().encode
    return sum([len(encode([decode(payload)])) for payload in payloads])


def bare_decode(compiled: CompiledRule) -> Callable[[Sequence[bytes]], Any]:
    """The columns of a rule out of each message, and nothing else."""
    ((_, need),) = compiled.needs.items()
    decode = msgspec.json.Decoder(dict[str, Any] if need.whole else record("Row", need.columns)).decode

    def run(payloads: Sequence[bytes]) -> None:
        for payload in payloads:
            decode(payload)

    return run


def record(name: str, columns: Sequence[str], types: Any = None) -> type[Struct]:
    """A struct with these columns, of any type or of the given ones."""
    kinds = types or {}
    fields = [(f"c{i}", kinds.get(column, Any), msgspec.field(default=None, name=column)) for i, column in enumerate(columns)]
    return msgspec.defstruct(name, fields)


async def projections(quick: bool) -> list[Figure]:
    """Filter, projection and star on small and large messages."""
    found: list[Figure] = []
    async with rig() as at:
        await at.deploy([stream("plant")], {})
        for kind, payloads in (("small", messages.small(300 if quick else 20_000)), ("large", messages.large(100 if quick else 4_000))):
            for name, sql, bare, limit_is in (
                ("filter and project", FILTER, bare_filter(), "a loop of msgspec that does the same"),
                ("compute", COMPUTED, bare_computed(), "a loop of msgspec that does the same"),
                ("*", "SELECT * FROM plant", bare_star, "a loop of msgspec that reads and writes everything"),
                (
                    "* with a filter",
                    "SELECT * FROM plant WHERE temperature > 30",
                    bare_star,
                    "a loop of msgspec that reads and writes everything",
                ),
            ):
                for size in (BATCH, 1):
                    label = f"{name}, {kind}" + (", one by one" if size == 1 else "")
                    found.append(_measured("one rule: decode, program, encode", label, at, sql, payloads, size, bare, limit_is))
    return found


async def windows(quick: bool) -> list[Figure]:
    """What a message costs on its way through windows of all kinds."""
    group = f"windows: decode, program, encode ({WINDOW_ITEMS})"
    found: list[Figure] = []
    payloads = messages.small(600 if quick else 20_000)
    async with rig() as at:
        await at.deploy([stream("plant")], {})
        statements = {name: f"SELECT {WINDOW_ITEMS} FROM plant {window}" for name, window in WINDOWS.items()} | LISTED
        for name, sql in statements.items():
            bare = bare_decode(at.compiled(sql))
            # A window that shall fire for each row needs rows that come one by one.
            size = 1 if "each row" in name else 100
            found.append(_measured(group, name, at, sql, payloads, size, bare, "a loop of msgspec that decodes the columns"))
    return found


WINDOW_ITEMS = "avg(temperature) AS mean, max(temperature) AS high, count(*) AS n"


def _measured(
    group: str, name: str, at: Rig, sql: str, payloads: Sequence[bytes], size: int, bare: Callable[[Sequence[bytes]], Any], limit_is: str
) -> Figure:
    lane = Lane(at.compiled(sql), at.core.registry)
    batches = [payloads[i : i + size] for i in range(0, len(payloads), size)]
    cost, limit = compared(lambda: lane.run(batches), lambda: bare(payloads), len(payloads))
    return Figure(group, name, cost, limit, limit_is)
