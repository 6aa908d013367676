"""Memory topics: rules that feed rules inside the process, without encoding; and lookup tables kept by them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any

from msgspec import Struct, field

from plutino.errors import EvaluationError, PlutinoError, ProvisionError
from plutino.model import to_dict
from plutino.spi import (
    ConnectorSpec,
    Datasource,
    Delivery,
    Example,
    Inlet,
    LookupSpec,
    SinkContext,
    SinkSpec,
    SourceContext,
    SourceSpec,
)
from plutino.spi.bus import check_filter
from plutino.spi.connector import Answers
from plutino.spi.options import Opt
from plutino.spi.suspension import key_of, rows_with

ROW_KINDS = ("insert", "update", "upsert", "delete")


class MemorySourceOptions(Struct, frozen=True, rename="camel"):
    """Options of the memory source; its buffer is the engine's."""

    buffer_length: Annotated[int, Opt("How many messages may wait", "Buffer length")] = 1024


class MemorySource:
    """Receives what is published under a topic filter. Meta: ``topic`` as published; updatable rows add ``rowkind`` and ``key``."""

    def __init__(self, options: MemorySourceOptions, datasource: str, context: SourceContext) -> None:
        _check_datasource(datasource)
        self._topic = datasource
        self._bus = context.bus

    async def run(self, inlet: Inlet, resume: Any) -> None:
        """Deliver until cancelled."""

        def take(rows: list[Any], meta: Mapping[str, Any]) -> bool:
            return inlet.offer(Delivery(rows=[to_dict(r) for r in rows], meta=meta))

        leave = self._bus.subscribe(self._topic, take)
        try:
            inlet.connected()
            await asyncio.get_running_loop().create_future()
        finally:
            leave()


class MemorySinkOptions(Struct, frozen=True, rename="camel"):
    """Options of the memory sink."""

    topic: Annotated[str, Opt("Topic to publish under, without wildcards", "Topic", dynamic=True, required=True, check=_check_topic)] = ""
    rowkind_field: Annotated[str, Opt("Column that holds insert, update, upsert or delete", "Row kind field")] = ""
    key_field: Annotated[str, Opt("Column that holds the key of an updatable row", "Key field")] = ""


class MemorySink:
    """Publishes rows; with ``rowkindField`` each row tells how it changes a table."""

    def __init__(self, options: MemorySinkOptions, context: SinkContext) -> None:
        if "{{" not in options.topic:
            _check_topic(options.topic)
        if options.rowkind_field and not options.key_field:
            raise ProvisionError("keyField is required when rowkindField is set")
        self._options = options
        self._bus = context.bus

    async def open(self) -> None:
        """Nothing to open."""

    def write(self, items: Sequence[Any], properties: Sequence[Mapping[str, Any]] | None) -> None:
        """Publish each message; what a subscriber cannot take is counted there. A bad change of a table does not hold up the others."""
        faults: list[PlutinoError] = []
        for i, item in enumerate(items):
            rows = item if isinstance(item, list) else [item]
            try:
                topic = self._topic(properties[i] if properties is not None else {})
            except ProvisionError as error:
                faults.append(error)
                continue
            if self._options.rowkind_field:
                self._publish_changes(topic, rows, faults)
            else:
                self._bus.publish(topic, rows)
        if faults:
            raise faults[0]

    async def close(self) -> None:
        """Nothing to close."""

    def _topic(self, properties: Mapping[str, Any]) -> str:
        if "topic" not in properties:
            return self._options.topic
        topic = str(properties["topic"])
        _check_topic(topic)
        return topic

    def _publish_changes(self, topic: str, rows: list[dict[str, Any]], faults: list[PlutinoError]) -> None:
        for row in rows:
            try:
                kind, key = self._change(row)
            except EvaluationError as error:
                faults.append(error)
            else:
                self._bus.publish(topic, [row], {"rowkind": kind, "key": key})

    def _change(self, row: Mapping[str, Any]) -> tuple[str, Any]:
        field_, key_field = self._options.rowkind_field, self._options.key_field
        kind = row.get(field_, "upsert")
        if not isinstance(kind, str):
            raise EvaluationError(f"rowkind field {field_} is not a string in data {row}")
        if kind not in ROW_KINDS:
            raise EvaluationError(f"invalid rowkind {kind}")
        if key_field not in row:
            raise EvaluationError(f"key field {key_field} not found in data {row}")
        return kind, row[key_field]


class MemoryLookupOptions(Struct, frozen=True, rename="camel"):
    """Options of memory lookup tables; ``key`` is the stream option KEY."""

    key: Annotated[str, Opt("Column that identifies a row", "Key", required=True)] = field(default="")


class MemoryLookup:
    """A table in memory, filled by memory sinks from the moment it is opened; queries by its key take constant time."""

    def __init__(self, options: MemoryLookupOptions, datasource: str, context: SourceContext) -> None:
        if not options.key:
            raise ProvisionError("key is required for lookup source")
        check_filter(datasource)
        self._key = options.key
        self._topic = datasource
        self._bus = context.bus
        self._rows: dict[Any, dict[str, Any]] = {}
        self._leave: Callable[[], None] | None = None

    async def open(self) -> None:
        """Start to follow the topic."""
        if self._leave is None:
            self._leave = self._bus.subscribe(self._topic, self._take)

    def lookup(self, fields: Sequence[str], keys: Sequence[str], queries: Sequence[Sequence[Any]]) -> Answers:
        """Rows in which every key has its value."""
        place = keys.index(self._key) if self._key in keys else None
        return [self._find(keys, values, place) for values in queries]

    def _find(self, keys: Sequence[str], values: Sequence[Any], place: int | None) -> list[dict[str, Any]]:
        if place is None:
            return rows_with(self._rows.values(), keys, values)
        found = self._rows.get(key_of((values[place],)))
        return [] if found is None else rows_with((found,), keys, values)

    async def close(self) -> None:
        """Stop following and forget the rows."""
        if self._leave is not None:
            self._leave()
            self._leave = None
        self._rows.clear()

    def _take(self, rows: list[Any], meta: Mapping[str, Any]) -> bool:
        for item in rows:
            row = to_dict(item)
            key = key_of((meta["key"] if "key" in meta else row.get(self._key),))
            match meta.get("rowkind", "upsert"):
                case "delete":
                    self._rows.pop(key, None)
                case "insert":
                    self._rows.setdefault(key, row)
                case "update":
                    if key in self._rows:
                        self._rows[key] = row
                case _:
                    self._rows[key] = row
        return True


def _check_datasource(topic: str) -> None:
    if not topic:
        raise ProvisionError("datasource(topic) is required for memory source")
    check_filter(topic)


def _check_topic(topic: str) -> None:
    if "#" in topic or "+" in topic:
        raise ProvisionError(f"invalid memory topic {topic}: wildcard found")


CONNECTOR = ConnectorSpec(
    name="memory",
    about="Topics inside the process, to chain rules",
    source=SourceSpec(
        options=MemorySourceOptions,
        create=MemorySource,
        delivers="rows",
        listens=True,
        datasource=Datasource("Topic", "Topic filter; + stands for one level, # for the rest", "topic/demo", _check_datasource),
        examples=(Example("all devices of a plant", {}, "plant/+/alarm"),),
    ),
    sink=SinkSpec(
        options=MemorySinkOptions,
        create=MemorySink,
        accepts="rows",
        connects=False,
        dynamic=("topic",),
        examples=(
            Example("feed another rule", {"topic": "plant/hall1/alarm"}),
            Example("topic from the data", {"topic": "plant/{{.hall}}/alarm", "sendSingle": True}),
            Example("keep a lookup table up to date", {"topic": "table/devices", "rowkindField": "action", "keyField": "id"}),
        ),
    ),
    lookup=LookupSpec(
        options=MemoryLookupOptions,
        create=MemoryLookup,
        typed=True,
        examples=(Example("table of devices", {"key": "id"}, "table/devices"),),
    ),
)
