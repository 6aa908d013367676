"""Every REST conversation in force, replayed against a real server."""

from __future__ import annotations

from pathlib import Path

import pytest

from corpus.loader import RestScenario, load_rest
from corpus.rest_replay import Replay
from e2e.harness import Broker, Server


@pytest.mark.parametrize("scenario", load_rest(), ids=lambda scenario: scenario.name)
def test_conversation_goes_as_recorded(scenario: RestScenario, server: Server, broker: Broker, tmp_path: Path) -> None:
    """Each answer has the recorded status, structure and values."""
    wrong = Replay(scenario, server.url, broker.url, tmp_path).run()
    assert not wrong, f"{scenario.title}: {len(wrong)} of {len(scenario.steps)} steps\n" + "\n".join(wrong)
