"""The contract for extension authors: what a connector, a format, a function and a resource kind are."""

from plutino.spi.clock import Clock, SystemClock
from plutino.spi.connector import (
    Connection,
    ConnectionSpec,
    ConnectorSpec,
    Datasource,
    Delivery,
    Example,
    Inlet,
    Lookup,
    LookupSpec,
    Sink,
    SinkContext,
    SinkSpec,
    Source,
    SourceContext,
    SourceSpec,
)
from plutino.spi.discovery import Registry, discover
from plutino.spi.format import DecodePlan, Decoder, Encoder, FormatSpec
from plutino.spi.function import Arg, ArgCheck, FunctionKind, FunctionSpec, Nulls
from plutino.spi.host import Deployment, FeedRequest, Host, HttpIngress, IngressHandler, RuleOptions, SinkRequest
from plutino.spi.program import Guard, InputNeed, Program
from plutino.spi.resource import Action, Answer, Call, Change, Control, Environment, Mode, Origin, Outcome, ResourceSpec
from plutino.spi.state import StateStore

__all__ = [
    "Action",
    "Answer",
    "Arg",
    "ArgCheck",
    "Call",
    "Change",
    "Clock",
    "Connection",
    "ConnectionSpec",
    "ConnectorSpec",
    "Control",
    "Datasource",
    "DecodePlan",
    "Decoder",
    "Delivery",
    "Deployment",
    "Encoder",
    "Environment",
    "Example",
    "FeedRequest",
    "FormatSpec",
    "FunctionKind",
    "FunctionSpec",
    "Guard",
    "Host",
    "HttpIngress",
    "IngressHandler",
    "Inlet",
    "InputNeed",
    "Lookup",
    "LookupSpec",
    "Mode",
    "Nulls",
    "Origin",
    "Outcome",
    "Program",
    "Registry",
    "ResourceSpec",
    "RuleOptions",
    "Sink",
    "SinkContext",
    "SinkRequest",
    "SinkSpec",
    "Source",
    "SourceContext",
    "SourceSpec",
    "StateStore",
    "SystemClock",
    "discover",
]
