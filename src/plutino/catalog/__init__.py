"""Where definitions are kept: one SQLite file, one writer, a history."""

from plutino.catalog.blobs import BlobStore
from plutino.catalog.catalog import Catalog
from plutino.catalog.revision import Edit, Revision
from plutino.catalog.worker import uninterrupted

__all__ = ["BlobStore", "Catalog", "Edit", "Revision", "uninterrupted"]
