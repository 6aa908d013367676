"""Document formats, one file each with ``read`` and ``write``; they know sections and texts, and no kind of object."""

from plutino.control.documents.bundle import FORMAT as BUNDLE
from plutino.control.documents.content import DocumentContent, Format, ObjectText, Steps, finish, paced
from plutino.control.documents.ruleset import FORMAT as RULESET
from plutino.control.documents.v1 import FORMAT as V1
from plutino.control.documents.v2 import FORMAT as V2

__all__ = ["BUNDLE", "RULESET", "V1", "V2", "DocumentContent", "Format", "ObjectText", "Steps", "finish", "paced"]
