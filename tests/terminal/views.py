"""Pictures to draw: the worked bar of definitions 5.4 and a lively market."""

import random
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal

from processors.measures.imbalance import marks
from processors.measures.poc import poc
from processors.measures.rows import Ladder, dense
from processors.measures.value_area import describe, value_area
from schemas.footprints import Mark
from sinks.terminal.model import BarView, CvdView, LadderView, RowView

START_US = 1_785_585_600_000_000
"""2026-08-01 12:00:00 UTC."""
MINUTE_US = 60_000_000
VENUES = ("binance:BTC-USDT-PERP", "bybit:BTC-USDT-PERP", "okx:BTC-USDT-PERP")


def bar_of(
    start_us: int,
    rows: Mapping[int, tuple[int, int]],
    *,
    row: str = "20",
    lot: str = "1",
    close: str | None = None,
    path: tuple[int, int] | None = (-765, 317),
    is_final: bool = True,
    complete: tuple[str, ...] = VENUES,
    partial: tuple[str, ...] = (),
) -> BarView:
    """Measure a bar as the processors do; rows by number of the row, quantities in lots."""
    ladder = dense({index: [sell, buy, 0] for index, (sell, buy) in rows.items()}, 1)
    size, quantum = Decimal(row), Decimal(lot)
    peak = poc(ladder)
    area = value_area(ladder, peak)
    edges = describe(ladder, area) if area else None
    last = Decimal(close) if close else None
    return BarView(
        bar_start_us=start_us,
        is_final=is_final,
        close=last,
        sell=ladder.sell_total * quantum,
        buy=ladder.buy_total * quantum,
        unknown=Decimal(0),
        delta=ladder.delta * quantum,
        delta_min=path[0] * quantum if path else None,
        delta_max=path[1] * quantum if path else None,
        poc=None if peak is None else ladder.row(peak) * size,
        vah=edges.vah_ticks * size if edges else None,
        val=edges.val_ticks * size if edges else None,
        status="complete" if complete == VENUES else "partial",
        venues_expected=VENUES,
        venues_complete=complete,
        venues_partial=partial,
        rows=tuple(_rows(ladder, size, quantum)),
    )


def _rows(ladder: Ladder, size: Decimal, quantum: Decimal) -> list[RowView]:
    found = marks(ladder)
    return [
        RowView(
            price=ladder.row(i) * size,
            sell=ladder.sell[i] * quantum,
            buy=ladder.buy[i] * quantum,
            buy_imbalance=bool(found[i] & Mark.BUY_IMBALANCE),
            sell_imbalance=bool(found[i] & Mark.SELL_IMBALANCE),
        )
        for i in range(ladder.size)
    ]


WORKED = {3202: (380, 60), 3203: (540, 95), 3204: (120, 600), 3205: (30, 410), 3206: (18, 240)}
"""The worked bar by number of its row of 20."""


def worked_view() -> LadderView:
    """One final bar."""
    return LadderView(
        asset="BTC",
        scope="perp",
        venue="",
        symbol="",
        interval_seconds=60,
        row_size=Decimal(20),
        bars=(bar_of(START_US, WORKED, close="64121.5"),),
        cvd=CvdView(START_US + MINUTE_US, Decimal("1204.5"), Decimal("-96.25")),
    )


def market_view(bars: int = 12, seed: int = 7, spread: int = 4) -> LadderView:
    """A random walk of minute bars, the newest still open; seeded, so the same every time."""
    chance = random.Random(seed)
    price = 6406.0
    views = []
    for number in range(bars):
        rows: dict[int, list[int]] = {}
        running, low, high = 0, 0, 0
        drift = chance.choice((-0.03, 0.0, 0.03)) * spread / 4
        is_open = number == bars - 1
        for _ in range(60 if is_open else 160):
            price += chance.gauss(drift, 0.12 * spread)
            lots = int(chance.paretovariate(1.3) * 90)
            buying = chance.random() < 0.5 + drift * 4
            cell = rows.setdefault(int(price), [0, 0])
            cell[buying] += lots
            running += lots if buying else -lots
            low, high = min(low, running), max(high, running)
        late = number == 3
        views.append(
            bar_of(
                START_US + number * MINUTE_US,
                {row: (cell[0], cell[1]) for row, cell in rows.items()},
                row="10",
                lot="0.001",
                close=f"{price * 10:.1f}",
                path=(low, high),
                is_final=not is_open,
                complete=VENUES[:2] if late else VENUES,
                partial=VENUES[2:] if late else (),
            )
        )
    return LadderView(
        asset="BTC",
        scope="perp",
        venue="",
        symbol="",
        interval_seconds=60,
        row_size=Decimal(10),
        bars=tuple(views),
        cvd=CvdView(
            START_US + bars * MINUTE_US - 37_000_000, Decimal("1843.72"), Decimal("-212.9")
        ),
    )


def troubled_view() -> LadderView:
    """A gap, two of three venues, unknown sides, imbalances at venues alone; one feed is stale."""
    gap = replace(bar_of(START_US, {}, path=(0, 0), complete=()), status="gap", venues_partial=())
    partial = bar_of(
        START_US + MINUTE_US, WORKED, close="64121", complete=VENUES[:2], partial=VENUES[2:]
    )
    sideless = bar_of(START_US + 2 * MINUTE_US, {3204: (7, 0), 3205: (0, 9)}, path=None)
    rows = tuple(replace(row, unknown=Decimal(3)) for row in sideless.rows)
    sideless = replace(sideless, rows=rows, unknown=Decimal(6))
    fine = bar_of(START_US + 3 * MINUTE_US, WORKED, close="64099.5", is_final=False)
    rows = tuple(
        replace(
            row,
            buy_imbalance=None,
            sell_imbalance=None,
            buy_agree=2 if row.buy_imbalance else 1,
            sell_agree=3 if row.sell_imbalance else 0,
        )
        for row in fine.rows
    )
    return replace(
        worked_view(),
        bars=(gap, partial, sideless, replace(fine, rows=rows)),
        cvd=CvdView(START_US + 4 * MINUTE_US, Decimal("12043.5"), None),
        feeds={VENUES[0]: "live", VENUES[1]: "quiet", VENUES[2]: "stale"},
    )


def doge_view() -> LadderView:
    """One instrument of a coin that is cheap and trades in millions."""
    rows = {2203: (1_204_000, 41_000), 2204: (87_000, 912_400), 2205: (0, 4_310_000)}
    bar = bar_of(START_US, rows, row="0.0001", close="0.220553", path=(-1_163_000, 3_972_400))
    return LadderView(
        asset="DOGE",
        scope="venue",
        venue="bybit",
        symbol="DOGE-USDT-PERP",
        interval_seconds=15,
        row_size=Decimal("0.0001"),
        bars=(replace(bar, venues_expected=VENUES[1:2]),),
    )
