"""Kinds of panels, as little of each as its default does not say.

Every panel has a description: what is shown, its unit and sign, and what is left out.
"""

from collections.abc import Mapping, Sequence

from deploy.grafana.sources import METRICS, STORE, Json, ask, measure

BUY, SELL, NEUTRAL = "green", "red", "gray"
USD, PRICE, BASIS_POINTS, SHARE = "currencyUSD", "locale", "suffix: bp", "percentunit"
COIN, COUNT, SECONDS = "short", "short", "s"

LINE_NAME = "${__field.labels.series}"
"""A line has the name that the query gives it in the column `series`."""

Colours = Mapping[str, str]


def lines(
    title: str,
    about: str,
    sql: str,
    *,
    unit: str,
    width: int = 12,
    height: int = 8,
    colours: Colours | None = None,
    style: str = "line",
    stacked: bool = False,
) -> Json:
    """Return lines or bars over time: columns `time`, `series` and one value."""
    return {
        **_panel("timeseries", title, about, width, height),
        "datasource": STORE,
        "fieldConfig": _fields(
            {
                "custom": _drawn(style, stacked),
                "displayName": LINE_NAME,
                "unit": unit,
            },
            colours,
        ),
        "options": _legend(),
        "targets": [ask(sql, "timeseries")],
    }


def metric_lines(
    title: str,
    about: str,
    *queries: tuple[str, str],
    unit: str,
    width: int = 12,
    height: int = 8,
) -> Json:
    """Return lines of Prometheus: queries with their legends."""
    return {
        **_panel("timeseries", title, about, width, height),
        "datasource": METRICS,
        "fieldConfig": _fields({"custom": _drawn("line", False), "unit": unit}),
        "options": _legend(),
        "targets": [
            measure(promql, legend, chr(ord("A") + number))
            for number, (promql, legend) in enumerate(queries)
        ],
    }


def candles(title: str, about: str, sql: str, *, width: int = 24, height: int = 10) -> Json:
    """Return candles: columns `time`, `open`, `high`, `low`, `close`, and `volume` if it is known.

    Further columns are lines over them.
    """
    return {
        **_panel("candlestick", title, about, width, height),
        "datasource": STORE,
        "fieldConfig": _fields({"unit": PRICE}),
        "options": {
            "candleStyle": "candles",
            "colorStrategy": "open-close",
            "colors": {"down": SELL, "up": BUY},
            "includeAllFields": True,
            "mode": "candles+volume",
            **_legend(),
        },
        "targets": [ask(sql, "table")],
    }


def number(title: str, about: str, sql: str, *, unit: str, width: int = 4) -> Json:
    """Return one large number for each row: columns `series` and a value."""
    return {
        **_panel("stat", title, about, width, 4),
        "datasource": STORE,
        "fieldConfig": _fields({"unit": unit}),
        "options": {
            "colorMode": "none",
            "graphMode": "none",
            "reduceOptions": {"calcs": ["lastNotNull"], "values": True},
            "textMode": "value_and_name",
        },
        "targets": [ask(sql, "table")],
    }


def metric_number(title: str, about: str, promql: str, *, unit: str, width: int = 4) -> Json:
    """Return one large number of Prometheus: the newest value."""
    return {
        **_panel("stat", title, about, width, 4),
        "datasource": METRICS,
        "fieldConfig": _fields({"unit": unit}),
        "options": {
            "colorMode": "none",
            "graphMode": "area",
            "reduceOptions": {"calcs": ["lastNotNull"]},
        },
        "targets": [measure(promql, title)],
    }


def table(
    title: str,
    about: str,
    sql: str,
    *,
    width: int = 24,
    height: int = 10,
    units: Mapping[str, str] | None = None,
    link: tuple[str, str] | None = None,
    steps: Sequence[Json] = (),
) -> Json:
    """Return rows as they are; `units` by column, `link` a column and where it leads."""
    overrides = [_override(name, "unit", unit) for name, unit in (units or {}).items()]
    if link is not None:
        there = {"title": "Open", "url": link[1]}
        overrides.append(_override(link[0], "links", [there]))
    return {
        **_panel("table", title, about, width, height),
        "datasource": STORE,
        "fieldConfig": {"defaults": {}, "overrides": overrides},
        "options": {"cellHeight": "sm", "showHeader": True},
        "targets": [ask(sql, "table")],
        "transformations": list(steps),
    }


def cells(
    title: str,
    about: str,
    sql: str,
    *,
    unit: str,
    scheme: str = "Oranges",
    symmetric: bool = False,
    width: int = 24,
    height: int = 12,
) -> Json:
    """Return a heat map: columns `time` (where a cell ends), `series` (its price row) and a value.

    At most 120 columns, so that a page stays light. `symmetric` values are shares from -1 to 1, and
    so are the colours.
    """
    return {
        **_panel("heatmap", title, about, width, height),
        "datasource": STORE,
        "fieldConfig": {"defaults": {"displayName": LINE_NAME}, "overrides": []},
        "maxDataPoints": 120,
        "options": {
            "calculate": False,
            "cellGap": 1,
            "cellValues": {"unit": unit},
            "color": {
                "fill": "dark-orange",
                "mode": "scheme",
                "reverse": False,
                "exponent": 1 if symmetric else 0.5,
                "scale": "exponential",
                "scheme": scheme,
                "steps": 64,
                **({"max": 1, "min": -1} if symmetric else {}),
            },
            "rowsFrame": {"layout": "ge"},
            "tooltip": {"mode": "single", "yHistogram": False},
            "yAxis": {"axisPlacement": "left", "unit": PRICE},
        },
        "targets": [ask(sql, "timeseries")],
    }


def ladder(title: str, about: str, sql: str, *, unit: str, width: int = 12) -> Json:
    """Return horizontal bars, one a row: the first column is its name, the others its parts."""
    return {
        **_panel("barchart", title, about, width, 14),
        "datasource": STORE,
        "fieldConfig": _fields(
            {"unit": unit},
            {"sell": SELL, "buy": BUY, "short": BUY, "long": SELL},
        ),
        "options": {
            "orientation": "horizontal",
            "showValue": "never",
            "stacking": "normal",
            "xField": "row",
            **_legend(),
        },
        "targets": [ask(sql, "table")],
    }


def states(
    title: str,
    about: str,
    sql: str,
    colours: Colours,
    *,
    width: int = 24,
    height: int = 8,
) -> Json:
    """Return states over time: columns `time`, `series` and the number of a state.

    The number is the place of the state in `colours`, as `deploy.grafana.sql.place` asks for it.
    """
    named = {
        str(place): {"color": colour, "index": place, "text": name}
        for place, (name, colour) in enumerate(colours.items())
    }
    return {
        **_panel("state-timeline", title, about, width, height),
        "datasource": STORE,
        "fieldConfig": _fields(
            {
                "custom": {"fillOpacity": 80, "lineWidth": 0},
                "displayName": LINE_NAME,
                "mappings": [{"options": named, "type": "value"}],
            }
        ),
        "options": {"mergeValues": True, "rowHeight": 0.8, "showValue": "auto", **_legend()},
        "targets": [ask(sql, "timeseries")],
    }


def scatter(
    title: str,
    about: str,
    sql: str,
    *,
    x: str,
    y: str,
    unit: str,
    x_unit: str,
    width: int = 12,
) -> Json:
    """Return one point a row, of two of its columns, zero in the middle of both axes."""
    return {
        **_panel("xychart", title, about, width, 12),
        "datasource": STORE,
        "fieldConfig": {
            "defaults": {
                "custom": {"axisCenteredZero": True, "pointSize": {"fixed": 5}, "show": "points"}
            },
            "overrides": [_override(x, "unit", x_unit), _override(y, "unit", unit)],
        },
        "options": {
            "mapping": "manual",
            "series": [
                {
                    "frame": {"matcher": {"id": "byIndex", "options": 0}},
                    "x": {"matcher": {"id": "byName", "options": x}},
                    "y": {"matcher": {"id": "byName", "options": y}},
                }
            ],
            **_legend(),
        },
        "targets": [ask(sql, "table")],
    }


def words(title: str, markdown: str, *, height: int = 5) -> Json:
    """Return text: units and definitions of what is beside it."""
    return {
        **_panel("text", title, "Units and definitions of this page.", 24, height),
        "options": {"content": markdown.strip(), "mode": "markdown"},
    }


def matrix(row: str, column: str, value: str) -> Json:
    """Return the step that makes a table of rows and columns out of triples."""
    return {
        "id": "groupingToMatrix",
        "options": {
            "columnField": column,
            "emptyValue": "empty",
            "rowField": row,
            "valueField": value,
        },
    }


def _panel(kind: str, title: str, about: str, width: int, height: int) -> Json:
    return {
        "description": " ".join(about.split()),
        "gridPos": {"h": height, "w": width},
        "title": title,
        "type": kind,
    }


def _fields(defaults: Json, colours: Colours | None = None) -> Json:
    # A line is matched by the name of its column and of itself, before it is named anew.
    overrides = [
        {
            "matcher": {"id": "byRegexp", "options": f"/(^| ){name}$/"},
            "properties": [{"id": "color", "value": {"fixedColor": colour, "mode": "fixed"}}],
        }
        for name, colour in (colours or {}).items()
    ]
    return {"defaults": defaults, "overrides": overrides}


def _override(name: str, what: str, value: object) -> Json:
    return {
        "matcher": {"id": "byName", "options": name},
        "properties": [{"id": what, "value": value}],
    }


def _drawn(style: str, stacked: bool) -> Json:
    return {
        "drawStyle": style,
        "fillOpacity": 70 if style == "bars" else 0,
        "lineWidth": 1,
        "showPoints": "never",
        "spanNulls": False,
        "stacking": {"group": "A", "mode": "normal" if stacked else "none"},
    }


def _legend() -> Json:
    return {"legend": {"displayMode": "list", "placement": "bottom", "showLegend": True}}
