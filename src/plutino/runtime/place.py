"""Where a run and a feed meet."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from msgspec.structs import replace

from plutino.model import Batch
from plutino.runtime.feed import Feed
from plutino.runtime.reader import Reading
from plutino.runtime.tracer import Tracer
from plutino.spi import InputNeed

Emit: TypeAlias = Callable[[Batch], None]
Push: TypeAlias = Callable[[str, Batch], Batch | None]


class Place:
    """The place of a run on a feed (a ``Reader`` of it); ``credited`` rows were processed by a twin in its stead."""

    __slots__ = ("before", "credited", "emit", "ended", "feed", "need", "operators", "push", "run")

    def __init__(self, run: Reading, feed: Feed, need: InputNeed, push: Push, emit: Emit) -> None:
        self.run = run
        self.feed = feed
        self.need = need
        self.push = push
        self.emit = emit
        self.ended = False
        self.credited = 0
        self.before = feed.counts()
        checks = need.times or feed.pipe.checks
        self.operators = (*feed.pipe.operators, "preprocessor") if checks else feed.pipe.operators

    def follow(self, need: InputNeed, push: Push, tracer: Tracer | None) -> None:
        """Let a tracer see every row with its metadata, also those that the guard would keep away; None ends that."""
        if tracer is None:
            self.need, self.push = need, push
        else:
            self.need, self.push = replace(need, guard=None, twin=None, meta=True), tracer.way_in(push)

    def end(self) -> None:
        """The source gives no more."""
        self.ended = True
        self.run.source_ended()
