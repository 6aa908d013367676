"""The control path: every change is checked, compared, committed and brought to the engine here; knows no SQL and no kind but rules."""

from plutino.control.changeset import Changeset
from plutino.control.controller import Controller
from plutino.control.documents import BUNDLE, RULESET, V1, V2, DocumentContent, Format
from plutino.control.history import entry_to_wire
from plutino.control.importer import ImportOptions
from plutino.control.progress import Progress
from plutino.control.report import RefusedDocumentError, config_response, finish_message
from plutino.control.secrecy import Policy, Secrecy
from plutino.control.sections import SECTIONS
from plutino.control.transfer import ImportResult

__all__ = [
    "BUNDLE",
    "RULESET",
    "SECTIONS",
    "V1",
    "V2",
    "Changeset",
    "Controller",
    "DocumentContent",
    "Format",
    "ImportOptions",
    "ImportResult",
    "Policy",
    "Progress",
    "RefusedDocumentError",
    "Secrecy",
    "config_response",
    "entry_to_wire",
    "finish_message",
]
