"""Trades to columns: long and short records in one block give the bytes of row by row."""

from collections.abc import Sequence

import msgspec
import pytest

from schemas.trades import TradeRow
from sinks.clickhouse.native import Column, column
from sinks.clickhouse.rows import Source
from sinks.clickhouse.rows_trades import TradesTable, trade_pieces
from tests.sinks.clickhouse.records import batch, trade

LONG = [trade(n, trade_id=10**9 + n) for n in range(40)]
MIXED = [trade(n, trade_id=n if n % 3 else f"ü{n}") for n in range(40)]
SHORT = [trade(1, trade_id="f" * 200)]


def encoded(*records: Sequence[TradeRow]) -> dict[str, Column]:
    pieces = [
        piece
        for offset, rows in enumerate(records)
        for piece in trade_pieces(
            msgspec.json.encode(batch("TRADECOLUMNS", rows)), Source(1, 3, offset)
        )
    ]
    return {made.name: made for made in TradesTable().encode(pieces)}


@pytest.mark.parametrize("records", [[LONG], [SHORT], [LONG, MIXED, SHORT], [SHORT] * 3])
def test_columns_are_those_of_each_value_for_itself(records: list[list[TradeRow]]) -> None:
    made = encoded(*records)

    rows = [row for record in records for row in record]
    for place, name in ((0, "event_time"), (1, "price_ticks"), (2, "qty_lots"), (3, "side")):
        assert made[name] == column(name, made[name].type, [row[place] for row in rows])
    assert made["trade_id"] == column("trade_id", "String", [str(row[4]) for row in rows])
    offsets = [offset for offset, record in enumerate(records) for _ in record]
    assert made["log_offset"] == column("log_offset", "Int64", offsets)
    assert made["log_partition"] == column("log_partition", "UInt32", [3] * len(rows))
