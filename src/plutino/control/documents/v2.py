"""The v2 document: YAML with structured values (rest reference §2.12). It is laid over what is there, without transition rules.

Beyond the original it has a section ``scripts`` and reads the spelling of v1 for file fields. A rule that does not say whether it is
started is started, and what is not set stays so.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from plutino.control.documents.content import DocumentContent, Format, Lines, ObjectText, Refused, Steps
from plutino.control.documents.structure import STATEMENTS, MismatchError, object_text, value_of_object
from plutino.control.documents.yaml_reader import Mapping, Node, is_null, kind_of, read_yaml
from plutino.control.documents.yaml_writer import INDENT, to_entry
from plutino.control.failure import Failure
from plutino.control.sections import GROUPED
from plutino.errors import DefinitionError, DocumentError, Fault
from plutino.spi import Mode

SECTIONS = {
    "sourceConfig": "sourceConfig",
    "sinkConfig": "sinkConfig",
    "connectionConfig": "connectionConfig",
    "nativePlugins": "nativePlugins",
    "portablePlugins": "portablePlugins",
    "service": "Service",
    "schema": "Schema",
    "uploads": "uploads",
    "scripts": "scripts",
    "streams": "streams",
    "tables": "tables",
    "rules": "rules",
}
"""Spelling here and in v1, in the order of the original, which has no ``scripts``; read case-insensitively."""

_ALWAYS = ("streams", "rules")
_PREFIXES = {"sourceConfig": "sources", "sinkConfig": "sinks", "connectionConfig": "connections"}
_SECTION_OF = {prefix: section for section, prefix in _PREFIXES.items()}
_REFUSALS = {
    "streams": "replace stream {} failed, err:{}",
    "tables": "replace stream {} failed, err:{}",
    "rules": "replace rule {} failed, err:{}",
    "uploads": "import upload {} failed, err:{}",
    "Service": "import service {} failed, err:{}",
    "Schema": "import schema {} failed, err:{}",
    "nativePlugins": "import native plugin {} failed, err:{}",
    "portablePlugins": "import portable plugin {} failed, err:{}",
    "scripts": "import script {} failed, err:{}",
}


def read(text: str) -> Steps[DocumentContent]:
    """The objects of a document; unknown sections and keys are warnings."""
    found = yield from read_yaml(text)
    reader = _Reader(text)
    if found.second >= 0:
        reader.warn("", "a second document begins here; it is passed over", found.second)
    if found.root is not None and not is_null(found.root):
        yield from reader.steps(found.root)
    return reader.content()


def write(objects: Sequence[ObjectText], _: Callable[[str], bytes]) -> Steps[str]:
    """A document with sections and entries in fixed order; empty sections are left out, but for streams and rules."""
    by_section: dict[str, dict[str, ObjectText]] = {section: {} for section in SECTIONS.values()}
    for item in objects:
        by_section[item.section][_name_of(item)] = item
    lines: list[str] = []
    for name, section in SECTIONS.items():
        entries = by_section[section]
        if entries:
            lines.append(f"{name}:")
            for entry in sorted(entries):
                lines += to_entry(entry, value_of_object(entries[entry]), INDENT)
                yield
        elif section in _ALWAYS:
            lines.append(f"{name}: {{}}")
    return "\n".join([*lines, ""])


def refusal(failures: Sequence[Failure]) -> str:
    """Each refused entry as the original words the first, one a line."""
    return "\n".join(_refusal(failure) for failure in failures)


FORMAT: Format[str] = Format("v2", read, write, refusal, on_top=Mode.FULL)


class _Reader:
    """Objects out of the nodes of one text."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._lines: Lines | None = None
        self._objects: list[ObjectText] = []
        self._refused: list[Refused] = []
        self._warnings: list[Fault] = []
        self._faults: list[Fault] = []

    def steps(self, root: Node) -> Steps[None]:
        """Read; pauses after each entry."""
        if not isinstance(root, Mapping):
            self._mismatch("", root, f"cannot unmarshal {kind_of(root, self._text)} into server.MetaConfiguration")
            return
        known = {name.lower(): section for name, section in SECTIONS.items()}
        for name, node in root.items.items():
            section = known.get(name.lower())
            if section is None:
                self.warn(name, f"section {name}: passed over; known are {', '.join(SECTIONS)}", root.keys[name])
            elif isinstance(node, Mapping):
                for entry, value in node.items.items():
                    self._entry(section, entry, value, node.keys[entry])
                    yield
            elif not is_null(node):
                self._mismatch(section, node, f"cannot unmarshal {kind_of(node, self._text)} into map[string]{section}")

    def warn(self, path: str, text: str, at: int) -> None:
        """Something is passed over."""
        self._warnings.append(Fault(path, text, *self._place(at)))

    def content(self) -> DocumentContent:
        """What was read; DocumentError when there were faults."""
        if self._faults:
            texts = "".join(f"\n  line {fault.line}: {fault.text}" for fault in self._faults)
            raise DocumentError(f"yaml: unmarshal errors:{texts}", tuple(self._faults))
        return DocumentContent(tuple(self._objects), tuple(self._refused), tuple(self._warnings), {"": self._text})

    def _entry(self, section: str, name: str, node: Node, at: int) -> None:
        entry, key = name, ""
        if section in GROUPED:
            parts = name.split(".")
            if len(parts) != 3 or parts[0] not in _SECTION_OF:
                self._refused.append(Refused(Failure(section, name, "", DefinitionError(f"{name} isn't valid conf key")), at))
                return
            # As in the original, the name decides, not the section that it stands in.
            section, entry, key = _SECTION_OF[parts[0]], parts[1].replace("%2E", ".").replace("%25", "%"), parts[2]
        if is_null(node) and section not in GROUPED:
            error = DefinitionError(f"{section} {name}: null; a value is expected")
            self._refused.append(Refused(Failure(section, entry, key, error), node.at))
            return
        path = ".".join(part for part in (section, entry, key) if part)
        try:
            # A configuration without properties is an empty one.
            text = "{}" if is_null(node) else object_text(section, node, self._text, lambda k, place: self._unknown(path, k, place))
        except MismatchError as error:
            self._mismatch(path, error.node, error.text)
        except DocumentError as error:
            self._faults += [Fault(path, fault.text, fault.line, fault.column) for fault in error.faults]
        else:
            self._objects.append(ObjectText(section, entry, key, text, node.at, verbatim=section in STATEMENTS))

    def _unknown(self, path: str, key: str, at: int) -> None:
        self.warn(f"{path}.{key}", f"key {key}: passed over; sql is expected", at)

    def _mismatch(self, path: str, node: Node, text: str) -> None:
        self._faults.append(Fault(path, text, *self._place(node.at)))

    def _place(self, at: int) -> tuple[int, int]:
        self._lines = self._lines or Lines(self._text)
        return self._lines.place(at)


def _name_of(item: ObjectText) -> str:
    """The name of an entry; three parts with dots between them where keys are grouped, whatever is in the type."""
    if item.section not in GROUPED:
        return item.entry
    kind = item.entry.replace("%", "%25").replace(".", "%2E")
    return f"{_PREFIXES[item.section]}.{kind}.{item.key}"


def _refusal(failure: Failure) -> str:
    form = _REFUSALS.get(failure.section)
    if form is not None:
        text = failure.wire_text
        if failure.section == "rules" and text.startswith("Invalid rule json"):
            text = "i" + text[1:]
        return form.format(failure.entry, text)
    if failure.key:
        return f"write conf {_PREFIXES[failure.section]}.{failure.entry}.{failure.key} failed, err:{failure.error.message}"
    return failure.error.message
