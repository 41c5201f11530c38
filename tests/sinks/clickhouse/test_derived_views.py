"""The views of derived records: what people read is what the record says, and filters prune."""

from decimal import Decimal

import pytest

from schemas.topics import BARS, CVD_STRUCTURE, HEATMAP, IMBALANCE, PROFILES, Topic
from sinks.clickhouse.client import Store
from tests.sinks.clickhouse import seen, seen_books
from tests.sinks.clickhouse.published import found as rows
from tests.sinks.clickhouse.published import published, put
from tests.sinks.clickhouse.test_derived import by_content

VIEWS: dict[str, Topic] = {
    "bars": BARS,
    "profiles": PROFILES,
    "profile_rows": PROFILES,
    "profile_nodes": PROFILES,
    "naked_pocs": PROFILES,
    "cvd_structure": CVD_STRUCTURE,
    "cvd_candles": CVD_STRUCTURE,
    "cvd_size_classes": CVD_STRUCTURE,
    "cvd_shares": CVD_STRUCTURE,
    "convictions": CVD_STRUCTURE,
    "imbalance": IMBALANCE,
    "imbalance_tops": IMBALANCE,
    "imbalance_bands": IMBALANCE,
    "imbalance_persistence": IMBALANCE,
    "imbalance_means": IMBALANCE,
    "order_flow_imbalance": IMBALANCE,
    "cross_venue_imbalance": IMBALANCE,
    "cross_venue_order_flow": IMBALANCE,
    "heatmap": HEATMAP,
    "heatmap_columns": HEATMAP,
}
TIMES = {BARS: "bar_start", CVD_STRUCTURE: "bar_start", PROFILES: "window_start"}
WITHOUT_SCOPE = {"convictions": "quote", "heatmap": "venue", "heatmap_columns": "venue"}


@pytest.mark.parametrize("view", VIEWS)
async def test_a_view_shows_what_the_record_says_under_the_names_of_the_contract(
    store: Store, view: str
) -> None:
    topic, asset = VIEWS[view], f"SEEN_{view}"
    records = published(topic, asset)
    await put(store, topic, *records)

    found = rows(store, f"SELECT * FROM {view} WHERE asset = '{asset}'")

    module = seen_books if topic in (IMBALANCE, HEATMAP) else seen
    wanted = [row for record in records for row in getattr(module, view)(record)]
    assert wanted
    assert by_content(found) == by_content(wanted)


@pytest.mark.parametrize("view", VIEWS)
async def test_prices_quantities_and_dollars_are_exact(store: Store, view: str) -> None:
    types = {row[0]: row[1] for row in store.query(f"DESCRIBE TABLE {view}").rows}

    inexact = {
        name
        for name, type_ in types.items()
        if "Float" in type_
        and not name.startswith(("obi", "z_", "weighted"))
        and not name.endswith(("_ratio", "_share", "_known", "_fleeting", "_normalised", "_10s"))
    }
    assert inexact <= {
        *("vwap", "prominence", "normalised", "share"),
        *("sum_depth", "flow_weighted", "median", "dispersion"),
    }


async def test_the_worked_bar_is_read_in_prices_coins_and_dollars(store: Store) -> None:
    await put(store, BARS, *published(BARS, "WORKED"))

    (bar,) = rows(
        store, "SELECT * FROM bars WHERE asset = 'WORKED' AND rule = 'notional' AND scope = 'perp'"
    )

    # Definitions 5.4: 1.405 bought for 90,056.24, 1.088 sold for 69,703.41.
    assert (bar["open"], bar["close"]) == (Decimal("64051.5"), Decimal("64121"))
    assert (bar["buy_qty"], bar["sell_qty"], bar["delta"]) == (
        Decimal("1.405"),
        Decimal("1.088"),
        Decimal("0.317"),
    )
    assert bar["buy_usd"] + bar["sell_usd"] == Decimal("159759.65")
    assert bar["overshoot_usd"] == bar["buy_usd"] + bar["sell_usd"] - bar["threshold"]
    assert (bar["trades"], bar["status"], bar["overshoot_qty"]) == (11, "partial", None)


async def test_rows_of_a_profile_add_up_to_it(store: Store) -> None:
    await put(store, PROFILES, *published(PROFILES, "SUMS"))

    sums = """
        SELECT window, scope, sum(sell_qty), sum(buy_qty), sum(delta) FROM profile_rows
        WHERE asset = 'SUMS' GROUP BY window, scope ORDER BY window, scope
    """
    whole = """
        SELECT window, scope, sell_qty, buy_qty, buy_qty - sell_qty FROM profiles
        WHERE asset = 'SUMS' AND status != 'gap' ORDER BY window, scope
    """
    found = store.query(sums).rows
    assert len(found) == 3
    assert found == store.query(whole).rows


@pytest.mark.parametrize("view", VIEWS)
async def test_filters_on_a_view_reach_the_key(store: Store, view: str) -> None:
    topic = VIEWS[view]
    time, series = TIMES.get(topic, "step_start"), WITHOUT_SCOPE.get(view, "scope")
    record = published(topic, "PLAN")[0]
    await put(store, topic, record)
    value = {"quote": "USDT", "venue": "okx"}.get(series, "perp")

    plan = "\n".join(
        row[0]
        for row in store.query(
            f"EXPLAIN indexes = 1 SELECT * FROM {view} WHERE asset = 'PLAN'"
            f" AND {series} = '{value}' AND {time} >= '2026-11-21 00:00:00'"
        ).rows
    )

    assert "FINAL: 1" in plan
    key = plan.split("PrimaryKey", 1)[1].split("Parts", 1)[0]
    assert "asset in ['PLAN', 'PLAN']" in key
    assert f"{series} in [" in key
    assert f"({time} in [" in key or f"toDate({time}) in [" in key
    if topic is not BARS:  # FINAL looks at all months where the key has only the day of a time
        assert "Condition: true" not in plan.split("Min-Max", 1)[1].split("PrimaryKey", 1)[0]
