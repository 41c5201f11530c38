"""A dashboard around its panels: places, variables, links, annotations.

Classic JSON of schema version 41, which Grafana migrates as it loads it. No ids: Grafana gives
them.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from deploy.grafana.sources import STORE, Json, ask

SCHEMA_VERSION = 41
TAG = "perptape"
_COLUMNS = 24


def dashboard(
    uid: str,
    title: str,
    about: str,
    panels: Iterable[Json],
    *,
    variables: Sequence[Json] = (),
    annotations: Sequence[Json] = (),
    since: str = "now-3h",
    refresh: str = "30s",
) -> Json:
    """Return a dashboard; panels fill rows of 24 columns from the left."""
    return {
        "annotations": {"list": list(annotations)},
        "description": about,
        "editable": False,
        "graphTooltip": 1,
        "links": [_link_to_the_others()],
        "panels": list(_placed(panels)),
        "refresh": refresh,
        "schemaVersion": SCHEMA_VERSION,
        "tags": [TAG],
        "templating": {"list": list(variables)},
        "time": {"from": since, "to": "now"},
        "timezone": "utc",
        "title": title,
        "uid": f"{TAG}-{uid}",
    }


def chosen(name: str, label: str, about: str, sql: str, *, several: bool = False) -> Json:
    """Return a variable with the values of a query's only column; `several` starts with all."""
    every = {"text": ["All"], "value": ["$__all"]}
    return {
        "current": every if several else {},
        "datasource": STORE,
        "definition": sql,
        "description": about,
        "includeAll": several,
        "label": label,
        "multi": several,
        "name": name,
        "query": sql,
        "refresh": 2,
        "type": "query",
    }


def marks(name: str, colour: str, sql: str) -> Json:
    """Return annotations: columns `time`, `text`, `tags`, and `timeEnd` where they are ranges."""
    return {
        "datasource": STORE,
        "enable": True,
        "iconColor": colour,
        "name": name,
        "target": ask(sql, "table"),
    }


def _link_to_the_others() -> Json:
    return {
        "asDropdown": False,
        "icon": "external link",
        "includeVars": True,
        "keepTime": True,
        "tags": [TAG],
        "targetBlank": False,
        "title": "perptape",
        "tooltip": "",
        "type": "dashboards",
        "url": "",
    }


def _placed(panels: Iterable[Json]) -> Iterable[dict[str, Any]]:
    left = top = row_height = 0
    for panel in panels:
        size = panel["gridPos"]
        if left + size["w"] > _COLUMNS:
            left, top, row_height = 0, top + row_height, 0
        yield {**panel, "gridPos": {**size, "x": left, "y": top}}
        left, row_height = left + size["w"], max(row_height, size["h"])
