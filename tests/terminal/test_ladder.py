"""The drawn ladder against pictures kept as text in `golden/`.

After a wanted change run `PERPTAPE_WRITE_GOLDEN=1 pytest tests/terminal` and read the diff of
the files with your eyes before you keep it.
"""

import os
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from rich.console import Console

from sinks.terminal.ladder import draw
from sinks.terminal.look import ASCII, HEAT, UNICODE, Look
from sinks.terminal.model import LadderView
from tests.terminal.views import (
    VENUES,
    doge_view,
    market_view,
    troubled_view,
    worked_view,
)

GOLDEN = Path(__file__).parent / "golden"
TIMES = UNICODE.times


def text_of(view: LadderView, width: int, height: int, look: Look = UNICODE) -> str:
    """Draw without colour; spaces at the ends of lines are left out."""
    return "".join(f"{line.plain.rstrip()}\n" for line in draw(view, width, height, look))


@pytest.mark.parametrize(
    ("name", "view", "width", "height", "look"),
    [
        ("worked_bar", worked_view(), 80, 24, UNICODE),
        ("market_wide", market_view(), 120, 50, UNICODE),
        ("market_low", market_view(), 100, 24, UNICODE),
        ("market_narrow", market_view(), 44, 30, UNICODE),
        ("market_ascii", market_view(), 80, 30, ASCII),
        ("troubled", troubled_view(), 100, 30, UNICODE),
        ("doge_venue", doge_view(), 80, 30, UNICODE),
        ("no_bars", replace(worked_view(), bars=()), 80, 30, UNICODE),
    ],
)
def test_ladder_reads_as_its_golden_text(
    name: str, view: LadderView, width: int, height: int, look: Look
) -> None:
    drawn = text_of(view, width, height, look)
    path = GOLDEN / f"{name}.txt"
    if os.environ.get("PERPTAPE_WRITE_GOLDEN"):
        path.write_text(drawn, encoding="utf-8")
    assert drawn == path.read_text(encoding="utf-8")


@pytest.mark.parametrize("width", [1, 5, 12, 20, 24, 40, 79, 80, 81, 200])
@pytest.mark.parametrize("height", [1, 10, 24, 60])
def test_ladder_stays_inside_the_terminal(width: int, height: int) -> None:
    least = 21  # three lines above, ten below, two notices, five rows and one to spare
    for view in (market_view(), worked_view(), troubled_view()):
        lines = draw(view, width, height)
        assert max(line.cell_len for line in lines if line.plain.strip()) <= width
        assert len(lines) <= max(height, least)


def test_ascii_look_has_no_other_characters() -> None:
    for view in (market_view(), troubled_view()):
        assert text_of(view, 120, 20, ASCII).isascii()


def test_hidden_rows_are_counted_and_the_last_price_is_in_sight() -> None:
    view = market_view()
    lines = text_of(view, 300, 30).splitlines()
    above = next(int(line.split()[1]) for line in lines if line.endswith("above"))
    below = [int(line.split()[1]) for line in lines if line.endswith("below")]
    rows = [line for line in lines if TIMES in line and "sell" not in line]
    prices = {row.price for bar in view.bars for row in bar.rows}
    between = (max(prices) - min(prices)) / view.row_size + 1

    shown = [line for line in lines[4:] if line[:9].strip("► ").replace(",", "").isdigit()]
    assert above + sum(below) + len(shown) == between
    assert len(rows) <= len(shown)
    assert sum(line.startswith("►") for line in lines) == 1


def test_without_any_price_the_middle_of_the_rows_is_shown() -> None:
    view = market_view()
    blind = replace(view, bars=tuple(replace(bar, close=None) for bar in view.bars))
    drawn = text_of(blind, 300, 30)
    assert "►" not in drawn
    assert "above" in drawn
    assert "below" in drawn


def test_colours_follow_marks_and_volume() -> None:
    console = Console(width=80, force_terminal=True, color_system="truecolor")
    with console.capture() as capture:
        for line in draw(worked_view(), 80, 30):
            console.print(line)
    drawn = capture.get()

    def rgb(colour: str, kind: int) -> str:
        red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
        return f"{kind};2;{red};{green};{blue}"

    poc_line = next(line for line in drawn.splitlines() if "◄" in line and TIMES in line)
    assert rgb(HEAT[-1], 48) in poc_line
    lightest = next(line for line in drawn.splitlines() if "64,120" in line and TIMES in line)
    assert rgb(HEAT[2], 48) in lightest


def test_coarse_colours_go_without_heat() -> None:
    lines = draw(market_view(), 120, 50, replace(UNICODE, heat=False))
    styles = {str(span.style) for line in lines for span in line.spans}
    assert not any(" on #" in style for style in styles)
    assert {style for style in styles if "bold" in style}


def test_venues_of_one_name_are_told_apart_by_symbol() -> None:
    bar = replace(
        worked_view().bars[0],
        venues_expected=("okx:BTC-USDC-PERP", "okx:BTC-USDT-PERP", VENUES[1]),
        venues_complete=("okx:BTC-USDT-PERP", VENUES[1]),
    )
    line = text_of(replace(worked_view(), bars=(bar,)), 100, 30).splitlines()[2]
    assert line == "venues  okx:BTC-USDC-PERP ✗ missing  okx:BTC-USDT-PERP ✓  bybit ✓"


def test_quantities_take_one_unit_that_fits_the_largest() -> None:
    small = replace(worked_view().bars[0])
    rows = tuple(replace(row, sell=row.sell / 10_000, buy=row.buy / 10_000) for row in small.rows)
    drawn = text_of(replace(worked_view(), bars=(replace(small, rows=rows),)), 80, 30)
    assert f"0.012 {TIMES} 0.060 ◄" in drawn
    large = tuple(replace(row, sell=row.sell * 10**6, buy=row.buy * 10**6) for row in small.rows)
    drawn = text_of(replace(worked_view(), bars=(replace(small, rows=large),)), 80, 30)
    assert f"120 {TIMES} 600 ◄" in drawn
    assert "in million BTC" in drawn


def test_a_true_zero_is_told_from_a_small_quantity() -> None:
    bar = worked_view().bars[0]
    rows = (replace(bar.rows[0], sell=Decimal("0.2"), buy=Decimal(0)), *bar.rows[1:])
    drawn = text_of(replace(worked_view(), bars=(replace(bar, rows=rows),)), 80, 30)
    row = next(line for line in drawn.splitlines() if "64,040" in line)
    assert row.split() == ["64,040", "▼0", TIMES, "·"]
