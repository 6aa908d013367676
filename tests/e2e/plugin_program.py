"""The program of a portable plugin for tests, with the protocol of plugins in plain sockets; it is packed into an archive, not imported.

Functions: ``plus`` adds, ``total`` is an aggregate, ``whoami`` gives the process id, ``fail`` reports an error, ``nothing`` gives no value,
``sleepy`` takes as many seconds as it is told, ``crash`` ends the process, ``sees`` gives a variable of the environment.
Sources: ``ticker`` gives ``count`` rows. Sinks: ``keeper`` appends what it gets to the file ``path``.
"""

import itertools
import json
import os
import socket
import sys
import threading
import time

REQUEST, REPLY, PUSH, PULL = 0x30, 0x31, 0x50, 0x51
PEER = {REQUEST: REPLY, PUSH: PULL, PULL: PUSH}


def greeting(protocol):
    return b"\0SP\0" + protocol.to_bytes(2, "big") + b"\0\0"


class Pipe:
    """One connection."""

    def __init__(self, made, protocol):
        self.socket = made
        made.sendall(greeting(protocol))
        if self.exactly(8) != greeting(PEER[protocol]):
            raise SystemExit("greeted by something else")

    def exactly(self, size):
        found = b""
        while len(found) < size:
            piece = self.socket.recv(size - len(found))
            if not piece:
                raise EOFError
            found += piece
        return found

    def send(self, message):
        self.socket.sendall(b"\x01" + len(message).to_bytes(8, "big") + message)

    def receive(self):
        head = self.exactly(9)
        return self.exactly(int.from_bytes(head[1:], "big"))


def dial(name, protocol):
    made = socket.socket(socket.AF_UNIX)
    for _ in range(100):
        try:
            made.connect(f"/tmp/{name}.ipc")
            return Pipe(made, protocol)
        except OSError:
            time.sleep(0.05)
    raise SystemExit(f"nobody listens on {name}")


def serve(name, answer):
    """Ask with answers, and get commands as replies."""
    pipe = dial(name, REQUEST)
    pipe.socket.settimeout(None)
    text = b"handshake"
    for number in itertools.count(1):
        head = (number | 0x80000000).to_bytes(4, "big")
        pipe.send(head + text)
        while True:
            reply = pipe.receive()
            if reply[:4] == head:
                break
        text = answer(json.loads(reply[4:]))


def crash(*_):
    os._exit(3)


FUNCTIONS = {
    "plus": lambda *args: sum(arg for arg in args if arg is not None),
    "total": lambda values, *others: sum(value for value in values if value is not None),
    "whoami": lambda *_: os.getpid(),
    "nothing": lambda *_: None,
    "sleepy": lambda seconds, *rest: time.sleep(seconds) or seconds,
    "sees": lambda name: os.environ.get(name, ""),
    "crash": crash,
}


def called(name, request):
    name = name.removesuffix(MARK)  # noqa: F821 - written in front of this program
    if request["func"] == "IsAggregate":
        return {"state": True, "result": name == "total"}
    if request["func"] == "Validate":
        return {"state": True, "result": ""}
    *args, context = request["arg"]
    if name == "fail":
        return {"state": False, "result": f"no luck for {json.loads(context)['ruleId']}"}
    result = FUNCTIONS[name](*args)
    return {"state": result is not None, "result": result}


def start_function(name):
    answer = lambda request: json.dumps(called(name, request)).encode()  # noqa: E731
    threading.Thread(target=serve, args=(f"func_{name}", answer), daemon=True).start()


class Ticker:
    """Rows with numbers, or an error in their place."""

    def __init__(self, place, config, datasource):
        self.pipe = dial(place, PUSH)
        self.stopped = threading.Event()
        threading.Thread(target=self.tick, args=(config, datasource), daemon=True).start()

    def tick(self, config, datasource):
        for number in range(int(config.get("count", 3))):
            if number == config.get("wrong"):
                self.pipe.send(json.dumps({"error": "a bad measurement"}).encode())
            frame = {"message": {"n": number, "of": datasource, "unit": config.get("unit", "")}, "meta": {"pid": os.getpid()}}
            self.pipe.send(json.dumps(frame).encode())
            if self.stopped.wait(float(config.get("pause", 0))):
                return

    def stop(self):
        self.stopped.set()


class Keeper:
    """Keeps what it gets; with ``refuse`` it acknowledges with an error."""

    def __init__(self, place, config, datasource):
        self.listening = socket.socket(socket.AF_UNIX)
        path = f"/tmp/{place}.ipc"
        if os.path.exists(path):
            os.unlink(path)
        self.listening.bind(path)
        self.listening.listen(4)
        self.acks = dial(f"{place}_ack", PUSH)
        threading.Thread(target=self.keep, args=(config,), daemon=True).start()

    def keep(self, config):
        made, _ = self.listening.accept()
        pipe = Pipe(made, PULL)
        try:
            while True:
                message = pipe.receive()
                with open(config["path"], "ab") as file:
                    file.write(message + b"\n")
                if config.get("requireAck"):
                    refused = config.get("refuse", "")
                    self.acks.send(json.dumps({"error": refused} if refused else {}).encode())
        except EOFError:
            return

    def stop(self):
        self.listening.close()


KINDS = {"source": Ticker, "sink": Keeper}
running = {}


def control(command):
    told = json.loads(command["arg"])
    meta = told["meta"]
    place = f"{meta['ruleId']}_{meta['opId']}_{meta['instanceId']}"
    if told["pluginType"] == "func":
        start_function(told["symbolName"])
    elif command["cmd"] == "start":
        config = told.get("config") or {}
        if config.get("broken"):
            return b"it is broken"
        running[place] = KINDS[told["pluginType"]](place, config, told.get("dataSource", ""))
    elif place in running:
        running.pop(place).stop()
    return b"ok"


if __name__ == "__main__":
    print(f"started with {sys.argv[1]}", flush=True)
    try:
        serve(f"plugin_{NAME}", control)  # noqa: F821 - written in front of this program
    except EOFError:
        sys.exit(0)
