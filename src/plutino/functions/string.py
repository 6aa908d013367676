"""Texts (sql reference §6.4). Positions are byte positions from 0; values that are no texts are taken in their general text form."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import ROUND_HALF_EVEN, Decimal, localcontext
from typing import Any

from plutino.errors import EvaluationError
from plutino.model.cast import STRICT, to_int
from plutino.model.number import truncate
from plutino.model.regex import compile_regex
from plutino.model.text import bytes_text, general_text
from plutino.spi import Arg, ArgCheck, FunctionSpec, Nulls
from plutino.spi.function import Literal

_S = Arg("text", ArgCheck.STRING)
# Go's white space, where Python's strip() would also take the separators U+001C to U+001F.
_BLANKS = "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"

_MOST_CHARACTERS = 1_000_000
_MOST_DECIMALS = 1000


def _text(value: Any) -> str:
    """The text form of a value; null is the empty text."""
    return value if type(value) is str else "" if value is None else general_text(value)


def _concat(*values: Any) -> str:
    return "".join(map(_text, values))


def _indexof(text: Any, part: Any) -> int:
    if text is None or part is None:
        return -1
    whole, wanted = _text(text), _text(part)
    at = whole.find(wanted)
    return at if at <= 0 or whole.isascii() else len(whole[:at].encode())


def _length(value: Any) -> int:
    return len(value) if type(value) is list or type(value) is dict else len(_text(value))


def _reverse(value: Any) -> str:
    return _text(value)[::-1]


def _spaces(count: Any) -> str:
    number = to_int(count, STRICT)
    if number < 0:
        raise EvaluationError(f"the number of spaces must not be negative, but got {number}")
    if number > _MOST_CHARACTERS:
        raise EvaluationError(f"{number} spaces; at most {_MOST_CHARACTERS} are allowed")
    return " " * number


def _substring(value: Any, start: Any, end: Any = None) -> str:
    text = _text(value)
    first = to_int(start, STRICT)
    if first < 0:
        raise EvaluationError("start index must be a positive number")
    last = None
    if end is not None:
        last = to_int(end, STRICT)
        if last < 0:
            raise EvaluationError("end index must be a positive number")
        if first > last:
            raise EvaluationError("start index must be smaller than end index")
    return text[first:last] if text.isascii() else bytes_text(text.encode()[first:last])


def _split_value(value: Any, separator: Any, index: Any) -> str:
    text, cut = _text(value), _text(separator)
    parts = text.split(cut) if cut else list(text)
    at = _integral(index)
    if not -len(parts) <= at < len(parts):
        raise EvaluationError(f"{at} out of index array (size = {len(parts)})")
    return parts[at]


def _integral(value: Any) -> int:
    """A whole number; anything else counts as 0."""
    if type(value) is int:
        return value
    return int(value) if type(value) is float and value.is_integer() else 0


def _regexp_matches(value: Any, pattern: Any) -> bool:
    return compile_regex(_text(pattern)).fits(_text(value))


def _regexp_replace(value: Any, pattern: Any, replacement: Any) -> str:
    regex, text, template = compile_regex(_text(pattern)), _text(value), _text(replacement)
    return regex.replace(text, lambda span: regex.expand(template, text, span))


def _regexp_substr(value: Any, pattern: Any) -> str:
    text = _text(value)
    span = compile_regex(_text(pattern)).find(text)
    return "" if span is None else text[span[0] : span[1]]


_GROUPING = {
    "en_US": (",", "."),
    "en_GB": (",", "."),
    "en_AU": (",", "."),
    "en_CA": (",", "."),
    "en_IN": (",", "."),
    "zh_CN": (",", "."),
    "zh_TW": (",", "."),
    "ja_JP": (",", "."),
    "ko_KR": (",", "."),
    "th_TH": (",", "."),
    "he_IL": (",", "."),
    "de_DE": (".", ","),
    "es_ES": (".", ","),
    "it_IT": (".", ","),
    "nl_NL": (".", ","),
    "pt_BR": (".", ","),
    "tr_TR": (".", ","),
    "id_ID": (".", ","),
    "da_DK": (".", ","),
    "el_GR": (".", ","),
    "vi_VN": (".", ","),
    "de_CH": ("\u2019", "."),
    "fr_FR": ("\u202f", ","),
    "ru_RU": ("\u00a0", ","),
    "pl_PL": ("\u00a0", ","),
    "cs_CZ": ("\u00a0", ","),
    "uk_UA": ("\u00a0", ","),
    "sv_SE": ("\u00a0", ","),
    "nb_NO": ("\u00a0", ","),
    "fi_FI": ("\u00a0", ","),
    "pt_PT": ("\u00a0", ","),
}
"""Separators of groups and decimals by locale."""


def _format(value: Any, digits: Any, locale: Any = None) -> str:
    places = to_int(digits, STRICT)
    if places < 0:
        raise EvaluationError("the decimal places must greater or equal than 0")
    if places > _MOST_DECIMALS:
        raise EvaluationError(f"{places} decimal places; at most {_MOST_DECIMALS} are allowed")
    number = float(value) if type(value) in (int, float) else 0.0
    if locale is None:
        return _fixed(number, places)
    name = _text(locale)
    separators = _GROUPING.get(name.replace("-", "_"))
    if separators is None:
        raise EvaluationError(f"not support for the specific locale:{name}")
    sign, whole, fraction = _parts(_fixed(number, places))
    grouped = f"{int(whole):,}".replace(",", separators[0]) if whole.isdecimal() else whole
    return sign + grouped + (separators[1] + fraction if fraction else "")


def _fixed(number: float, places: int) -> str:
    """A float with a fixed number of decimals, rounding the exact binary value half to even."""
    if number != number or number in (float("inf"), float("-inf")):
        return general_text(number)
    if places <= 100:
        return f"{number:.{places}f}"
    with localcontext() as context:
        context.prec = 400 + places
        return f"{Decimal(number).quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_EVEN):f}"


def _parts(text: str) -> tuple[str, str, str]:
    sign = "-" if text.startswith("-") else ""
    whole, _, fraction = text.removeprefix("-").partition(".")
    return sign, whole, fraction


def _check_substring(args: Sequence[Literal]) -> str | None:
    bounds = [arg.value if arg.known and type(arg.value) is int else None for arg in args[1:]]
    if bounds[0] is not None and bounds[0] < 0:
        return "The start index should not be a nagtive integer."
    if len(bounds) > 1 and bounds[0] is not None and bounds[1] is not None and bounds[1] < bounds[0]:
        return "The end index should be larger than start index."
    return None


def _check_split_value(args: Sequence[Literal]) -> str | None:
    index = args[2]
    if index.known and type(index.value) is int and index.value < 0:
        return "The index should not be a nagtive integer."
    return None


def _check_format(args: Sequence[Literal]) -> str | None:
    digits = args[1]
    if digits.known and type(digits.value) is not int:
        return "Expect int type for parameter 2"
    if digits.known and truncate(digits.value) < 0:
        return "the decimal places must greater or equal than 0"
    return None


def _of_text(name: str, call: Callable[[str], Any], about: str, example: tuple[str, Any]) -> FunctionSpec:
    """A function from one text to another that gives null for null."""
    return FunctionSpec(
        name, lambda value: call(_text(value)), about, (_S,), returns="string", nulls=Nulls.NULL, kind_blind=True, examples=(example,)
    )


_CASE = (
    _of_text("lower", str.lower, "Text in small letters", ("lower('AbC')", "abc")),
    _of_text("upper", str.upper, "Text in capital letters", ("upper('AbC')", "ABC")),
    _of_text("trim", lambda s: s.strip(_BLANKS), "Text without white space at both ends", ("trim('  a b ')", "a b")),
    _of_text("ltrim", lambda s: s.lstrip(_BLANKS), "Text without white space at the left end", ("ltrim('  a ')", "a ")),
    _of_text("rtrim", lambda s: s.rstrip(_BLANKS), "Text without white space at the right end", ("rtrim(' a  ')", " a")),
    _of_text("reverse", _reverse, "Text in reverse order, character by character", ("reverse('abc')", "cba")),
)

_TESTS = (
    FunctionSpec(
        "startswith",
        lambda text, part: _text(text).startswith(_text(part)),
        "Whether a text starts with another; false for null",
        (_S, Arg("prefix", ArgCheck.STRING)),
        returns="boolean",
        nulls=Nulls.FALSE,
        kind_blind=True,
        examples=(("startswith('kuiper', 'ku')", True),),
    ),
    FunctionSpec(
        "endswith",
        lambda text, part: _text(text).endswith(_text(part)),
        "Whether a text ends with another; false for null",
        (_S, Arg("suffix", ArgCheck.STRING)),
        returns="boolean",
        nulls=Nulls.FALSE,
        kind_blind=True,
        examples=(("endswith('kuiper', 'ku')", False),),
    ),
    FunctionSpec(
        "indexof",
        _indexof,
        "Byte position of the first occurrence of a text in another, -1 when there is none",
        (_S, Arg("part", ArgCheck.STRING)),
        returns="bigint",
        examples=(("indexof('hello', 'l')", 2), ("indexof('hello', 'x')", -1)),
    ),
    FunctionSpec(
        "length",
        _length,
        "Number of characters of a text, or of elements of a list or map; 0 for null",
        (Arg("value"),),
        returns="bigint",
        nulls=Nulls.ZERO,
        examples=(("length('añ')", 2), ("length(array_create(1, 2))", 2)),
    ),
    FunctionSpec(
        "numbytes",
        lambda value: len(_text(value).encode("utf-8", "surrogatepass")),
        "Number of UTF-8 bytes of a text; 0 for null",
        (_S,),
        returns="bigint",
        nulls=Nulls.ZERO,
        kind_blind=True,
        examples=(("numbytes('añ')", 3),),
    ),
)

_PARTS = (
    FunctionSpec(
        "concat",
        _concat,
        "All arguments one after the other; null counts as an empty text",
        (Arg("text", ArgCheck.STRING),),
        variadic=True,
        returns="string",
        examples=(("concat('a', 'b', 'c')", "abc"),),
        count_error="The arguments should be at least one.",
    ),
    FunctionSpec(
        "lpad",
        lambda text, count: _spaces(count) + _text(text),
        "Text with a number of spaces put in front",
        (_S, Arg("spaces", ArgCheck.INT)),
        returns="string",
        nulls=Nulls.NULL,
        kind_blind=True,
        examples=(("lpad('ab', 3)", "   ab"),),
    ),
    FunctionSpec(
        "rpad",
        lambda text, count: _text(text) + _spaces(count),
        "Text with a number of spaces put behind",
        (_S, Arg("spaces", ArgCheck.INT)),
        returns="string",
        nulls=Nulls.NULL,
        kind_blind=True,
        examples=(("rpad('ab', 3)", "ab   "),),
    ),
    FunctionSpec(
        "substring",
        _substring,
        "Part of a text from a byte position up to, but not including, another",
        (_S, Arg("start", ArgCheck.INT), Arg("end", ArgCheck.INT)),
        optional=1,
        returns="string",
        nulls=Nulls.NULL,
        validate=_check_substring,
        kind_blind=True,
        examples=(("substring('abcdef', 2)", "cdef"), ("substring('abcdef', 1, 3)", "bc")),
    ),
    FunctionSpec(
        "split_value",
        _split_value,
        "One piece of a text that is cut at a separator; pieces count from 0",
        (_S, Arg("separator", ArgCheck.STRING), Arg("index", ArgCheck.INT, ("any",))),
        returns="string",
        nulls=Nulls.NULL,
        validate=_check_split_value,
        kind_blind=True,
        examples=(("split_value('a/b/c', '/', 1)", "b"),),
    ),
    FunctionSpec(
        "format",
        _format,
        "A number with a fixed number of decimals; with a locale (en_US, de_DE …) in groups of thousands",
        (Arg("number"), Arg("decimals"), Arg("locale")),
        optional=1,
        returns="string",
        nulls=Nulls.NULL,
        validate=_check_format,
        examples=(("format(12332.123456, 2)", "12332.12"), ("format(12332.123456, 4, 'en_US')", "12,332.1235")),
    ),
)

_REGEXP = (
    FunctionSpec(
        "regexp_matches",
        _regexp_matches,
        "Whether an RE2 expression matches somewhere in a text; false for null",
        (_S, Arg("pattern", ArgCheck.STRING)),
        returns="boolean",
        nulls=Nulls.FALSE,
        kind_blind=True,
        examples=(("regexp_matches('a1z', '[0-9]+')", True),),
    ),
    FunctionSpec(
        "regexp_replace",
        _regexp_replace,
        "Text with every match of an RE2 expression replaced; $1 and ${name} stand for groups",
        (_S, Arg("pattern", ArgCheck.STRING), Arg("replacement", ArgCheck.STRING)),
        returns="string",
        nulls=Nulls.NULL,
        kind_blind=True,
        examples=(("regexp_replace('banana', 'a', 'b')", "bbnbnb"),),
    ),
    FunctionSpec(
        "regexp_substr",
        _regexp_substr,
        "The first match of an RE2 expression in a text, empty when there is none",
        (_S, Arg("pattern", ArgCheck.STRING)),
        returns="string",
        nulls=Nulls.NULL,
        kind_blind=True,
        examples=(("regexp_substr('ab12cd34', '[0-9]+')", "12"),),
    ),
)

SPECS = (*_CASE, *_TESTS, *_PARTS, *_REGEXP)
