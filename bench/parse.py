"""Prints what the SQL front end costs per statement: ``python bench/parse.py``."""

from __future__ import annotations

import re
import timeit

from plutino.sql import parse_statement, to_sql
from plutino.sql.lexer import tokenize

STATEMENTS = {
    "filter": "SELECT temperature, humidity FROM s WHERE temperature > 20",
    "window": (
        "SELECT deviceId, avg(temperature) AS t, max(pressure) AS p, count(*) AS n FROM plant WHERE line = 'a' AND temperature > 20.5 "
        "GROUP BY deviceId, tumblingwindow(ss, 10) HAVING avg(temperature) > 30 ORDER BY deviceId DESC LIMIT 5"
    ),
    "join": (
        "SELECT a.id, b.name, CASE WHEN a.v > 10 THEN 'high' ELSE 'low' END AS level, lag(a.v) OVER (PARTITION BY a.id) AS previous "
        "FROM a LEFT JOIN b ON a.id = b.id WHERE a.tags->site IN ('x', 'y') AND a.v BETWEEN 1 AND 2 + 3 GROUP BY slidingwindow(ss, 30)"
    ),
    "stream": (
        'CREATE STREAM plant (id BIGINT, v FLOAT, tags STRUCT(site STRING, ids ARRAY(BIGINT))) WITH (DATASOURCE="plant/+/data", '
        'FORMAT="json", TYPE="mqtt", SHARED="TRUE")'
    ),
}


def best(statement: str, call: object) -> float:
    """Microseconds per call, the best of several rounds."""
    timer = timeit.Timer("call(text)", globals={"call": call, "text": statement})
    return min(timer.repeat(7, 300)) / 300 * 1e6


def bare_split(text: str, _split: re.Pattern[str] = re.compile(r"[A-Za-z_0-9.]+|'[^']*'|\"[^\"]*\"|[^\s]")) -> list[str]:
    """The limit to compare with: nothing but splitting the text."""
    return _split.findall(text)


def main() -> None:
    print(f"{'µs per statement':16} {'parse':>8} {'tokens':>8} {'split':>8} {'print':>8} {'equal':>8} {'hash':>8}")
    for name, text in STATEMENTS.items():
        tree, twin = parse_statement(text), parse_statement(text)
        figures = [best(text, call) for call in (parse_statement, tokenize, bare_split)]
        figures += [best(text, lambda _, tree=tree: to_sql(tree)), best(text, lambda _, tree=tree, twin=twin: tree == twin)]
        hashed = best(text, lambda _, tree=tree: hash(tree)) if name != "stream" else float("nan")
        print(f"{name:16} " + " ".join(f"{figure:8.1f}" for figure in (*figures, hashed)))


if __name__ == "__main__":
    main()
