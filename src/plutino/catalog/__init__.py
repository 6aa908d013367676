"""Where definitions are kept: one SQLite file, one writer, a history."""

from plutino.catalog.audit import Audit
from plutino.catalog.blobs import BlobStore
from plutino.catalog.catalog import KEEP_AUDIT, KEEP_REVISIONS, Catalog
from plutino.catalog.revision import Edit, Revision, TaskRecord
from plutino.catalog.worker import uninterrupted

__all__ = ["KEEP_AUDIT", "KEEP_REVISIONS", "Audit", "BlobStore", "Catalog", "Edit", "Revision", "TaskRecord", "uninterrupted"]
