"""Reading what an eKuiper server has stored, without writing to it."""

from plutino.catalog.ekuiper.store import ForeignObject, read_store

__all__ = ["ForeignObject", "read_store"]
