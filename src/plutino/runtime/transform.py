"""From the output of a rule to the messages of one sink: omit, single or list, template, field selection, encoding.

What an action asks for is compiled once into a ``SinkPlan``; rules with equal actions share it. Order of the steps (runtime reference
§2.3): dataTemplate, dataField, fields or excludeFields, encode, compress. Rows are never changed in place.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct

from plutino.errors import EvaluationError, PlutinoError, ProvisionError
from plutino.model import Batch, to_dict
from plutino.model.value import as_float, general_text
from plutino.runtime.compression import compressor
from plutino.runtime.dynamic import dynamic_properties, render_property, template
from plutino.runtime.sink_options import SinkOptions, read_sink_options
from plutino.spi import DecodePlan, Encoder, FormatSpec, Registry, SinkRequest, SinkSpec
from plutino.spi.gojson import GoJsonError, decode
from plutino.spi.options import decode_options

Plain = Callable[[Any, Batch], list[Any]]
"""``(encoder, output)`` to the messages of a sink that wants rows as they are."""


class Message(Struct, gc=False):
    """One message ready for the sink; ``properties`` are its dynamic options, None when the sink has none."""

    item: Any
    properties: dict[str, Any] | None = None


class Fault(Struct, gc=False):
    """A row or message that failed: ``stage`` is ``transform`` or ``encode``, or the operator of the rule."""

    text: str
    stage: str


class SinkPlan:
    """A compiled action.

    ``plain`` is set when rows go out as they are (no template, selection, dynamic option, batch or compression); ``messages`` works for
    every action. ``passes``: payloads that the rule did not change may go out untouched, as source and sink have the same format.
    """

    __slots__ = ("compress", "dynamic", "format", "format_options", "format_properties", "options", "passes", "plain", "request", "spec")

    def __init__(self, request: SinkRequest, spec: SinkSpec, format_spec: FormatSpec, passes: bool) -> None:
        self.request = request
        self.spec = spec
        self.options: SinkOptions = read_sink_options(request.properties)
        self.format = format_spec
        self.format_properties = _format_properties(request.properties, spec)
        self.format_options = decode_options(format_spec.options, self.format_properties)
        self.passes = passes and format_spec.frame is not None
        self.dynamic = dynamic_properties(spec.dynamic_names(request.properties), request.properties)
        self.compress = compressor(self.options.compression) if self.options.compression and self.encodes and not spec.streams else None
        if self.options.data_template:
            template(self.options.data_template)
        self.plain = _plain(self)

    @property
    def encodes(self) -> bool:
        """Whether the sink takes bytes."""
        return self.spec.accepts == "bytes"

    @property
    def batched(self) -> bool:
        """Whether messages wait for others (``batchSize``, ``lingerInterval``)."""
        return self.options.batch_size > 0 or self.options.linger_interval > 0

    @property
    def operators(self) -> list[str]:
        """The kinds of the operators in front of the sink, as the status numbers them (runtime reference §2.2)."""
        kinds = ["batch", "transform", "batchWriter"] if self.batched else ["transform"]
        if self.encodes and not self.batched:
            kinds.append("encode")
        if self.compress is not None:
            kinds.append("compress")
        if self.options.enable_cache:
            kinds.append("cache")
        return kinds

    @property
    def reads_values(self) -> bool:
        """Whether templates look at the values of rows, so that their kinds matter."""
        return bool(self.options.data_template) or self.dynamic is not None

    def encoder(self) -> Encoder | None:
        """A fresh encoder, None for a sink that takes rows."""
        return self.format.encoder(self.format_options) if self.encodes else None

    def direct(self, encoder: Encoder | None) -> Callable[[Any], list[Any]]:
        """What makes messages of rows where nothing but their encoding is asked for; only for a plan that has ``plain``."""
        if encoder is not None:
            return encoder.encode_rows if self.options.send_single else encoder.encode_lists
        return _as_dicts if self.options.send_single else _as_lists

    def nothing(self, encoder: Any, out: Batch) -> list[Any]:
        """Stands for ``plain`` in a plan that has none; never called."""
        raise AssertionError(f"{self.request.name} has no plain transform")

    def messages(self, encoder: Encoder | None, out: Batch, loose: Collection[str] | None) -> Iterator[Message | Fault]:
        """Every message of an output in order, and the faults among them; ``loose`` as ``Program.json_numbers``."""
        errors = iter(out.errors or ())
        error = next(errors, None)
        for start, data in _units(out, self.options):
            while error is not None and error.at <= start:
                yield Fault(error.text, error.stage)
                error = next(errors, None)
            if data is not None:
                yield self._message(encoder, data, loose)
        while error is not None:
            yield Fault(error.text, error.stage)
            error = next(errors, None)

    def error_message(self, text: str) -> Message | None:
        """What ``sendError`` delivers: the bare text to a sink that takes bytes, ``{"error": text}`` to one that takes rows."""
        row = {"error": text}
        properties = None
        if self.dynamic is not None:
            try:
                properties = self.dynamic(row)
            except EvaluationError:
                return None
        if not self.encodes:
            return Message(row, properties)
        item = text.encode("utf-8", "replace")
        return Message(item if self.compress is None else self.compress(item), properties)

    def combine(self, encoder: Encoder | None, items: Sequence[Any]) -> Any:
        """One message out of a batch of them (runtime reference §2.4)."""
        if not self.encodes:
            return [row for item in items for row in (item if isinstance(item, list) else (item,))]
        frame = self.format.frame
        if frame is not None:
            opening, separator, close = frame
            combined = opening + separator.join(items) + close
        else:
            combined = (b"\n" if self.format.is_text else b"").join(items)
        return combined if self.compress is None else self.compress(combined)

    def _message(self, encoder: Encoder | None, data: Any, loose: Collection[str] | None) -> Message | Fault:
        seen = settled(data, loose) if self.reads_values else data
        stage = "transform"
        try:
            value = self._select(seen, data)
            properties = self.dynamic(seen) if self.dynamic is not None else None
            stage = "encode"
            item = self._encode(encoder, value) if encoder is not None else value
        except PlutinoError as error:
            return Fault(str(error), stage)
        return Message(item, properties)

    def _select(self, seen: Any, data: Any) -> Any:
        """Template, data field and fields; bytes when a template made the payload itself."""
        options = self.options
        if options.data_template:
            text = render_property(options.data_template, seen)
            if not options.data_field and not options.fields and not options.exclude_fields:
                if self.encodes and self.format.is_text:
                    return text.encode("utf-8", "surrogateescape")
                return self._parsed(text)
            try:
                data = decode(text, exact=True)
            except GoJsonError as error:
                raise EvaluationError(
                    f"fail to TransItem data {general_text(seen)} for error fail to decode data {text} for error {error}"
                ) from None
        if options.data_field:
            data = _pick(data, options.data_field)
        if options.fields or options.exclude_fields:
            try:
                data = _narrow(data, options.fields, frozenset(options.exclude_fields))
            except EvaluationError as error:
                raise EvaluationError(f"fail to TransItem data {general_text(seen)} for error {error}") from None
        if not _is_rows(data):
            raise EvaluationError(f"receive unsupported data {general_text(data)}")
        return data

    def _encode(self, encoder: Encoder, value: Any) -> bytes:
        if isinstance(value, bytes):
            item = value
        elif isinstance(value, dict):
            [item] = encoder.encode_rows((value,))
        else:
            item = encoder.encode_list(value)
        return item if self.compress is None or self.batched else self.compress(item)

    def _parsed(self, text: str) -> Any:
        """What a template gave for a sink that needs rows: the text decoded with the sink's format."""
        decoder = self.format.decoder(DecodePlan((), whole=True), self.format_options)
        batch = decoder.decode((text.encode("utf-8", "surrogateescape"),))
        if batch.errors:
            raise EvaluationError(f"fail to decode data {text} after applying dataTemplate for error {batch.errors[0].text}")
        rows = [batch.record(i) for i in range(len(batch.rows))]
        return rows if text.lstrip().startswith("[") else rows[0]


def compile_sink(request: SinkRequest, registry: Registry, *, source_format: str = "") -> SinkPlan:
    """The plan of an action; raises what its checks raise (ProvisionError, OptionError, TemplateError …) with the compatible text.

    ``source_format``: the format of every stream that the rule reads, empty when they differ.
    """
    connector = registry.connectors.get(request.connector)
    if connector is None or connector.sink is None:
        raise PlutinoError(f"sink {request.connector} is not defined")
    name = next((str(v) for k, v in request.properties.items() if k.lower() == "format" and v), "json").lower()
    format_spec = registry.formats.get(name)
    if format_spec is None:
        raise ProvisionError(f"format type {name} not supported")
    return SinkPlan(request, connector.sink, format_spec, passes=source_format == name)


def settled(data: Any, loose: Collection[str] | None) -> Any:
    """Rows as templates must see them: whole numbers of schemaless JSON are floats of the dialect."""
    if isinstance(data, list):
        return [settled(row, loose) for row in data]
    if loose is None:
        return {k: as_float(v) for k, v in data.items()}
    return {k: as_float(v) if k in loose else v for k, v in data.items()} if loose else data


def _format_properties(properties: Mapping[str, Any], spec: SinkSpec) -> Mapping[str, Any]:
    """The properties that the encoder sees; a sink that writes the header line itself gets rows without one."""
    if not spec.streams:
        return properties
    return {**{k: v for k, v in properties.items() if k.lower() != "hasheader"}, "hasHeader": False}


def _units(out: Batch, options: SinkOptions) -> Iterator[tuple[int, Any]]:
    """``(index of its first row, row or list of rows)`` of every message, None where an empty one is left out."""
    rows = out.dicts()
    if options.send_single:
        for i, row in enumerate(rows):
            yield i, None if options.omit_if_empty and not row else row
        return
    if out.sizes is None:
        for i, row in enumerate(rows):
            yield i, [row]
        return
    start = 0
    for size in out.sizes:
        yield start, None if options.omit_if_empty and size == 0 else rows[start : start + size]
        start += size


def _pick(data: Any, name: str) -> Any:
    if isinstance(data, list):
        data = data[0] if data else None
    return data.get(name) if isinstance(data, dict) else None


def _narrow(data: Any, fields: Sequence[str], excluded: frozenset[str]) -> Any:
    match data:
        case dict():
            if fields:
                return {name: data.get(name) for name in fields}
            return {k: v for k, v in data.items() if k not in excluded}
        case list():
            return [_narrow(item, fields, excluded) for item in data]
    raise EvaluationError(f"fail to decode data {general_text(data)} for error unsupported type {general_text(data)}")


def _is_rows(data: Any) -> bool:
    return isinstance(data, dict) or (isinstance(data, list) and all(isinstance(item, dict) for item in data))


def _plain(plan: SinkPlan) -> Plain | None:
    options = plan.options
    selects = options.data_template or options.data_field or options.fields or options.exclude_fields
    if selects or plan.dynamic is not None or plan.compress is not None or plan.batched or (options.omit_if_empty and options.send_single):
        return None
    if not plan.encodes:
        return _rows_single if options.send_single else _rows_list(options.omit_if_empty)
    if options.send_single:
        return _bytes_single(plan.passes, one_line=plan.spec.streams)
    return _bytes_list(plan.passes, plan.format.frame, options.omit_if_empty, one_line=plan.spec.streams)


def _as_dicts(rows: Sequence[Any]) -> list[Any]:
    return [to_dict(row) for row in rows]


def _as_lists(rows: Sequence[Any]) -> list[Any]:
    return [[to_dict(row)] for row in rows]


def _rows_single(_: Any, out: Batch) -> list[Any]:
    return out.dicts()


def _rows_list(omit: bool) -> Plain:
    def transform(_: Any, out: Batch) -> list[Any]:
        rows = out.dicts()
        return [[row] for row in rows] if out.sizes is None else list(_slices(rows, out.sizes, omit))

    return transform


def _bytes_single(passes: bool, *, one_line: bool) -> Plain:
    def transform(encoder: Any, out: Batch) -> list[Any]:
        if out.passthrough:
            return _payloads(encoder, out, passes, one_line)
        items: list[Any] = encoder.encode_rows(out.rows)
        return items

    return transform


def _bytes_list(passes: bool, frame: tuple[bytes, bytes, bytes] | None, omit: bool, *, one_line: bool) -> Plain:
    opening, _, close = frame or (b"", b"", b"")
    pattern = opening.replace(b"%", b"%%") + b"%b" + close.replace(b"%", b"%%")

    def transform(encoder: Any, out: Batch) -> list[Any]:
        if out.passthrough:
            if frame is not None:
                return [pattern % p for p in _payloads(encoder, out, passes, one_line)]
            rows: Any = out.dicts()
        else:
            rows = out.rows
        if out.sizes is not None:
            return [encoder.encode_list(part) for part in _slices(rows, out.sizes, omit)]
        items: list[Any] = encoder.encode_lists(rows)
        return items

    return transform


def _payloads(encoder: Any, out: Batch, passes: bool, one_line: bool) -> list[Any]:
    """The unchanged payloads, or their rows encoded again where the formats differ (or a line end inside would break a file of lines)."""
    payloads = out.payloads
    if passes and payloads is not None and not (one_line and any(b"\n" in p for p in payloads)):
        return payloads
    items: list[Any] = encoder.encode_rows(out.dicts())
    return items


def _slices(rows: Sequence[Any], sizes: Sequence[int], omit: bool) -> Iterator[Any]:
    start = 0
    for size in sizes:
        if size or not omit:
            yield rows[start : start + size]
        start += size
