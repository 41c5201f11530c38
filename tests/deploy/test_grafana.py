"""deploy/grafana: what every dashboard keeps to, and every query run against tables with data.

Grafana itself is not part of this: that a panel draws what it is given is not tried here.
"""

import asyncio
import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from deploy.grafana.files import FOLDER, texts
from deploy.grafana.macros import fill
from sinks.clickhouse.client import Store
from tests.deploy.grafana_rules import (
    METRICS,
    STORE,
    dashboards,
    expressions,
    panels,
    store_queries,
    variable_queries,
)
from tests.deploy.grafana_store import (
    END_MS,
    EXAMPLES_END_MS,
    EXAMPLES_START_MS,
    START_MS,
    filled,
)
from tests.deploy.stack import ROOT
from tests.deploy.test_prometheus import FOREIGN, SELECTOR, TARGET_LABELS, known_series, labels_of
from tests.deploy.test_prometheus import rules as recording_rules

BOARDS = dashboards()
PAGES = {
    "footprint", "liquidations", "operations", "overview", "positioning", "profiles", "quality",
    "setups",
}  # fmt: skip
QUERIES = list(store_queries())
NAMES = [f"{page}: {title}" for page, title, _ in QUERIES]
SPANS = ((START_MS, END_MS), (EXAMPLES_START_MS, EXAMPLES_END_MS))
"""The market's two minutes, and the day of the examples."""

QUIET_MS = 1_750_000_000_000
"""A time of which the tables have nothing."""

BOUNDS = " SETTINGS max_execution_time = 5, max_result_rows = 20000, max_memory_usage = 500000000"
PROCESS = {"process_cpu_seconds_total", "process_resident_memory_bytes", "perptape_build_info"}
"""What every process says of itself."""

READ_WHOLE = {"instruments_log", "setup_worth_log", "alerts_log", "bars_log"}
"""Tables with few rows, whose key has no time; and one whose key has the day behind the rule of the
bar, so that days are left out from a granule (8,192 rows) on, and here there is not one."""

Values = dict[str, list[str]]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    opened = asyncio.run(filled(tmp_path_factory.mktemp("grafana") / "store"))
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def choices(store: Store) -> dict[tuple[str, int], Values]:
    """Return what each page offers to choose from, for each span: its own queries, in order."""
    found: dict[tuple[str, int], Values] = {}
    for number, span in enumerate(SPANS):
        for page, name, sql in variable_queries():
            values = found.setdefault((page, number), {})
            answer = store.query(fill(sql, *span, values) + BOUNDS)
            assert len(answer.column_names) == 1, (page, name)
            values[name] = [str(value) for (value,) in answer.rows]
    return found


def turns(values: Values) -> list[Values]:
    """Return the values with each venue in turn where a page shows one; else as they are."""
    if "all" not in values.get("venue", ()):
        return [values]
    return [{**values, "venue": [venue]} for venue in values["venue"]]


def test_the_files_are_what_the_modules_say() -> None:
    assert set(BOARDS) == PAGES
    for name, text in texts().items():
        assert (FOLDER / name).read_text() == text, f"{name}: run `python -m deploy.grafana`"


def test_a_dashboard_is_known_by_a_uid_of_its_own_and_nothing_has_an_id() -> None:
    assert len({board["uid"] for board in BOARDS.values()}) == len(BOARDS)
    for page, board in BOARDS.items():
        assert board["uid"] == f"perptape-{page}"
        assert board["schemaVersion"] == 41
        for part in (board, *panels(board)):
            assert not {"id", "iteration", "version"} & set(part), part["title"]


def test_every_source_is_one_that_is_provisioned_by_uid() -> None:
    path = ROOT / "deploy/grafana/provisioning/datasources/perptape.yml"
    provisioned = [
        {"type": one["type"], "uid": one["uid"]}
        for one in yaml.safe_load(path.read_text())["datasources"]
    ]
    assert provisioned == [STORE, METRICS]
    for board in BOARDS.values():
        asking = [*board["templating"]["list"], *board["annotations"]["list"]]
        asking += [panel for panel in panels(board) if panel["type"] != "text"]
        for one in asking:
            assert one["datasource"] in provisioned
            for target in one.get("targets", ()):
                assert target["datasource"] == one["datasource"]


@pytest.mark.parametrize("page", sorted(PAGES))
def test_every_page_says_its_units_and_leads_to_the_others(page: str) -> None:
    board = BOARDS[page]
    (link,) = board["links"]
    assert link["keepTime"]
    assert link["includeVars"]
    assert link["tags"] == board["tags"]
    assert panels(board)[0]["type"] == "text"
    for part in (board, *panels(board), *board["templating"]["list"]):
        assert len(part["description"]) > 8, part.get("title", part.get("name"))
    titles = [panel["title"] for panel in panels(board)]
    assert len(set(titles)) == len(titles)
    drawn = [panel for panel in panels(board) if panel["type"] in ("timeseries", "candlestick")]
    assert all(panel["fieldConfig"]["defaults"]["unit"] for panel in drawn)


@pytest.mark.parametrize("page", sorted(PAGES))
def test_panels_are_beside_and_below_one_another(page: str) -> None:
    taken: set[tuple[int, int]] = set()
    for panel in panels(BOARDS[page]):
        at = panel["gridPos"]
        assert at["x"] + at["w"] <= 24
        cells = {
            (x, y)
            for x in range(at["x"], at["x"] + at["w"])
            for y in range(at["y"], at["y"] + at["h"])
        }
        assert not cells & taken, panel["title"]
        taken |= cells


def test_links_of_tables_lead_to_pages_and_keep_time_and_variables() -> None:
    addresses = [
        link["url"]
        for board in BOARDS.values()
        for panel in panels(board)
        for override in panel.get("fieldConfig", {}).get("overrides", ())
        for one in override["properties"]
        if one["id"] == "links"
        for link in one["value"]
    ]
    assert addresses
    for address in addresses:
        path, _, query = address.partition("?")
        assert path.removeprefix("/d/") in {board["uid"] for board in BOARDS.values()}
        assert query == "${__url_time_range}&${__all_variables}"


def test_every_page_of_the_market_can_be_turned_to_an_asset_a_kind_and_a_venue() -> None:
    for page in PAGES - {"operations"}:
        names = {one["name"] for one in BOARDS[page]["templating"]["list"]}
        assert {"asset", "venue", "kind"} <= names
        for name in names:
            asked = [target["rawSql"] for where, _, target in QUERIES if where == page]
            asked += [sql for where, _, sql in variable_queries() if where == page]
            assert any(re.search(rf"\${{?{name}\b", sql) for sql in asked), (page, name)


def test_every_metric_and_label_of_the_panels_exists() -> None:
    recorded = {rule["record"] for rule in recording_rules() if "record" in rule}
    known = known_series() | recorded | FOREIGN | PROCESS
    pattern = re.compile(SELECTOR.pattern + r"|\b(process_\w+|perptape:\w+:\w+)")
    asked = list(expressions())
    assert len(asked) > 30
    for title, promql in asked:
        named = [(one[0] or one[2], one[1]) for one in pattern.findall(promql)]
        assert named, title
        for name, selected in named:
            assert name in known, (title, name)
            for label in re.findall(r"(\w+)=", selected):
                assert label in labels_of(name) | TARGET_LABELS, (title, label)


def test_every_recorded_rule_is_shown_or_alerted_of() -> None:
    shown = " ".join(promql for _, promql in expressions())
    alerted = " ".join(rule["expr"] for rule in recording_rules() if "alert" in rule)
    for rule in recording_rules():
        assert rule.get("record", "") in shown + alerted


def test_macros_and_variables_are_put_in_as_the_data_source_does() -> None:
    sql = "$__timeInterval_ms(t) $__timeFilter_ms(t) '$asset' (${venue:singlequote})"
    values = {"asset": ["BTC"], "venue": ["okx", "bybit"]}

    assert fill(sql, 1000, 61_000, values, 250) == (
        "toStartOfInterval(toDateTime64(t, 3), INTERVAL 250 millisecond)"
        " t >= fromUnixTimestamp64Milli(1000) AND t <= fromUnixTimestamp64Milli(61000)"
        " 'BTC' ('okx', 'bybit')"
    )
    with pytest.raises(KeyError):
        fill("$__other_ms", 0, 1, values)


@pytest.mark.parametrize(("page", "title", "target"), QUERIES, ids=NAMES)
def test_a_query_of_the_store_has_rows_within_its_bounds(
    store: Store, choices: dict[tuple[str, int], Values], page: str, title: str, target: Any
) -> None:
    assert re.search(r"\$__(timeFilter|fromTime|toTime)_ms", target["rawSql"])
    answers = [
        store.query(fill(target["rawSql"], *span, values) + BOUNDS)
        for number, span in enumerate(SPANS)
        for values in turns(choices[page, number])
    ]
    rows = [row for answer in answers for row in answer.rows]
    assert rows
    names = answers[0].column_names
    if target["queryType"] == "timeseries":
        assert names[:2] == ["time", "series"]
        assert len(names) == 3
        assert any(row[2] is not None for row in rows)
        assert all(
            [row[0] for row in answer.rows] == sorted(row[0] for row in answer.rows)
            for answer in answers
        )
        assert all(isinstance(row[1], str) for row in rows)
    if title.startswith("marks: "):
        assert {"time", "text", "tags"} <= set(names)
        assert all(row[names.index("text")] for row in rows)


@pytest.mark.parametrize(("page", "title", "target"), QUERIES, ids=NAMES)
def test_a_query_reads_only_the_time_it_is_asked_for(
    store: Store, choices: dict[tuple[str, int], Values], page: str, title: str, target: Any
) -> None:
    sql = fill(target["rawSql"], QUIET_MS, QUIET_MS + 60_000, choices[page, 0])
    read = {row[1]: row[3] for row in store.query(f"EXPLAIN ESTIMATE {sql}").rows}
    assert {table: rows for table, rows in read.items() if table not in READ_WHOLE and rows} == {}


def test_one_venue_and_all_of_them_are_other_numbers(
    store: Store, choices: dict[tuple[str, int], Values]
) -> None:
    (sql,) = [target["rawSql"] for _, title, target in QUERIES if title == "Delta and its extremes"]
    found = [
        {(row[0], row[1]): row[2] for row in store.query(fill(sql, *SPANS[0], values)).rows}
        for values in turns(choices["footprint", 0])
    ]
    every, binance, bybit, okx = found
    assert {every[key] for key in every} != {binance[key] for key in binance}
    assert all(every[key] == binance[key] + bybit[key] for key in every if key[1] == "delta")
    assert not okx


def test_bars_that_were_compared_are_shown_by_class_the_broken_ones_first(
    store: Store, choices: dict[tuple[str, int], Values]
) -> None:
    sql = {title: target["rawSql"] for _, title, target in QUERIES}
    asked = {
        title: store.query(fill(sql[f"Reconciliation: {title}"], *SPANS[0], choices["quality", 0]))
        for title in ("classes", "causes", "worst bars")
    }
    classes, worst = asked["classes"], asked["worst bars"]
    at = [classes.column_names.index(name) for name in ("against", "bars", "exact", "broken")]
    assert [tuple(row[place] for place in at) for row in classes.rows] == [
        ("trades", 1, 0, 1),
        ("klines", 1, 1, 0),
    ]
    assert [row[1:] for row in asked["causes"].rows] == [
        ("broken: not covered whole; differs: total, taker_buy", 1),
        ("exact", 1),
    ]
    (row,) = worst.rows
    found = dict(zip(worst.column_names, row, strict=True))
    assert found["total_qty_theirs"] - found["total_qty_ours"] == 1
    assert found["difference_bp"] == pytest.approx(
        -10_000 / float(found["total_qty_theirs"]), rel=1e-9
    )


@pytest.mark.parametrize("title", ["Streams", "Lag", "Clock offset", "Books that cannot be used"])
def test_a_stream_of_spot_is_not_that_of_a_perpetual_of_the_same_name(
    store: Store, title: str
) -> None:
    store.command(
        "INSERT INTO instruments_log (asset, venue, symbol, kind, tick, lot) VALUES ('BOTH',"
        " 'bybit', 'A', 'spot', 1, 1), ('BOTH', 'bybit', 'A-PERP', 'linear_perpetual', 1, 1)"
    )
    store.command(
        "INSERT INTO feed_summaries_log (asset, venue, symbol, stream, from_time, feed_state,"
        " lag_p50_us, clock_offset_us) SELECT 'BOTH', 'bybit', arrayJoin(['A', 'A-PERP']),"
        f" 'trade.A', fromUnixTimestamp64Milli(toInt64({START_MS})), 'live', 7, 7"
    )
    (sql,) = [target["rawSql"] for _, name, target in QUERIES if name == title]
    for kinds, symbols in ((["spot"], {"A"}), (["spot", "perp"], {"A", "A-PERP"})):
        values = {"asset": ["BOTH"], "venue": ["bybit"], "kind": kinds}
        rows = store.query(fill(sql, START_MS, END_MS, values)).rows
        assert {row[1].removesuffix(" p50") for row in rows} == {
            f"bybit {symbol} trade.A" for symbol in symbols
        }


def test_worth_of_setups_is_that_of_the_last_day_shown(store: Store) -> None:
    day_ms = 86_400_000
    store.command(
        "INSERT INTO setup_worth_log (asset, as_of, revision, n) SELECT 'DAYS',"
        f" fromUnixTimestamp64Milli(toInt64({START_MS} + {day_ms} * number)), number, number"
        " FROM numbers(3)"
    )
    (sql,) = [target["rawSql"] for _, title, target in QUERIES if title == "Worth"]
    for day in range(3):
        until_ms = END_MS + day_ms * day
        found = store.query(fill(sql, until_ms - 60_000, until_ms, {"asset": ["DAYS"]}))
        assert [row[found.column_names.index("n")] for row in found.rows] == [day]


def test_a_column_of_estimated_levels_is_its_newest_map_alone(store: Store) -> None:
    """A row that the newest map has no more is not shown; both sides of a row are added."""
    store.command(
        "INSERT INTO liquidation_levels_log (asset, minute_start, tick, lot, rows_ticks, rows_side,"
        " rows_est_usd_cents) SELECT 'LEVELS', fromUnixTimestamp64Milli(toInt64("
        f"{START_MS} + 60000 * number)), 1, 1, if(number = 0, [90, 110], [90, 90]),"
        " ['long', 'short'], [100, 200 + number] FROM numbers(2)"
    )
    (sql,) = [target["rawSql"] for _, title, target in QUERIES if title == "Estimated levels"]
    asked = fill(sql, START_MS, END_MS, {"asset": ["LEVELS"]}, 3_600_000)
    assert [row[1:] for row in store.query(asked).rows] == [("90", 3.01)]


def test_what_is_conserved_is_zero(store: Store, choices: dict[tuple[str, int], Values]) -> None:
    for page, title, target in QUERIES:
        if title.startswith("Conservation"):
            found = store.query(fill(target["rawSql"], *SPANS[0], choices[page, 0]) + BOUNDS)
            assert found.rows
            assert {float(row[2]) for row in found.rows} == {0.0}, (title, found.rows)
