"""The properties that every sink understands, and the checks that refuse what cannot work (runtime reference §2.1)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from msgspec import Struct, field

from plutino.errors import OptionError, PlutinoError, ProvisionError, UnsupportedError
from plutino.model import Duration, format_duration
from plutino.runtime.compression import check_name
from plutino.spi.options import Opt, decode_options, not_negative, one_of

CACHED_RESEND = 100
"""ms between attempts when a cache is on and ``resendInterval`` is not given."""


class SinkOptions(Struct, frozen=True, rename="camel"):
    """Common sink properties, decoded; times in ms. Its own options a sink decodes itself."""

    buffer_length: Annotated[int, Opt("Messages that wait for this sink at most")] = 1024
    omit_if_empty: Annotated[bool, Opt("Leave out empty results")] = False
    send_single: Annotated[bool, Opt("One message per row instead of a list")] = False
    format: Annotated[str, Opt("Payload format")] = "json"
    data_template: Annotated[str, Opt("Template that makes the payload", dynamic=True)] = ""
    data_field: Annotated[str, Opt("Column whose value is sent", aliases=("tableDataField",))] = ""
    fields: Annotated[list[str], Opt("Columns to send, in order")] = field(default_factory=list)
    exclude_fields: Annotated[list[str], Opt("Columns to leave out")] = field(default_factory=list)
    batch_size: Annotated[int, Opt("Messages per batch, 0 for no limit", check=_check_batch)] = 0
    linger_interval: Annotated[Duration, Opt("How long a batch waits", check=_check_linger)] = 0
    compression: Annotated[str, Opt("zlib, gzip or flate", check=check_name)] = ""
    encryption: Annotated[str, Opt("Encryption of payloads")] = ""
    enable_cache: Annotated[bool, Opt("Keep messages while the sink is away")] = False
    memory_cache_threshold: Annotated[int, Opt("Messages that the cache keeps in memory", check=not_negative("memoryCacheThreshold"))] = (
        1024
    )
    max_disk_cache: Annotated[int, Opt("Messages that the cache keeps on disk", check=not_negative("maxDiskCache"))] = 1024000
    buffer_page_size: Annotated[int, Opt("Messages per page on disk", check=_check_page)] = 256
    resend_interval: Annotated[Duration, Opt("Pause before a failed message is sent again", check=not_negative("resendInterval"))] = 0
    resend_priority: Annotated[int, Opt("-1, 0 or 1", values=(-1, 0, 1), check=_check_priority)] = 0

    @property
    def retry_ms(self) -> int | None:
        """Pause before a failed message is sent again, None when it is dropped."""
        if self.enable_cache:
            return self.resend_interval or CACHED_RESEND
        return self.resend_interval or None

    @property
    def limit(self) -> int:
        """How many messages may wait."""
        return max(1, self.memory_cache_threshold if self.enable_cache else self.buffer_length)


def read_sink_options(properties: Mapping[str, Any]) -> SinkOptions:
    """Decode and check; ProvisionError or OptionError with the compatible text."""
    try:
        options = decode_options(SinkOptions, properties)
    except OptionError as error:
        raise OptionError(f"fail to parse sink configuration: {error}", path=error.path) from None
    if options.fields and options.exclude_fields:
        raise PlutinoError("field and excludeFields cannot both be set")
    _check_batch(options.batch_size)
    _check_linger(options.linger_interval)
    _check_cache(options)
    if options.encryption:
        raise UnsupportedError(f"sink property encryption: {options.encryption}; payload encryption is not built in, leave it out")
    return options


def _check_batch(size: int) -> None:
    if size < 0:
        raise _refused(f"invalid batchSize {size}")


def _check_linger(interval: int) -> None:
    if interval < 0:
        raise _refused(f"invalid lingerInterval {format_duration(interval)}, must be positive")


def _check_page(size: int) -> None:
    if size <= 0:
        raise ProvisionError("bufferPageSize must be positive")


_check_priority = one_of((-1, 0, 1), "resendPriority must be -1, 0 or 1")


def _check_cache(options: SinkOptions) -> None:
    threshold, disk, page = options.memory_cache_threshold, options.max_disk_cache, options.buffer_page_size
    ragged, ragged_disk = page > 0 and threshold % page != 0, page > 0 and disk % page != 0
    faults = [
        f"{name}:{text}"
        for name, wrong, text in (
            ("memoryCacheThreshold", threshold < 0, "memoryCacheThreshold must be positive"),
            ("maxDiskCache", disk < 0, "maxDiskCache must be positive"),
            ("bufferPageSize", page <= 0, "bufferPageSize must be positive"),
            ("resendInterval", options.resend_interval < 0, "resendInterval must be positive"),
            ("memoryCacheThresholdTooSmall", threshold < page, "memoryCacheThreshold must be greater than or equal to bufferPageSize"),
            ("memoryCacheThresholdNotMultiple", ragged, "memoryCacheThreshold must be a multiple of bufferPageSize"),
            ("maxDiskCacheTooSmall", disk < page, "maxDiskCache must be greater than bufferPageSize"),
            ("maxDiskCacheNotMultiple", ragged_disk, "maxDiskCache must be a multiple of bufferPageSize"),
            ("resendPriority", options.resend_priority not in (-1, 0, 1), "resendPriority must be -1, 0 or 1"),
        )
        if wrong
    ]
    if faults:
        raise _refused("invalid cache properties: " + "\n".join(faults))


def _refused(text: str) -> ProvisionError:
    return ProvisionError(f"fail to parse sink configuration: {text}", code=1000)
