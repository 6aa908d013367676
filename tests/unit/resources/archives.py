"""Packages for tests of plugins and services, made on the spot."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any


def packed(path: Path, files: dict[str, str | bytes | dict[str, Any]]) -> str:
    """A zip with these files (objects as JSON); gives its ``file://`` URL."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, json.dumps(content) if isinstance(content, dict) else content)
    return f"file://{path}"


def portable(plugin: str = "adder", **manifest: Any) -> dict[str, str | bytes | dict[str, Any]]:
    """The files of a portable plugin with one function, unless ``manifest`` says something else."""
    declared = {"version": "v1.2.0", "language": "python", "executable": "main.py", "functions": ["plus"], **manifest}
    files: dict[str, str | bytes | dict[str, Any]] = {f"{plugin}.json": declared, "main.py": "print('hello')\n"}
    for source in declared.get("sources", ()):
        files[f"sources/{source}.yaml"] = "default:\n  interval: 1000\n"
    return files


CALCULATOR = """
syntax = "proto3";
package calc;
import "google/protobuf/wrappers.proto";
import "google/api/annotations.proto";
import "shared.proto";
service Calculator {
  rpc Add(Pair) returns (google.protobuf.DoubleValue) {}
  rpc Label(Pair) returns (shared.Text) { option (google.api.http) = { get: "/v1/label/{a}" }; }
}
message Pair { double a = 1; double b = 2; }
"""
SHARED = 'syntax = "proto3";\npackage shared;\nmessage Text { string text = 1; }\n'


def service(**interface: Any) -> dict[str, str | bytes | dict[str, Any]]:
    """The files of the service ``math`` with one interface over a schema."""
    binding = {
        "address": "http://10.0.0.5:9000/base",
        "protocol": "rest",
        "schemaType": "protobuf",
        "schemaFile": "calculator.proto",
        "functions": [{"name": "addUp", "serviceName": "Add"}],
        **interface,
    }
    return {
        "math.json": {"about": {"author": {"name": "me"}, "description": {"en_US": "sums"}}, "interfaces": {"calculator": binding}},
        "schemas/calculator.proto": CALCULATOR,
        "schemas/shared.proto": SHARED,
    }


def wheel(
    name: str = "geo", points: str = "[plutino.functions]\ngeodist = geo.functions:GEODIST\n"
) -> dict[str, str | bytes | dict[str, Any]]:
    """The files of a wheel with a module ``geo.functions``."""
    info = f"{name}-1.4.0.dist-info"
    return {
        "geo/__init__.py": "raise SystemExit('imported while it was checked')\n",
        "geo/functions.py": "raise SystemExit('imported while it was checked')\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.4.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": points,
        f"{info}/RECORD": "",
    }
