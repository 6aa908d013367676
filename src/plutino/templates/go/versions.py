"""Semantic versions and constraints on them, as the library behind ``semver`` and ``semverCompare`` reads them."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Final

from plutino.templates.go.values import Failure, Uint64

MAX_LENGTH: Final = 512
"""Characters of a version or a constraint."""

_VERSION: Final = re.compile(
    r"v?([0-9]+)(\.[0-9]+)?(\.[0-9]+)?(?:-([0-9A-Za-z\-]+(?:\.[0-9A-Za-z\-]+)*))?(?:\+([0-9A-Za-z\-]+(?:\.[0-9A-Za-z\-]+)*))?\Z"
)
_CV: Final = (
    r"v?([0-9|x|X|\*]+)(\.[0-9|x|X|\*]+)?(\.[0-9|x|X|\*]+)?"
    r"(-([0-9A-Za-z\-]+(\.[0-9A-Za-z\-]+)*))?(\+([0-9A-Za-z\-]+(\.[0-9A-Za-z\-]+)*))?"
)
_OPERATORS: Final = r"=||!=|>|<|>=|=>|<=|=<|~|~>|\^"
_ONE: Final = re.compile(rf"\s*({_OPERATORS})\s*({_CV})\s*\Z")
_BETWEEN: Final = re.compile(rf"\s*({_CV})\s+-\s+({_CV})\s*")
_EACH: Final = re.compile(rf"({_OPERATORS})\s*({_CV})")
_ALL: Final = re.compile(rf"(\s*({_OPERATORS})\s*({_CV})\s*)((?:\s+|,\s*)({_OPERATORS})\s*({_CV})\s*)*\Z")


@dataclass(frozen=True, slots=True)
class Version:
    """A version; numbers of parts that were left out are 0."""

    major: Uint64
    minor: Uint64
    patch: Uint64
    prerelease: str
    metadata: str
    original: str

    @property
    def go_type(self) -> str:
        """The Go type."""
        return "*semver.Version"

    @property
    def go_kind(self) -> str:
        """The Go kind."""
        return "ptr"

    def text(self) -> str:
        """All three numbers, without a leading ``v``."""
        tail = (f"-{self.prerelease}" if self.prerelease else "") + (f"+{self.metadata}" if self.metadata else "")
        return f"{self.major}.{self.minor}.{self.patch}{tail}"

    def compare(self, other: Version) -> int:
        """-1, 0 or 1; metadata do not count."""
        mine, theirs = (self.major, self.minor, self.patch), (other.major, other.minor, other.patch)
        if mine != theirs:
            return 1 if mine > theirs else -1
        if not self.prerelease or not other.prerelease:
            return bool(other.prerelease) - bool(self.prerelease)
        return compare_prereleases(self.prerelease, other.prerelease)

    def next_major(self) -> Version:
        """The next incompatible release."""
        return self._next(self.major + 1, 0, 0)

    def next_minor(self) -> Version:
        """The next release with new functions."""
        return self._next(self.major, self.minor + 1, 0)

    def next_patch(self) -> Version:
        """The next correction; of a pre-release its own release."""
        return self._next(self.major, self.minor, self.patch + (not self.prerelease))

    def _next(self, major: int, minor: int, patch: int) -> Version:
        changed = Version(Uint64(major), Uint64(minor), Uint64(patch), "", "", "")
        return replace(changed, original=("v" if self.original.startswith("v") else "") + changed.text())


def parse_version(text: str) -> Version:
    """A version, complete or not (``v1.2``)."""
    found = _VERSION.match(text) if len(text) <= MAX_LENGTH else None
    if found is None:
        raise Failure("Invalid Semantic Version")
    numbers = []
    for group in found.groups()[:3]:
        digits = (group or "0").removeprefix(".")
        if len(digits) > 20 or int(digits) >= 1 << 64:
            raise Failure(f'Error parsing version segment: strconv.ParseUint: parsing "{digits}": value out of range')
        numbers.append(Uint64(digits))
    prerelease, metadata = found[4] or "", found[5] or ""
    for part in prerelease.split("."):
        if part.isdecimal() and len(part) > 1 and part[0] == "0":
            raise Failure("Version segment starts with 0")
    return Version(numbers[0], numbers[1], numbers[2], prerelease, metadata, text)


def compare_prereleases(one: str, other: str) -> int:
    """-1, 0 or 1, part by part; numbers come before names."""
    mine, theirs = one.split("."), other.split(".")
    for index in range(max(len(mine), len(theirs))):
        a = mine[index] if index < len(mine) else ""
        b = theirs[index] if index < len(theirs) else ""
        if a == b:
            continue
        if not a or not b:
            return 1 if a else -1
        if a.isdecimal() and b.isdecimal():
            return 1 if int(a) > int(b) else -1
        if a.isdecimal() or b.isdecimal():
            return -1 if a.isdecimal() else 1
        return 1 if a > b else -1
    return 0


@dataclass(frozen=True, slots=True)
class _Constraint:
    """One comparison; ``open_minor`` and ``open_patch`` tell which numbers were left out or written as ``x``."""

    operator: str
    version: Version
    open: bool
    open_minor: bool
    open_patch: bool

    def holds(self, version: Version) -> bool:
        wanted = self.version
        if version.prerelease and not wanted.prerelease and not (self.operator == "!=" and not self.open):
            return False
        match self.operator:
            case "!=":
                return self._differs(version)
            case ">":
                return self._greater(version)
            case "<":
                return version.compare(wanted) < 0
            case ">=" | "=>":
                return version.compare(wanted) >= 0
            case "<=" | "=<":
                return self._at_most(version)
            case "~" | "~>":
                return self._tilde(version)
            case "^":
                return self._caret(version)
        return self._tilde(version) if self.open else version.compare(wanted) == 0

    def _differs(self, version: Version) -> bool:
        wanted = self.version
        if not self.open:
            return version.compare(wanted) != 0
        if wanted.major != version.major:
            return True
        if self.open_minor:
            return False
        if wanted.minor != version.minor:
            return True
        if self.open_patch:
            marked = bool(version.prerelease or wanted.prerelease)
            return marked and compare_prereleases(version.prerelease, wanted.prerelease) != 0
        return version.compare(wanted) != 0 if wanted.patch == version.patch else True

    def _greater(self, version: Version) -> bool:
        wanted = self.version
        if not self.open or (not self.open_minor and not self.open_patch and version.major == wanted.major):
            return version.compare(wanted) > 0
        if version.major != wanted.major:
            return version.major > wanted.major
        return version.minor > wanted.minor if not self.open_minor else False

    def _at_most(self, version: Version) -> bool:
        wanted = self.version
        if not self.open:
            return version.compare(wanted) <= 0
        return version.major < wanted.major or (version.major == wanted.major and (version.minor <= wanted.minor or self.open_minor))

    def _tilde(self, version: Version) -> bool:
        wanted = self.version
        if version.compare(wanted) < 0:
            return False
        if not (wanted.major or wanted.minor or wanted.patch or self.open_minor or self.open_patch):
            return True
        return version.major == wanted.major and (version.minor == wanted.minor or self.open_minor)

    def _caret(self, version: Version) -> bool:
        wanted = self.version
        if version.compare(wanted) < 0:
            return False
        if wanted.major > 0 or self.open_minor:
            return version.major == wanted.major
        if version.major > 0:
            return False
        if wanted.minor > 0 or self.open_patch:
            return version.minor == wanted.minor
        return version.minor == 0 and version.patch == wanted.patch


def satisfies(constraint: str, version: str) -> bool:
    """Whether ``version`` meets ``constraint`` (``>=1.2, <2 || ^3.1``)."""
    alternatives = _parse_constraints(constraint)
    wanted = parse_version(version)
    return any(all(c.holds(wanted) for c in group) for group in alternatives)


def _parse_constraints(text: str) -> list[list[_Constraint]]:
    if len(text) > MAX_LENGTH:
        raise Failure(f"improper constraint: {text[:40]}...")
    # Runs of spaces are made single: the patterns below would try every way to share them out.
    rest = re.sub(r"\s+", " ", text)
    for found in list(_BETWEEN.finditer(rest)):
        rest = rest.replace(found[0], f">= {found[1]}, <= {found[11]} ", 1)
    groups: list[list[_Constraint]] = []
    for alternative in rest.split("||"):
        if _ALL.match(alternative) is None:
            raise Failure(f"improper constraint: {alternative}")
        each = [found[0] for found in _EACH.finditer(alternative)]
        groups.append([_parse_constraint(one) for one in each or [alternative]])
    return groups


def _parse_constraint(text: str) -> _Constraint:
    found = _ONE.match(text)
    if found is None:
        raise Failure(f"improper constraint: {text}")
    operator, major, minor, patch, tail = found[1], found[3], (found[4] or "")[1:], (found[5] or "")[1:], found[6] or ""
    written = found[2]
    open_any = open_minor = open_patch = False
    if _is_x(major):
        written, open_any = f"0.0.0{tail}", True
    elif _is_x(minor):
        written, open_any, open_minor = f"{major}.0.0{tail}", True, True
    elif _is_x(patch):
        written, open_any, open_patch = f"{major}.{minor}.0{tail}", True, True
    try:
        version = parse_version(written)
    except Failure:
        raise Failure("constraint Parser Error") from None
    return _Constraint(operator, version, open_any, open_minor, open_patch)


def _is_x(part: str) -> bool:
    return part in ("", "x", "X", "*")
