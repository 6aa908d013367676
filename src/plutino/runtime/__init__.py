"""The running engine: feeds, pipelines, sinks, connections. It never sees SQL, plans or the catalog."""

from plutino.runtime.checks import check_feed, check_schedule, check_sink, check_table
from plutino.runtime.engine import Engine

__all__ = ["Engine", "check_feed", "check_schedule", "check_sink", "check_table"]
