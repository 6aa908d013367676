"""What a request says about secrets: how an export shows them, and the passphrase of an import."""

from __future__ import annotations

from plutino.control import Policy, Secrecy
from plutino.errors import PlutinoError
from plutino.spi import Call

HEADER = "plutino-passphrase"
QUERY = {
    "secrets": "plain, redact (secrets are masked; an import keeps the values that it finds) or encrypt (with the passphrase in the header "
    "Plutino-Passphrase, at least 8 characters); default: what the server is set to"
}


def secrecy_of(call: Call, policy: Policy) -> Secrecy:
    """How the asked-for document shows secrets; PlutinoError when that cannot be, AccessError when it may not."""
    return policy.secrecy(call.query.get("secrets", ""), passphrase_of(call))


def passphrase_of(call: Call) -> str:
    """The passphrase in the header, empty when there is none. UTF-8, as headers have no character set."""
    try:
        return call.headers.get(HEADER, "").encode("latin-1").decode()
    except UnicodeError:
        raise PlutinoError("Plutino-Passphrase: not UTF-8; send the passphrase as UTF-8") from None
