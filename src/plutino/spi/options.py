"""Options of components: how to describe them, decode them and show them. The one door to the ``option_*`` modules."""

from plutino.spi.option_model import (
    Opt,
    Option,
    Shape,
    check_values,
    decode_options,
    encode_options,
    flat_options,
    not_negative,
    one_of,
    options_of,
    unknown_options,
)
from plutino.spi.option_views import guessed_paths, json_schema, mask, option_fields, secret_paths
from plutino.spi.secrets import MASK
from plutino.spi.tls import Tls, ssl_context

__all__ = [
    "MASK",
    "Opt",
    "Option",
    "Shape",
    "Tls",
    "check_values",
    "decode_options",
    "encode_options",
    "flat_options",
    "guessed_paths",
    "json_schema",
    "mask",
    "not_negative",
    "one_of",
    "option_fields",
    "options_of",
    "secret_paths",
    "ssl_context",
    "unknown_options",
]
