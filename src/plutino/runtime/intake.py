"""What happens to deliveries before they are decoded, and to rows that carry a second payload (runtime reference §2.8)."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Mapping
from typing import Annotated, Any

from msgspec import Struct

from plutino.errors import FormatError, ProvisionError, UnsupportedError
from plutino.model import Batch, Duration, RowError
from plutino.runtime.compression import check_name, decompressor
from plutino.runtime.deadlines import Deadlines, Timer
from plutino.spi import Clock, DecodePlan, Decoder, Delivery, FeedRequest, Registry, SourceSpec
from plutino.spi.gojson import GoJsonError, decode
from plutino.spi.options import Opt, decode_options, flat_options


class FeedOptions(Struct, frozen=True, rename="camel"):
    """Properties of a source that the engine honours; times in ms. Its own options the source decodes itself."""

    interval: Annotated[Duration, Opt("Down-sampling: one message per interval", check=_check_interval)] = 0
    merge_field: Annotated[str, Opt("Down-sampling keeps the last message per value of this field, merged")] = ""
    merger: Annotated[str, Opt("Custom merger")] = ""
    decompression: Annotated[str, Opt("zlib, gzip or flate", check=check_name)] = ""
    payload_format: Annotated[str, Opt("Format of a payload inside a column")] = ""
    payload_field: Annotated[str, Opt("Column that holds the inner payload")] = ""
    payload_batch_field: Annotated[str, Opt("Column that holds a list of frames with the payload field")] = ""
    payload_delimiter: Annotated[str, Opt("Delimiter of the inner payload")] = ""
    payload_schema_id: Annotated[str, Opt("Schema of the inner payload")] = ""


class Pipe(Struct, frozen=True):
    """The source pipeline of one request: what it does, and the wire names of its operators in order.

    ``checks``: rows go through a preprocessor even for rules that do not work on event time.
    """

    options: FeedOptions
    decodes: bool
    throttled: bool
    operators: tuple[str, ...]
    checks: bool


def pipe_of(request: FeedRequest, spec: SourceSpec, registry: Registry) -> Pipe:
    """Check the source properties and say what the feed does with them; ProvisionError with the compatible text."""
    options = decode_options(FeedOptions, request.properties)
    decodes = spec.delivers == "bytes"
    pulls = any(option.name.lower() == "interval" for option in flat_options(spec.options))
    throttled = options.interval > 0 and not pulls
    if options.merger and options.merge_field:
        raise _refused("mergeField and merger cannot set together")
    if options.merger:
        raise UnsupportedError(f"merger {options.merger}: custom mergers are not built in; use mergeField")
    _check_interval(options.interval)
    merges = throttled and decodes and bool(options.merge_field)
    if merges and options.payload_format:
        raise _refused("do not support rate limit merge together with payloadFormat")
    if merges and request.format != "json":
        raise _refused(f"format {request.format} does not support partial decode")
    if options.payload_format and options.payload_format.lower() not in registry.formats:
        raise _refused(f"format type {options.payload_format} not supported")
    if decodes and request.format not in registry.formats:
        raise _refused(f"format type {request.format} not supported")
    if options.decompression:
        decompressor(options.decompression)
    operators = ["ratelimit"] if throttled else []
    if options.decompression and not _own(spec, "decompression"):
        operators.append("decompress")
    if decodes and not merges:
        operators.append("decoder")
    if options.payload_format or merges:
        operators.append("payload_decoder")
    checks = bool(request.schema) and (request.strict or request.format == "binary")
    return Pipe(options, decodes, throttled, tuple(operators), checks)


class Throttle:
    """Down-sampling of a push source: each interval lets the latest message through, still undecoded; nothing arrives, nothing is sent.

    With ``mergeField`` the latest message of each value of that field, merged into one row.
    """

    __slots__ = ("_clock", "_deadlines", "_forward", "_frames", "_interval", "_kept", "_merge_field", "_start", "_timer")

    def __init__(self, options: FeedOptions, clock: Clock, deadlines: Deadlines, forward: Callable[[Delivery], Any]) -> None:
        self._clock = clock
        self._deadlines = deadlines
        self._forward = forward
        self._interval = options.interval
        self._merge_field = options.merge_field
        self._start = clock.now_ms()
        self._timer = Timer(self._tick)
        self._kept: Delivery | None = None
        self._frames: dict[Any, dict[str, Any]] = {}

    def take(self, delivery: Delivery) -> None:
        """Keep the last message; what it replaces is done with."""
        latest = last_message(delivery)
        if latest is None:
            if delivery.ack is not None:
                delivery.ack()
            return
        if self._merge_field and delivery.payloads is not None:
            for payload in delivery.payloads:
                self._keep_frame(payload)
        if self._kept is not None and self._kept.ack is not None:
            self._kept.ack()
        self._kept = latest
        if self._timer.due is None:
            elapsed = self._clock.now_ms() - self._start
            self._deadlines.arm(self._timer, self._start + (elapsed // self._interval + 1) * self._interval)

    def close(self) -> None:
        """Forget what waits."""
        self._deadlines.arm(self._timer, None)
        self._kept = None

    def _keep_frame(self, payload: bytes) -> None:
        try:
            row = decode(payload, exact=True)
        except GoJsonError:
            return  # as in the original, a frame that does not decode takes no part in the merge
        if isinstance(row, dict):
            key = row.get(self._merge_field)
            if isinstance(key, str | int | float | bool | None):
                self._frames[key] = row

    def _tick(self, _: int) -> None:
        kept, self._kept = self._kept, None
        if kept is None:
            return
        if self._merge_field and self._frames:
            merged: dict[str, Any] = {}
            for frame in self._frames.values():
                merged.update(frame)
            self._frames.clear()
            kept = Delivery(rows=[merged], meta=kept.meta, position=kept.position, ack=kept.ack)
        self._forward(kept)


def last_message(delivery: Delivery) -> Delivery | None:
    """The last message of a delivery, None when it has none."""
    meta = delivery.meta[-1] if isinstance(delivery.meta, list) and delivery.meta else delivery.meta
    if delivery.payloads:
        return Delivery(payloads=delivery.payloads[-1:], meta=meta, position=delivery.position, ack=delivery.ack)
    if delivery.rows:
        return Delivery(rows=delivery.rows[-1:], meta=meta, position=delivery.position, ack=delivery.ack)
    if delivery.lines:
        line = delivery.lines.rstrip(b"\n").rpartition(b"\n")[2]
        return Delivery(payloads=[line], meta=meta, position=delivery.position, ack=delivery.ack)
    return None


class InnerPayload:
    """Decodes the payload inside a column of each row and merges its columns into the row; a list gives one row each."""

    __slots__ = ("_batch_field", "_decoder", "_field")

    def __init__(self, options: FeedOptions, registry: Registry, properties: Mapping[str, Any]) -> None:
        spec = registry.formats[options.payload_format.lower()]
        own = {**properties, "delimiter": options.payload_delimiter, "schemaId": options.payload_schema_id}
        own = {k: v for k, v in own.items() if v != ""}
        self._decoder: Decoder = spec.decoder(DecodePlan((), whole=True), decode_options(spec.options, own))
        self._field = options.payload_field
        self._batch_field = options.payload_batch_field

    def records(self, batch: Batch) -> tuple[list[dict[str, Any]], list[int], list[RowError]]:
        """Whole rows with their inner columns, the index of the row each came from, and the rows that failed."""
        found: list[dict[str, Any]] = []
        origins: list[int] = []
        errors = [*(batch.errors or ())]
        for i in range(len(batch.rows)):
            try:
                rows = self._expand(batch.record(i))
            except FormatError as error:
                errors.append(RowError(i, str(error), "payload_decoder"))
                continue
            found += rows
            origins += [i] * len(rows)
        errors.sort(key=lambda error: error.at)
        return found, origins, [RowError(bisect_left(origins, e.at), e.text, e.stage) for e in errors]

    def _expand(self, record: dict[str, Any]) -> list[dict[str, Any]]:
        if self._batch_field:
            rest = {k: v for k, v in record.items() if k != self._batch_field}
            frames = record.get(self._batch_field)
            if not isinstance(frames, list):
                raise FormatError(f"payload batch field {self._batch_field} is not found or not a list")
            for frame in frames:
                if isinstance(frame, dict):
                    for row in self._decode(frame):
                        rest.update(row)
            return [rest]
        rest = {k: v for k, v in record.items() if k != self._field}
        return [{**rest, **row} for row in self._decode(record)]

    def _decode(self, record: Mapping[str, Any]) -> list[dict[str, Any]]:
        raw = record.get(self._field)
        if isinstance(raw, str):
            raw = raw.encode("utf-8", "surrogateescape")
        if not isinstance(raw, bytes):
            raise FormatError(f"payload field {self._field} is not found or not bytes or text")
        batch = self._decoder.decode((raw,))
        if batch.errors:
            raise FormatError(batch.errors[0].text)
        return [batch.record(i) for i in range(len(batch.rows))]


def _own(spec: SourceSpec, name: str) -> bool:
    """Whether the source itself reads a property."""
    return any(option.name.lower() == name for option in flat_options(spec.options))


def _check_interval(interval: int) -> None:
    if interval and interval < 1:
        raise _refused("interval should be larger than 1ms")


def _refused(text: str) -> ProvisionError:
    return ProvisionError(text, code=1000)
