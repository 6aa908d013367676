"""Regular expressions."""

from __future__ import annotations

import re

from plutino.templates.functions.registry import define
from plutino.templates.go.values import Failure, NilStringList, StringList
from plutino.templates.regex import Regex, compile_regex

_META = re.compile(r"[\\.+*?()|\[\]{}^$]")


def _must_compile(pattern: str) -> Regex:
    """A pattern, with the fault that Go's ``MustCompile`` gives."""
    try:
        return compile_regex(pattern)
    except Failure as failure:
        shown = f"`{pattern}`" if "`" not in pattern else f'"{pattern}"'
        raise Failure(f"regexp: Compile({shown}): {failure}") from None


def _find(regex: Regex, text: str) -> str:
    span = regex.find(text)
    return text[span[0] : span[1]] if span is not None else ""


def _find_all(regex: Regex, text: str, limit: int) -> StringList | NilStringList:
    return StringList(text[s[0] : s[1]] for s in regex.find_all(text, limit)) or NilStringList()


def _replace(regex: Regex, text: str, replacement: str) -> str:
    return regex.replace(text, lambda span: regex.expand(replacement, text, span))


def _split(regex: Regex, text: str, limit: int) -> StringList | NilStringList:
    return StringList(regex.split(text, limit)) if limit else NilStringList()


@define("regexMatch", "string, string -> bool", grows=True)
def regex_match(pattern: str, text: str) -> bool:
    """False when the pattern is wrong."""
    try:
        regex = compile_regex(pattern)
    except Failure:
        return False
    return regex.find(text) is not None


@define("mustRegexMatch", "string, string -> bool", grows=True)
def must_regex_match(pattern: str, text: str) -> bool:
    return compile_regex(pattern).find(text) is not None


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
    return _must_compile(pattern).replace(text, lambda _span: replacement)


@define("mustRegexReplaceAllLiteral", "string, string, string -> string", grows=True)
def must_regex_replace_all_literal(pattern: str, text: str, replacement: str) -> str:
    return compile_regex(pattern).replace(text, lambda _span: replacement)


@define("regexSplit", "string, string, int -> any", grows=True)
def regex_split(pattern: str, text: str, limit: int) -> StringList | NilStringList:
    return _split(_must_compile(pattern), text, limit)


@define("mustRegexSplit", "string, string, int -> any", grows=True)
def must_regex_split(pattern: str, text: str, limit: int) -> StringList | NilStringList:
    return _split(compile_regex(pattern), text, limit)


@define("regexQuoteMeta", "string -> string", grows=True)
def regex_quote_meta(text: str) -> str:
    return _META.sub(lambda found: "\\" + found[0], text)
