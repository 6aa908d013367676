"""A changeset (the answer of a dry run) for people."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from plutino.cli.output import console

if TYPE_CHECKING:
    from rich.console import Console

_MARKS = {"created": ("+", "green"), "updated": ("~", "yellow"), "deleted": ("-", "red")}
_VERBS = (("created", "to create"), ("updated", "to change"), ("deleted", "to delete"), ("unchanged", "unchanged"))
_SHORT = 60
"""Values up to this many characters stand in one line with their path."""


def differs(changeset: dict[str, Any]) -> bool:
    """Whether anything would change."""
    return any(change["action"] != "unchanged" for change in changeset["changes"])


def print_changes(changeset: dict[str, Any], target: Console | None = None) -> None:
    """One line per object that would change, the changed fields below it, and a sum."""
    target = target or console()
    # Cut only where a person looks: a pipe gets whole lines.
    cut = {"soft_wrap": False, "no_wrap": True, "overflow": "ellipsis"} if target.is_terminal else {"soft_wrap": True}
    changes = [change for change in changeset["changes"] if change["action"] != "unchanged"]
    width = max((len(change["kind"]) for change in changes), default=0)
    names = max((len(change["name"]) for change in changes if change["action"] != "updated"), default=0)
    for change in changes:
        mark, style = _MARKS[change["action"]]
        line = f"{mark} {change['kind']:{width}}  {change['name']}"
        match change["action"]:
            case "created":
                line = f"{mark} {change['kind']:{width}}  {change['name']:{names}}  {_summary(change['fields'])}"
                target.print(line.rstrip(), style=style, markup=False, **cut)
            case "deleted":
                target.print(line, style=style, markup=False, **cut)
            case _:
                target.print(line, style=style, markup=False, **cut)
                for field in change["fields"]:
                    _print_field(field, target, cut)
    target.print(summary_line(changeset), markup=False)
    for effect in changeset.get("restarts") or []:
        # That new rules start and deleted ones stop goes without saying.
        if effect["action"] in ("swap", "block") or effect["state"] == "lost":
            target.print(_effect_line(effect), markup=False, **cut)


def _effect_line(effect: dict[str, Any]) -> str:
    """``rule hot goes on as its new version, its state is lost, because of stream boiler``."""
    does = {"stop": "stops", "swap": "goes on as its new version", "block": "does not run here"}[effect["action"]]
    states = {"kept": ", its state is kept", "lost": ", its state is lost", "unknown": ", its state is kept but may not fit"}
    state = states.get(effect["state"], "")
    if effect.get("reason") and effect["state"] != "kept":
        state += f" ({effect['reason']})"
    why = [why for why in effect["why"] if why != f"rule {effect['rule']}"]
    return f"rule {effect['rule']} {does}{state}" + (f", because of {', '.join(why)}" if why else "")


def summary_line(changeset: dict[str, Any]) -> str:
    """``3 to create, 1 to change``; says so when there is no difference."""
    summary = changeset["summary"]
    parts = [f"{summary[verb]:,} {text}" for verb, text in _VERBS if summary.get(verb)]
    if differs(changeset):
        return ", ".join(parts)
    return "no difference" + (f" ({summary['unchanged']:,} objects)" if summary.get("unchanged") else "")


def _print_field(field: dict[str, Any], target: Console, cut: dict[str, Any]) -> None:
    path = field["path"] or "content"
    old, new = (_shown(field[key]) if key in field else "(nothing)" for key in ("old", "new"))
    if len(old) + len(new) <= _SHORT:
        target.print(f"    {path}: {old} -> {new}", markup=False, **cut)
        return
    target.print(f"    {path}:", markup=False, **cut)
    target.print(f"      - {old}", style="red", markup=False, **cut)
    target.print(f"      + {new}", style="green", markup=False, **cut)


def _summary(fields: list[dict[str, Any]]) -> str:
    """What a new object is, in a few words."""
    content = fields[0].get("new") if fields else None
    if isinstance(content, dict):
        if isinstance(content.get("sql"), str):
            return " ".join(content["sql"].split())
        if isinstance(content.get("options"), dict) and "schema" in content:
            return "  ".join(f"{name}={_shown(value)}" for name, value in content["options"].items())
        return ", ".join(f"{name}: {_shown(value)}" for name, value in content.items())
    return "" if content is None else _shown(content)


def _shown(value: Any) -> str:
    return " ".join(value.split()) if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
