"""The ladder's queries against the real views of an embedded store."""

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from sinks.clickhouse.access import open_reader
from sinks.clickhouse.client import open_store
from sinks.clickhouse.migrate import apply
from sinks.terminal.model import BarView, CvdView, LadderView
from sinks.terminal.queries import Missing, Selection, read, select
from sinks.terminal.watch import watch
from tests.terminal.views import MINUTE_US, START_US, VENUES, WORKED, bar_of

TICK, LOT = Decimal("0.1"), Decimal("0.001")


def ticks(value: Decimal | None) -> str:
    return "NULL" if value is None else str(int(value / TICK))


def lots(value: Decimal | None) -> str:
    return "NULL" if value is None else str(int(value / LOT))


def row_columns(bar: BarView) -> dict[str, str]:
    rows = bar.rows
    columns = {
        "ticks": [int(row.price / TICK) for row in rows],
        "sell_lots": [int(row.sell / LOT) for row in rows],
        "buy_lots": [int(row.buy / LOT) for row in rows],
        "marks": [int(bool(row.buy_imbalance)) + 2 * bool(row.sell_imbalance) for row in rows],
        "agree_buy": [row.buy_agree for row in rows],
        "agree_sell": [row.sell_agree for row in rows],
    }
    for name in ("unknown_lots", "trades_sell", "trades_buy", "sell_usd_cents", "buy_usd_cents"):
        columns[name] = [0] * len(rows)
    return {f"rows_{name}": str(values) for name, values in columns.items()}


def insert_bar(bar: BarView, *, revision: int, symbol: str, valid: bool) -> str:
    """Write the INSERT of a bar in the store's own units."""
    columns = {
        "asset": "'BTC'",
        "scope": "'venue'" if symbol else "'perp'",
        "venue": "'okx'" if symbol else "''",
        "symbol": f"'{symbol}'",
        "interval_seconds": "60",
        "row_size": "'20'",
        "bar_start": f"fromUnixTimestamp64Micro({bar.bar_start_us})",
        "revision": str(revision),
        "is_final": str(bar.is_final).lower(),
        "tick": str(TICK),
        "lot": str(LOT),
        "status": f"'{bar.status}'",
        "venues_expected": str(list(bar.venues_expected)),
        "venues_complete": str(list(bar.venues_complete)),
        "venues_partial": str(list(bar.venues_partial)),
        "feed_states": "{'okx:BTC-USDT-PERP': 'stale'}",
        "close_ticks": ticks(bar.close),
        "sell_lots": lots(bar.sell),
        "buy_lots": lots(bar.buy),
        "delta_lots": lots(bar.delta),
        "delta_min_lots": lots(bar.delta_min),
        "delta_max_lots": lots(bar.delta_max),
        "poc_ticks": ticks(bar.poc),
        "value_area_method": "['two_row', 'single']",
        "value_area_val_ticks": f"[0, {ticks(bar.val)}]",
        "value_area_vah_ticks": f"[0, {ticks(bar.vah)}]",
        "value_area_share": "[0, 0.7]",
        "imbalances_valid": str(valid).lower(),
        **row_columns(bar),
    }
    names = ", ".join(columns)
    return f"INSERT INTO footprints_log ({names}) VALUES ({', '.join(columns.values())})"


FIRST = bar_of(START_US, WORKED, close="64121.5")
SECOND = bar_of(START_US + MINUTE_US, WORKED, close="64099", path=None, is_final=False)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a store with two bars over venues, one of them revised, and one of a venue."""
    path = tmp_path_factory.mktemp("terminal")
    store = open_store(path)
    apply(store)
    early = bar_of(START_US, {3202: (1, 1)}, close="64050", is_final=False)
    for revision, bar in enumerate((early, FIRST, SECOND)):
        store.command(insert_bar(bar, revision=revision, symbol="", valid=True))
    store.command(insert_bar(FIRST, revision=1, symbol="BTC-USDT-PERP", valid=False))
    store.command(
        "INSERT INTO cvd_log"
        " (asset, scope, composition, step_start, revision, lot, delta_lots_day, delta_lots_1h)"
        f" SELECT 'BTC', 'perp', 'all', fromUnixTimestamp64Micro({START_US} + number * 1000000),"
        " 1, 0.001, 1000 * number, NULL FROM numbers(100)"
    )
    store.close()
    return path


@pytest.fixture
def shown(folder: Path) -> Iterator[dict[Selection, LadderView | Missing]]:
    wanted = [
        select("btc", "perp", "", 60, None),
        select("btc", "venue", "okx", 60, "20.0"),
        select("btc", "perp", "", 60, "5"),
        select("btc", "spot", "", 60, None),
    ]
    reader = open_reader(folder)
    yield {selection: read(reader, selection, 5) for selection in wanted}
    reader.close()


def test_the_views_hold_what_is_drawn(shown: dict[Selection, LadderView | Missing]) -> None:
    perp, venue, size, spot = shown.values()

    assert isinstance(perp, LadderView)
    assert perp.bars == (FIRST, SECOND)
    assert perp.cvd == CvdView(START_US + 100_000_000, Decimal(99), None)
    assert perp.feeds == {VENUES[2]: "stale"}

    assert isinstance(venue, LadderView)
    assert venue.symbol == "BTC-USDT-PERP"
    unknown = tuple(replace(r, buy_imbalance=None, sell_imbalance=None) for r in FIRST.rows)
    assert venue.bars == (replace(FIRST, rows=unknown),)
    assert venue.cvd is None

    assert size == Missing("there are no rows of 5; row sizes in the store: 20")
    assert spot == Missing("waiting for the first footprint of BTC: 1m bars over all spot venues")


async def test_a_store_that_nobody_serves_is_watched(folder: Path) -> None:
    pipe = StringIO()
    console = Console(file=pipe, width=80)
    await watch("BTC", folder, once=True, console=console)
    assert "last 64,099 " in pipe.getvalue()
    assert pipe.getvalue().count("▼380") == 2
