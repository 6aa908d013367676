"""Runs SQL cases end to end: definitions over REST, input and results over MQTT, many cases at the same time.

Each case has streams, topics, rule and result topic of its own. A message that the broker acknowledges with "no matching
subscribers" is sent again, so nothing is lost before the rule has subscribed.
"""

from __future__ import annotations

import itertools
import json
import re
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import urlsplit

import paho.mqtt.client as mqtt
import requests
from paho.mqtt.enums import CallbackAPIVersion

from corpus.loader import Message, Outcome, Refusal, SqlCase, create_statement

NO_SUBSCRIBER = 0x10  # reason code of an MQTT 5 PUBACK
CONF_KEY = "sqlcorpus"
BATCH = 60  # cases at the same time
QUIET_S = 0.6  # a case ends when nothing was sent or received for so long
PATIENCE_S = 10.0  # how long a rule may take until it runs and has subscribed


@dataclass
class Run:
    """One case during one run; times are readings of the monotonic clock in seconds."""

    case: SqlCase
    suffix: str
    waiting_inputs: list[Message] = field(default_factory=list)
    created: list[str] = field(default_factory=list)
    messages: list[Any] = field(default_factory=list)
    refusal: Refusal | None = None
    finished: bool = False
    in_flight: bool = False
    due: float = 0.0
    give_up: float = 0.0
    last: float = 0.0

    @property
    def rule(self) -> str:
        return f"rule{self.suffix}"

    @property
    def gap_s(self) -> float:
        """Pause between messages: cases with several sources need one, so that they arrive in order."""
        several = len(self.case.all_names) > 1
        return (self.case.gap_ms if self.case.gap_ms is not None else 40 if several else 0) / 1000

    @property
    def outcome(self) -> Outcome:
        return Outcome(refusal=self.refusal) if self.refusal else Outcome(tuple(self.messages))

    def topic(self, stream: str) -> str:
        return f"corpus/{stream}{self.suffix}"

    def refuse(self, at: Literal["stream", "rule", "run"], status: int | str, text: str) -> None:
        self.refusal = Refusal(at, status, text.replace(self.suffix, ""))
        self.finished = True


class SqlOverMqtt:
    """A client of one server and one broker; use as a context manager."""

    def __init__(self, rest: str, broker: str) -> None:
        self._rest, self._broker = rest, broker
        self._http = requests.Session()
        self._lock = threading.Lock()
        self._by_topic: dict[str, Run] = {}
        self._acknowledged: dict[int, int] = {}
        self._mark = f"{int(time.time() * 1000) & 0xFFFFFF:x}"
        self._numbers = itertools.count(1)
        self._clients: list[mqtt.Client] = []

    def __enter__(self) -> SqlOverMqtt:
        collector = self._connect()
        collector.on_message = self._received
        subscribed = threading.Event()
        collector.on_subscribe = lambda *_: subscribed.set()
        collector.subscribe(f"result/{self._mark}/#", qos=1)
        if not subscribed.wait(5):
            raise ConnectionError("the broker did not confirm the subscription to results")
        self._publisher = self._connect()
        self._publisher.on_publish = self._published
        answer = self._call("PUT", f"/metadata/sources/mqtt/confKeys/{CONF_KEY}", {"server": self._broker, "qos": 1})
        answer.raise_for_status()
        return self

    def __exit__(self, *_: object) -> None:
        for client in self._clients:
            client.disconnect()
            client.loop_stop()
        self._http.close()

    def run(self, cases: Iterable[SqlCase]) -> dict[str, Outcome]:
        """Run the cases in batches; cases that must wait longer at their end are put together."""
        outcomes: dict[str, Outcome] = {}
        ordered = sorted(cases, key=lambda case: case.idle_ms)
        for start in range(0, len(ordered), BATCH):
            outcomes |= self._run_batch(ordered[start : start + BATCH])
        return outcomes

    # ------------------------------------------------------------------------------------------------------ one batch
    def _run_batch(self, cases: Sequence[SqlCase]) -> dict[str, Outcome]:
        runs = [Run(case, f"_q{self._mark}x{next(self._numbers):04d}") for case in cases]
        try:
            for run in runs:
                self._create(run)
            self._await_running(_live(runs))
            self._send(_live(runs))
            self._await_quiet(_live(runs))
        finally:
            for path in [path for run in runs for path in reversed(run.created)]:
                self._call("DELETE", path)
            with self._lock:
                self._by_topic.clear()
                self._acknowledged.clear()
        return {run.case.name: run.outcome for run in runs}

    def _create(self, run: Run) -> None:
        case = run.case
        kinds: tuple[tuple[Literal["stream", "table"], dict[str, str]], ...] = (("stream", case.streams), ("table", case.tables))
        for kind, name, columns in [(kind, name, columns) for kind, named in kinds for name, columns in named.items()]:
            own = name + run.suffix
            sql = create_statement(kind, own, columns, topic=run.topic(name), source="mqtt", conf_key=CONF_KEY)
            if not self._post(run, "stream", f"/{kind}s", {"sql": sql}, f"/{kind}s/{own}"):
                return
        for sql in case.ddl:
            path = "/tables" if re.match(r"\s*create\s+table", sql, re.IGNORECASE) else "/streams"
            name = next(iter(case.all_names), "none")
            if not self._post(run, "stream", path, {"sql": case.renamed(sql, run.suffix)}, f"{path}/{name}{run.suffix}"):
                return
        if case.sql is None:
            run.finished = True
            return
        topic = f"result/{self._mark}/{run.suffix}"
        with self._lock:
            self._by_topic[topic] = run
        action = {"mqtt": {"server": self._broker, "topic": topic, "qos": 1, **case.sink}}
        rule = {"id": run.rule, "sql": case.renamed(case.sql, run.suffix), "actions": [action], "options": case.options}
        self._post(run, "rule", "/rules", rule, f"/rules/{run.rule}")
        run.waiting_inputs = list(case.input)

    def _post(self, run: Run, at: Literal["stream", "rule"], path: str, body: dict[str, Any], created: str) -> bool:
        answer = self._call("POST", path, body)
        if answer.ok:
            run.created.append(created)
            return True
        run.refuse(at, answer.status_code, _message_of(answer.text))
        return False

    def _await_running(self, runs: list[Run]) -> None:
        """Poll the status of each rule; one that never runs is refused at run time."""
        deadline = time.monotonic() + PATIENCE_S
        for run in runs:
            while True:
                status = _parsed(self._call("GET", f"/rules/{run.rule}/status").text)
                word = str(status.get("status"))
                if word == "running":
                    break
                if time.monotonic() > deadline or "error" in word:
                    run.refuse("run", word, str(status.get("message", "")))
                    break
                time.sleep(0.05)

    def _send(self, runs: list[Run]) -> None:
        """Publish in order inside a case, each message when the one before is acknowledged."""
        now = time.monotonic()
        for run in runs:
            run.due, run.last, run.give_up = now, now, now + PATIENCE_S
        sent: dict[int, Run] = {}
        active = [run for run in runs if run.waiting_inputs]
        while active:
            now = time.monotonic()
            with self._lock:
                answers = {mid: self._acknowledged.pop(mid) for mid in list(self._acknowledged) if mid in sent}
            for mid, reason in answers.items():
                self._settle(sent.pop(mid), reason, now)
            active = [run for run in active if run.waiting_inputs and not run.finished]
            for run in active:
                if not run.in_flight and now >= run.due:
                    message = run.waiting_inputs[0]
                    run.in_flight = True
                    sent[self._publisher.publish(run.topic(message.stream), message.data, qos=1).mid] = run
            time.sleep(0.002)

    def _settle(self, run: Run, reason: int, now: float) -> None:
        run.in_flight, run.last = False, now
        if reason != NO_SUBSCRIBER:
            run.waiting_inputs.pop(0)
            run.due, run.give_up = now + run.gap_s, now + PATIENCE_S
            return
        run.due = now + 0.05
        if now > run.give_up:
            run.refuse("run", "unsubscribed", run.topic(run.waiting_inputs[0].stream))

    def _await_quiet(self, runs: list[Run]) -> None:
        while runs:
            now = time.monotonic()
            with self._lock:
                runs = [run for run in runs if now - run.last < max(QUIET_S, run.case.idle_ms / 1000)]
            time.sleep(0.02)

    # ------------------------------------------------------------------------------------------------------ transport
    def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> requests.Response:
        return self._http.request(method, self._rest + path, json=body, timeout=30)

    def _connect(self) -> mqtt.Client:
        client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
        ready = threading.Event()
        client.on_connect = lambda *_: ready.set()
        client.max_inflight_messages_set(2000)
        address = urlsplit(self._broker)
        client.connect(address.hostname or "127.0.0.1", address.port or 1883)
        client.loop_start()
        self._clients.append(client)
        if not ready.wait(5):
            raise ConnectionError("the broker does not answer")
        return client

    def _received(self, _client: mqtt.Client, _data: Any, message: mqtt.MQTTMessage) -> None:
        with self._lock:
            run = self._by_topic.get(message.topic)
            if run is not None:
                run.messages.append(run.case.parse_message(bytes(message.payload).replace(run.suffix.encode(), b"")))
                run.last = time.monotonic()

    def _published(self, _client: mqtt.Client, _data: Any, mid: int, reason: Any, _properties: Any) -> None:
        with self._lock:
            self._acknowledged[mid] = reason.value


def _live(runs: Sequence[Run]) -> list[Run]:
    return [run for run in runs if not run.finished]


def _message_of(text: str) -> str:
    """The human part of an error body: ``{"error": 1, "message": "x"}`` gives ``x``."""
    return str(_parsed(text).get("message", text.strip()))


def _parsed(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
