"""Nexmark, an auction in three streams, as far as the dialect can express its queries: ``python bench/nexmark.py [--quick]``.

Persons, auctions and bids are in the usual ratio of 1 : 3 : 46 and have event times; half of the bids go to few hot auctions.
Before anything is timed, every query runs over a small part, and what it gives is compared with plain Python.

Where the queries differ from their usual text:

- q3 joins within a time (ten minutes), as persons and auctions of all times cannot be kept for ever
- q4 takes the auctions that were opened, and the bids that were made, in the same ten seconds, and gives running means
- q5 gives one auction where several have the most bids
"""

from __future__ import annotations

import asyncio
import random
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec
from figures import ROUNDS, Figure, seconds, table
from lanes import record
from rig import KEEP, NOP, Load, rig, stream

from plutino.spi import Delivery

SECTION = 100
"""Events between two changes of the stream."""

START = 1_700_000_000_000
EVENTS_PER_SECOND = 1_000
Event = tuple[str, dict[str, Any]]
Row = dict[str, Any]

COLUMNS: Mapping[str, Mapping[str, type]] = {
    "person": {"id": int, "name": str, "emailAddress": str, "creditCard": str, "city": str, "state": str, "dateTime": int, "extra": str},
    "auction": {
        "id": int,
        "itemName": str,
        "description": str,
        "initialBid": int,
        "reserve": int,
        "dateTime": int,
        "expires": int,
        "seller": int,
        "category": int,
        "extra": str,
    },
    "bid": {"auction": int, "bidder": int, "price": int, "channel": str, "url": str, "dateTime": int, "extra": str},
}
TYPES = {int: "BIGINT", str: "STRING"}

QUERIES = {
    "q0": "SELECT auction, bidder, price, dateTime, extra FROM bid",
    "q1": "SELECT auction, bidder, 0.908 * price AS price, dateTime, extra FROM bid",
    "q2": "SELECT auction, price FROM bid WHERE auction % 123 = 0",
    "q3": (
        "SELECT person.name, person.city, person.state, auction.id AS id FROM auction INNER JOIN person ON auction.seller = person.id "
        "WITHIN (mi, 10) WHERE auction.category = 10 AND person.state IN ('OR', 'ID', 'CA')"
    ),
    "q4": (
        "SELECT category, acc_avg(final) OVER (PARTITION BY category) AS mean FROM ("
        "SELECT auction.category AS category, max(bid.price) AS final FROM auction INNER JOIN bid "
        "ON auction.id = bid.auction WHERE bid.dateTime BETWEEN auction.dateTime AND auction.expires "
        "GROUP BY auction.id, auction.category, TUMBLINGWINDOW(ss, 10)) AS closed"
    ),
    "q5": "SELECT auction, count(*) AS num FROM bid GROUP BY auction, HOPPINGWINDOW(ss, 10, 2) ORDER BY num DESC LIMIT 1",
    "q7": "SELECT auction, price, bidder, dateTime FROM bid WHERE price = max(price) GROUP BY TUMBLINGWINDOW(ss, 10)",
    "q8": (
        "SELECT person.id AS id, person.name, window_start() AS start FROM person INNER JOIN auction ON person.id = auction.seller "
        "GROUP BY person.id, person.name, TUMBLINGWINDOW(ss, 10)"
    ),
}
OPTIONS = {"isEventTime": True, "lateTolerance": 0}
EVENT_TIME = ("q3", "q4", "q5", "q7", "q8")
WINDOW = 10_000


# -- events


def events(count: int) -> Iterator[Event]:
    """Persons, auctions and bids with times that rise."""
    source = random.Random(7)
    persons = auctions = 0
    for i in range(count):
        time = START + i * 1000 // EVENTS_PER_SECOND
        place = i % 50
        if place == 0:
            yield "person", _person(source, persons, time)
            persons += 1
        elif place < 4:
            yield "auction", _auction(source, auctions, max(persons, 1), time)
            auctions += 1
        else:
            yield "bid", _bid(source, max(auctions, 1), max(persons, 1), time)


def _person(source: random.Random, id: int, time: int) -> Row:
    name = f"{source.choice(FIRST)} {source.choice(LAST)}"
    return {
        "id": id,
        "name": name,
        "emailAddress": f"{name.replace(' ', '.').lower()}@example.com",
        "creditCard": f"{source.randrange(10**16):016d}",
        "city": source.choice(CITIES),
        "state": source.choice(STATES),
        "dateTime": time,
        "extra": _text(source, 40),
    }


def _auction(source: random.Random, id: int, persons: int, time: int) -> Row:
    first = source.randrange(100, 10_000)
    return {
        "id": id,
        "itemName": _text(source, 12),
        "description": _text(source, 60),
        "initialBid": first,
        "reserve": first + source.randrange(1000),
        "dateTime": time,
        "expires": time + source.randrange(1000, 30_000),
        "seller": max(0, persons - 1 - source.randrange(10)),
        "category": 10 + source.randrange(5),
        "extra": _text(source, 40),
    }


def _bid(source: random.Random, auctions: int, persons: int, time: int) -> Row:
    hot = source.random() < 0.5
    channel = source.choice(("Google", "Facebook", "Baidu", "Apple"))
    return {
        "auction": (auctions - 1) // 100 * 100 if hot else max(0, auctions - 1 - source.randrange(100)),
        "bidder": source.randrange(persons),
        "price": int(10 ** (source.random() * 6)) * 100,
        "channel": channel,
        "url": f"https://www.example.com/{_text(source, 5)}/{_text(source, 5)}/item.htm?query=1&channel={channel.lower()}",
        "dateTime": time,
        "extra": _text(source, 30),
    }


def _text(source: random.Random, length: int) -> str:
    return "".join(source.choices("abcdefghijklmnopqrstuvwxyz", k=length))


FIRST = ["Peter", "Paul", "Luke", "John", "Saul", "Vicky", "Kate", "Julie", "Sarah", "Deiter", "Walter"]
LAST = ["Shultz", "Abrams", "Spencer", "White", "Bartels", "Walton", "Smith", "Jones", "Noris"]
CITIES = ["Phoenix", "Boise", "Portland", "Bend", "Redmond", "Seattle", "Kent", "Cheyenne"]
STATES = ["AZ", "CA", "ID", "OR", "WA", "WY"]


def load_of(happened: Iterable[Event]) -> Load:
    """Deliveries of the three streams, in the order of their times."""
    waiting: dict[str, list[bytes]] = {name: [] for name in COLUMNS}
    found: list[tuple[str, Delivery]] = []
    for i, (name, row) in enumerate(happened, 1):
        waiting[name].append(msgspec.json.encode(row))
        if i % SECTION == 0:
            found += _deliveries(waiting)
    return found + _deliveries(waiting)


def _deliveries(waiting: dict[str, list[bytes]]) -> list[tuple[str, Delivery]]:
    found = [(name, Delivery(payloads=payloads)) for name, payloads in waiting.items() if payloads]
    waiting.update({name: [] for name in waiting})
    return found


# -- the queries in plain Python


def windows(rows: Sequence[Row], size: int = WINDOW, hop: int = WINDOW) -> dict[int, list[Row]]:
    """Rows by the end of the windows that they are in, ends included."""
    found: dict[int, list[Row]] = defaultdict(list)
    for row in rows:
        end = row["dateTime"] // hop * hop + hop
        while end - size <= row["dateTime"]:
            found[end].append(row)
            end += hop
    return dict(sorted(found.items()))


def _q3(persons: list[Row], auctions: list[Row], bids: list[Row]) -> Iterator[Row]:
    known = {p["id"]: p for p in persons if p["state"] in ("OR", "ID", "CA")}
    for a in auctions:
        p = known.get(a["seller"])
        if a["category"] == 10 and p is not None and abs(a["dateTime"] - p["dateTime"]) <= 600_000:
            yield {"name": p["name"], "city": p["city"], "state": p["state"], "id": a["id"]}


def _q4(persons: list[Row], auctions: list[Row], bids: list[Row]) -> Iterator[Row]:
    made = windows(bids)
    finals: dict[int, list[int]] = defaultdict(list)
    for end, opened in windows(auctions).items():
        for a in opened:
            prices = [b["price"] for b in made.get(end, ()) if b["auction"] == a["id"] and a["dateTime"] <= b["dateTime"] <= a["expires"]]
            if prices:
                category = finals[a["category"]]
                category.append(max(prices))
                yield {"category": a["category"], "mean": sum(category) / len(category)}


def _q5(persons: list[Row], auctions: list[Row], bids: list[Row]) -> Iterator[Row]:
    for rows in windows(bids, WINDOW, 2000).values():
        counts: dict[int, int] = {}
        for bid in rows:
            counts[bid["auction"]] = counts.get(bid["auction"], 0) + 1
        most = max(counts.values())
        yield next({"auction": auction, "num": count} for auction, count in counts.items() if count == most)


def _q7(persons: list[Row], auctions: list[Row], bids: list[Row]) -> Iterator[Row]:
    for rows in windows(bids).values():
        highest = max(bid["price"] for bid in rows)
        for bid in rows:
            if bid["price"] == highest:
                yield {name: bid[name] for name in ("auction", "price", "bidder", "dateTime")}


def _q8(persons: list[Row], auctions: list[Row], bids: list[Row]) -> Iterator[Row]:
    opened = windows(auctions)
    for end, rows in windows(persons).items():
        sellers = {a["seller"] for a in opened.get(end, ())}
        for p in rows:
            if p["id"] in sellers:
                yield {"id": p["id"], "name": p["name"], "start": end - WINDOW}


def _bids(columns: Sequence[str], wanted: Callable[[Row], bool] = lambda _: True, rate: float = 1) -> Callable[..., Iterator[Row]]:
    def query(persons: list[Row], auctions: list[Row], bids: list[Row]) -> Iterator[Row]:
        for bid in bids:
            if wanted(bid):
                yield {name: bid[name] * rate if name == "price" else bid[name] for name in columns}

    return query


PLAIN: Mapping[str, Callable[[list[Row], list[Row], list[Row]], Iterator[Row]]] = {
    "q0": _bids(("auction", "bidder", "price", "dateTime", "extra")),
    "q1": _bids(("auction", "bidder", "price", "dateTime", "extra"), rate=0.908),
    "q2": _bids(("auction", "price"), lambda bid: bid["auction"] % 123 == 0),
    "q3": _q3,
    "q4": _q4,
    "q5": _q5,
    "q7": _q7,
    "q8": _q8,
}


# -- runs


def options(query: str) -> Mapping[str, Any]:
    """The options of a query's rule."""
    return OPTIONS if query in EVENT_TIME else {}


def streams() -> list[str]:
    """The statements of the three streams."""
    columns = {name: ", ".join(f"{column} {TYPES[kind]}" for column, kind in kinds.items()) for name, kinds in COLUMNS.items()}
    return [stream(name, text, TIMESTAMP="dateTime") for name, text in columns.items()]


def closing(happened: Sequence[Event]) -> list[Event]:
    """An event in each stream after all others, which belongs to nothing: it ends every window."""
    last = dict(happened)
    time = happened[-1][1]["dateTime"] + 60_000
    return [
        (name, {**row, "dateTime": time, **{key: -1 for key in ("id", "seller", "auction") if key in row}}) for name, row in last.items()
    ]


async def results(query: str, happened: Sequence[Event]) -> list[Row]:
    """What a query gives."""
    async with rig() as at:
        await at.deploy(streams(), {query: QUERIES[query]}, KEEP, **options(query))
        await at.flood(load_of(happened))
        return at.kept[query]


async def check(count: int) -> None:
    """Compare what the queries give with plain Python."""
    happened = list(events(count))
    persons, auctions, bids = ([row for name, row in happened if name == wanted] for wanted in COLUMNS)
    for query, plain in PLAIN.items():
        ended = happened + (closing(happened) if query in EVENT_TIME else [])
        wanted, given = list(plain(persons, auctions, bids)), await results(query, ended)
        if query in ("q3", "q8"):
            wanted, given = (sorted(rows, key=lambda row: (row.get("start", 0), row["id"])) for rows in (wanted, given))
        assert wanted, f"{query}: not enough events"
        assert given == wanted, f"{query} gives {len(given)} rows, plain Python {len(wanted)}; they differ from {_first(given, wanted)} on"


def _first(given: Sequence[Row], wanted: Sequence[Row]) -> Any:
    pairs = zip(given, wanted, strict=False)
    return next(((at, *pair) for at, pair in enumerate(pairs) if pair[0] != pair[1]), "the end")


async def nexmark(quick: bool) -> list[Figure]:
    """Messages per second of each query, next to decoding what it reads."""
    group = "nexmark, through the engine to the nop sink"
    await check(60_000 if not quick else 25_000)
    load = load_of(events(3_000 if quick else 100_000))
    found = []
    for query, sql in QUERIES.items():
        async with rig() as at:
            await at.deploy(streams(), {})
            columns = at.columns(sql, **({"is_event_time": True} if query in EVENT_TIME else {}))
        parts = {name: [p for stream, delivery in load if stream == name for p in delivery.payloads or ()] for name in columns}
        decoders = {name: msgspec.json.Decoder(record(name, read, COLUMNS[name])).decode for name, read in columns.items()}

        def bare(parts: Mapping[str, list[bytes]] = parts, decoders: Mapping[str, Any] = decoders) -> None:
            for name, payloads in parts.items():
                decode = decoders[name]
                for payload in payloads:
                    decode(payload)

        count = sum(map(len, parts.values()))
        cost = limit = float("inf")
        for _ in range(1 if quick else ROUNDS):
            async with rig() as at:
                await at.deploy(streams(), {query: sql}, NOP, **options(query))
                cost = min(cost, await at.flood(load))
            limit = min(limit, seconds(bare))
        name = f"{query} ({', '.join(columns)})"
        found.append(Figure(group, name, cost / count * 1e6, limit / count * 1e6, "a loop of msgspec that decodes the columns"))
    return found


if __name__ == "__main__":
    print(*table(asyncio.run(nexmark("--quick" in sys.argv[1:]))), sep="\n")
