"""Payload formats, one file or package each; discovered by scanning."""
