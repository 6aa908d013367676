"""Regular expressions."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeVar

from plutino.errors import EvaluationError
from plutino.model.regex import compile_regex as compiled
from plutino.model.regex.machine import TooLongError
from plutino.model.regex.matching import Regex, Span
from plutino.templates.functions.registry import define
from plutino.templates.go.values import Failure, NilStringList, StringList
from plutino.templates.limits import LimitExceeded, check_text, meter

_META = re.compile(r"[\\.+*?()|\[\]{}^$]")

T = TypeVar("T")


def compile_regex(pattern: str) -> Regex:
    """A pattern, ready to use; Failure with Go's text of the fault."""
    try:
        return compiled(pattern)
    except EvaluationError as error:
        raise Failure(error.message) from None


def _metered(regex: Regex, work: Callable[[], T]) -> T:
    """What ``work`` gives; the steps that the search takes are those of the rendering."""
    before = regex.steps
    try:
        return work()
    except TooLongError as error:
        raise LimitExceeded(error.message) from None
    finally:
        meter.spent += regex.steps - before


def _must_compile(pattern: str) -> Regex:
    """A pattern, with the fault that Go's ``MustCompile`` gives."""
    try:
        return compile_regex(pattern)
    except Failure as failure:
        shown = f"`{pattern}`" if "`" not in pattern else f'"{pattern}"'
        raise Failure(f"regexp: Compile({shown}): {failure}") from None


def _find(regex: Regex, text: str) -> str:
    span = _metered(regex, lambda: regex.find(text))
    return text[span[0] : span[1]] if span is not None else ""


def _find_all(regex: Regex, text: str, limit: int) -> StringList | NilStringList:
    return _metered(regex, lambda: StringList(text[s[0] : s[1]] for s in regex.find_all(text, limit))) or NilStringList()


def _replace(regex: Regex, text: str, replacement: str) -> str:
    return _replaced(regex, text, lambda span: regex.expand(replacement, text, span))


def _replaced(regex: Regex, text: str, replacement: Callable[[Span], str]) -> str:
    size = 0

    def limited(span: Span) -> str:
        nonlocal size
        found = replacement(span)
        size += len(found)
        check_text(size)
        return found

    return _metered(regex, lambda: regex.replace(text, limited))


def _split(regex: Regex, text: str, limit: int) -> StringList | NilStringList:
    return StringList(_metered(regex, lambda: regex.split(text, limit))) if limit else NilStringList()


@define("regexMatch", "string, string -> bool", grows=True)
def regex_match(pattern: str, text: str) -> bool:
    """False when the pattern is wrong."""
    try:
        regex = compile_regex(pattern)
    except Failure:
        return False
    return _metered(regex, lambda: regex.fits(text))


@define("mustRegexMatch", "string, string -> bool", grows=True)
def must_regex_match(pattern: str, text: str) -> bool:
    regex = compile_regex(pattern)
    return _metered(regex, lambda: regex.fits(text))


@define("regexFind", "string, string -> string", grows=True)
def regex_find(pattern: str, text: str) -> str:
    return _find(_must_compile(pattern), text)


@define("mustRegexFind", "string, string -> string", grows=True)
def must_regex_find(pattern: str, text: str) -> str:
    return _find(compile_regex(pattern), text)


@define("regexFindAll", "string, string, int -> any", grows=True)
def regex_find_all(pattern: str, text: str, limit: int) -> StringList | NilStringList:
    return _find_all(_must_compile(pattern), text, limit)


@define("mustRegexFindAll", "string, string, int -> any", grows=True)
def must_regex_find_all(pattern: str, text: str, limit: int) -> StringList | NilStringList:
    return _find_all(compile_regex(pattern), text, limit)


@define("regexReplaceAll", "string, string, string -> string", grows=True)
def regex_replace_all(pattern: str, text: str, replacement: str) -> str:
    return _replace(_must_compile(pattern), text, replacement)


@define("mustRegexReplaceAll", "string, string, string -> string", grows=True)
def must_regex_replace_all(pattern: str, text: str, replacement: str) -> str:
    return _replace(compile_regex(pattern), text, replacement)


@define("regexReplaceAllLiteral", "string, string, string -> string", grows=True)
def regex_replace_all_literal(pattern: str, text: str, replacement: str) -> str:
    return _replaced(_must_compile(pattern), text, lambda _: replacement)


@define("mustRegexReplaceAllLiteral", "string, string, string -> string", grows=True)
def must_regex_replace_all_literal(pattern: str, text: str, replacement: str) -> str:
    return _replaced(compile_regex(pattern), text, lambda _: replacement)


@define("regexSplit", "string, string, int -> any", grows=True)
def regex_split(pattern: str, text: str, limit: int) -> StringList | NilStringList:
    return _split(_must_compile(pattern), text, limit)


@define("mustRegexSplit", "string, string, int -> any", grows=True)
def must_regex_split(pattern: str, text: str, limit: int) -> StringList | NilStringList:
    return _split(compile_regex(pattern), text, limit)


@define("regexQuoteMeta", "string -> string", grows=True)
def regex_quote_meta(text: str) -> str:
    return _META.sub(lambda found: "\\" + found[0], text)
