"""Semantic versions."""

from __future__ import annotations

from plutino.templates.functions.registry import define
from plutino.templates.go.versions import Version, parse_version, satisfies


@define("semver", "string -> any")
def semver(text: str) -> Version:
    return parse_version(text)


@define("semverCompare", "string, string -> bool")
def semver_compare(constraint: str, version: str) -> bool:
    return satisfies(constraint, version)
