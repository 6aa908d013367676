"""All endpoints of the REST API: those of the server and those of the kinds of resources."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from plutino.control import Controller
from plutino.rest.advice import AdviceEndpoint
from plutino.rest.batch import Batch
from plutino.rest.configs import Configs, LogControl
from plutino.rest.documentation import Documentation
from plutino.rest.formats import Formats
from plutino.rest.history import HistoryEndpoints
from plutino.rest.metadata import Metadata
from plutino.rest.metrics import Metrics, MetricsRecord
from plutino.rest.server_info import ServerInfo
from plutino.rest.tasks import TaskEndpoints
from plutino.rest.transfer import Transfer
from plutino.spi import Action
from plutino.spi.access import Access

METRICS_FOLDER = Path("log", "metrics")
"""Below the data directory."""


def all_actions(
    controller: Controller,
    access: Access,
    version: str,
    *,
    batch: Batch,
    record: MetricsRecord,
    log: LogControl,
    trusted_keys: Sequence[bytes] = (),
) -> list[Action]:
    """Every action that is served, with those that describe them. ``batch`` gets its door when there is an application."""
    served = [*ServerInfo(version).actions, *Configs(log, record).actions, *Metrics(record).actions, *batch.actions]
    served += [*Transfer(controller, access).actions, *Formats(controller, access, trusted_keys).actions]
    served += [*HistoryEndpoints(controller, access).actions, *TaskEndpoints(controller, access).actions]
    served += [*AdviceEndpoint(controller).actions, *Metadata(controller.specs).actions]
    served += [action for spec in controller.specs.values() for action in spec.actions]
    return [*served, *Documentation(served, version).actions]
