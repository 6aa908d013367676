"""Options of the file connector, and what they must fulfil."""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import Annotated, Any

from msgspec import Struct

from plutino.errors import ProvisionError, UnsupportedError
from plutino.model import Duration
from plutino.spi.options import Opt, check_values, not_negative, one_of

LINE_TYPES = ("csv", "lines")
SINK_TYPES = ("json", "csv", "lines")
KEEP, DELETE, MOVE = 0, 1, 2
DECOMPRESSIONS = ("gzip", "zlib", "flate", "zstd")


class FileSourceOptions(Struct, frozen=True, rename="camel"):
    """Options of the source; DATASOURCE names a file or folder under ``path``."""

    path: Annotated[str, Opt("Folder, absolute or relative to the data folder", "Path", required=True)] = ""
    file_type: Annotated[str, Opt("Type of the files", "File type", values=("json", "csv", "lines"))] = "json"
    interval: Annotated[
        Duration,
        Opt("Time between two readings of everything; 0 reads once and then what is new", "Interval", check=not_negative("interval")),
    ] = 0
    send_interval: Annotated[Duration, Opt("Pause between two rows", "Send interval", check=not_negative("sendInterval"))] = 0
    action_after_read: Annotated[
        int, Opt("0 keep, 1 delete, 2 move to moveTo", "Action after read", values=(KEEP, DELETE, MOVE), check=_check_action)
    ] = KEEP
    move_to: Annotated[str, Opt("Folder for files that were read", "Move to")] = ""
    ignore_start_lines: Annotated[int, Opt("Lines to leave out at the start", "Ignore start lines")] = 0
    ignore_end_lines: Annotated[int, Opt("Lines to leave out at the end", "Ignore end lines")] = 0
    has_header: Annotated[bool, Opt("The first line of csv names the columns", "Header")] = False
    columns: Annotated[list[str], Opt("Names of csv columns", "Columns")] = []
    delimiter: Annotated[str, Opt("Separator of csv, one character", "Delimiter")] = ","
    decompression: Annotated[str, Opt("Compression of whole files", "Decompression", values=DECOMPRESSIONS, check=_check_decompression)] = (
        ""
    )
    parallel: Annotated[bool, Opt("Accepted for compatibility; files are read one after another", "Parallel")] = False


class FileSinkOptions(Struct, frozen=True, rename="camel"):
    """Options of the sink."""

    path: Annotated[str, Opt("File, absolute or relative to the data folder", "Path", dynamic=True)] = "cache"
    file_type: Annotated[str, Opt("Type of the file", "File type", values=SINK_TYPES, check=_check_type)] = "lines"
    format: Annotated[str, Opt("Payload format", "Format")] = "json"
    delimiter: Annotated[str, Opt("Separator of csv", "Delimiter")] = ","
    has_header: Annotated[bool, Opt("Write a line with the column names first (csv)", "Header")] = False
    fields: Annotated[list[str], Opt("Columns, in order", "Fields")] = []
    rolling_interval: Annotated[
        Duration, Opt("Age at which a file is finished; 0 for none", "Rolling interval", check=not_negative("rollingInterval"))
    ] = 0
    rolling_size: Annotated[
        int, Opt("Bytes at which a file is finished; 0 for none", "Rolling size", check=not_negative("rollingSize"))
    ] = 0
    rolling_count: Annotated[
        int, Opt("Messages at which a file is finished; 0 for none", "Rolling count", check=not_negative("rollingCount"))
    ] = 1_000_000
    check_interval: Annotated[Duration, Opt("How often the age is looked at", "Check interval", check=not_negative("checkInterval"))] = (
        300_000
    )
    rolling_name_pattern: Annotated[
        str, Opt("Where the time goes in file names", "Name pattern", values=("", "prefix", "suffix", "none"), check=_check_pattern)
    ] = ""
    rolling_hook: Annotated[str, Opt("Hook to call with finished files", "Rolling hook")] = ""
    rolling_hook_props: Annotated[dict[str, Any], Opt("Properties of the hook", "Hook properties")] = {}
    compression: Annotated[str, Opt("Compression of the file", "Compression", values=("", "gzip", "zstd"), check=_check_compression)] = ""
    encryption: Annotated[str, Opt("Encryption of the file", "Encryption")] = ""


def check_source(options: FileSourceOptions) -> None:
    """ProvisionError for options that cannot work."""
    if not options.path:
        raise ProvisionError("missing property Path")
    kind = options.file_type.lower()
    if kind == "parquet":
        raise UnsupportedError("fileType parquet: not built in; json, csv and lines are")
    if options.decompression:
        if kind in LINE_TYPES:
            raise ProvisionError(f"decompression is not supported for {kind} file type")
        if options.decompression.lower() == "zstd":
            zstd()
    check_values(options)
    if options.action_after_read == MOVE and not options.move_to:
        raise ProvisionError("missing moveTo when actionAfterRead is 2")


def check_sink(options: FileSinkOptions) -> None:
    """ProvisionError for options that cannot work, with the compatible texts."""
    check_values(options)
    if not (options.rolling_interval or options.rolling_count or options.rolling_size):
        raise ProvisionError("one of rollingInterval, rollingCount, or rollingSize must be set")
    if not options.path:
        raise ProvisionError("path must be set")
    if options.file_type == "csv" and options.format.lower() != "delimited":
        raise ProvisionError("format must be delimited when fileType is csv")
    if options.compression == "zstd":
        zstd()
    if options.encryption:
        raise UnsupportedError(f"encryption {options.encryption}: not built in; encrypt the volume instead")
    if options.rolling_hook:
        raise ProvisionError(f"rolling hook {options.rolling_hook} is not registered")


_check_action = one_of((KEEP, DELETE, MOVE), "invalid actionAfterRead: {}; 0 (keep), 1 (delete) or 2 (move) is expected")
_check_decompression = one_of(DECOMPRESSIONS, "decompression {}: gzip, zlib, flate or zstd is expected", fold=True)
_check_pattern = one_of(("", "prefix", "suffix", "none"), "rollingNamePattern must be one of prefix, suffix or none")
_check_type = one_of(SINK_TYPES, "fileType must be one of json, csv or lines")
_check_compression = one_of(("", "gzip", "zstd"), "compression must be one of gzip, zstd")


def zstd() -> ModuleType:
    """The zstd module of this Python, or its backport; UnsupportedError when there is none."""
    for name in ("compression.zstd", "backports.zstd"):
        try:
            return importlib.import_module(name)
        except ImportError:
            continue
    raise UnsupportedError("compression zstd: needs Python 3.14 or the package backports.zstd; gzip works everywhere")
