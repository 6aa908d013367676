"""Where commands take the passphrase of encrypted secrets from: a key file, else the environment. Never from the command line, which others
on the machine can see."""

from __future__ import annotations

import os

import click

from plutino.cli.client import Client
from plutino.cli.output import Misuse
from plutino.control.encryption import read_passphrase
from plutino.errors import PlutinoError

VARIABLE = "PLUTINO_PASSPHRASE"
HEADER = "Plutino-Passphrase"

key_option = click.option(
    "--key-file", "key_file", metavar="FILE", help=f"The passphrase of encrypted secrets is in this file; else in {VARIABLE}."
)


def client_with(server: str, key_file: str | None, *, needed: bool = False) -> Client:
    """A client that sends the passphrase, if there is one; Misuse when it is ``needed`` and there is none."""
    found = passphrase(key_file)
    if needed and not found:
        raise Misuse("encrypted secrets need a passphrase", f"give it with --key-file FILE or in {VARIABLE}")
    # Header values are bytes to the library, which would refuse most of UTF-8 as text.
    return Client(server, {HEADER: found.encode().decode("latin-1")} if found else {})


def passphrase(key_file: str | None) -> str:
    """The passphrase, empty for none; Misuse when the key file cannot be read."""
    if key_file is None:
        return os.environ.get(VARIABLE, "")
    try:
        return read_passphrase(key_file)
    except PlutinoError as error:
        raise Misuse(error.message) from error
