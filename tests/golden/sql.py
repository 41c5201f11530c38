"""Footprints, CVD, imbalance and order flow once more, in plain SQL over trades and books.

Written from definitions 5.2, 5.3, 5.5, 5.6 and 8 alone; sums are 128 bit integers. The engine of
the tables is asked in a process of its own, because it admits one at a time.
"""

import json
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from processors.units import AssetUnits
from schemas.books import BookBatch
from schemas.market import Kind
from schemas.trades import BatchHeader, TradeBatch
from schemas.units import steps_in

Json = dict[str, Any]
Levels = "Array(Tuple(Int64, Int64))"
TABLES = {
    "fills": "member String, scope String, us Int64, price Int64, qty Int64, side Int8,"
    " class UInt8, id String, rank Int64, at Int64",
    "books": "member String, us Int64, at Int64, valid UInt8, epoch String,"
    f" bids {Levels}, asks {Levels}, tick Int64, lot Int64",
    "tops": "member String, us Int64, at Int64, number Int64, epoch String,"
    " bid Int64, bid_qty Int64, ask Int64, ask_qty Int64, lot Int64",
}
SCRIPT = """
import sys, json, chdb
folder, tables, queries = json.load(sys.stdin)
for name, columns in tables.items():
    source = f"file('{folder}/{name}.jsonl', JSONEachRow, '{columns}')"
    queries = {key: sql.replace('{' + name + '}', source) for key, sql in queries.items()}
print(json.dumps({key: str(chdb.query(sql, 'JSONEachRow')) for key, sql in queries.items()}))
"""


def ask(folder: Path, batches: Iterable[BatchHeader], units: AssetUnits, **sql: str) -> Any:
    """Return the rows of each query over the trades and books of batches."""
    tables: dict[str, list[Json]] = {name: [] for name in TABLES}
    for at, batch in enumerate(batches):
        if isinstance(batch, TradeBatch):
            tables["fills"] += _fills(batch, at, units)
        elif isinstance(batch, BookBatch):
            _book(batch, at, units, tables)
    for name, rows in tables.items():
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (folder / f"{name}.jsonl").write_text(text, encoding="utf-8")
    given = json.dumps([str(folder), TABLES, sql])
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], input=given, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    answers = json.loads(done.stdout)
    return {name: [json.loads(row) for row in answers[name].splitlines()] for name in sql}


def _fills(batch: TradeBatch, at: int, units: AssetUnits) -> list[Json]:
    tick, lot = steps_in(batch.tick, units.tick), steps_in(batch.lot, units.lot)
    return [
        {
            "member": f"{batch.venue}:{batch.symbol}",
            "scope": "spot" if batch.kind is Kind.SPOT else "perp",
            "us": us,
            "price": price * tick,
            "qty": qty * lot,
            "side": side,
            "class": flags & 15,
            "id": str(name),
            "rank": name if isinstance(name, int) else batch.sequence * 2**20 + place,
            "at": at,
        }
        for place, (us, price, qty, side, name, flags) in enumerate(batch.rows)
    ]


def _book(batch: BookBatch, at: int, units: AssetUnits, tables: Mapping[str, list[Json]]) -> None:
    lot = steps_in(batch.lot, units.lot)
    us = batch.event_time_us or batch.receive_time_us
    common = {"member": f"{batch.venue}:{batch.symbol}", "us": us, "at": at, "lot": lot}
    tables["books"].append(
        common
        | {
            "valid": int(batch.book_valid),
            "epoch": f"{batch.session}/{batch.book_epoch}",
            "bids": batch.bids,
            "asks": batch.asks,
            "tick": steps_in(batch.tick, units.tick),
        }
    )
    for number, (_, bid, bid_qty, ask_price, ask_qty) in enumerate(batch.tops):
        tables["tops"].append(
            common
            | {"number": number, "epoch": f"{batch.session}/{batch.top_epoch}"}
            | {"bid": bid, "bid_qty": bid_qty, "ask": ask_price, "ask_qty": ask_qty}
        )


def cents(units: AssetUnits, amount: str) -> str:
    """Return SQL that rounds ticks times lots to cents, half to even."""
    one = units.notional_per_cent
    whole, rest = f"intDiv(abs({amount}), {one})", f"(2 * (abs({amount}) % {one}))"
    up = f"({rest} > {one} OR ({rest} = {one} AND {whole} % 2 = 1))"
    return f"toInt64(sign({amount}) * ({whole} + {up}))"


TAPE = """
WITH tape AS (
    SELECT who, member, us, price, qty, side, rank, toInt128(price) * qty AS worth
    FROM (SELECT * FROM {fills} ORDER BY at LIMIT 1 BY member, id) ARRAY JOIN [member, scope] AS who
    WHERE class NOT IN (3, 4, 5)
)
"""
"""Every trade once, for its instrument and for all perpetuals or all spot, in tape order."""


def bars(units: AssetUnits, seconds: int) -> str:
    """Return SQL for the bars of every scope (5.2); `path` is the running delta of the bar."""
    return f"""{TAPE}, walked AS (
        SELECT *, intDiv(us, {seconds} * 1000000) AS bar, row_number() OVER tape_order AS n,
               sum(toInt64(side) * qty) OVER tape_order AS path
        FROM tape
        WINDOW tape_order AS (PARTITION BY who, intDiv(us, {seconds} * 1000000)
                              ORDER BY us, member, rank)
    )
    SELECT who, bar, argMin(price, n) AS open_ticks, max(price) AS high_ticks,
        min(price) AS low_ticks, argMax(price, n) AS close_ticks,
        sum(toInt64(side) * qty) AS delta_lots,
        least(0, min(path)) AS delta_min_lots, greatest(0, max(path)) AS delta_max_lots,
        delta_lots - argMax(path, (price, n)) AS delta_since_high_lots,
        delta_lots - argMax(path, (-price, n)) AS delta_since_low_lots,
        sumIf(qty, side = 1) AS buy_lots, sumIf(qty, side = -1) AS sell_lots,
        sumIf(qty, side = 0) AS unknown_lots, countIf(side = 1) AS trades_buy,
        countIf(side = -1) AS trades_sell, countIf(side = 0) AS trades_unknown,
        {cents(units, "sumIf(worth, side = 1)")} AS buy_usd_cents,
        {cents(units, "sumIf(worth, side = -1)")} AS sell_usd_cents,
        toFloat64(sum(worth)) / toFloat64(sum(qty)) * {units.tick} AS vwap
    FROM walked GROUP BY who, bar ORDER BY ALL"""


def rows(units: AssetUnits, seconds: int, factor: int) -> str:
    """Return SQL for the traded rows of every bar, and what is flagged (5.2, 5.3).

    Flags are tests of a row against the one below or above, ratio 3 and inclusive; the lowest row
    has no buy test, the highest no sell test.
    """
    size = units.row_ticks * factor
    return f"""{TAPE}, cells AS (
        SELECT who, intDiv(us, {seconds} * 1000000) AS bar, intDiv(price, {size}) * {size} AS row,
            sumIf(qty, side = -1) AS sell, sumIf(qty, side = 1) AS buy,
            sumIf(qty, side = 0) AS unknown, countIf(side = -1) AS sells, countIf(side = 1) AS buys,
            {cents(units, "sumIf(worth, side = -1)")} AS sell_cents,
            {cents(units, "sumIf(worth, side = 1)")} AS buy_cents,
            toInt256(sum(worth)) AS product, toInt256(sum(qty)) AS quantity
        FROM tape GROUP BY who, bar, row
    ), near AS (
        SELECT *, min(row) OVER bar_rows AS low, max(row) OVER bar_rows AS high,
            sum(sell) OVER (PARTITION BY who, bar ORDER BY row
                            RANGE BETWEEN {size} PRECEDING AND {size} PRECEDING) AS under,
            sum(buy) OVER (PARTITION BY who, bar ORDER BY row
                           RANGE BETWEEN {size} FOLLOWING AND {size} FOLLOWING) AS over,
            abs((2 * row + {size}) * sum(quantity) OVER bar_rows
                - 2 * sum(product) OVER bar_rows) AS away
        FROM cells WINDOW bar_rows AS (PARTITION BY who, bar)
    )
    SELECT who, bar, row, sell, buy, unknown, sells, buys, sell_cents, buy_cents,
        (row > low AND under > 0 AND buy > 0 AND buy >= 3 * under) * 1
        + (row < high AND over > 0 AND sell > 0 AND sell >= 3 * over) * 2
        + (row > low AND under = 0 AND buy > 0) * 4 + (row < high AND over = 0 AND sell > 0) * 8
        + (sell > 0 AND buy > 0 AND buy >= 3 * sell) * 16
        + (buy > 0 AND sell > 0 AND sell >= 3 * buy) * 32 AS marks,
        row = argMax(row, (quantity, -away, -row)) OVER (PARTITION BY who, bar) AS is_poc
    FROM near ORDER BY ALL"""


def cvd(units: AssetUnits, windows: Sequence[int]) -> str:
    """Return SQL for the cumulative sums of every second and scope (5.5)."""
    found = []
    over = {
        "step": "RANGE BETWEEN CURRENT ROW AND CURRENT ROW",
        "anchored": "RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW",
        "day": "RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW",
    } | {f"w{w}": f"RANGE BETWEEN {w - 1} PRECEDING AND CURRENT ROW" for w in windows}
    for name, frame in over.items():
        day = ", intDiv(second, 86400)" if name == "day" else ""
        window = f"OVER (PARTITION BY who{day} ORDER BY second {frame})"
        sums = [f"sum({column}) {window}" for column in ("delta", "signed", "volume", "gross")]
        sums[1], sums[3] = cents(units, sums[1]), cents(units, sums[3])
        found.append(f"[{', '.join(f'toInt64({one})' for one in sums)}] AS {name}")
    return f"""{TAPE}, sums AS (
        SELECT who, toInt64(intDiv(us, 1000000)) AS second,
            toInt128(sum(toInt64(side) * qty)) AS delta, toInt128(sum(side * worth)) AS signed,
            toInt128(sumIf(qty, side != 0)) AS volume, toInt128(sumIf(worth, side != 0)) AS gross
        FROM tape GROUP BY who, second
        UNION ALL
        SELECT who, toInt64(arrayJoin(range(toUInt64(first), toUInt64(last) + 61))) AS second,
            toInt128(0), toInt128(0), toInt128(0), toInt128(0)
        FROM (SELECT groupUniqArray(who) AS names, min(intDiv(us, 1000000)) AS first,
                     max(intDiv(us, 1000000)) AS last FROM tape)
        ARRAY JOIN names AS who
    )
    SELECT DISTINCT who, second, {", ".join(found)} FROM sums ORDER BY who, second"""


def books(counts: Sequence[int], widths_bp: Sequence[int], decay_bp: int = 10) -> str:
    """Return SQL for the book that stood at the end of every second in which one came (5.6)."""
    parts = []
    for side in ("bids", "asks"):
        top = [f"arraySum(arraySlice({side}.2, 1, {count})) * lot" for count in counts]
        parts.append(f"[{', '.join(top)}] AS top_{side}")
        sign, best = ("1", "bids[1].1") if side == "bids" else ("-1", "asks[1].1")
        inside = [
            f"arraySum(level -> if({sign} * level.1 * 10000 >= {sign} * {best} * (10000 - {sign}"
            f" * {width}), level.2, 0), {side}) * lot"
            for width in widths_bp
        ]
        parts.append(f"[{', '.join(inside)}] AS best_{side}")
        parts.append(
            f"arraySum(level -> level.2 * exp(-abs(level.1 - mid) / mid * 10000 / {decay_bp}),"
            f" {side}) AS weighted_{side}"
        )
    return f"""
    SELECT member, intDiv(us, 1000000) AS second, (bids[1].1 + asks[1].1) / 2 AS mid,
        [bids[1].1 * tick, bids[1].2 * lot, asks[1].1 * tick, asks[1].2 * lot] AS best,
        tick * (asks[1].2 * bids[1].1 + bids[1].2 * asks[1].1)
            / (bids[1].2 + asks[1].2) AS weighted_mid, {", ".join(parts)}
    FROM (SELECT * FROM {{books}} ORDER BY us DESC, at DESC
          LIMIT 1 BY member, intDiv(us, 1000000)) WHERE valid
    ORDER BY member, second"""


FLOW = """
SELECT member, intDiv(us, 1000000) AS second, sum(e) * any(lot) AS ofi, min(known) AS known FROM (
    SELECT member, us, lot, lagInFrame(epoch) OVER w = epoch AS known,
        bid_qty * (bid >= lagInFrame(bid) OVER w)
        - lagInFrame(bid_qty) OVER w * (bid <= lagInFrame(bid) OVER w)
        - ask_qty * (ask <= lagInFrame(ask) OVER w)
        + lagInFrame(ask_qty) OVER w * (ask >= lagInFrame(ask) OVER w) AS e
    FROM {tops}
    WINDOW w AS (PARTITION BY member ORDER BY us, at, number
                 ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)
) GROUP BY member, second ORDER BY member, second
"""
"""Order flow of the best prices (8) by the second of the book record that brings a change."""


def rank_flow(ranks: int) -> str:
    """Return SQL for order flow by rank (8) from successive books, by second."""

    def side(name: str, sign: str) -> str:
        pad = 0 if name == "bids" else 2**62
        now, was = (
            f"arrayResize({one}, {ranks}, (toInt64({pad}), toInt64(0)))"
            for one in (name, f"lagInFrame({name}) OVER w")
        )
        return (
            f"arrayMap((x, y) -> x.2 * ({sign} * x.1 >= {sign} * y.1)"
            f" - y.2 * ({sign} * x.1 <= {sign} * y.1), {now}, {was})"
        )

    return f"""
    SELECT member, intDiv(us, 1000000) AS second, sumForEach(e) AS flow, any(lot) AS lot FROM (
        SELECT member, us, lot, arrayMap((b, a) -> b - a, {side("bids", "1")}, {side("asks", "-1")})
            AS e
        FROM {{books}}
        WINDOW w AS (PARTITION BY member ORDER BY us, at ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)
    ) GROUP BY member, second ORDER BY member, second"""


def taker(units: AssetUnits, window: int) -> str:
    """Return SQL for each second's signed trades, and the taker volume up to its end (5.6)."""
    frame = (
        f"(PARTITION BY who ORDER BY second RANGE BETWEEN {window - 1} PRECEDING AND CURRENT ROW)"
    )
    return f"""{TAPE} SELECT who, second, tfi, {cents(units, f"sum(gross) OVER {frame}")} AS flow
    FROM (SELECT who, intDiv(us, 1000000) AS second, sum(toInt64(side) * qty) AS tfi,
                 sumIf(worth, side != 0) AS gross FROM tape GROUP BY who, second)
    ORDER BY who, second"""
