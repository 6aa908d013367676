"""Replays one recorded REST conversation against a server and judges each answer.

A difference has a kind: ``status``, ``body`` (structure, values, success texts), ``text`` (wording of an error message) or
``header`` (content type). Only the first two mean that the server is wrong.
"""

from __future__ import annotations

import json
import re
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import requests
import yaml

from corpus.loader import RestScenario, shown

Kind = Literal["status", "body", "text", "header"]
COMPARED_HEADERS = ("content-type", "content-disposition", "location")
TYPE_NAMES = {bool: "bool", int: "number", float: "number", str: "string", list: "array", dict: "object", type(None): "null"}


@dataclass(frozen=True)
class Difference:
    """One place where an answer is not the recorded one; ``where`` is a path into the answer."""

    kind: Kind
    where: str
    want: Any
    got: Any

    @property
    def counts(self) -> bool:
        """The server is wrong here; wording and content type are only reported."""
        return self.kind in ("status", "body")

    def __str__(self) -> str:
        return f"{self.kind} at {self.where}\n    want {shown(self.want)[:400]}\n    got  {shown(self.got)[:400]}"


@dataclass(frozen=True)
class Answer:
    """What came back; status 0 means that the connection was dropped without an answer."""

    status: int
    headers: dict[str, str]
    text: str


class Replay:
    """One conversation; ``folder`` takes the files that the scenario hands to the server, ``broker`` is its MQTT address."""

    def __init__(self, scenario: RestScenario, rest: str, broker: str, folder: Path) -> None:
        self._rest = rest
        self._steps = scenario.steps
        self._values = {"MQTT": broker, "FIX": str(folder)}
        for name, content in scenario.fixtures.items():
            _write_fixture(folder / name, content)

    def run(self) -> list[str]:
        """Send every step; returns a report of each step that the server got wrong."""
        reports = []
        for number, step in enumerate(self._steps, 1):
            differences = [d for d in self._step(step) if d.counts]
            if differences and "original_defect" not in step:
                request = step["request"]
                lines = "\n  ".join(map(str, differences))
                reports.append(f"step {number} {request['method']} {request['path']} {step.get('why', '')}\n  {lines}")
        return reports

    def _step(self, step: dict[str, Any]) -> list[Difference]:
        time.sleep(step.get("sleep", 0))
        deadline = time.monotonic() + step.get("poll", 0)
        while True:
            answer = self._send(step["request"])
            differences = judge(step, answer, self._filled(step["response"]))
            if not any(d.counts for d in differences) or time.monotonic() >= deadline:
                self._capture(step, answer)
                return differences
            time.sleep(0.05)

    def _send(self, request: dict[str, Any]) -> Answer:
        options = self._body(request)
        url, headers = self._rest + self._filled(request["path"]), self._filled(request.get("headers", {}))
        try:
            reply = requests.request(request["method"], url, headers=headers, timeout=60, allow_redirects=False, **options)
        except (requests.ConnectionError, requests.exceptions.ChunkedEncodingError):
            return Answer(0, {}, "")
        kept = {name: reply.headers[name] for name in COMPARED_HEADERS if name in reply.headers}
        binary = kept.get("content-type", "").startswith("application/zip") or reply.content[:2] == b"PK"
        return Answer(reply.status_code, kept, "<binary>" if binary else reply.content.decode("utf-8", "replace"))

    def _body(self, request: dict[str, Any]) -> dict[str, Any]:
        """The body of a request as options of ``requests.request``."""
        if "json" in request:
            return {"data": _json(self._filled(request["json"])).encode()}
        if "text" in request:
            return {"data": self._filled(request["text"]).encode()}
        if "document" in request:
            sections = self._filled(request["document"]).items()
            document = {name: {key: v if isinstance(v, str) else _json(v) for key, v in entries.items()} for name, entries in sections}
            return {"data": json.dumps({"content": _json(document)}).encode()}
        if "yaml" in request:
            return {"data": json.dumps({"content": yaml.safe_dump(self._filled(request["yaml"]), sort_keys=False)}).encode()}
        if "multipart" in request:
            return {"files": [(part["name"], self._part(part)) for part in request["multipart"]]}
        return {}

    def _part(self, part: dict[str, Any]) -> tuple[Any, ...]:
        content = self._filled(part["content"]).encode()
        return (part["filename"], content, part.get("type")) if part.get("filename") else (None, content)

    def _capture(self, step: dict[str, Any], answer: Answer) -> None:
        for name, key in step.get("capture", {}).items():
            value = parsed(answer.text)
            self._values[name] = str(value[key]) if isinstance(value, dict) and key in value else "missing"

    def _filled(self, value: Any) -> Any:
        """``value`` with every ``${NAME}`` replaced."""
        match value:
            case str():
                for name, known in self._values.items():
                    value = value.replace("${" + name + "}", known)
                return value
            case list():
                return [self._filled(item) for item in value]
            case dict():
                return {self._filled(key): self._filled(item) for key, item in value.items()}
            case _:
                return value


# ----------------------------------------------------------------------------------------------------------- comparison
def judge(step: dict[str, Any], answer: Answer, want: dict[str, Any]) -> list[Difference]:
    """The differences between an answer and the recorded response ``want``."""
    if want["status"] != answer.status:
        return [Difference("status", "status", want["status"], f"{answer.status} {answer.text[:300]}")]
    found = []
    for name, value in want.get("headers", {}).items():
        got = answer.headers.get(name)
        same = re.fullmatch(value["$re"], got or "") is not None if isinstance(value, dict) else got == value
        if not same:
            found.append(Difference("header" if name == "content-type" else "body", name, value, got))
    if step.get("format") != "stream":
        found += compare_json(want.get("body", ""), parsed(answer.text, step.get("format")), unordered=bool(step.get("unordered")))
    plain_error = want["status"] >= 400 and isinstance(want.get("body"), str)
    if plain_error and not any(d.kind == "header" for d in found):  # an error in plain text, answered as such: wording only
        found = [Difference("text", d.where, d.want, d.got) for d in found]
    return found


def compare_json(want: Any, got: Any, where: str = "$", *, wording: bool = False, unordered: bool = False) -> Iterator[Difference]:
    """Compare parsed bodies; ``wording``: a string that differs is only worded otherwise; ``unordered``: arrays are sets."""
    if isinstance(want, dict) and len(want) == 1 and next(iter(want)).startswith("$"):
        operator, argument = next(iter(want.items()))
        yield from _match(operator, argument, want, got, where, wording)
    elif isinstance(want, dict) and isinstance(got, dict):
        for key in want.keys() | got.keys():
            inner = wording or (key == "message" and "error" in want)
            if key not in got or key not in want:
                yield Difference("body", f"{where}.{key}", want.get(key, "(absent)"), got.get(key, "(missing)"))
            else:
                yield from compare_json(want[key], got[key], f"{where}.{key}", wording=inner, unordered=unordered)
    elif isinstance(want, list) and isinstance(got, list):
        yield from _compare_lists(want, got, where, wording, unordered)
    elif isinstance(want, str) and isinstance(got, str):
        yield from _compare_strings(want, got, where, wording)
    elif isinstance(want, bool) != isinstance(got, bool) or want != got:
        yield Difference("body", where, want, got)


def parsed(text: str, form: str | None = None) -> Any:
    """A body in the form in which it is stored and compared: JSON (or YAML) where it is that, else the text."""
    try:
        if form == "yaml":
            return yaml.safe_load(text)
        if text.strip()[:1] in ("{", "[") or text.strip() in ("null", "true", "false"):
            return json.loads(text)
    except (ValueError, yaml.YAMLError):
        pass
    return text


def _match(operator: str, argument: Any, want: Any, got: Any, where: str, wording: bool) -> Iterator[Difference]:
    match operator:
        case "$any":
            return
        case "$re":
            if not isinstance(got, str) or not re.fullmatch(argument, got, re.DOTALL):
                yield Difference("text" if wording else "body", where, want, got)
        case "$type":
            if TYPE_NAMES[type(got)] != argument:
                yield Difference("body", where, want, got)
        case "$keys":
            if not isinstance(got, dict) or sorted(got) != sorted(argument):
                yield Difference("body", where, want, sorted(got) if isinstance(got, dict) else got)
        case "$part":
            for key, value in argument.items():
                if not isinstance(got, dict) or key not in got:
                    yield Difference("body", f"{where}.{key}", value, "(missing)")
                else:
                    yield from compare_json(value, got[key], f"{where}.{key}")
        case "$has":
            for index, item in enumerate(argument):
                if not isinstance(got, list) or not any(_equal(item, given) for given in got):
                    yield Difference("body", f"{where}[has {index}]", item, "(not found)")
        case _:
            raise ValueError(f"matcher in a scenario: {operator}; expected $any, $re, $type, $keys, $part or $has")


def _compare_lists(want: list[Any], got: list[Any], where: str, wording: bool, unordered: bool) -> Iterator[Difference]:
    if len(want) != len(got):
        yield Difference("body", where, want, got)
        return
    if not unordered:
        for index, (wanted, given) in enumerate(zip(want, got, strict=True)):
            yield from compare_json(wanted, given, f"{where}[{index}]", wording=wording)
        return
    rest = list(got)
    for item in want:
        place = next((i for i, given in enumerate(rest) if _equal(item, given)), None)
        if place is None:
            yield Difference("body", where, item, "(not found in any order)")
            return
        del rest[place]


def _compare_strings(want: str, got: str, where: str, wording: bool) -> Iterator[Difference]:
    if want.strip() == got.strip():
        return
    wanted, given = parsed(want), parsed(got)
    if isinstance(wanted, dict | list) and isinstance(given, dict | list):
        yield from compare_json(wanted, given, f"{where}(json)", wording=wording)  # spacing and key order are free
        return
    yield Difference("text" if wording else "body", where, want, got)


def _equal(want: Any, got: Any) -> bool:
    return next(compare_json(want, got), None) is None


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _write_fixture(path: Path, content: str | dict[str, str]) -> None:
    """A file for the server to fetch: a text, or an archive of named texts."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, str):
        path.write_text(content)
        return
    with zipfile.ZipFile(path, "w") as archive:
        for member, text in content.items():
            archive.writestr(member, text)
