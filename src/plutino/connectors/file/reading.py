"""What is inside files: blocks of whole lines, csv rows, whole payloads. Nothing here waits or knows the engine."""

from __future__ import annotations

import csv
import zlib
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from plutino.connectors.file.options import zstd
from plutino.errors import FormatError

BLOCK = 128 * 1024
"""Bytes per block of lines: large enough for the decoder, small enough that others run in between."""
CSV_ROWS = 1024


def line_blocks(path: str, offset: int, ignore_start: int, ignore_end: int, *, complete: bool = True) -> Iterator[tuple[bytes, int]]:
    """Blocks of whole lines from ``offset`` on, each with the offset behind it.

    The first and last lines are left out where asked (``offset`` > 0: the first ones were left out before). A last line without a line
    end gets one where the file is ``complete``; else it is left for later. ``\\r\\n`` becomes ``\\n``.
    """
    with open(path, "rb") as file:
        if offset > 0:
            file.seek(offset)
        else:
            for _ in range(ignore_start):
                file.readline()
        tail, position = b"", file.tell()
        while True:
            block = file.read(BLOCK)
            if not block:
                break
            if not block.endswith(b"\n"):
                block += file.readline()
                if not block.endswith(b"\n"):
                    if not complete:
                        yield from _until_line_end(block, file.tell())
                        return
                    block += b"\n"
            if ignore_end:
                block, tail = _hold_back(tail + block, ignore_end)
            position = file.tell() - len(tail)
            if block:
                yield (block.replace(b"\r\n", b"\n") if b"\r" in block else block), position


def _until_line_end(block: bytes, position: int) -> Iterator[tuple[bytes, int]]:
    cut = block.rfind(b"\n") + 1
    if cut:
        yield block[:cut].replace(b"\r\n", b"\n"), position - len(block) + cut


def _hold_back(block: bytes, lines: int) -> tuple[bytes, bytes]:
    """A block without its last lines, and those."""
    cut = len(block)
    for _ in range(lines):
        cut = block.rfind(b"\n", 0, cut - 1) + 1 if cut > 0 else 0
        if cut == 0:
            return b"", block
    return block[:cut], block[cut:]


def csv_rows(
    path: str, delimiter: str, columns: Sequence[str], has_header: bool, ignore_start: int, ignore_end: int, skip: int
) -> Iterator[tuple[list[dict[str, str]], int]]:
    """Rows of a csv file as text values, in chunks, each with the number of rows read so far; the first ``skip`` rows are left out.

    Names come from the header, else from ``columns``, else they are ``cols0``, ``cols1`` …; values without a name are dropped.
    """
    with open(path, encoding="utf-8-sig", errors="replace", newline="") as file:
        for _ in range(ignore_start):
            file.readline()
        reader = csv.reader(file, delimiter=delimiter[:1] or ",", skipinitialspace=True)
        try:
            names = next(reader, []) if has_header else list(columns)
            rows: list[dict[str, str]] = []
            count = 0
            held: deque[list[str]] = deque()
            for values in reader:
                if not values:
                    continue
                if ignore_end:
                    held.append(values)
                    if len(held) <= ignore_end:
                        continue
                    values = held.popleft()
                count += 1
                if count <= skip:
                    continue
                rows.append(dict(zip(names, values, strict=False)) if names else {f"cols{i}": v for i, v in enumerate(values)})
                if len(rows) >= CSV_ROWS:
                    yield rows, count
                    rows = []
        except csv.Error as error:
            raise FormatError(f"{path}: line {reader.line_num}: {error}") from error
        if rows:
            yield rows, count


def whole(path: str, decompression: str) -> bytes:
    """A whole file, decompressed; FormatError when it does not decompress."""
    data = Path(path).read_bytes()
    try:
        match decompression.lower():
            case "":
                return data
            case "gzip":
                return _inflate(data, zlib.MAX_WBITS | 16)
            case "zlib":
                return _inflate(data, zlib.MAX_WBITS)
            case "flate":
                return _inflate(data, -zlib.MAX_WBITS)
            case _:
                module = zstd()
                try:
                    plain: bytes = module.decompress(data)
                except module.ZstdError as error:
                    raise FormatError(f"{path}: failed to decompress: {error}") from error
                return plain
    except (zlib.error, EOFError) as error:
        raise FormatError(f"{path}: failed to decompress: {error}") from error


def _inflate(data: bytes, wbits: int) -> bytes:
    """All members of compressed data, one after the other."""
    parts: list[bytes] = []
    while data:
        reader = zlib.decompressobj(wbits)
        parts.append(reader.decompress(data))
        if not reader.eof:
            raise EOFError("unexpected EOF")
        data = reader.unused_data
    return b"".join(parts)


def fingerprint(path: str, size: int) -> int:
    """Tells whether the first ``size`` bytes of a file are still those that were read (their beginning is compared)."""
    with open(path, "rb") as file:
        return zlib.crc32(file.read(min(size, 4096)))


def elements(payload: bytes) -> list[bytes]:
    """The elements of a JSON array as payloads of their own; anything else stays one payload."""
    if payload.lstrip()[:1] == b"[":
        try:
            return [bytes(raw) for raw in msgspec.json.decode(payload, type=list[msgspec.Raw])]
        except msgspec.DecodeError:
            return [payload]  # the decoder of the stream reports what is wrong with it
    return [payload]
