"""Memory topics: publish and subscribe inside the process, with MQTT topic filters (``+`` one level, ``#`` the rest)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from plutino.errors import ProvisionError

Subscriber = Callable[[list[Any], Mapping[str, Any]], bool]
"""Called with rows (dicts or row structs, not to be changed) and metadata (``topic``); False when it had no room."""


def check_filter(topic: str) -> None:
    """ProvisionError unless ``topic`` is a valid filter."""
    levels = topic.split("/")
    if "#" in levels[:-1]:
        raise ProvisionError(f"invalid topic {topic}: # must at the last level")
    for level in levels:
        if level not in ("+", "#") and ("+" in level or "#" in level):
            raise ProvisionError(f"invalid topic {topic}: + and # must stand alone in their level")


def matches(topic_filter: str, topic: str) -> bool:
    """Whether a topic falls under a filter, as MQTT matches (a leading wildcard does not reach topics that start with ``$``)."""
    wanted, levels = topic_filter.split("/"), topic.split("/")
    if topic.startswith("$") and wanted[0] in ("+", "#"):
        return False
    for i, part in enumerate(wanted):
        if part == "#":
            return True
        if i >= len(levels) or part not in ("+", levels[i]):
            return False
    return len(wanted) == len(levels)


class Bus:
    """All memory topics of one process. Delivery is synchronous and in order of subscription."""

    def __init__(self) -> None:
        self._exact: dict[str, list[Subscriber]] = {}
        self._filters: list[tuple[str, Subscriber]] = []

    def subscribe(self, topic_filter: str, subscriber: Subscriber) -> Callable[[], None]:
        """Deliver what is published under the filter from now on; the result ends the subscription."""
        check_filter(topic_filter)
        if "+" in topic_filter or "#" in topic_filter:
            entry = (topic_filter, subscriber)
            self._filters.append(entry)
            return lambda: self._filters.remove(entry)
        self._exact.setdefault(topic_filter, []).append(subscriber)
        return lambda: self._leave(topic_filter, subscriber)

    def publish(self, topic: str, rows: list[Any], change: Mapping[str, Any] | None = None) -> bool:
        """Deliver rows to every subscriber of the topic; False when one had no room.

        ``change`` goes with updatable rows: ``{"rowkind": "upsert", "key": …}``, added to the metadata.
        """
        meta = {"topic": topic} if change is None else {"topic": topic, **change}
        taken = True
        for subscriber in tuple(self._exact.get(topic, ())):
            taken &= subscriber(rows, meta)
        for topic_filter, subscriber in tuple(self._filters):
            if matches(topic_filter, topic):
                taken &= subscriber(rows, meta)
        return taken

    def _leave(self, topic: str, subscriber: Subscriber) -> None:
        subscribers = self._exact[topic]
        subscribers.remove(subscriber)
        if not subscribers:
            del self._exact[topic]
