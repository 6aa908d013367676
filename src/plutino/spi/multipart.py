"""Multipart bodies of uploads (RFC 7578), binary-safe, with the error texts of Go's reader."""

from __future__ import annotations

from collections.abc import Iterator
from email.message import Message
from email.parser import HeaderParser

from msgspec import Struct

from plutino.errors import PlutinoError

PARTS_LIMIT = 1000
_HEADER_LIMIT = 16 * 1024


class MultipartError(PlutinoError):
    """A body is no multipart form; callers add their prefix."""


class Part(Struct, frozen=True):
    """One part: ``filename`` is None for a plain field, and never has directories in it."""

    name: str
    filename: str | None
    data: bytes


def boundary_of(content_type: str) -> bytes:
    """The boundary in a Content-Type header; MultipartError when there is none or the type is another."""
    header = Message()
    header["content-type"] = content_type
    if header.get_content_type() != "multipart/form-data":
        raise MultipartError("request Content-Type isn't multipart/form-data")
    boundary = header.get_param("boundary")
    if not isinstance(boundary, str) or not boundary:
        raise MultipartError("no multipart boundary param in Content-Type")
    return boundary.encode("latin-1", "replace")


def parts_of(body: bytes, boundary: bytes) -> Iterator[Part]:
    """The parts of a body in order; MultipartError where it breaks off."""
    delimiter = b"\r\n--" + boundary
    # The first delimiter may stand at the very beginning; what is before it is no part.
    at = 0 if body.startswith(delimiter[2:]) else body.find(delimiter)
    if at < 0:
        raise MultipartError("multipart: NextPart: EOF")
    at += len(delimiter) - (2 if at == 0 and body.startswith(delimiter[2:]) else 0)
    for _ in range(PARTS_LIMIT):
        if body.startswith(b"--", at):
            return
        start = body.find(b"\r\n", at)
        if start < 0 or body[at:start].strip(b" \t"):
            raise MultipartError("multipart: NextPart: EOF")
        end = body.find(delimiter, start)
        if end < 0:
            raise MultipartError("multipart: NextPart: unexpected EOF")
        part = _part(body, start + 2, end)
        if part is not None:
            yield part
        at = end + len(delimiter)
    raise MultipartError(f"multipart: more than {PARTS_LIMIT} parts")


def _part(body: bytes, start: int, end: int) -> Part | None:
    """The part between two delimiters; None when it does not say which field it is."""
    if body.startswith(b"\r\n", start):
        head, data = b"", start + 2
    else:
        blank = body.find(b"\r\n\r\n", start, end)
        if blank < 0 or blank - start > _HEADER_LIMIT:
            raise MultipartError("multipart: NextPart: malformed MIME header")
        head, data = body[start:blank], blank + 4
    header = HeaderParser().parsestr(head.decode("utf-8", "replace"))
    if header.get_content_disposition() != "form-data":
        return None
    name = header.get_param("name", header="content-disposition")
    if name is None:
        return None
    filename = header.get_filename()
    if filename is not None:
        filename = filename.replace("\\", "/").rpartition("/")[2]
    return Part(name if isinstance(name, str) else name[2], filename, body[data:end] if data < end else b"")
