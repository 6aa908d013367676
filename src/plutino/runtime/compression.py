"""Compression of payloads: zlib, gzip and flate (raw deflate), in both directions."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable

from plutino.errors import FormatError, ProvisionError, UnsupportedError

_LIMIT = 64 * 1024 * 1024
"""Bytes that one payload may grow to, so that a small message cannot fill the memory."""


def compressor(name: str) -> Callable[[bytes], bytes]:
    """The function that compresses a payload; UnsupportedError for an algorithm that is not built in."""
    match name:
        case "zlib":
            return zlib.compress
        case "gzip":
            return lambda payload: gzip.compress(payload, mtime=0)
        case "flate":
            return _deflate
    raise _unknown(name)


def decompressor(name: str) -> Callable[[bytes], bytes]:
    """The function that decompresses a payload (FormatError when it is none); UnsupportedError for an algorithm that is not built in."""
    match name:
        case "zlib":
            return lambda payload: _inflate(payload, zlib.MAX_WBITS)
        case "gzip":
            return lambda payload: _inflate(payload, zlib.MAX_WBITS | 16)
        case "flate":
            return lambda payload: _inflate(payload, -zlib.MAX_WBITS)
    raise _unknown(name)


def _deflate(payload: bytes) -> bytes:
    writer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return writer.compress(payload) + writer.flush()


def _inflate(payload: bytes, wbits: int) -> bytes:
    reader = zlib.decompressobj(wbits)
    try:
        plain = reader.decompress(payload, _LIMIT)
    except zlib.error as error:
        raise FormatError(f"failed to decompress: {error}") from None
    if reader.unconsumed_tail:
        raise FormatError(f"failed to decompress: more than {_LIMIT} bytes; a smaller payload is expected")
    if not reader.eof:
        raise FormatError("failed to decompress: unexpected EOF")
    return plain


def check_name(name: str) -> None:
    """ProvisionError for an algorithm that nobody knows."""
    if name not in ("zlib", "gzip", "flate", "zstd"):
        raise ProvisionError(_unknown(name).message)


def _unknown(name: str) -> UnsupportedError:
    if name == "zstd":
        return UnsupportedError("compression zstd: not built in; use zlib, gzip or flate")
    return UnsupportedError(f"unsupported compressor: {name}; zlib, gzip or flate is expected")
