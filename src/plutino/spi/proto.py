"""Protobuf schemas: ``.proto`` texts checked and compiled to descriptors, and their messages as columns.

Needs the libraries of the extra ``protobuf``: one reads the text, Google's own resolves the names. They are imported when the first schema
is compiled. No compiler is run.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from typing import Any, NoReturn

from msgspec import Struct

from plutino.errors import DefinitionError, Position, UnsupportedError
from plutino.model import Column, DataType, Schema, TypeName

TEXT_LIMIT = 4 * 1024 * 1024
"""Characters of all files of a schema together."""

_SUPPLIED = "google/protobuf/"
"""Imports that come with the library."""

_ANNOTATIONS = ("google/api/annotations.proto", "google/api/http.proto")
"""Imports that only bring options; they are kept by name, so these files need not be there."""

_LABELS = {"OPTIONAL": 1, "REQUIRED": 2, "REPEATED": 3}
_SCALARS = {
    "double": 1,
    "float": 2,
    "int64": 3,
    "uint64": 4,
    "int32": 5,
    "fixed64": 6,
    "fixed32": 7,
    "bool": 8,
    "string": 9,
    "bytes": 12,
    "uint32": 13,
    "sfixed32": 15,
    "sfixed64": 16,
    "sint32": 17,
    "sint64": 18,
}
_GROUP = 10
_EDITIONS = {"2023": 1000, "2024": 1001}
_NUMBERS_END = 536870912
_COLUMN_TYPES = {1: TypeName.FLOAT, 2: TypeName.FLOAT, 8: TypeName.BOOLEAN, 9: TypeName.STRING, 12: TypeName.BYTEA}
"""By kind of field; everything else that is no message is a whole number."""


class ProtoError(DefinitionError):
    """A schema does not compile; ``position`` is where in ``file``, if that is known."""

    def __init__(self, message: str, *, file: str = "", position: Position | None = None) -> None:
        super().__init__(message)
        self.file = file
        self.position = position


class Compiled(Struct, frozen=True):
    """What is kept of a schema.

    - ``descriptors``: a serialized ``FileDescriptorSet``, imports before their users, the schema's own file last
    - ``messages``: the columns of each message of that file by full name (``pkg.Outer.Inner``)
    - ``options``: options of methods that extensions define, by full name of the method (``{"google.api.http": {"get": "/v1/x"}}``)
    """

    descriptors: bytes
    messages: Mapping[str, Schema]
    options: Mapping[str, Mapping[str, Any]] = {}


def compile_proto(root: str, files: Mapping[str, str]) -> Compiled:
    """Compile the file ``root`` of ``files`` (text by the path that imports use) with all that it imports. Takes milliseconds per page.

    ProtoError when a text does not parse or a name does not resolve, UnsupportedError when the libraries are not installed.
    """
    if sum(map(len, files.values())) > TEXT_LIMIT:
        raise ProtoError(f"schema {root}: more than {TEXT_LIMIT} characters")
    library = _Library()
    pool = library.pool.DescriptorPool()
    found = library.descriptor.FileDescriptorSet()
    options: dict[str, Mapping[str, Any]] = {}
    for name, built in _in_order(root, files, library, options):
        try:
            pool.AddSerializedFile(built.SerializeToString())
        except TypeError as error:
            reason = str(error).replace("Couldn't build proto file into descriptor pool: ", "")
            raise ProtoError(f"{name}: {reason}", file=name) from None
        found.file.append(built)
    messages: dict[str, Schema] = {}
    for message in pool.FindFileByName(root).message_types_by_name.values():
        _collect(message, messages)
    return Compiled(found.SerializeToString(), messages, options)


def _in_order(root: str, files: Mapping[str, str], library: _Library, options: dict[str, Mapping[str, Any]]) -> Iterator[tuple[str, Any]]:
    """Every file that is needed, as a FileDescriptorProto, imports first."""
    done: set[str] = set()
    entered: list[str] = []

    def visit(name: str, user: str) -> Iterator[tuple[str, Any]]:
        if name in done:
            return
        if name in entered:
            raise ProtoError(f"{user}: import of {name} goes round in a circle", file=user)
        entered.append(name)
        if name in files:
            tree = library.parse(name, files[name])
            try:
                builder = _Builder(name, tree, library, options)
            except ValueError as error:  # a number that no field can have
                raise ProtoError(f"{name}: {str(error).lower()}", file=name) from None
        elif name.startswith(_SUPPLIED):
            yield from supplied(name, user)
            done.add(name)
            return
        else:
            raise ProtoError(f'{user}: import "{name}" is not found; put it into the archive of the schema', file=user)
        for used in builder.imports:
            yield from visit(used, name)
        done.add(name)
        yield name, builder.file

    def supplied(name: str, user: str) -> Iterator[tuple[str, Any]]:
        for used in library.supplied(name, user):
            if used.name not in done:
                done.add(used.name)
                yield used.name, used

    yield from visit(root, root)


class _Library:
    """The third-party libraries, imported together."""

    def __init__(self) -> None:
        try:
            self.ast = importlib.import_module("proto_schema_parser.ast")
            self._parser = importlib.import_module("proto_schema_parser.parser")
            self._listener = importlib.import_module("antlr4.error.ErrorListener")
            self.descriptor = importlib.import_module("google.protobuf.descriptor_pb2")
            self.pool = importlib.import_module("google.protobuf.descriptor_pool")
        except ImportError as error:
            raise UnsupportedError(f"protobuf schemas need {error.name}; install plutino[protobuf]") from None

    def parse(self, name: str, text: str) -> Any:
        """The syntax tree of a text; ProtoError at its first fault."""
        listener = _listener_class(self._listener.ErrorListener)(name, text)

        def listen(recognizer: Any) -> None:
            recognizer.removeErrorListeners()
            recognizer.addErrorListener(listener)

        try:
            return self._parser.Parser(setup_lexer=listen, setup_parser=listen).parse(text)
        except RecursionError:
            raise ProtoError(f"{name}: nested too deeply", file=name) from None
        except ValueError as error:
            raise ProtoError(f"{name}: {error}", file=name) from None

    def supplied(self, name: str, user: str) -> list[Any]:
        """A file of the library and what it imports, imports first."""
        module = name.removesuffix(".proto").replace("/", ".") + "_pb2"
        try:
            found = importlib.import_module(module).DESCRIPTOR
        except ImportError:
            raise ProtoError(f'{user}: import "{name}" is not found', file=user) from None
        needed = [file for used in found.dependencies for file in self.supplied(used.name, name)]
        own = self.descriptor.FileDescriptorProto()
        own.ParseFromString(found.serialized_pb)
        return [*needed, own]


def _listener_class(parent: type[Any]) -> type[Any]:
    class Listener(parent):  # type: ignore[misc]
        """Turns the first fault into an exception."""

        def __init__(self, name: str, text: str) -> None:
            self._name = name
            self._text = text

        def syntaxError(self, recognizer: Any, symbol: Any, line: int, column: int, message: str, _: Any) -> NoReturn:  # noqa: N802
            start = sum(map(len, self._text.splitlines(keepends=True)[: line - 1])) + column
            width = len(getattr(symbol, "text", "") or " ")
            short = message.partition(" expecting ")[0]
            place = Position(line, column + 1, start, start + width)
            raise ProtoError(f"{self._name}:{line}:{column + 1}: {short}", file=self._name, position=place)

    return Listener


class _Builder:
    """From a syntax tree to a FileDescriptorProto."""

    def __init__(self, name: str, tree: Any, library: _Library, options: dict[str, Mapping[str, Any]]) -> None:
        self.imports: list[str] = []
        self.file = library.descriptor.FileDescriptorProto(name=name)
        self._name = name
        self._ast = library.ast
        self._options = options
        self._proto3 = tree.syntax == "proto3"
        self._syntax(tree)
        for element in tree.file_elements:
            self._file_element(element)

    def _fail(self, text: str) -> NoReturn:
        raise ProtoError(f"{self._name}: {text}", file=self._name)

    def _syntax(self, tree: Any) -> None:
        if tree.edition is not None:
            if tree.edition not in _EDITIONS:
                self._fail(f"edition {tree.edition}; one of {', '.join(_EDITIONS)} is expected")
            self.file.syntax, self.file.edition = "editions", _EDITIONS[tree.edition]
        elif tree.syntax not in (None, "proto2", "proto3"):
            self._fail(f"syntax {tree.syntax!r}; proto2 or proto3 is expected")
        elif tree.syntax is not None:
            self.file.syntax = tree.syntax

    def _file_element(self, element: Any) -> None:
        ast = self._ast
        match element:
            case ast.Import():
                if element.name in _ANNOTATIONS:
                    return
                if element.name in self.imports:
                    self._fail(f'import "{element.name}" stands twice')
                self.imports.append(element.name)
                if element.public:
                    self.file.public_dependency.append(len(self.file.dependency))
                self.file.dependency.append(element.name)
            case ast.Package():
                if self.file.package:
                    self._fail("more than one package")
                self.file.package = element.name
            case ast.Message():
                self._message(self.file.message_type.add(), element)
            case ast.Enum():
                self._enum(self.file.enum_type.add(), element)
            case ast.Service():
                self._service(element)
            case ast.Extension():
                self._extension(self.file, element)

    # --- messages

    def _message(self, target: Any, message: Any) -> None:
        target.name = message.name
        self._members(target, message.elements)
        self._close_optionals(target)
        self._check_reserved(target)

    def _members(self, target: Any, elements: list[Any]) -> None:
        ast = self._ast
        for element in elements:
            match element:
                case ast.Field():
                    self._field(target, target.field.add(), element)
                case ast.MapField():
                    self._map(target, element)
                case ast.Group():
                    self._group(target, target.field.add(), element)
                case ast.OneOf():
                    self._oneof(target, element)
                case ast.Message():
                    self._message(target.nested_type.add(), element)
                case ast.Enum():
                    self._enum(target.enum_type.add(), element)
                case ast.Extension():
                    self._extension(target, element)
                case ast.ExtensionRange():
                    for start, end in self._ranges(element.ranges, _NUMBERS_END):
                        target.extension_range.add(start=start, end=end)
                case ast.Reserved():
                    target.reserved_name.extend(element.names)
                    for start, end in self._ranges(element.ranges, _NUMBERS_END):
                        target.reserved_range.add(start=start, end=end)

    def _field(self, message: Any, target: Any, field: Any) -> None:
        target.name, target.number = field.name, field.number
        target.label = _LABELS[field.cardinality.value] if field.cardinality is not None else 1
        self._type(target, field.type)
        if self._proto3 and field.cardinality is not None:
            if field.cardinality.value == "REQUIRED":
                self._fail(f"field {field.name}: required is not part of proto3")
            target.proto3_optional = message is not None and field.cardinality.value == "OPTIONAL"
        for option in field.options:
            if option.name == "json_name":
                target.json_name = str(option.value)
            elif option.name == "default":
                target.default_value = self._default(option.value)
            elif option.name == "packed":
                target.options.packed = option.value is True

    def _default(self, value: Any) -> str:
        if isinstance(value, bool):
            return str(value).lower()
        return str(getattr(value, "name", value))

    def _type(self, target: Any, name: str) -> None:
        kind = _SCALARS.get(name)
        if kind is not None:
            target.type = kind
        else:
            target.type_name = name

    def _map(self, message: Any, field: Any) -> None:
        entry = message.nested_type.add(name="".join(word[:1].upper() + word[1:] for word in field.name.split("_")) + "Entry")
        entry.options.map_entry = True
        for number, name, kind in ((1, "key", field.key_type), (2, "value", field.value_type)):
            self._type(member := entry.field.add(name=name, number=number, label=1), kind)
            if number == 1 and member.type not in _SCALARS.values():
                self._fail(f"map {field.name}: keys of type {kind}; a whole number, bool or string is expected")
        if field.key_type in ("double", "float", "bytes"):
            self._fail(f"map {field.name}: keys of type {field.key_type}; a whole number, bool or string is expected")
        message.field.add(name=field.name, number=field.number, label=3, type_name=entry.name)

    def _group(self, message: Any, target: Any, group: Any) -> None:
        target.name, target.number, target.type = group.name.lower(), group.number, _GROUP
        target.label = _LABELS[group.cardinality.value] if group.cardinality is not None else 1
        target.type_name = group.name
        self._message(message.nested_type.add(), group)

    def _oneof(self, message: Any, oneof: Any) -> None:
        index = len(message.oneof_decl)
        message.oneof_decl.add(name=oneof.name)
        for element in oneof.elements:
            match element:
                case self._ast.Field():
                    self._field(message, member := message.field.add(), element)
                case self._ast.Group():
                    self._group(message, member := message.field.add(), element)
                case _:
                    continue
            member.oneof_index = index

    def _close_optionals(self, message: Any) -> None:
        """Each ``optional`` of proto3 is alone in a oneof of its own, after the written ones."""
        for field in message.field:
            if field.proto3_optional:
                field.oneof_index = len(message.oneof_decl)
                message.oneof_decl.add(name=f"_{field.name}")

    def _check_reserved(self, message: Any) -> None:
        for field in message.field:
            if field.name in message.reserved_name:
                self._fail(f"{message.name}: field name {field.name} is reserved")
            if any(span.start <= field.number < span.end for span in message.reserved_range):
                self._fail(f"{message.name}: field {field.name} uses the reserved number {field.number}")

    # --- everything else

    def _enum(self, target: Any, enum: Any) -> None:
        target.name = enum.name
        for element in enum.elements:
            match element:
                case self._ast.EnumValue():
                    target.value.add(name=element.name, number=element.number)
                case self._ast.Option() if element.name == "allow_alias":
                    target.options.allow_alias = element.value is True
        if self._proto3 and target.value and target.value[0].number != 0:
            self._fail(f"enum {enum.name}: the first value must be 0 in proto3")

    def _extension(self, target: Any, extension: Any) -> None:
        if extension.typeName.lstrip(".").startswith("google.protobuf."):
            return  # options of one's own, whose values are not looked at
        for element in extension.elements:
            if isinstance(element, self._ast.Field):
                member = target.extension.add(extendee=extension.typeName)
                self._field(None, member, element)

    def _service(self, service: Any) -> None:
        target = self.file.service.add(name=service.name)
        for method in service.elements:
            if not isinstance(method, self._ast.Method):
                continue
            target.method.add(
                name=method.name,
                input_type=method.input_type.type,
                output_type=method.output_type.type,
                client_streaming=method.input_type.stream,
                server_streaming=method.output_type.stream,
            )
            custom = {
                option.name.strip("()"): self._plain(option.value)
                for option in method.elements
                if isinstance(option, self._ast.Option) and option.name.startswith("(")
            }
            if custom:
                package = f"{self.file.package}." if self.file.package else ""
                self._options[f"{package}{service.name}.{method.name}"] = custom

    def _plain(self, value: Any) -> Any:
        match value:
            case self._ast.MessageLiteral():
                return {
                    field.name: self._plain(field.value) for field in value.elements if isinstance(field, self._ast.MessageLiteralField)
                }
            case self._ast.Identifier():
                return value.name
            case list():
                return [self._plain(member) for member in value]
            case _:
                return value

    def _ranges(self, written: list[str], end: int) -> Iterator[tuple[int, int]]:
        """``10 to 20`` as half-open ranges."""
        for text in written:
            first, _, last = (part.strip() for part in text.partition(" to "))
            try:
                start = int(first, 0)
                yield start, end if last == "max" else (int(last, 0) if last else start) + 1
            except ValueError:
                self._fail(f"range {text}; numbers are expected")


def _collect(message: Any, found: dict[str, Schema]) -> None:
    """The columns of a message and of those inside it."""
    found[message.full_name] = Schema(_columns(message, ()))
    for nested in message.nested_types_by_name.values():
        if not nested.GetOptions().map_entry:
            _collect(nested, found)


def _columns(message: Any, inside: tuple[str, ...]) -> tuple[Column, ...]:
    return tuple(Column(field.name, _column_type(field, (*inside, message.full_name))) for field in message.fields)


def _column_type(field: Any, inside: tuple[str, ...]) -> DataType:
    message = field.message_type
    if message is None:
        found = DataType(_COLUMN_TYPES.get(field.type, TypeName.BIGINT))
    elif message.GetOptions().map_entry:
        # Keys are data, not columns.
        return DataType(TypeName.STRUCT)
    else:
        # A message that holds itself ends where it comes again.
        found = DataType(TypeName.STRUCT, fields=() if message.full_name in inside else _columns(message, inside))
    return DataType(TypeName.ARRAY, element=found) if field.is_repeated else found
