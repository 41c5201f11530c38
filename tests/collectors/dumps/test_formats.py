"""Every format gives the venue's trades, exactly, on the grid that the file shows."""

from decimal import Decimal
from pathlib import Path

import pytest

from collectors.dumps.market import Asked
from runtime.errors import ConfigurationError
from schemas.market import Kind, OrderClass, TradeIds
from tests.collectors.dumps.files import AGGREGATES, DAY_US, held, put, rows


def test_binance_aggregates_with_names(tmp_path: Path) -> None:
    found = held(put(tmp_path, "BTCUSDT-aggTrades-2025-06-21.zip", AGGREGATES))
    assert rows(found) == [
        (DAY_US, 1_040_001, 250, -1, 7, 0),
        (DAY_US + 250_000, 1_040_002, 1000, 1, 8, 0),
        (DAY_US + 61_000_000, 1_039_999, 3, -1, 9, 0),
    ]
    one = found.instrument
    assert (one.symbol, one.kind) == ("BTC-USDT-PERP", Kind.LINEAR_PERPETUAL)
    assert (one.tick, one.lot, found.market.stream) == ("0.1", "0.001", "btcusdt@aggTrade")
    assert found.span == (DAY_US, DAY_US + 86_400_000_000)


def test_binance_spot_without_names_in_microseconds(tmp_path: Path) -> None:
    text = "11,83.29,0.107,8.91,1750507467356001,False,True\n"
    found = held(put(tmp_path, "LTCUSDT-trades-2025-06.zip", text))
    assert rows(found) == [(1_750_507_467_356_001, 8329, 107, 1, 11, 0)]
    assert (found.market.kind, found.market.stream) == (Kind.SPOT, "ltcusdt@trade")
    assert found.span[0] == 1_748_736_000_000_000  # 2025-06-01


def test_binance_futures_trades_without_names(tmp_path: Path) -> None:
    found = held(
        put(tmp_path, "1000PEPEUSDT-trades-2025-06-21.csv", "5,0.0101,7,0.07,1750464000000,true\n")
    )
    assert found.market.kind is Kind.LINEAR_PERPETUAL
    one = found.instrument
    assert (one.asset, one.tick, one.lot) == ("PEPE", "0.0000001", "1000")


def test_bybit_seconds_with_fraction_and_rpi(tmp_path: Path) -> None:
    text = (
        "timestamp,symbol,side,size,price,tickDirection,trdMatchID,grossValue,homeNotional,"
        "foreignNotional,RPI\n"
        "1750464000.1234,BTCUSDT,Buy,0.5,104000.5,PlusTick,a-1,1,0.5,2,0\n"
        "1750464000.9,BTCUSDT,Sell,0.25,104000,MinusTick,a-2,1,0.25,2,1\n"
    )
    found = held(put(tmp_path, "BTCUSDT2025-06-21.csv.gz", text))
    assert found.trade_ids is TradeIds.OPAQUE
    assert rows(found) == [
        (DAY_US + 123_400, 1_040_005, 50, 1, "a-1", 0),
        (DAY_US + 900_000, 1_040_000, 25, -1, "a-2", int(OrderClass.RPI)),
    ]


def test_bybit_spot_counts_lines_of_its_day(tmp_path: Path) -> None:
    text = "id,timestamp,price,volume,side\n1,1750464000500,83.2,1.5,sell\n"
    found = held(put(tmp_path, "LTCUSDT_2025-06-21.csv.gz", text))
    assert rows(found) == [(DAY_US + 500_000, 832, 15, -1, "1750464000-1", 0)]
    assert found.market.kind is Kind.SPOT


OKX = "BTC-USDT-SWAP,9001,buy,104000.1,3,1750435200000\n"


def test_okx_contracts_and_days_of_utc_plus_8(tmp_path: Path) -> None:
    path = put(tmp_path, "BTC-USDT-SWAP-trades-2025-06-21.zip", "名,号,边,价,量,时\n" + OKX)
    found = held(path, contracts={("okx", "BTC-USDT-SWAP"): Decimal("0.01")})
    assert found.span[0] == DAY_US - 8 * 3_600_000_000
    assert rows(found) == [(DAY_US - 8 * 3_600_000_000, 1_040_001, 3, 1, 9001, 0)]
    assert found.instrument.lot == "0.01"


def test_okx_contracts_of_unknown_size_are_refused(tmp_path: Path) -> None:
    path = put(tmp_path, "BTC-USDT-SWAP-trades-2025-06-21.zip", OKX)
    with pytest.raises(ConfigurationError, match="--contract-size"):
        held(path)
    assert held(path, Asked(contract_size=Decimal("0.1"))).instrument.lot == "0.1"


def test_tardis_names_its_market(tmp_path: Path) -> None:
    text = (
        "exchange,symbol,timestamp,local_timestamp,id,side,price,amount\n"
        "bybit,BTCUSDT,1750464000000001,1750464000100000,x,unknown,104000.5,0.1\n"
    )
    found = held(put(tmp_path, "bybit_trades_2025-06-21_BTCUSDT.csv.gz", text))
    assert (found.market.venue, found.market.kind) == ("bybit", Kind.LINEAR_PERPETUAL)
    assert rows(found) == [(DAY_US + 1, 1_040_005, 1, 0, "x", 0)]


def test_parquet_has_the_same_columns(tmp_path: Path) -> None:
    arrow = pytest.importorskip("pyarrow", reason="Parquet files need pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet", reason="Parquet files need pyarrow")
    table = arrow.table(
        {
            "time": [1750464000000, 1750464000001],
            "price": ["83.29", "83.3"],
            "qty": [0.107, 2.0],
            "side": ["buy", "sell"],
            "trade_id": [5, 6],
        }
    )
    path = tmp_path / "any.parquet"
    parquet.write_table(table, path)
    found = held(path, Asked(venue="binance", kind=Kind.SPOT, symbol="LTCUSDT"))
    assert rows(found) == [(DAY_US, 8329, 107, 1, 5, 0), (DAY_US + 1000, 8330, 2000, -1, 6, 0)]


def test_finer_numbers_later_in_a_file_refine_all(tmp_path: Path) -> None:
    text = "time,price,qty,side,id\n1750464000000,83,1,buy,1\n1750464000001,83.001,0.5,buy,2\n"
    found = held(put(tmp_path, "a.csv", text), Asked(venue="v", kind=Kind.SPOT, symbol="LTCUSDT"))
    assert [row[1:3] for row in rows(found)] == [(83_000, 10), (83_001, 5)]


def test_rows_without_price_are_counted_and_left_out(tmp_path: Path) -> None:
    text = AGGREGATES + "10,0,1,17,17,1750464062000,true\n"
    found = held(put(tmp_path, "BTCUSDT-aggTrades-2025-06-21.csv", text))
    assert (found.trades, found.skipped) == (3, 1)
