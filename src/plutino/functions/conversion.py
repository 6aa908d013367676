"""Casts, hashes, encodings, compression and numerals (sql reference §6.6)."""

from __future__ import annotations

import base64
import hashlib
import math
import re
import zlib
from collections.abc import Callable, Sequence
from typing import Any

from plutino.errors import EvaluationError, UnsupportedError
from plutino.model.cast import ALL, SAMEKIND, STRICT, decode_base64, to_bool, to_bytea, to_datetime, to_float, to_int, to_text
from plutino.model.number import INT64_MAX, INT64_MIN
from plutino.model.text import general_text
from plutino.spi import Arg, ArgCheck, FunctionSpec, Nulls
from plutino.spi.function import Literal

_TYPES = ("bigint", "float", "string", "boolean", "datetime", "bytea")


def _cast(value: Any, target: Any) -> Any:
    match target:
        case "datetime":
            return to_datetime(value)
        case "bytea":
            return to_bytea(value, ALL)
        case "bigint":
            convert: Callable[[Any], Any] = to_int
        case "float":
            convert = to_float
        case "string":
            convert = to_text
        case "boolean":
            convert = to_bool
        case _:
            raise EvaluationError("unknow type, only support bigint, float, string, boolean and datetime")
    try:
        return convert(value)
    except EvaluationError as error:
        raise EvaluationError(f"not supported type conversion, got error {error}") from None


def _check_cast(args: Sequence[Literal]) -> str | None:
    if args[1].known and args[1].value not in _TYPES:
        return f"Expect one of following value for the 2nd parameter: {', '.join(_TYPES)}."
    return None


def _hashed(name: str) -> Callable[[Any], str]:
    def call(value: Any) -> str:
        return hashlib.new(name, _hash_input(value), usedforsecurity=False).hexdigest()

    return call


def _crc32(value: Any) -> str:
    return f"{zlib.crc32(_hash_input(value)):x}"


def _hash_input(value: Any) -> bytes:
    return general_text(value).encode("utf-8", "surrogatepass")


def _encode(value: Any, _method: Any) -> str:
    if type(value) is not str:
        raise EvaluationError("Only string type can be encoded.")
    return base64.b64encode(value.encode("utf-8", "surrogatepass")).decode()


def _decode(value: Any, _method: Any) -> bytes:
    if type(value) is not str:
        raise EvaluationError("Only string type can be decoded.")
    try:
        return decode_base64(value)
    except EvaluationError as error:
        raise EvaluationError(f"fail to decode base64 string: {error}") from None


def _check_base64(args: Sequence[Literal]) -> str | None:
    if args[1].known and args[1].value != "base64":
        return "Only base64 is supported for the 2nd parameter."
    return None


def _trunc(value: Any, digits: Any) -> float:
    number = to_float(value, SAMEKIND)
    if type(digits) is not int and not (type(digits) is float and digits.is_integer()):
        raise EvaluationError("The 2nd parameter must be int value.")
    try:
        ratio = math.pow(10.0, float(digits))
    except OverflowError:
        return math.nan
    scaled = number * ratio
    if not math.isfinite(scaled) or ratio == 0:
        return scaled / ratio if ratio else math.nan
    whole = math.trunc(scaled)
    return (whole + math.copysign(1, scaled) if abs(scaled - whole) >= 0.5 else whole) / ratio


def _chr(value: Any) -> int:
    if type(value) is str:
        raw = value.encode("utf-8", "surrogatepass")
        if len(raw) != 1:
            raise EvaluationError("Parameter length cannot larger than 1." if raw else "Parameter must not be an empty text.")
        return raw[0]
    return to_int(value, SAMEKIND)


_HEX = re.compile(r"[+-]?[0-9a-fA-F]+", re.ASCII)


def _hex2dec(value: Any) -> int:
    if type(value) is not str:
        raise EvaluationError(f"invalid input type: {general_text(value)} please input hex string")
    digits = value.removeprefix("0x")
    if _HEX.fullmatch(digits):
        number = int(digits, 16)
        if INT64_MIN <= number <= INT64_MAX:
            return number
    raise EvaluationError(f"invalid hexadecimal value: {value}")


def _dec2hex(value: Any) -> str:
    number = to_int(value, STRICT)
    return f"0x{'-' if number < 0 else ''}{abs(number):x}"


def _input(value: Any) -> bytes:
    if type(value) is str:
        return value.encode("utf-8", "surrogatepass")
    if type(value) is bytes:
        return value
    raise EvaluationError(f"require string or bytea parameter, but got {general_text(value)}")


# zlib's window sizes choose the container: 15 zlib, 31 gzip, -15 bare deflate.
_WINDOWS = {"zlib": 15, "gzip": 31, "flate": -15}


def _compress(value: Any, method: Any) -> bytes | None:
    if value is None:
        return None
    window = _WINDOWS.get(method) if type(method) is str else None
    data = _input(value)
    if window is not None:
        packer = zlib.compressobj(wbits=window)
        return packer.compress(data) + packer.flush()
    if method == "zstd":
        packed: bytes = _zstd().compress(data)
        return packed
    raise EvaluationError(f"unsupported compressor: {general_text(method)}")


def _decompress(value: Any, method: Any) -> bytes | None:
    if value is None:
        return None
    window = _WINDOWS.get(method) if type(method) is str else None
    data = _input(value)
    if window is not None:
        return _inflate(data, window, str(method))
    if method == "zstd":
        library = _zstd()
        try:
            return bytes(library.decompress(data))
        except (library.ZstdError, ValueError) as error:
            raise EvaluationError(f"failed to decompress: {error}") from None
    raise EvaluationError(f"unsupported decompressor: {general_text(method)}")


# What the original says of a wrong header, and how many bytes it reads before it looks.
_HEADERS = {"zlib": ("zlib: invalid header", 2), "gzip": ("gzip: invalid header", 10), "flate": ("flate: corrupt input before offset 0", 1)}


def _inflate(data: bytes, window: int, method: str) -> bytes:
    refusal, header = _HEADERS[method]
    if len(data) < header:
        raise EvaluationError(f"failed to decompress: {'unexpected EOF' if data else 'EOF'}")
    unpacker = zlib.decompressobj(wbits=window)
    try:
        plain = unpacker.decompress(data) + unpacker.flush()
    except zlib.error:
        raise EvaluationError(f"failed to decompress: {refusal}") from None
    if not unpacker.eof:
        raise EvaluationError("failed to decompress: unexpected EOF")
    return plain


def _zstd() -> Any:
    """The zstd library: Python's own from 3.14, else an installed one; UnsupportedError when there is none."""
    import importlib

    for name in ("compression.zstd", "backports.zstd", "pyzstd"):
        try:
            return importlib.import_module(name)
        except ImportError:
            continue
    raise EvaluationError(str(UnsupportedError("zstd is not available; install the package backports.zstd, or use gzip, zlib or flate")))


_T = Arg("text", ArgCheck.STRING)


def _hash(name: str, about: str, example: str) -> FunctionSpec:
    call = _crc32 if name == "crc32" else _hashed(name)
    return FunctionSpec(name, call, about, (_T,), returns="string", nulls=Nulls.NULL, kind_blind=True, examples=((f"{name}('')", example),))


_HASHES = (
    _hash("md5", "MD5 of a text, in hexadecimal", hashlib.md5(b"", usedforsecurity=False).hexdigest()),
    _hash("sha1", "SHA-1 of a text, in hexadecimal", hashlib.sha1(b"", usedforsecurity=False).hexdigest()),
    _hash("sha256", "SHA-256 of a text, in hexadecimal", hashlib.sha256(b"").hexdigest()),
    _hash("sha384", "SHA-384 of a text, in hexadecimal", hashlib.sha384(b"").hexdigest()),
    _hash("sha512", "SHA-512 of a text, in hexadecimal", hashlib.sha512(b"").hexdigest()),
    _hash("crc32", "CRC-32 (IEEE) of a text, in hexadecimal without leading zeros", "0"),
)

_CODES = (
    FunctionSpec(
        "cast",
        _cast,
        "A value as another type: bigint, float, string, boolean, datetime or bytea",
        (Arg("value"), Arg("type", ArgCheck.STRING)),
        nulls=Nulls.NULL,
        validate=_check_cast,
        examples=(("cast('0x1f', 'bigint')", 31), ("cast(1000000.0, 'string')", "1000000"), ("cast(-3.99, 'bigint')", -3)),
    ),
    FunctionSpec(
        "encode",
        _encode,
        "A text in base64",
        (_T, Arg("method", ArgCheck.STRING)),
        returns="string",
        nulls=Nulls.NULL,
        validate=_check_base64,
        kind_blind=True,
        examples=(("encode('hello', 'base64')", "aGVsbG8="),),
    ),
    FunctionSpec(
        "decode",
        _decode,
        "The bytes of a base64 text",
        (_T, Arg("method", ArgCheck.STRING)),
        returns="bytea",
        nulls=Nulls.NULL,
        validate=_check_base64,
        examples=(("cast(decode('aGk=', 'base64'), 'string')", "hi"),),
    ),
    FunctionSpec(
        "compress",
        _compress,
        "A text or bytes compressed with zlib, gzip, flate or zstd",
        (Arg("value"), Arg("method", ArgCheck.STRING)),
        returns="bytea",
        examples=(("cast(decompress(compress('aaaa', 'gzip'), 'gzip'), 'string')", "aaaa"),),
    ),
    FunctionSpec(
        "decompress",
        _decompress,
        "The bytes that were compressed with zlib, gzip, flate or zstd",
        (Arg("value"), Arg("method", ArgCheck.STRING)),
        returns="bytea",
        examples=(("cast(decompress(compress('aaaa', 'zlib'), 'zlib'), 'string')", "aaaa"),),
    ),
)

_NUMERALS = (
    FunctionSpec(
        "trunc",
        _trunc,
        "A number rounded to a number of decimals (the name notwithstanding), halves away from zero",
        (Arg("number", ArgCheck.NUMBER), Arg("decimals", ArgCheck.INT)),
        returns="float",
        nulls=Nulls.NULL,
        kind_blind=True,
        examples=(("trunc(1.27, 1)", 1.3),),
    ),
    FunctionSpec(
        "chr",
        _chr,
        "The code of a one-byte text; a number gives its whole part",
        (Arg("value"),),
        returns="bigint",
        nulls=Nulls.NULL,
        kind_blind=True,
        examples=(("chr('A')", 65),),
    ),
    FunctionSpec(
        "hex2dec",
        _hex2dec,
        "The number of a hexadecimal text; 0x may stand in front",
        (_T,),
        returns="bigint",
        nulls=Nulls.NULL,
        kind_blind=True,
        examples=(("hex2dec('0x1F')", 31),),
    ),
    FunctionSpec(
        "dec2hex",
        _dec2hex,
        "A whole number in hexadecimal; a literal is refused as the original takes the argument for a text",
        (Arg("number", ArgCheck.STRING, ("bigint", "float")),),
        returns="string",
        nulls=Nulls.NULL,
        examples=(("dec2hex(bitor(16, 0))", "0x10"),),
    ),
)

SPECS = (*_HASHES, *_CODES, *_NUMERALS)
