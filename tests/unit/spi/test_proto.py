"""Protobuf texts become descriptors and columns, or say what is wrong with them and where."""

from __future__ import annotations

import pytest

from plutino.errors import DefinitionError, PlutinoError
from plutino.model import DataType, TypeName
from plutino.spi import proto
from plutino.spi.proto import ProtoError, compile_proto

PERSON = 'syntax = "proto3";\nmessage Person { string name = 1; int32 age = 2; repeated string tags = 3; }\n'

EVERYTHING = """
// a comment
syntax = "proto3"; /* another */
package a.b;
import "google/protobuf/timestamp.proto";
import "google/api/annotations.proto";
option java_package = "x";
message Outer {
  double d = 1; float f = 2; int32 i = 3; uint64 u = 4; sint32 s = 5; fixed64 x = 6; bool b = 7; bytes raw = 8;
  Kind kind = 9; Inner inner = 10; repeated Inner inners = 11; map<string, int32> counts = 12;
  oneof choice { int32 one = 13; string two = 14 [json_name = "zwei", deprecated = true]; }
  optional int64 maybe = 15; google.protobuf.Timestamp at = 16; Outer again = 17;
  message Inner { string n = 1; }
  enum Kind { UNKNOWN = 0; KNOWN = 1; }
  reserved 30, 40 to 50; reserved "old";
}
service Calc {
  rpc Add (Outer) returns (stream Outer) { option (google.api.http) = { post: "/add" body: "*" }; }
}
"""


def _columns(text: str, message: str, **others: str) -> dict[str, str]:
    files = {"x.proto": text, **{f"{name.replace('__', '/')}.proto": other for name, other in others.items()}}
    schema = compile_proto("x.proto", files).messages[message]
    return {column.name: str(column.type) for column in schema.columns}


def test_columns_of_a_message() -> None:
    """Fields in order, with the types of the dialect."""
    assert _columns(PERSON, "Person") == {"name": "string", "age": "bigint", "tags": "array(string)"}


def test_everything_that_a_schema_can_say() -> None:
    """Every kind of field; a map is an object without declared columns, and a message inside itself ends where it comes again."""
    inner = "struct(n string)"
    flat = {"d": "float", "f": "float", "i": "bigint", "u": "bigint", "s": "bigint", "x": "bigint", "b": "boolean", "raw": "bytea"}
    rest = {"kind": "bigint", "inner": inner, "inners": f"array({inner})", "counts": "struct()", "one": "bigint", "two": "string"}
    last = {"maybe": "bigint", "at": "struct(seconds bigint, nanos bigint)", "again": "struct()"}
    assert _columns(EVERYTHING, "a.b.Outer") == flat | rest | last


def test_methods_keep_their_options() -> None:
    """What a service says about HTTP is there without the files that declare the option."""
    compiled = compile_proto("x.proto", {"x.proto": EVERYTHING})
    assert compiled.options == {"a.b.Calc.Add": {"google.api.http": {"post": "/add", "body": "*"}}}
    assert set(compiled.messages) == {"a.b.Outer", "a.b.Outer.Inner"}


def test_descriptors_work_with_the_library() -> None:
    """The compiled form makes messages that can be written and read."""
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    found = descriptor_pb2.FileDescriptorSet()
    found.ParseFromString(compile_proto("x.proto", {"x.proto": EVERYTHING}).descriptors)
    pool = descriptor_pool.DescriptorPool()
    for file in found.file:
        pool.Add(file)
    outer = message_factory.GetMessageClass(pool.FindMessageTypeByName("a.b.Outer"))
    made = outer(i=5, counts={"x": 1}, two="t", maybe=0)
    again = outer.FromString(made.SerializeToString())
    assert (again.i, dict(again.counts), again.WhichOneof("choice"), again.HasField("maybe")) == (5, {"x": 1}, "two", True)
    assert again.DESCRIPTOR.fields_by_name["two"].json_name == "zwei"


def test_older_and_newer_syntax() -> None:
    """proto2 with groups, defaults and extensions; editions."""
    text = """message P { required string n = 1; optional group G = 2 { optional int32 a = 1; } optional E e = 3 [default = B];
        enum E { A = 1; B = 2; } extensions 100 to max; } extend P { optional int32 more = 101; }"""
    assert _columns(text, "P") == {"n": "string", "g": "struct(a bigint)", "e": "bigint"}
    assert _columns('edition = "2023"; message P { int32 a = 1; }', "P") == {"a": "bigint"}


def test_imports() -> None:
    """Files of the schema and of the library, each once however often it is named."""
    text = 'import "dep/a.proto"; import "dep/b.proto"; message P { optional A a = 1; optional B b = 2; }'
    a = 'import "google/protobuf/wrappers.proto"; message A { optional google.protobuf.Int32Value v = 1; }'
    b = 'import "dep/a.proto"; import "google/protobuf/wrappers.proto"; message B { optional A a = 1; }'
    assert _columns(text, "P", dep__a=a, dep__b=b) == {
        "a": "struct(v struct(value bigint))",
        "b": "struct(a struct(v struct(value bigint)))",
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("not proto", "x.proto:1:1: mismatched input 'not'"),
        ("\nmessage A {\n  optional int32 x = ;\n}", "x.proto:3:22: missing INT_LITERAL at ';'"),
        ("message {", "x.proto:1:9: mismatched input '{'"),
        ("message A { optional B x = 1; }", "x.proto: couldn't resolve name 'B'"),
        ("message A { optional int32 x = 1; optional int32 y = 1; }", "x.proto: duplicate field number (1)"),
        ("message A { optional int32 x = 1; optional int32 x = 2; }", "x.proto: duplicate field name (x)"),
        ("message A { optional int32 x = 0; }", "x.proto: invalid field number (0)"),
        ("message A { optional int32 x = 99999999999999999999; }", "x.proto: value out of range"),
        ("message A { reserved 5; optional int32 x = 5; }", "x.proto: A: field x uses the reserved number 5"),
        ('message A { reserved "x"; optional int32 x = 5; }', "x.proto: A: field name x is reserved"),
        ('syntax = "proto3"; message A { required int32 x = 1; }', "x.proto: field x: required is not part of proto3"),
        ('syntax = "proto3"; enum E { A = 1; }', "x.proto: enum E: the first value must be 0 in proto3"),
        ('syntax = "proto9";', "x.proto: syntax 'proto9'; proto2 or proto3 is expected"),
        ('edition = "1999";', "x.proto: edition 1999; one of 2023, 2024 is expected"),
        ("package a; package b;", "x.proto: more than one package"),
        ('import "none.proto";', 'x.proto: import "none.proto" is not found; put it into the archive of the schema'),
        ('import "google/protobuf/none.proto";', 'x.proto: import "google/protobuf/none.proto" is not found'),
        ('import "x.proto";', "x.proto: import of x.proto goes round in a circle"),
        ("message A {" * 3000, "x.proto: nested too deeply"),
    ],
)
def test_faults(text: str, message: str) -> None:
    """Each fault is told in one line, with its place where the text does not parse."""
    with pytest.raises(ProtoError) as raised:
        compile_proto("x.proto", {"x.proto": text})
    assert str(raised.value).startswith(message)


def test_the_place_of_a_fault() -> None:
    """Line, column and span of what does not parse."""
    text = "message A {\n  optional int32 x = ;\n}"
    with pytest.raises(ProtoError) as raised:
        compile_proto("x.proto", {"x.proto": text})
    position = raised.value.position
    assert position is not None
    assert (position.line, position.column, text[position.start : position.end]) == (2, 22, ";")


def test_too_long_a_text(monkeypatch: pytest.MonkeyPatch) -> None:
    """Size is looked at before anything is read."""
    monkeypatch.setattr(proto, "TEXT_LIMIT", 10)
    with pytest.raises(DefinitionError, match="more than 10 characters"):
        compile_proto("x.proto", {"x.proto": PERSON})


def test_without_the_libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says what to install."""
    import sys

    monkeypatch.setitem(sys.modules, "proto_schema_parser.ast", None)
    with pytest.raises(PlutinoError, match=r"install plutino\[protobuf\]"):
        compile_proto("x.proto", {"x.proto": PERSON})


def test_columns_are_plain_values() -> None:
    """Equal schemas compare equal, whoever compiled them."""
    first, second = (compile_proto("x.proto", {"x.proto": EVERYTHING}) for _ in range(2))
    assert first == second
    assert first.messages["a.b.Outer.Inner"].columns[0].type == DataType(TypeName.STRING)
