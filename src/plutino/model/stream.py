"""What a stream or table definition says, free of syntax."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from plutino.model.datatype import Schema


class StreamContent(Struct, frozen=True):
    """The parsed content of a ``stream`` or ``table`` definition.

    ``options`` holds the WITH options as written, keyed by upper-case name (``DATASOURCE``, ``CONF_KEY`` …); booleans as bool.
    """

    name: str
    is_table: bool
    schema: Schema
    options: Mapping[str, str | bool]

    def option(self, name: str, default: str = "") -> str:
        """A text option, ``default`` when it is not given."""
        value = self.options.get(name, default)
        return value if isinstance(value, str) else str(value).lower()

    def flag(self, name: str) -> bool:
        """A boolean option; text TRUE counts as well."""
        value = self.options.get(name, False)
        return value if isinstance(value, bool) else value.upper() == "TRUE"

    @property
    def connector(self) -> str:
        """The source type: TYPE, else ``mqtt`` for streams and ``file`` for tables."""
        return self.option("TYPE") or ("file" if self.is_table else "mqtt")

    @property
    def format(self) -> str:
        """The payload format, lower-cased; ``json`` when not given."""
        return self.option("FORMAT").lower() or "json"

    @property
    def is_lookup(self) -> bool:
        """A table with KIND="lookup"."""
        return self.is_table and self.option("KIND").lower() == "lookup"
