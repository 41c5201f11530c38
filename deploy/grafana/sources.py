"""The two data sources, by the uids in `provisioning`, and how each is asked."""

import textwrap
from typing import Any

Json = dict[str, Any]

STORE: Json = {"type": "grafana-clickhouse-datasource", "uid": "perptape"}
METRICS: Json = {"type": "prometheus", "uid": "prometheus"}

_FORMATS = {"timeseries": 0, "table": 1}


def ask(sql: str, shape: str, ref: str = "A") -> Json:
    """Return a query of the store.

    `timeseries`: the first column is `time`, ascending; a column of text names the line, the rest
    are its values. `table`: as it is.
    """
    return {
        "datasource": STORE,
        "editorType": "sql",
        "format": _FORMATS[shape],
        "queryType": shape,
        "rawSql": textwrap.dedent(sql).strip(),
        "refId": ref,
    }


def measure(promql: str, legend: str, ref: str = "A") -> Json:
    """Return a query of the metrics, over the time shown."""
    return {
        "datasource": METRICS,
        "editorMode": "code",
        "expr": promql,
        "legendFormat": legend,
        "range": True,
        "refId": ref,
    }
