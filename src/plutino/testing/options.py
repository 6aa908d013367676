"""Suite for option models: what every component's options must fulfil."""

from __future__ import annotations

import json
from typing import Any

from msgspec import NODEFAULT, Struct

from plutino.errors import OptionError
from plutino.spi.options import (
    MASK,
    Option,
    decode_options,
    encode_options,
    flat_options,
    json_schema,
    mask,
    option_fields,
    unknown_options,
)
from plutino.spi.secrets import surely_secret

_WRONG: dict[str, Any] = {"string": 1, "int": "x", "float": "x", "bool": "x", "duration": [], "list": 1, "map": 1, "struct": 1}


def check_options(model: type[Struct]) -> None:
    """Everything derives from the model: decoding, refusal with a path, JSON schema, form fields, masking. AssertionError when not."""
    options = flat_options(model)
    names = [option.name for option in options]
    assert len({name.lower() for name in names}) == len(names), f"{model.__name__}: names must differ in more than case: {names}"
    for option in options:
        _check_option(model, option)
    if all(option.default is not NODEFAULT for option in options):
        empty = decode_options(model, {})
        assert decode_options(model, encode_options(empty)) == empty, f"{model.__name__}: defaults do not survive the wire"
        assert decode_options(model, {"surelyUnknown": 1}) == empty, f"{model.__name__}: unknown names must be ignored"
    assert unknown_options(model, {"surelyUnknown": 1})[0][0] == "surelyUnknown"
    json.dumps(json_schema(model))
    json.dumps(option_fields(model))


def _check_option(model: type[Struct], option: Option) -> None:
    where = f"{model.__name__}.{option.name}"
    assert option.name.isidentifier(), f"{where}: a plain name is expected"
    assert option.opt.hint, f"{where}: Opt(hint) is missing; forms and docs need it"
    assert option.opt.secret or not surely_secret(option.name), f"{where}: declare it with Opt(secret=True), or give it another name"
    wrong = _WRONG.get(option.shape.kind)
    if wrong is None:
        return
    refusal = None
    try:
        decode_options(model, {option.name.swapcase(): wrong})
    except OptionError as error:
        refusal = str(error)
    assert refusal is not None, f"{where}: {wrong!r} was accepted for {option.shape.kind}"
    assert option.name in refusal, f"{where}: the error does not name the option: {refusal}"
    if option.opt.secret:
        assert mask(model, {option.name: "hidden"})[option.name] == MASK, f"{where}: not masked"
