"""Dashboards as Grafana reads them: files, panels and their queries."""

import json
from collections.abc import Iterator
from typing import Any

from deploy.grafana.files import FOLDER

STORE = {"type": "grafana-clickhouse-datasource", "uid": "perptape"}
METRICS = {"type": "prometheus", "uid": "prometheus"}


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
