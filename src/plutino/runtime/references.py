"""What references in properties stand for, read each time a component is opened, so that a changed password is picked up."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from plutino.errors import PlutinoError, ProvisionError
from plutino.runtime.sink_options import SinkOptions
from plutino.spi import ConnectorSpec, FeedRequest, LookupRequest, LookupSpec, Registry, SinkRequest, SinkSpec, SourceSpec
from plutino.spi.references import has_references, resolved, resolved_text

LONGEST = 64 * 1024
"""Bytes of a file that a reference stands for at most."""

KEPT = 4096


class References:
    """Resolves requests. ``values`` are what was read lately: secrets, which no message may tell."""

    def __init__(
        self,
        registry: Registry,
        allow_file: Callable[[str], str],
        allow_variable: Callable[[str], None],
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        self.values: dict[str, None] = {}
        self._registry = registry
        self._allow_file = allow_file
        self._allow_variable = allow_variable
        self._environ = environ

    def sink(self, request: SinkRequest) -> SinkRequest:
        """An action as it is opened; the same object when it has no references. ProvisionError names what is missing."""
        if not has_references(request.properties):
            return request
        spec = self._registry.connectors.get(request.connector)
        models: list[type[Struct]] = [SinkOptions, *_models(spec.sink if spec is not None else None, spec)]
        return replace(request, properties=self.properties(models, request.properties))

    def feed(self, request: FeedRequest, model: type[Struct]) -> FeedRequest:
        """A stream as it is opened; ``model`` is what the engine itself reads of its properties."""
        if not has_references(request.properties) and not has_references(request.datasource):
            return request
        spec = self._registry.connectors.get(request.connector)
        models = (model, *_models(spec.source if spec is not None else None, spec))
        datasource = resolved_text(request.datasource, self._read)
        return replace(request, properties=self.properties(models, request.properties), datasource=datasource)

    def table(self, request: LookupRequest, model: type[Struct]) -> LookupRequest:
        """A lookup table as it is opened."""
        if not has_references(request.properties) and not has_references(request.datasource):
            return request
        spec = self._registry.connectors.get(request.connector)
        models = (model, *_models(spec.lookup if spec is not None else None, spec))
        datasource = resolved_text(request.datasource, self._read)
        return replace(request, properties=self.properties(models, request.properties), datasource=datasource)

    def properties(self, models: Sequence[type[Struct]], properties: Mapping[str, Any]) -> Mapping[str, Any]:
        """Properties as a component gets them."""
        return resolved(models, properties, self._read)

    def _read(self, kind: str, name: str) -> str:
        try:
            value = self._variable(name) if kind == "env" else self._file(name)
        except PlutinoError as error:
            raise ProvisionError(f"reference ${{{kind}:{name}}}: {error.message}") from None
        if len(self.values) >= KEPT:
            self.values.clear()
        self.values[value] = None
        return value

    def _variable(self, name: str) -> str:
        self._allow_variable(name)
        value = self._environ.get(name)
        if value is None:
            raise PlutinoError(f"no such variable in the environment of the server; set {name} before it starts")
        return value

    def _file(self, name: str) -> str:
        path = self._allow_file(name)
        try:
            found = os.stat(path)
            if not stat.S_ISREG(found.st_mode):
                raise PlutinoError("not a regular file; a file with the value is expected")
            if found.st_size > LONGEST:
                raise PlutinoError(f"the file has {found.st_size} bytes; at most {LONGEST} are read")
            with open(path, encoding="utf-8") as file:
                text = file.read(LONGEST)
        except UnicodeDecodeError:
            raise PlutinoError("the file is not UTF-8; a file with the value as text is expected") from None
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise PlutinoError(f"{reason.lower()}; a file with the value is expected") from None
        return text[:-1].removesuffix("\r") if text.endswith("\n") else text


def _models(side: SourceSpec | SinkSpec | LookupSpec | None, spec: ConnectorSpec | None) -> list[type[Struct]]:
    """What a connector reads of the properties of one of its roles."""
    connection = spec.connection if spec is not None else None
    return [each.options for each in (side, connection) if each is not None]
