"""Secrets as text that only a passphrase opens: ``${encrypted:scrypt-aes256gcm:<salt>:<data>}``.

The key comes from the passphrase through scrypt (n = 2^15, r = 8, p = 1) and the salt; the data is an AES-256-GCM nonce with the sealed
value, all in URL-safe base64, so that the text may stand in an address, in SQL and in YAML. Nonces are a keyed hash of
place and value, so that the same export gives the same bytes, while equal values at two places do not look equal.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import re
from pathlib import Path
from typing import Any

from plutino.errors import DefinitionError, PlutinoError, UnsupportedError

PREFIX = "${encrypted:"
SCHEME = "scrypt-aes256gcm"
TOKEN = re.compile(r"\$\{encrypted:([\w.-]*):([\w=-]*):([\w=-]*)\}")
SALT_SIZE = 16
SALTS = 16
"""Different salts that one document may have: each costs a tenth of a second."""

SHORTEST = 8
"""Characters of a passphrase at least."""

_LONGEST_KEY = 64 * 1024
_NONCE_SIZE = 12
_TEXT, _JSON = b"s", b"j"


class Cipher:
    """Seals and opens values with one passphrase. Keys are derived on first use, which takes a tenth of a second and 32 MB each."""

    def __init__(self, passphrase: str) -> None:
        if len(passphrase) < SHORTEST:
            raise PlutinoError(f"passphrase: {len(passphrase)} characters; at least {SHORTEST} are expected")
        self._passphrase = passphrase.encode("utf-8", "surrogateescape")
        self._keys: dict[bytes, tuple[Any, bytes]] = {}

    def derive(self, salt: bytes) -> None:
        """Make the key of a salt ready; blocks."""
        if salt not in self._keys:
            aead, kdf = _library()
            material = kdf(salt=salt, length=64, n=2**15, r=8, p=1).derive(self._passphrase)
            self._keys[salt] = (aead(material[:32]), material[32:])

    def seal(self, salt: bytes, place: str, value: str, *, literal: bool) -> str:
        """The text that stands for a value at a place; ``literal``: the value is a JSON token, not a text."""
        self.derive(salt)
        aead, nonce_key = self._keys[salt]
        plain = (_JSON if literal else _TEXT) + value.encode("utf-8", "surrogatepass")
        nonce = hmac.digest(nonce_key, place.encode("utf-8", "surrogatepass") + b"\0" + plain, hashlib.sha256)[:_NONCE_SIZE]
        data = nonce + aead.encrypt(nonce, plain, SCHEME.encode())
        return f"{PREFIX}{SCHEME}:{_encoded(salt)}:{_encoded(data)}}}"

    def open(self, token: re.Match[str]) -> tuple[str, bool]:
        """The value behind a text, and whether it is a JSON token; DefinitionError when it does not open."""
        scheme, salt, data = token.groups()
        if scheme != SCHEME:
            raise DefinitionError(f"an encrypted value of scheme {scheme!r}; {SCHEME} is expected")
        from cryptography.exceptions import InvalidTag

        try:
            raw = _decoded(data)
            self.derive(_decoded(salt))
            aead, _ = self._keys[_decoded(salt)]
            plain: bytes = aead.decrypt(raw[:_NONCE_SIZE], raw[_NONCE_SIZE:], SCHEME.encode())
        except (InvalidTag, ValueError):
            raise DefinitionError(
                "an encrypted value that does not open; the passphrase that it was exported with, and the whole value are expected"
            ) from None
        return plain[1:].decode("utf-8", "surrogatepass"), plain[:1] == _JSON


def read_passphrase(path: str) -> str:
    """The passphrase in a key file: its text without the line end, base64 of its bytes when it is no text. PlutinoError; blocks."""
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise PlutinoError(f"key file {path}: {(error.strerror or str(error)).lower()}; a file with a passphrase is expected") from None
    try:
        found = data.decode().rstrip("\r\n")
        found = found if found.isprintable() else ""
    except UnicodeDecodeError:
        found = ""
    found = found or base64.b64encode(data).decode()
    if len(found) < SHORTEST or len(data) > _LONGEST_KEY:
        raise PlutinoError(f"key file {path}: {len(data)} bytes; {SHORTEST} to {_LONGEST_KEY} are expected")
    return found


def new_salt() -> bytes:
    """A salt for the keys of one installation."""
    return os.urandom(SALT_SIZE)


def salts_in(text: str) -> set[bytes]:
    """The salts of all encrypted values in a text; what is no salt is left to ``Cipher.open`` to refuse."""
    found = set()
    for match in TOKEN.finditer(text):
        try:
            found.add(_decoded(match[2]))
        except ValueError:
            continue
    return found


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except binascii.Error as error:
        raise ValueError(str(error)) from None


def _library() -> tuple[Any, Any]:
    try:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM
        from cryptography.hazmat.primitives.kdf.scrypt import Scrypt
    except ImportError:
        raise UnsupportedError("encrypted secrets need the package cryptography: pip install 'plutino[crypto]'") from None
    return AESGCM, Scrypt
