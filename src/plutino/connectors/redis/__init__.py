"""Redis in four roles: ``redis`` lookup tables and a sink, ``redisPub`` publishes on a channel, ``redisSub`` subscribes.

``client`` the connection; ``lookup``, ``sink`` and ``source`` the roles. Needs the extra ``plutino[redis]``.
"""

from __future__ import annotations

from plutino.connectors.redis.lookup import RedisLookup, RedisLookupOptions
from plutino.connectors.redis.lookup import ping as ping_lookup
from plutino.connectors.redis.sink import RedisPubOptions, RedisPubSink, RedisSink, RedisSinkOptions, ping, ping_channel
from plutino.connectors.redis.source import RedisSubOptions, RedisSubSource
from plutino.connectors.redis.source import ping as ping_source
from plutino.spi import ConnectorSpec, Example, LookupSpec, SinkSpec, SourceSpec

CONNECTORS = (
    ConnectorSpec(
        name="redis",
        about="Rows under the keys of a Redis database",
        sink=SinkSpec(
            options=RedisSinkOptions,
            create=RedisSink,
            accepts="rows",
            ping=ping,
            examples=(
                Example("last state of each device", {"addr": "127.0.0.1:6379", "field": "device", "sendSingle": True}),
                Example("columns as keys that live for a minute", {"addr": "cache:6379", "keyType": "multiple", "expiration": "1m"}),
            ),
        ),
        lookup=LookupSpec(
            options=RedisLookupOptions,
            create=RedisLookup,
            ping=ping_lookup,
            defaults={"addr": "127.0.0.1:6379", "dataType": "string"},
            examples=(Example("master data of devices", {"addr": "127.0.0.1:6379", "dataType": "string"}, "0"),),
        ),
    ),
    ConnectorSpec(
        name="redisPub",
        about="Publishes on a Redis channel",
        sink=SinkSpec(
            options=RedisPubOptions,
            create=RedisPubSink,
            ping=ping_channel,
            examples=(Example("alarms for everybody", {"address": "127.0.0.1:6379", "channel": "alarms", "sendSingle": True}),),
        ),
    ),
    ConnectorSpec(
        name="redisSub",
        about="Receives what is published on Redis channels",
        source=SourceSpec(
            options=RedisSubOptions,
            create=RedisSubSource,
            defaults={"address": "127.0.0.1:6379", "db": 0},
            ping=ping_source,
            examples=(Example("all channels of a plant", {"address": "127.0.0.1:6379", "channels": ["plant.*"]}),),
        ),
    ),
)
