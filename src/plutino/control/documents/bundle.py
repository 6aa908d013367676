"""The bundle: a zip archive with the files of ``tree`` and a manifest. It holds everything, so it restores on a machine without network.

``manifest.json`` names the format version, the producer and the SHA-256 of every other file; ``manifest.sig`` is an optional Ed25519
signature of the manifest, and so of all. Equal configurations give equal bytes.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import io
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from plutino import __version__
from plutino.control.documents import tree
from plutino.control.documents.content import DocumentContent, Format, ObjectText, Steps
from plutino.control.failure import Failure
from plutino.errors import DocumentError, Fault, PlutinoError, UnsupportedError
from plutino.spi.archive import Limits, archive_limits, open_archive
from plutino.spi.limits import limits

VERSION = 1
MANIFEST = "manifest.json"
SIGNATURE = "manifest.sig"
_ENTRIES = 65_535
"""More files would need the zip64 form, which is not read."""

_DATE = (1980, 1, 1, 0, 0, 0)
_STORED_FROM = 100
"""What shrinks to less than a hundredth is stored as it is: readers take it for an attack."""


class FileEntry(Struct, frozen=True):
    """A file of a bundle; ``size`` in bytes."""

    sha256: str
    size: int


class Manifest(Struct, frozen=True):
    """What a bundle says about itself."""

    format: int
    producer: str = ""
    files: dict[str, FileEntry] = {}


def read(document: bytes) -> Steps[DocumentContent]:
    """The objects of a bundle, every file compared with the manifest. An archive without one is taken for a folder, with a warning."""
    files = unpack(document)
    warnings: tuple[Fault, ...] = ()
    if MANIFEST in files:
        _check(files, _manifest(files[MANIFEST]))
    else:
        warnings = (Fault("", "no manifest: nothing tells whether the files are whole", file=MANIFEST),)
    yield
    content = yield from tree.read((name for name in files if name not in (MANIFEST, SIGNATURE)), files.__getitem__)
    return DocumentContent(content.objects, content.refused, (*warnings, *content.warnings), content.sources, content.data)


def write(objects: Sequence[ObjectText], blob: Callable[[str], bytes]) -> Steps[bytes]:
    """A bundle of objects and their bytes."""
    files = yield from tree.write(objects, blob)
    return pack(files)


def refusal(failures: Sequence[Failure]) -> str:
    """Each refused object with its reason, one a line."""
    return "\n".join(f"{failure.object_path}: {failure.wire_text}" for failure in failures if not failure.further)


FORMAT: Format[bytes] = Format("bundle", read, write, refusal, carries_bytes=True)


def pack(files: Mapping[str, bytes]) -> bytes:
    """Files with a manifest as an archive."""
    if len(files) > _ENTRIES - 2:
        raise PlutinoError(f"bundle: {len(files)} files; at most {_ENTRIES - 2} fit, export fewer rules at once")
    entries = {name: FileEntry(hashlib.sha256(data).hexdigest(), len(data)) for name, data in sorted(files.items())}
    manifest = Manifest(VERSION, f"plutino {__version__}", entries)
    return _zipped({MANIFEST: msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n", **dict(sorted(files.items()))})


def unpack(document: bytes) -> dict[str, bytes]:
    """All files of an archive, once its directory was found to be harmless; DefinitionError when it is not."""
    # The archive is read from a file, so that a directory that lies is found before it is in memory.
    with tempfile.NamedTemporaryFile(prefix="plutino-bundle-") as file:
        file.write(document)
        file.flush()
        with open_archive(file.name, _limits()) as archive:
            return {name: archive.read(name) for name in archive.names}


def _limits() -> Limits:
    """A bundle may have as many files as a document has objects; of their size it is an archive like others."""
    found = archive_limits(entry=limits().download)
    return Limits(min(_ENTRIES, limits().entries), found.entry, found.total, found.ratio)


def sign(document: bytes, private_key: bytes) -> bytes:
    """A bundle with its manifest signed by an Ed25519 key (PEM); a signature that it had is replaced."""
    files = unpack(document)
    if MANIFEST not in files:
        raise PlutinoError("bundle: no manifest; only a bundle with one can be signed")
    signature = base64.b64encode(_private(private_key).sign(files[MANIFEST])) + b"\n"
    rest = {name: data for name, data in files.items() if name not in (MANIFEST, SIGNATURE)}
    return _zipped({MANIFEST: files[MANIFEST], SIGNATURE: signature, **rest})


def verify(document: bytes, public_keys: Sequence[bytes]) -> None:
    """PlutinoError unless the manifest is signed by one of the keys (PEM). Whether the files are those of the manifest, ``read`` checks."""
    files = unpack(document)
    if MANIFEST not in files or SIGNATURE not in files:
        raise PlutinoError("bundle: not signed; a signature by a trusted key is expected")
    try:
        signature = base64.b64decode(files[SIGNATURE].strip(), validate=True)
    except binascii.Error:
        raise PlutinoError(f"bundle: {SIGNATURE} is not base64; the signature of the manifest is expected") from None
    if not any(_is_signed(key, signature, files[MANIFEST]) for key in public_keys):
        raise PlutinoError("bundle: the signature is by none of the trusted keys, or the manifest was changed after it")


def _manifest(data: bytes) -> Manifest:
    try:
        version = msgspec.json.decode(data, type=Manifest)
    except (msgspec.DecodeError, RecursionError) as error:
        fault = Fault("", f"not a manifest: {error}", file=MANIFEST)
        raise DocumentError(f"bundle: {fault.text}", (fault,)) from None
    if version.format != VERSION:
        raise DocumentError(f"bundle: format {version.format}; this version reads format {VERSION}, use the one that wrote it")
    return version


def _check(files: Mapping[str, bytes], manifest: Manifest) -> None:
    """DocumentError unless the files are those of the manifest."""
    faults = []
    for name, entry in manifest.files.items():
        if name not in files:
            faults.append(Fault("", "missing; the manifest names it", file=name))
        elif hashlib.sha256(files[name]).hexdigest() != entry.sha256:
            faults.append(Fault("", f"not the file that the manifest names: its SHA-256 is not {entry.sha256}", file=name))
    faults += [Fault("", "not in the manifest", file=name) for name in files if name not in (MANIFEST, SIGNATURE, *manifest.files)]
    if faults:
        raise DocumentError(f"bundle: {faults[0].file}: {faults[0].text}" + _more(faults), tuple(faults))


def _more(faults: Sequence[Fault]) -> str:
    return f"; and {len(faults) - 1} more" if len(faults) > 1 else ""


def _zipped(files: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in files.items():
            info = zipfile.ZipInfo(name, _DATE)
            info.external_attr = 0o100644 << 16
            info.create_system = 3
            shrinks = len(data) < 1 << 20 or len(zlib.compress(data, 6)) * _STORED_FROM > len(data)
            info.compress_type = zipfile.ZIP_DEFLATED if shrinks else zipfile.ZIP_STORED
            archive.writestr(info, data, compresslevel=6)
    return buffer.getvalue()


def _private(pem: bytes) -> Any:
    serialization, ed25519 = _library()
    try:
        key = serialization.load_pem_private_key(pem, None)
    except (ValueError, TypeError) as error:
        raise PlutinoError(f"signing key: {error}; an Ed25519 private key in PEM without passphrase is expected") from None
    if not isinstance(key, ed25519.Ed25519PrivateKey):
        raise PlutinoError("signing key: of another kind; an Ed25519 private key is expected")
    return key


def public_key(pem: bytes) -> Any:
    """The key that a signature is checked with; PlutinoError when the text is none, or nothing here checks signatures."""
    serialization, ed25519 = _library()
    try:
        key = serialization.load_pem_public_key(pem)
    except (ValueError, TypeError):
        raise PlutinoError("trusted key: not readable; an Ed25519 public key in PEM is expected") from None
    if not isinstance(key, ed25519.Ed25519PublicKey):
        raise PlutinoError("trusted key: of another kind; an Ed25519 public key is expected")
    return key


def _is_signed(pem: bytes, signature: bytes, data: bytes) -> bool:
    key = public_key(pem)
    from cryptography.exceptions import InvalidSignature

    try:
        key.verify(signature, data)
    except InvalidSignature:
        return False
    return True


def _library() -> tuple[Any, Any]:
    try:
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import ed25519
    except ImportError:
        raise UnsupportedError("signatures need the package cryptography: pip install 'plutino[crypto]'") from None
    return serialization, ed25519
