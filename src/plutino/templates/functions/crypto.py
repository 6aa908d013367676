"""Cryptography, random texts, and the functions that would leak the engine's surroundings.

``env``, ``expandenv`` and ``getHostByName`` are switched off and give an empty text, as in Sprig's hermetic set: templates
come with configurations, and must not read the environment or open connections.

Certificates, private keys and password hashes need a cryptographic library that Plutino does not bring along; calling those functions
fails with a message that says so. AES works when the package ``cryptography`` is installed.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import importlib
import string
import uuid
from typing import Any

from plutino.templates.functions.encoding import decode_base64
from plutino.templates.functions.registry import define
from plutino.templates.go.values import Failure, from_utf8, utf8
from plutino.templates.host import Host
from plutino.templates.limits import check_text, meter

_LETTERS = string.ascii_letters
_DIGITS = string.digits
_PRINTABLE = "".join(map(chr, range(32, 127)))

_SEED = b"com.lyndir.masterpassword"
_PASSWORD_FORMS = {
    "maximum": ("anoxxxxxxxxxxxxxxxxx", "axxxxxxxxxxxxxxxxxno"),
    "long": (
        "CvcvnoCvcvCvcv", "CvcvCvcvnoCvcv", "CvcvCvcvCvcvno", "CvccnoCvcvCvcv", "CvccCvcvnoCvcv", "CvccCvcvCvcvno", "CvcvnoCvccCvcv",
        "CvcvCvccnoCvcv", "CvcvCvccCvcvno", "CvcvnoCvcvCvcc", "CvcvCvcvnoCvcc", "CvcvCvcvCvccno", "CvccnoCvccCvcv", "CvccCvccnoCvcv",
        "CvccCvccCvcvno", "CvcvnoCvccCvcc", "CvcvCvccnoCvcc", "CvcvCvccCvccno", "CvccnoCvcvCvcc", "CvccCvcvnoCvcc", "CvccCvcvCvccno",
    ),
    "medium": ("CvcnoCvc", "CvcCvcno"),
    "short": ("Cvcn",),
    "basic": ("aaanaaan", "aannaaan", "aaannaaa"),
    "pin": ("nnnn",),
}  # fmt: skip
_CHARACTERS = {
    "V": "AEIOU",
    "C": "BCDFGHJKLMNPQRSTVWXYZ",
    "v": "aeiou",
    "c": "bcdfghjklmnpqrstvwxyz",
    "A": "AEIOUBCDFGHJKLMNPQRSTVWXYZ",
    "a": "AEIOUaeiouBCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz",
    "n": "0123456789",
    "o": "@&%?,=[]_:-+*$#!'^~;()/.",
    "x": "AEIOUaeiouBCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz0123456789!@#$%^&*()",
}


@define("env expandenv getHostByName", "string -> string")
def switched_off(_text: str) -> str:
    return ""


@define("uuidv4", "-> string", host=True)
def uuidv4(host: Host) -> str:
    return str(uuid.UUID(bytes=host.random.randbytes(16), version=4))


@define("randAlpha", "int -> string", grows=True, host=True)
def rand_alpha(host: Host, count: int) -> str:
    return _random_text(host, count, _LETTERS)


@define("randNumeric", "int -> string", grows=True, host=True)
def rand_numeric(host: Host, count: int) -> str:
    return _random_text(host, count, _DIGITS)


@define("randAlphaNum", "int -> string", grows=True, host=True)
def rand_alpha_num(host: Host, count: int) -> str:
    return _random_text(host, count, _LETTERS + _DIGITS)


@define("randAscii", "int -> string", grows=True, host=True)
def rand_ascii(host: Host, count: int) -> str:
    return _random_text(host, count, _PRINTABLE)


@define("randBytes", "int -> string", grows=True, host=True)
def rand_bytes(host: Host, count: int) -> str:
    if count < 0:
        raise Failure("runtime error: makeslice: len out of range")
    check_text(count)
    return base64.b64encode(host.random.randbytes(count)).decode()


@define("shuffle", "string -> string", host=True)
def shuffle(host: Host, text: str) -> str:
    return "".join(host.random.sample(text, len(text)))


@define("derivePassword", "uint32, string, string, string, string -> string", grows=True)
def derive_password(counter: int, form: str, password: str, user: str, site: str) -> str:
    """The Master Password algorithm."""
    forms = _PASSWORD_FORMS.get(form)
    if forms is None:
        return f"cannot find password template {form}"
    # A tenth of a second, as the algorithm wants it.
    meter.spent += 500_000
    name, place = utf8(user), utf8(site)
    salt = _SEED + len(name).to_bytes(4, "big") + name
    key = hashlib.scrypt(utf8(password), salt=salt, n=32768, r=8, p=2, maxmem=64 << 20, dklen=64)
    message = _SEED + len(place).to_bytes(4, "big") + place + counter.to_bytes(4, "big")
    seed = hmac.new(key, message, hashlib.sha256).digest()
    chosen = forms[seed[0] % len(forms)]
    return "".join(_CHARACTERS[c][seed[i] % len(_CHARACTERS[c])] for i, c in enumerate(chosen, start=1))


@define("encryptAES", "string, string -> string", host=True)
def encrypt_aes(host: Host, password: str, text: str) -> str:
    """CBC with a random start, all in base64."""
    if not text:
        return ""
    data = utf8(text)
    padding = 16 - len(data) % 16
    start = host.random.randbytes(16)
    encryptor = _aes("encryptAES", password, start).encryptor()
    sealed = encryptor.update(data + bytes((padding,)) * padding) + encryptor.finalize()
    return base64.b64encode(start + sealed).decode()


@define("decryptAES", "string, string -> string")
def decrypt_aes(password: str, text: str) -> str:
    if not text:
        return ""
    data = decode_base64(text)
    if isinstance(data, str):
        raise Failure(data)
    if len(data) < 32 or len(data) % 16:
        raise Failure("crypto/cipher: input not full blocks")
    decryptor = _aes("decryptAES", password, data[:16]).decryptor()
    plain = decryptor.update(data[16:]) + decryptor.finalize()
    if plain[-1] > len(plain):
        raise Failure("runtime error: slice bounds out of range")
    return from_utf8(plain[: len(plain) - plain[-1]])


def _aes(function: str, password: str, start: bytes) -> Any:
    try:
        ciphers = importlib.import_module("cryptography.hazmat.primitives.ciphers")
    except ImportError:
        raise _not_available(function) from None
    return ciphers.Cipher(ciphers.algorithms.AES(utf8(password)[:32].ljust(32, b"\0")), ciphers.modes.CBC(start))


def _not_available(function: str) -> Failure:
    return Failure(f"{function} is not available: it needs a cryptographic library; install the package cryptography, or do it outside")


def _unavailable(name: str, signature: str) -> None:
    def refuse(*_arguments: Any) -> str:
        raise Failure(f"{name} is not available: keys, certificates and password hashes are not made by templates here")

    define(name, signature)(refuse)


for _name, _signature in {
    "bcrypt": "string -> string",
    "htpasswd": "string, string -> string",
    "genPrivateKey": "string -> string",
    "buildCustomCert": "string, string -> any",
    "genCA": "string, int -> any",
    "genCAWithKey": "string, int, string -> any",
    "genSelfSignedCert": "string, any, any, int -> any",
    "genSelfSignedCertWithKey": "string, any, any, int, string -> any",
    "genSignedCert": "string, any, any, int, any -> any",
    "genSignedCertWithKey": "string, any, any, int, any, string -> any",
}.items():
    _unavailable(_name, _signature)


def _random_text(host: Host, count: int, alphabet: str) -> str:
    if count <= 0:
        return ""
    check_text(count * 64)
    return "".join(host.random.choices(alphabet, k=count))
