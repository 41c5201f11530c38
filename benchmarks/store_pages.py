"""Every dashboard's queries against a store with a day in it: the slowest, beside `count()`.

Asked as Grafana asks: variables first, each from its own query, then panels, over the last hour of
the day and over the whole day, lines in a thousand points. A figure is the median of three, in
milliseconds on the clock with the answer as Arrow bytes, beside it the least processor time of the
process; what takes longer than two seconds is asked once. `count()` is of the table that the query
reads most rows of, without a filter: a number that the engine has at hand, the least of any query.
"""

import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from benchmarks.store_trades import DAY_START_US, DAY_US
from deploy.grafana.files import PAGES
from deploy.grafana.macros import fill
from deploy.grafana.sources import STORE
from runtime.errors import StoreError
from sinks.clickhouse.client import QueryError, Store

ROUNDS = 3
SHOWN = 10
POINTS = 1000
DAY_MS = (DAY_START_US // 1000, (DAY_START_US + DAY_US) // 1000)
SPANS = {"1 h": (DAY_MS[1] - 3_600_000, DAY_MS[1]), "24 h": DAY_MS}
LIMITS = "max_execution_time = 20, max_memory_usage = 2000000000"
"""What the user `grafana` may take (`deploy/clickhouse`)."""

Values = dict[str, list[str]]


@dataclass(frozen=True, order=True)
class Asked:
    """One query of one page over one span."""

    milliseconds: float
    processor_ms: float
    page: str
    title: str
    span: str
    rows_read: int
    table: str
    failure: str = ""


def ask_all(store: Store) -> list[Asked]:
    """Return every query of every page, the slowest first."""
    found = []
    for page in PAGES:
        name = page.__name__.rpartition(".")[2]
        for span, (start_ms, end_ms) in SPANS.items():
            values = _values(store, page.DASHBOARD, start_ms, end_ms)
            for title, sql in _queries(page.DASHBOARD):
                step_ms = (end_ms - start_ms) // POINTS
                filled = fill(sql, start_ms, end_ms, values, step_ms)
                found.append(_ask(store, name, title, span, filled))
    return sorted(found, reverse=True)


def _values(store: Store, board: dict[str, Any], start_ms: int, end_ms: int) -> Values:
    values: Values = {}
    for one in board["templating"]["list"]:
        answer = store.query(fill(one["query"], start_ms, end_ms, values))
        values[one["name"]] = [str(row[0]) for row in answer.rows]
    return values


def _queries(board: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for panel in board["panels"]:
        for target in panel.get("targets", ()):
            if target["datasource"] == STORE:
                yield panel["title"], target["rawSql"]
    for one in board["annotations"]["list"]:
        yield f"marks: {one['name']}", one["target"]["rawSql"]
    for one in board["templating"]["list"]:
        yield f"choice: {one['name']}", one["query"]


def _ask(store: Store, page: str, title: str, span: str, sql: str) -> Asked:
    read = {str(row[1]): int(row[3]) for row in store.query(f"EXPLAIN ESTIMATE {sql}").rows}
    table = max(read, key=lambda name: read[name], default="")
    spent: list[tuple[float, float]] = []
    failure = ""
    try:
        while len(spent) < ROUNDS and not (spent and spent[0][0] > 2000):
            spent.append(timed(store, f"{sql} SETTINGS {LIMITS}"))
    except (QueryError, StoreError) as error:
        spent, failure = [(20_000.0, 20_000.0)], str(error)
    rows = sum(read.values())
    return Asked(*typical(spent), page, title, span, rows, table, failure)


def timed(store: Store, sql: str) -> tuple[float, float]:
    """Return milliseconds until an answer is there whole: on the clock, and of processors."""
    started, used = time.perf_counter(), time.process_time()
    store.arrow_stream(sql)
    return 1000 * (time.perf_counter() - started), 1000 * (time.process_time() - used)


def typical(spent: list[tuple[float, float]]) -> tuple[float, float]:
    """Return the median on the clock and the least processor time."""
    return statistics.median(one[0] for one in spent), min(one[1] for one in spent)


def count_ms(store: Store, table: str) -> float:
    """Return the milliseconds of a plain `count()`, the median of five."""
    sql = f"SELECT count() FROM {table}"  # noqa: S608  # ours
    return statistics.median(timed(store, sql)[0] for _ in range(5))


def print_slowest(store: Store, asked: list[Asked]) -> None:
    """Print the ten slowest, and what failed."""
    counts = {one.table: count_ms(store, one.table) for one in asked[:SHOWN] if one.table}
    print(f"{len(asked)} queries of {len(PAGES)} dashboards; the {SHOWN} slowest")
    heads = f"{'ms':>9}{'processor':>11}{'rows read':>12}{'/count()':>10}"
    print(f"{'page: panel':<48}{'span':>6}{heads}  table")
    for one in asked[:SHOWN]:
        ratio = one.milliseconds / counts[one.table] if one.table else 0.0
        where = f"{one.page}: {one.title}"
        print(
            f"{where[:47]:<48}{one.span:>6}{one.milliseconds:>9,.0f}{one.processor_ms:>11,.0f}{one.rows_read:>12,}"
            f"{ratio:>10,.0f}  {one.table} {one.failure}"
        )
    for span in SPANS:
        times = [one.milliseconds for one in asked if one.span == span]
        print(f"{span}: half of the queries within {statistics.median(times):.0f} ms")
