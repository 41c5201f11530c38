"""Conservation: nothing is broken in what engines say, and what was altered by hand is found."""

import pytest

from sinks.clickhouse.client import QueryError, Store
from tests.sinks.clickhouse.markets import CALM, ROUGH, Worked, worked
from tests.sinks.clickhouse.published import found

IDENTITIES = {"delta", "rows", "coarser_rows", "venues", "minutes", "cvd"}
FIRST = "bar_start = toDateTime64('2024-01-01 12:02:00', 6, 'UTC')"
FIVE = "bar_start = toDateTime64('2024-01-01 12:00:00', 6, 'UTC')"
OF_BINANCE = "scope = 'venue' AND venue = 'binance' AND symbol = 'BTC-USDT-PERP'"
OF_PERP = "scope = 'perp'"
FINE, COARSE = "row_size = 1", "row_size = 5"


@pytest.fixture(scope="module")
def calm(store: Store) -> Worked:
    return worked(store, "CALM", CALM)


@pytest.fixture(scope="module")
def rough(store: Store) -> Worked:
    return worked(store, "ROUGH", ROUGH)


def check_all_checked(store: Store, one: Worked) -> None:
    rows = found(store, f"SELECT * FROM conservation WHERE asset = '{one.asset}'")
    finals = found(
        store,
        "SELECT scope, venue, symbol, interval_seconds, row_size, bar_start FROM footprint_bars"
        f" WHERE asset = '{one.asset}' AND is_final",
    )
    assert [row for row in rows if row["broken"]] == []
    assert {row["class"] for row in rows} == {"exact"}
    assert {name for row in rows for name in row["checked"]} == IDENTITIES
    names = [tuple(row[name] for name in finals[0]) for row in rows]
    assert sorted(names) == sorted(tuple(row.values()) for row in finals)


def test_everything_adds_up_in_a_calm_market(store: Store, calm: Worked) -> None:
    check_all_checked(store, calm)

    unchecked = found(
        store,
        "SELECT scope, interval_seconds, row_size, checked FROM conservation"
        f" WHERE asset = 'CALM' AND {FIRST} AND interval_seconds = 60"
        " AND NOT (has(checked, 'cvd') AND (scope = 'venue' OR has(checked, 'venues'))"
        " AND (row_size = 1 OR has(checked, 'coarser_rows')))",
    )
    assert unchecked == []


def test_everything_adds_up_with_late_trades_and_outages(store: Store, rough: Worked) -> None:
    check_all_checked(store, rough)

    late = "SELECT count() AS late FROM cvd_adjustments WHERE asset = 'ROUGH'"
    assert found(store, late)[0]["late"] > 0


def altered(of: str, column: str) -> str:
    """Return what is in a column, by so much more; of an array, in its first entry."""
    if of == "array":
        return f"arrayMap((x, i) -> x {{by}} * (i = 1), {column}, arrayEnumerate({column}))"
    return f"{column} {{by}}"


def alter(store: Store, where: str, column: str, change: str) -> None:
    """Store newer revisions of bars with one column changed."""
    store.command(
        f"INSERT INTO footprints_log SELECT * REPLACE (revision + 1 AS revision,"
        f" {change} AS {column}) FROM footprints_log FINAL WHERE {where}"
    )


@pytest.mark.parametrize(
    ("where", "of", "column", "broken", "of_five"),
    [
        (f"{OF_BINANCE} AND {FINE}", "number", "delta_lots", ["cvd", "delta"], []),
        (f"{OF_BINANCE} AND {FINE}", "array", "rows_buy_lots", ["rows"], []),
        (f"{OF_BINANCE} AND {COARSE}", "array", "rows_unknown_lots", ["coarser_rows", "rows"], []),
        (f"{OF_PERP} AND {FINE}", "number", "trades_unknown", ["venues"], ["minutes"]),
        (f"{OF_PERP} AND {FINE}", "number", "sell_lots", ["delta", "rows", "venues"], ["minutes"]),
        (f"{OF_PERP} AND {FINE}", "number", "high_ticks", ["venues"], None),
        (f"{OF_PERP} AND {FINE}", "number", "low_ticks", ["venues"], None),
    ],
)
def test_a_bar_that_was_altered_by_hand_is_found(
    store: Store, calm: Worked, where: str, of: str, column: str, broken: list[str],
    of_five: list[str] | None,
) -> None:  # fmt: skip
    """The bar itself, and the five minutes it is in; an extreme need not be that of all five."""
    mine = f"asset = '{calm.asset}' AND {where}"
    bar = f"{mine} AND interval_seconds = 60 AND {FIRST}"
    sql = f"SELECT class, broken FROM conservation WHERE {bar}"
    wide = f"SELECT broken FROM conservation WHERE {mine} AND interval_seconds = 300 AND {FIVE}"
    assert store.query(sql).rows == [("exact", [])]

    alter(store, bar, column, altered(of, column).format(by="+ 1"))

    assert store.query(sql).rows == [("broken", broken)]
    if of_five is not None:
        assert store.query(wide).rows == [(of_five,)]
    alter(store, bar, column, altered(of, column).format(by="- 1"))
    assert store.query(sql).rows == [("exact", [])]
    assert store.query(wide).rows == [([],)]


@pytest.mark.parametrize(
    "column", ["sell_lots", "trades_buy", "open_ticks", "close_ticks", "high_ticks", "low_ticks"]
)
def test_a_larger_bar_that_is_no_sum_of_minutes_is_found(
    store: Store, calm: Worked, column: str
) -> None:
    mine = f"asset = '{calm.asset}' AND scope = 'spot' AND row_size = 5 AND {FIVE}"
    sql = f"SELECT holds FROM conservation_over_time(interval_seconds = 300) WHERE {mine}"
    bar = f"{mine} AND interval_seconds = 300"
    assert store.query(sql).rows == [(True,)]

    alter(store, bar, column, f"{column} + 1")

    assert store.query(sql).rows == [(False,)]
    alter(store, bar, column, f"{column} - 1")
    assert store.query(sql).rows == [(True,)]


def test_an_interval_that_is_not_larger_than_a_minute_is_refused(store: Store) -> None:
    with pytest.raises(QueryError, match="must be a multiple of 60, above 60"):
        store.query("SELECT * FROM conservation_over_time(interval_seconds = 60)")


def test_a_bar_that_is_not_final_is_not_judged(store: Store, calm: Worked) -> None:
    judged = found(
        store,
        "SELECT count() AS number FROM conservation AS one INNER JOIN footprint_bars AS bar"
        " USING (asset, scope, venue, symbol, interval_seconds, row_size, bar_start)"
        f" WHERE asset = '{calm.asset}' AND NOT bar.is_final",
    )
    assert judged == [{"number": 0}]
    open_bars = f"SELECT 1 FROM footprint_bars WHERE asset = '{calm.asset}' AND NOT is_final"
    assert store.query(open_bars).rows


def test_filters_reach_every_table_behind_conservation(store: Store, calm: Worked) -> None:
    plan = "\n".join(
        row[0]
        for row in store.query(
            f"EXPLAIN indexes = 1 SELECT * FROM conservation WHERE asset = '{calm.asset}'"
            " AND bar_start >= '2024-01-01 12:00:00'"
        ).rows
    )

    reads = plan.split("ReadFromMergeTree")[1:]
    assert len(reads) == 12
    for read in reads:
        assert "FINAL: 1" in read
        days, keys = read.split("Min-Max", 1)[1].split("PrimaryKey", 1)
        assert "Condition: true" not in days.split("Partition", 1)[0]
        assert f"asset in ['{calm.asset}', '{calm.asset}']" in keys
        assert "_start" in keys.split("Condition:", 1)[1]
