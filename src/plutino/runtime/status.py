"""What a rule shows of itself: metric names and values, connection states, topology (runtime reference §8.1, rest reference §3.4, §3.7).

Counters live where things happen, as plain integers; the status dict is built when somebody asks.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

from msgspec import Struct

from plutino.spi import Drawing

CONNECTED, CONNECTING, DISCONNECTED = 1, 0, -1

STATUS_TEXT = {CONNECTED: "connected", CONNECTING: "connecting", DISCONNECTED: "disconnected"}


class Link:
    """Whether the external system at the end of a source or sink answers; times in epoch ms, 0 for never."""

    __slots__ = ("connected_at", "lost_at", "message", "status", "tried_at")

    def __init__(self) -> None:
        self.status = CONNECTING
        self.connected_at = 0
        self.lost_at = 0
        self.message = ""
        self.tried_at = 0

    def trying(self, now: int) -> None:
        """An attempt to connect begins."""
        self.tried_at = now

    def up(self, now: int) -> None:
        """Connected (again)."""
        self.status = CONNECTED
        self.connected_at = now

    def down(self, now: int, message: str) -> None:
        """The attempt failed, or the connection was lost."""
        self.status = DISCONNECTED
        self.lost_at = now
        self.message = message

    def copy(self) -> Link:
        """What it shows at this moment."""
        other = Link()
        for name in Link.__slots__:
            setattr(other, name, getattr(self, name))
        return other


NO_LINK = Link()
"""Shown where there is nothing to connect to; never changed."""


class Trouble:
    """Exceptions of one node: how many, the last text and when (epoch ms). Made at the first one."""

    __slots__ = ("at", "count", "text")

    def __init__(self) -> None:
        self.count = 0
        self.text = ""
        self.at = 0

    def add(self, now: int, text: str, count: int = 1) -> None:
        """Count exceptions with this text."""
        self.count += count
        self.text = text
        self.at = now


class Node(Struct, frozen=True):
    """One node of a running rule and its numbers; ``kind`` is ``source``, ``op`` or ``sink``.

    ``link`` only for sources and sinks; ``late``: rows that came behind the watermark, shown where there are any.
    """

    kind: str
    name: str
    records_in: int = 0
    records_out: int = 0
    latency_us: int = 0
    buffered: int = 0
    last_invocation: int = 0
    exceptions: int = 0
    last_exception: str = ""
    last_exception_at: int = 0
    link: Link | None = None
    late: int = 0

    @property
    def full_name(self) -> str:
        """The name in the topology (``op_3_filter``)."""
        return f"{self.kind}_{self.name}"


def node(kind: str, name: str, numbers: tuple[int, int], last: int, latency_us: int, trouble: Trouble | None, **more: Any) -> Node:
    """A node out of its counters ``(in, out)`` and its trouble, if it has any."""
    if trouble is None:
        return Node(kind, name, *numbers, last_invocation=last, latency_us=latency_us, **more)
    return Node(
        kind,
        name,
        *numbers,
        last_invocation=last,
        latency_us=latency_us,
        exceptions=trouble.count,
        last_exception=trouble.text,
        last_exception_at=trouble.at,
        **more,
    )


def metrics(nodes: Iterable[Node]) -> dict[str, Any]:
    """``{<kind>_<name>_0_<metric>: value}`` of all nodes, sources first, then operators, then sinks."""
    found: dict[str, Any] = {}
    for item in nodes:
        prefix = f"{item.full_name}_0_"
        found[prefix + "records_in_total"] = item.records_in
        found[prefix + "records_out_total"] = item.records_out
        found[prefix + "messages_processed_total"] = item.records_in
        found[prefix + "process_latency_us"] = item.latency_us
        found[prefix + "buffer_length"] = item.buffered
        found[prefix + "last_invocation"] = item.last_invocation
        found[prefix + "exceptions_total"] = item.exceptions
        found[prefix + "last_exception"] = item.last_exception
        found[prefix + "last_exception_time"] = item.last_exception_at
        if item.late:
            found[prefix + "late_rows_total"] = item.late
        if item.link is not None:
            found[prefix + "connection_status"] = item.link.status
            found[prefix + "connection_last_connected_time"] = item.link.connected_at
            found[prefix + "connection_last_disconnected_time"] = item.link.lost_at
            found[prefix + "connection_last_disconnected_message"] = item.link.message
            found[prefix + "connection_last_try_time"] = item.link.tried_at
    return found


def summary(nodes: Iterable[Node]) -> tuple[str, int]:
    """Text of the last exception of all nodes, and how many there were."""
    text, at, count = "", -1, 0
    for item in nodes:
        count += item.exceptions
        if item.exceptions and item.last_exception_at > at:
            text, at = item.last_exception, item.last_exception_at
    return text, count


def topology(sources: Sequence[Sequence[str]], operators: Sequence[str], sinks: Sequence[Sequence[str]]) -> dict[str, Any]:
    """The topology on the wire: every source chain leads into the operators, and those into every sink chain."""
    edges: dict[str, list[str]] = {}

    def connect(start: str, end: str) -> None:
        targets = edges.setdefault(start, [])
        if end not in targets:
            targets.append(end)

    heads = [operators[0]] if operators else [chain[0] for chain in sinks]
    for chain in sources:
        for start, end in pairwise(chain):
            connect(start, end)
        for head in heads:
            connect(chain[-1], head)
    for start, end in pairwise(operators):
        connect(start, end)
    for chain in sinks:
        if operators:
            connect(operators[-1], chain[0])
        for start, end in pairwise(chain):
            connect(start, end)
    return {"sources": [chain[0] for chain in sources], "edges": edges}


def drawn_topology(drawing: Drawing, chains: Mapping[str, Sequence[str]], sinks: Sequence[Sequence[str]]) -> dict[str, Any]:
    """The topology of a rule that is drawn: its own edges, with what belongs to a source or a sink around them.

    ``chains``: the source of each stream and its operators; ``sinks``: the operators of each sink and itself.
    """
    ways: dict[str, Sequence[str]] = {node: chains[stream] for node, stream in drawing.sources.items() if stream in chains}
    ways |= {node: (f"op_{shown}",) for node, shown, _ in drawing.operators}
    ways |= {chain[-1].removeprefix("sink_"): chain for chain in sinks}
    edges: dict[str, list[str]] = {}
    for way in ways.values():
        for start, end in pairwise(way):
            edges[start] = [end]
    for start, ends in drawing.edges.items():
        if start in ways:
            edges.setdefault(ways[start][-1], []).extend(ways[end][0] for end in ends if end in ways)
    return {"sources": [chains[stream][0] for stream in drawing.sources.values() if stream in chains], "edges": edges}
