"""Multipart bodies are read byte by byte as they were sent."""

from __future__ import annotations

from contextlib import suppress

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from plutino.spi.multipart import MultipartError, Part, boundary_of, parts_of

FORM = (
    b'preamble\r\n--b\r\nContent-Disposition: form-data; name="version"\r\n\r\n2\r\n'
    b'--b  \r\nContent-Disposition: form-data; name="file"; filename="a b.txt"\r\nContent-Type: text/plain\r\n\r\nx\r\n--bb\r\n\r\n'
    b"--b\r\n\r\nnameless\r\n--b\r\nContent-Disposition: form-data; name=empty\r\n\r\n\r\n--b--\r\nafter"
)


def test_parts_of_a_form() -> None:
    """Fields and files in order; what has no name is passed over, and a line that only looks like the boundary is content."""
    parts = list(parts_of(FORM, b"b"))
    assert parts == [Part("version", None, b"2"), Part("file", "a b.txt", b"x\r\n--bb\r\n"), Part("empty", None, b"")]


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("", "request Content-Type isn't multipart/form-data"),
        ("application/json; charset=utf-8", "request Content-Type isn't multipart/form-data"),
        ("multipart/form-data", "no multipart boundary param in Content-Type"),
        ("multipart/form-data; boundary=", "no multipart boundary param in Content-Type"),
    ],
)
def test_headers_that_are_no_form(header: str, message: str) -> None:
    """The texts are those of the original."""
    with pytest.raises(MultipartError) as raised:
        boundary_of(header)
    assert str(raised.value) == message


def test_boundaries() -> None:
    """Quoted or not, in whatever case the type is written."""
    assert boundary_of("Multipart/Form-Data; boundary=abc") == b"abc"
    assert boundary_of('multipart/form-data; charset=x; boundary="a b"') == b"a b"


@pytest.mark.parametrize("body", [b"", b"x", b"--b", b"--b\r\n", FORM[:60], FORM[:-12], b"--b\r\nContent-Disposition form\r\n--b--"])
def test_bodies_that_break_off(body: bytes) -> None:
    """An incomplete body is refused, never half-read."""
    with pytest.raises(MultipartError, match="multipart: NextPart: "):
        list(parts_of(body, b"b"))


def test_too_many_parts() -> None:
    """A body of nothing but parts ends somewhere."""
    with pytest.raises(MultipartError, match="more than 1000 parts"):
        list(parts_of(b"--b\r\n\r\n\r\n" * 1001 + b"--b--", b"b"))


@pytest.mark.parametrize("sent", ["../../etc/passwd", "/etc/passwd", "..\\..\\passwd"])
def test_file_names_have_no_directories(sent: str) -> None:
    """Whatever a client sends, only the last part counts."""
    body = f'--b\r\nContent-Disposition: form-data; name="f"; filename="{sent}"\r\n\r\n\r\n--b--'.encode()
    assert [part.filename for part in parts_of(body, b"b")] == ["passwd"]


@given(st.lists(st.tuples(st.text("abcxyz", min_size=1, max_size=5), st.binary(max_size=200)), max_size=4))
def test_what_a_client_sends_arrives(files: list[tuple[str, bytes]]) -> None:
    """Files of any bytes, as another implementation encodes them."""
    request = requests.Request("POST", "http://x/", files=[(name, (f"{name}.bin", data)) for name, data in files]).prepare()
    if not files:
        return
    body, header = request.body, request.headers["content-type"]
    assert isinstance(body, bytes)
    found = [(part.name, part.data) for part in parts_of(body, boundary_of(header))]
    assert found == files


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    """No body makes the reader fail in another way."""
    with suppress(MultipartError):
        assert all(part.data in body for part in parts_of(b"--b\r\n" + body, b"b"))
