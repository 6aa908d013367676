"""One document for many sites: a base with parameters, and overlays that change, add and delete."""

from plutino.control.overlays.parameters import Parameter
from plutino.control.overlays.render import Rendered, render
from plutino.control.overlays.source import Item, Source, read_objects, read_source

__all__ = ["Item", "Parameter", "Rendered", "Source", "read_objects", "read_source", "render"]
