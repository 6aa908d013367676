"""HTTP in three roles: ``httppull`` asks a server, ``httppush`` is pushed to, ``rest`` sends.

``options`` what can be set; ``client`` requests, tokens and responses; ``pull``, ``push`` and ``rest`` the roles.
"""

from __future__ import annotations

from plutino.connectors.http.options import HttpPullOptions, HttpPushOptions, HttpPushPathOptions, RestOptions, uses_tokens
from plutino.connectors.http.pull import HttpLookup, HttpPullSource
from plutino.connectors.http.pull import ping as ping_pull
from plutino.connectors.http.push import HttpPushSource, check_path, named_path
from plutino.connectors.http.rest import RestSink
from plutino.connectors.http.rest import ping as ping_rest
from plutino.spi import ConnectionSpec, ConnectorSpec, Datasource, Example, LookupSpec, SinkSpec, SourceSpec

_SHIPPED = {
    "url": "http://localhost",
    "method": "post",
    "interval": "10s",
    "timeout": "5s",
    "incremental": False,
    "responseType": "code",
    "bodyType": "json",
    "insecureSkipVerify": True,
    "headers": {"accept": "application/json"},
}
_TOKEN = {
    **_SHIPPED,
    "url": "http://127.0.0.1:8085/api/neuron/node/state",
    "method": "get",
    "headers": {"accept": "application/json", "authorization": "Bearer {{.token}}"},
    "oauth": {"access": {"url": "http://127.0.0.1:8085/api/login", "expire": "3600"}},
}

CONNECTORS = (
    ConnectorSpec(
        name="httppull",
        about="Asks an HTTP server at intervals",
        source=SourceSpec(
            options=HttpPullOptions,
            create=HttpPullSource,
            delivers="rows",
            defaults=_SHIPPED,
            presets={"token_conf": _TOKEN},
            datasource=Datasource("Data source", "Path that is appended to the address", "/"),
            ping=ping_pull,
            examples=(
                Example("state of a machine every ten seconds", {"url": "http://machine", "interval": "10s", "method": "get"}, "/state"),
                Example(
                    "only what is newer than the last answer",
                    {"url": "http://machine/events?after={{.last}}", "interval": "1m", "method": "get", "states": {"last": 0}},
                ),
            ),
        ),
        lookup=LookupSpec(
            options=HttpPullOptions,
            create=HttpLookup,
            ping=ping_pull,
            examples=(Example("table behind an address", {"url": "http://master-data", "method": "get"}, "/devices"),),
        ),
    ),
    ConnectorSpec(
        name="httppush",
        about="Receives HTTP requests",
        source=SourceSpec(
            options=HttpPushOptions,
            create=HttpPushSource,
            defaults={"method": "POST"},
            datasource=Datasource("Data source", "Path of the data server, with a leading /", "/api/data", check_path),
            examples=(Example("devices post their data", {"method": "POST"}, "/plant/devices"),),
        ),
        connection=ConnectionSpec(options=HttpPushPathOptions, create=named_path),
    ),
    ConnectorSpec(
        name="rest",
        about="Sends results in HTTP requests",
        sink=SinkSpec(
            options=RestOptions,
            create=RestSink,
            dynamic=("url", "method", "bodyType", "headers", "formData"),
            fills=lambda properties: ("headers",) if uses_tokens(properties) else (),
            ping=ping_rest,
            examples=(
                Example("post alarms", {"url": "http://mes/alarms", "method": "post", "sendSingle": True}),
                Example(
                    "address and header from the data",
                    {"url": "http://mes/{{.hall}}", "method": "put", "headers": {"X-Device": "{{.id}}"}, "sendSingle": True},
                ),
            ),
        ),
    ),
)
