"""The same numbers again from the raw trades, in the plainest way: sorting, sums, fractions."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from fractions import Fraction
from itertools import accumulate
from typing import NamedTuple

from schemas.footprints import FootprintBar
from schemas.market import Kind, Scope
from schemas.trades import TradeBatch
from tests.processors.builders import SECOND, UNITS

TICK, LOT = Fraction(UNITS.tick), Fraction(UNITS.lot)
EXCLUDED = {3: "adl", 4: "insurance", 5: "block"}


class Fact(NamedTuple):
    """A trade in ticks and lots of the asset; `arrived_us` is log time when it came."""

    time_us: int
    member: str
    rank: int
    price: int
    qty: int
    side: int
    order_class: int
    scope: Scope
    arrived_us: int


def facts(batches: Iterable[TradeBatch]) -> list[Fact]:
    """Return every trade once, in tape order, those of excluded classes included."""
    found = []
    seen = set()
    now_us = 0
    for batch in batches:
        now_us = max(now_us, batch.receive_time_us)
        member = f"{batch.venue}:{batch.symbol}"
        scope = Scope.SPOT if batch.kind is Kind.SPOT else Scope.PERP
        for index, (time_us, ticks, lots, side, trade_id, flags) in enumerate(batch.rows):
            if (member, trade_id) in seen:
                continue
            seen.add((member, trade_id))
            rank = trade_id if isinstance(trade_id, int) else batch.sequence * 2**20 + index
            found.append(
                Fact(
                    time_us,
                    member,
                    rank,
                    whole(ticks * Fraction(batch.tick) / TICK),
                    whole(lots * Fraction(batch.lot) / LOT),
                    side,
                    flags & 15,
                    scope,
                    now_us,
                )
            )
    return sorted(found)


def of_bar(trades: Sequence[Fact], bar: FootprintBar) -> list[Fact]:
    """Return the trades that a bar must be made of, excluded classes included."""
    return [
        trade
        for trade in trades
        if bar.bar_start_us <= trade.time_us < bar.bar_end_us
        and (
            trade.member == f"{bar.venue}:{bar.symbol}"
            if bar.scope is Scope.VENUE
            else trade.scope is bar.scope
        )
    ]


def whole(value: Fraction) -> int:
    """Return a fraction that is an integer."""
    assert value.denominator == 1
    return value.numerator


def usd_cents(trades: Iterable[Fact], side: int = 0) -> int:
    """Return the worth of trades (signed where no side is asked for), half to even."""
    worth = sum(t.price * t.qty * (1 if side else t.side) for t in trades)
    return round(worth * TICK * LOT * 100)


def expected(bar: FootprintBar, trades: Sequence[Fact], path: bool) -> dict[str, object]:
    """Return the fields that a bar must have, given all its trades in tape order."""
    excluded: dict[str, int] = defaultdict(int)
    for trade in trades:
        if trade.order_class in EXCLUDED:
            excluded[EXCLUDED[trade.order_class]] += trade.qty
    trades = [trade for trade in trades if trade.order_class not in EXCLUDED]
    prices = [trade.price for trade in trades]
    total = sum(trade.qty for trade in trades)
    fields: dict[str, object] = {
        "excluded_lots": dict(excluded),
        "open_ticks": prices[0] if prices else None,
        "high_ticks": max(prices, default=None),
        "low_ticks": min(prices, default=None),
        "close_ticks": prices[-1] if prices else None,
        "vwap": float(sum(t.price * t.qty for t in trades) * TICK / total) if trades else None,
        "delta_lots": sum(trade.qty * trade.side for trade in trades),
        "rows": rows(trades, whole(Fraction(bar.row_size) / TICK)),
    }
    for name, side in (("buy", 1), ("sell", -1), ("unknown", 0)):
        mine = [trade for trade in trades if trade.side == side]
        fields[f"{name}_lots"] = sum(trade.qty for trade in mine)
        fields[f"trades_{name}"] = len(mine)
        if side:
            fields[f"{name}_usd_cents"] = usd_cents(mine, side)
    return fields | (_path(trades) if path else {})


def rows(trades: Sequence[Fact], size: int) -> list[list[int]]:
    """Return `[row, sell, buy, unknown, trades sell, trades buy, usd sell, usd buy]`, dense."""
    cells: dict[tuple[int, int], list[Fact]] = defaultdict(list)
    for trade in trades:
        cells[trade.price // size, trade.side].append(trade)
    numbers = [number for number, _ in cells]
    return [
        [
            number * size,
            *(sum(trade.qty for trade in cells[number, side]) for side in (-1, 1, 0)),
            *(len(cells[number, side]) for side in (-1, 1)),
            *(usd_cents(cells[number, side], side) for side in (-1, 1)),
        ]
        for number in (range(min(numbers), max(numbers) + 1) if numbers else ())
    ]


def _path(trades: Sequence[Fact]) -> dict[str, object]:
    names = ("min", "max", "since_high", "since_low")
    if not trades:
        return {f"delta_{name}_lots": None for name in names}
    signed = [trade.qty * trade.side for trade in trades]
    totals = list(accumulate(signed, initial=0))
    prices = [trade.price for trade in trades]
    high, low = max(prices), min(prices)
    last_high = max(i for i, price in enumerate(prices) if price == high)
    last_low = max(i for i, price in enumerate(prices) if price == low)
    values = (min(totals), max(totals), sum(signed[last_high + 1 :]), sum(signed[last_low + 1 :]))
    return {f"delta_{name}_lots": value for name, value in zip(names, values, strict=True)}


def check_bar(bar: FootprintBar, trades: Sequence[Fact], *, path: bool) -> None:
    """Assert that a final record says what its trades say."""
    wanted = expected(bar, of_bar(trades, bar), path)
    got = {name: getattr(bar, name) for name in wanted}
    got["rows"] = [
        [
            row.row_ticks,
            row.sell_lots,
            row.buy_lots,
            row.unknown_lots,
            row.trades_sell,
            row.trades_buy,
            row.sell_usd_cents,
            row.buy_usd_cents,
        ]
        for row in bar.rows
    ]
    assert got == wanted


def cumulative(
    trades: Sequence[Fact], members: set[str], from_us: int, to_us: int
) -> list[int] | None:
    """Return `[delta, delta usd, volume, volume usd]` of a window; None without members."""
    if not members:
        return None
    mine = [
        t
        for t in trades
        if t.member in members
        and from_us <= t.time_us < to_us
        and t.side
        and t.order_class not in EXCLUDED
    ]
    return [
        sum(t.qty * t.side for t in mine),
        usd_cents(mine),
        sum(t.qty for t in mine),
        usd_cents(mine, 1),
    ]


def covered(batches: Sequence[TradeBatch]) -> dict[str, list[tuple[int, int]]]:
    """Return, per member, the pieces of venue time between neighbouring batches that were there."""
    by_place = {(f"{b.venue}:{b.symbol}", b.session, b.sequence): b for b in batches}
    pieces: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for (member, session, sequence), batch in by_place.items():
        later = by_place.get((member, session, sequence + 1))
        if later is not None and batch.feed_state in {"live", "quiet"}:
            pieces[member].append((batch.watermark_us, later.watermark_us))
    return pieces


def covered_us(pieces: Iterable[tuple[int, int]], start_us: int, end_us: int) -> int:
    """Return how much of a window disjoint pieces cover."""
    return sum(max(0, min(end, end_us) - max(start, start_us)) for start, end in pieces)


def whole_seconds(pieces: Iterable[tuple[int, int]]) -> set[int]:
    """Return the seconds that disjoint pieces cover wholly."""
    found: dict[int, int] = defaultdict(int)
    for start, end in pieces:
        for second in range(start // SECOND, end // SECOND + 1):
            found[second] += covered_us([(start, end)], second * SECOND, (second + 1) * SECOND)
    return {second for second, covered in found.items() if covered == SECOND}
