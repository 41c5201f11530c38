"""What Grafana's own part of a dashboard is here: files as read, queries, macros put in."""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

from deploy.grafana.files import FOLDER

STORE = {"type": "grafana-clickhouse-datasource", "uid": "perptape"}
METRICS = {"type": "prometheus", "uid": "prometheus"}

_MACRO = re.compile(r"\$__(\w+?)(?:\(([^()]*)\)|(?![\w(]))")
_VARIABLE = re.compile(r"\$\{(\w+):singlequote\}|\$(\w+)")


def dashboards() -> dict[str, dict[str, Any]]:
    return {path.stem: json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json"))}


def panels(board: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = board["panels"]
    return found


def store_queries() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield every query of the store: its page, its panel or annotation, and itself."""
    for page, board in dashboards().items():
        for panel in panels(board):
            for target in panel.get("targets", ()):
                if target["datasource"] == STORE:
                    yield page, panel["title"], target
        for one in board["annotations"]["list"]:
            yield page, f"marks: {one['name']}", one["target"]


def variable_queries() -> Iterator[tuple[str, str, str]]:
    for page, board in dashboards().items():
        for one in board["templating"]["list"]:
            yield page, one["name"], one["query"]


def expressions() -> Iterator[tuple[str, str]]:
    """Yield the title and the PromQL of every query of the metrics."""
    for board in dashboards().values():
        for panel in panels(board):
            for target in panel.get("targets", ()):
                if target["datasource"] == METRICS:
                    yield panel["title"], target["expr"]


def fill(sql: str, start_ms: int, end_ms: int, values: dict[str, list[str]]) -> str:
    """Return a statement with macros and variables put in, as the data source puts them in.

    Raises:
        KeyError: the statement has a macro or a variable that there is not.
    """
    since, until = (f"fromUnixTimestamp64Milli({time})" for time in (start_ms, end_ms))
    macros: dict[str, Callable[[str], str]] = {
        "timeFilter_ms": lambda column: f"{column} >= {since} AND {column} <= {until}",
        "timeInterval_ms": lambda column: (
            f"toStartOfInterval(toDateTime64({column}, 3), INTERVAL 1000 millisecond)"
        ),
        "fromTime_ms": lambda _: since,
        "toTime_ms": lambda _: until,
    }
    sql = _MACRO.sub(lambda found: macros[found[1]](found[2]), sql)
    return _VARIABLE.sub(
        lambda found: (
            ", ".join(f"'{value}'" for value in values[found[1]])
            if found[1]
            else values[found[2]][0]
        ),
        sql,
    )
