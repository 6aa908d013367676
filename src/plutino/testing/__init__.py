"""The test kit for authors of connectors, formats and kinds of objects: time that stands still, fakes of the engine, contract suites.

A suite raises AssertionError with what was promised and what was seen; call it from a test of any framework.
"""

from plutino.testing.clock import FakeClock
from plutino.testing.environment import FakeEnvironment
from plutino.testing.formats import check_format
from plutino.testing.options import check_options
from plutino.testing.resources import check_resource
from plutino.testing.sinks import check_sink, check_sink_spec, check_unopened_sink_closes
from plutino.testing.sources import (
    check_lookup_spec,
    check_source,
    check_source_refuses,
    check_source_resumes,
    check_source_spec,
)
from plutino.testing.stage import CollectingInlet, FakeIngress, RecordingLog, collect, finish, render, sink_context, source_context

__all__ = [
    "CollectingInlet",
    "FakeClock",
    "FakeEnvironment",
    "FakeIngress",
    "RecordingLog",
    "check_format",
    "check_lookup_spec",
    "check_options",
    "check_resource",
    "check_sink",
    "check_sink_spec",
    "check_source",
    "check_source_refuses",
    "check_source_resumes",
    "check_source_spec",
    "check_unopened_sink_closes",
    "collect",
    "finish",
    "render",
    "sink_context",
    "source_context",
]
