"""External services: the kind ``service`` (rest reference §1.10, §5.4), remote procedures as SQL functions."""

from plutino.resources.service.kind import ServiceKind

SPECS = (ServiceKind(),)
