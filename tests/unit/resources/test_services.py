"""External services: descriptors and schemas are read when a service is created, and rules know its functions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from plutino.model import Ref
from plutino.resources.service import ServiceKind
from plutino.testing import FakeEnvironment
from unit.resources.archives import CALCULATOR, packed, service
from unit.rest.kit import Api, Reply

CREATE = "service create command error: "


async def create(api: Api, url: str, name: str = "math") -> Reply:
    return await api.ask("POST", "/services", {"name": name, "file": url})


@pytest.fixture
def url(tmp_path: Path) -> str:
    """A package that is all right."""
    return packed(tmp_path / "packages" / "math.zip", service())


async def test_life_of_a_service(api: Api, url: str, tmp_path: Path) -> None:
    """Created, shown, replaced, deleted; its functions come and go with it."""
    created = await create(api, url)
    assert (created.status, created.text) == (201, "service math is created")
    assert (await api.ask("GET", "/services")).json == ["math"]
    shown = (await api.ask("GET", "/services/math")).json
    assert shown["About"] == {
        "author": {"name": "me", "email": "", "company": "", "website": ""},
        "helpUrl": None,
        "description": {"en_US": "sums", "zh_CN": ""},
    }
    assert shown["Interfaces"] == {
        "calculator": {
            "Desc": None,
            "Addr": "http://10.0.0.5:9000/base",
            "Protocol": "rest",
            "Schema": {"SchemaType": "protobuf", "SchemaFile": "calculator.proto", "Schemaless": False},
            "Functions": ["addUp", "Label"],
            "Options": None,
        }
    }
    function = {
        "FuncName": "addUp",
        "ServiceName": "math",
        "InterfaceName": "calculator",
        "Addr": "http://10.0.0.5:9000/base",
        "MethodName": "Add",
    }
    assert [found["FuncName"] for found in (await api.ask("GET", "/services/functions")).json] == ["Label", "addUp"]
    assert (await api.ask("GET", "/services/functions/addUp")).json == function
    packed(tmp_path / "packages" / "math.zip", service(functions=[{"name": "plus", "serviceName": "Add"}]))
    assert (await api.ask("PUT", "/services/math", {"file": url})).text == "service math is updated"
    assert (await api.ask("GET", "/services/functions/addUp")).status == 404
    assert (await api.ask("GET", "/services/functions/plus")).status == 200
    assert (await api.ask("DELETE", "/services/math")).text == "service math is deleted"
    assert (await api.ask("GET", "/services/functions")).json == []


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"other.txt": "x"}, "cannot find the json descriptor file math.json for service"),
        ({"math.json": "{"}, "parse services file math.json failed: unexpected end of JSON input"),
        ({"math.json": '{"interfaces": 5}'}, "parse services file math.json failed: json: cannot unmarshal number into"),
        (service(schemaFile="none.proto"), "Fail to parse schema file none.proto: missing schemas/none.proto"),
        (service(schemaFile="../calculator.proto"), "Fail to parse schema file ../calculator.proto: missing"),
        (service(schemaType="avro"), "Fail to parse schema file calculator.proto: unsupported schema type avro"),
        (service(protocol="soap"), "interface calculator: unsupported protocol soap; one of rest, grpc, msgpack-rpc is expected"),
        (service(address="10.0.0.5:9000"), "interface calculator: address 10.0.0.5:9000; http://host:port is expected"),
        (service(address="ftp://a/b"), "interface calculator: address ftp://a/b; http://host:port is expected"),
        (service(protocol="grpc", address="tcp://h:x"), "interface calculator: address tcp://h:x; tcp://host:port is expected"),
        (service(protocol="grpc", address="tcp://h:1", schemaless=True), "interface calculator: schemaless with protocol grpc; rest is"),
        (service(functions=[{"name": "Label", "serviceName": "Add"}]), "service math, function Label is given twice"),
        (
            service(functions=[{"name": "add up", "serviceName": "Add"}]),
            "service math, function name 'add up': only alphanumeric, hyphens and underscores are allowed",
        ),
        ({**service(), "schemas/calculator.proto": "not proto"}, "Fail to parse schema file calculator.proto: calculator.proto:1:1"),
        ({**service(), "schemas/shared.proto": "syntax = 'proto3';"}, "Fail to parse schema file calculator.proto: "),
        (
            {**service(), "schemas/calculator.proto": CALCULATOR.replace("{a}", "{c}")},
            "Fail to parse schema file calculator.proto: calc.Calculator.Label: field c of /v1/label/{c} is not in the message; it has a,",
        ),
        (
            {**service(), "schemas/calculator.proto": CALCULATOR.replace("(Pair)", "(stream Pair)")},
            "Fail to parse schema file calculator.proto: calc.Calculator.Add: a stream; one message in, one message out is expected",
        ),
    ],
)  # fmt: skip
async def test_faults_show_at_creation(api: Api, tmp_path: Path, files: dict[str, Any], message: str) -> None:
    """Not at the first call; and nothing stays behind, neither in lists nor in documents nor on the disk."""
    refused = await create(api, packed(tmp_path / "math.zip", files))
    assert refused.status == 400
    assert refused.json["message"].startswith(CREATE + message)
    assert (await api.ask("GET", "/services")).json == []
    assert (await api.ask("GET", "/data/export")).json["Service"] == {}
    assert [path for path in (tmp_path / "data" / "blobs").rglob("*") if path.is_file()] == []
    document = {"content": json.dumps({"Service": {"math": json.dumps({"name": "math", "file": f"file://{tmp_path}/math.zip"})}})}
    imported = await api.ask("POST", "/data/import", document)
    assert json.loads(imported.json["message"])["Service"]["math"].startswith(message)
    assert (await api.ask("DELETE", "/services/math")).status == 404


async def test_the_descriptor_is_found_in_any_case(api: Api, tmp_path: Path) -> None:
    """As archives from other systems have it."""
    files = service()
    files["Math.JSON"] = files.pop("math.json")
    assert (await create(api, packed(tmp_path / "math.zip", files))).status == 201


async def test_a_schemaless_interface_is_one_function(api: Api, tmp_path: Path) -> None:
    """Named as the interface."""
    files = {"calc.json": {"interfaces": {"calc": {"address": "https://h/base", "protocol": "rest", "schemaless": True}}}}
    assert (await create(api, packed(tmp_path / "calc.zip", dict(files)), "calc")).status == 201
    assert (await api.ask("GET", "/services/calc")).json["About"] is None
    assert [found["FuncName"] for found in (await api.ask("GET", "/services/functions")).json] == ["calc"]


async def test_a_rule_with_its_function_says_why_it_does_not_run(api: Api, url: str) -> None:
    """And the service stays as long as the rule is there."""
    await create(api, url)
    await api.stream()
    assert (await api.rule("r1", "SELECT addUp(a, 2) AS s FROM demo")).status == 201
    assert api.host.messages["r1"] == "function addUp of service math: services are declared, but not executed by this version"
    refused = await api.ask("DELETE", "/services/math")
    assert refused.json == {"error": 1000, "message": "service math is referenced by the rule r1"}
    exported = (await api.ask("POST", "/data/export", ["r1"])).json
    assert json.loads(exported["Service"]["math"]) == {"name": "math", "file": url}
    await api.ask("DELETE", "/rules/r1")
    assert (await api.ask("DELETE", "/services/math")).status == 200


async def test_functions_belong_to_one_object(api: Api, url: str, tmp_path: Path) -> None:
    """Of a second service with an equal function name nothing is taken over, one after the other or in one document."""
    await create(api, url)
    files = {"calc.json": {"interfaces": {"addUp": {"address": "https://h/", "protocol": "rest", "schemaless": True}}}}
    second = packed(tmp_path / "calc.zip", dict(files))
    refused = await create(api, second, "calc")
    assert refused.json["message"] == f"{CREATE}function name addUp already exists; it belongs to service math"
    services = {"math": json.dumps({"name": "math", "file": url}), "calc": json.dumps({"name": "calc", "file": second})}
    await api.ask("DELETE", "/services/math")
    both = await api.ask("POST", "/data/import", {"content": json.dumps({"Service": services})})
    assert both.status == 400
    assert (await api.ask("GET", "/services")).json == []


async def test_present_ones_stay_in_a_partial_import(api: Api, url: str) -> None:
    """An entry for a service that is there is no error."""
    await create(api, url)
    entry = json.dumps({"name": "math", "file": "http://elsewhere.example/math.zip"})
    document = {"content": json.dumps({"Service": {"math": entry}})}
    reply = await api.ask("POST", "/data/import?partial=1", document, {"accept": "application/json"})
    assert (reply.status, reply.json["ignored"]) == (200, ["Service.math"])
    assert json.loads((await api.ask("GET", "/data/export")).json["Service"]["math"])["file"] == url


async def test_the_path_names_what_is_replaced(api: Api, url: str) -> None:
    """A name in the body is not looked at."""
    await create(api, url)
    assert (await api.ask("PUT", "/services/math", {"NAME": "calc", "file": url})).text == "service math is updated"
    assert (await api.ask("GET", "/services")).json == ["math"]


def test_headers_of_a_service_are_secret() -> None:
    """They often carry a token."""
    spec = ServiceKind()
    parsed = spec.parse(Ref("service", "math"), '{"name":"math","file":"https://u:p@h/math.zip"}')
    assert list(spec.secrets(parsed, FakeEnvironment())) == [("interfaces", "*", "options", "headers", "*"), ("request", "file")]
