"""The control path: every change is checked, compared, committed and brought to the engine here; knows no SQL and no kind but rules."""

from plutino.control.changeset import Changeset
from plutino.control.controller import Controller
from plutino.control.document import Document, read_document, write_document
from plutino.control.report import config_response
from plutino.control.sections import SECTIONS
from plutino.control.transfer import ImportResult

__all__ = ["SECTIONS", "Changeset", "Controller", "Document", "ImportResult", "config_response", "read_document", "write_document"]
