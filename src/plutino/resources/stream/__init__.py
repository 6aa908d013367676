"""Streams and tables: two kinds that share their statements, their name space and their endpoints."""

from plutino.resources.stream.kind import SourceKind

SPECS = (SourceKind("stream"), SourceKind("table"))
