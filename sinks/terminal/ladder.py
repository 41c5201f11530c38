"""Draws a `LadderView` as lines of text: pure, for a given width and height.

A column is a bar, a line a price row, highest first. A cell reads `sell x buy`: who hit the bid,
who lifted the offer. The background warms with the volume of the row, a marked number is an
imbalance against the other side one row away, the bracket at the left is the value area, the arrow
at the right the point of control.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from rich.text import Text

from sinks.terminal.captions import footer, header, legend
from sinks.terminal.look import AREA, BUY, HEAT, LAST, ON_HEAT, POC, QUIET, SELL, UNICODE, Look
from sinks.terminal.model import BarView, LadderView, RowView
from sinks.terminal.numbers import Quantities, decimals_of, price_text

LEAST_ROWS = 5
AGREEING = 2
"""How many venues must have an imbalance for it to be shown where the sum has none."""
_MARKS = 7
"""What a cell has beside its two numbers: bracket, two marks, ` x `, arrow."""
_LEAST_CELL = 13
"""Room for `final 10/11` and a time with seconds under every bar."""


@dataclass(frozen=True, slots=True)
class _Grid:
    """Measures of one picture."""

    quantities: Quantities
    digits: int
    cell: int
    label: int
    decimals: int
    step: Decimal
    heaviest: Decimal
    look: Look


def draw(view: LadderView, width: int, height: int, look: Look = UNICODE) -> list[Text]:
    """Return the picture as lines of at most `width` cells, where one bar fits at all.

    As many of the newest bars are shown as fit the width. Where there are more price rows than
    lines, those around the last price are shown and the number of the others is said.
    """
    grid = _measure(view.bars, view.row_size, look)
    bars = _fitting(view.bars, width, grid)
    tables = [{_index(row.price, view.row_size): row for row in bar.rows} for bar in bars]
    top = header(view, look, grid.quantities)
    below = [*footer(bars, view.interval_seconds, grid.quantities, (grid.label, grid.cell), look)]
    below.append(legend(bars, look))
    room = max(LEAST_ROWS, height - len(top) - len(below) - 2)
    indexes = sorted({index for table in tables for index in table}, reverse=True)
    lines = _window(indexes, view, room)
    body = [_line(index, view, list(zip(bars, tables, strict=True)), grid) for index in lines]
    above, under = _hidden(indexes, lines)
    lines_of = [
        *top,
        _notice(above, "above", look),
        *body,
        _notice(under, "below", look),
        *below,
    ]
    return [_clip(line, width, look) for line in lines_of]


def _measure(bars: Sequence[BarView], step: Decimal, look: Look) -> _Grid:
    rows = [row for bar in bars for row in bar.rows]
    sides = [side for row in rows for side in (row.sell, row.buy)]
    quantities = Quantities.fitting(max(sides, default=Decimal(0)))
    digits = max((len(quantities.cell(side, "")) for side in sides), default=1)
    decimals = decimals_of(step)
    prices = [len(price_text(row.price, decimals)) for row in rows]
    sums = [len(quantities.signed(bar.delta)) for bar in bars]
    return _Grid(
        quantities=quantities,
        digits=digits,
        cell=max(2 * digits + _MARKS, _LEAST_CELL, *sums, 0),
        label=max(len(f"{look.delta} max") + 2, *(length + 3 for length in [0, *prices])),
        decimals=decimals,
        step=step,
        heaviest=max((row.total for row in rows), default=Decimal(0)),
        look=look,
    )


def _fitting(bars: Sequence[BarView], width: int, grid: _Grid) -> list[BarView]:
    count = max(1, (width - grid.label) // (grid.cell + 1))
    return list(bars[-count:])


def _index(price: Decimal, step: Decimal) -> int:
    return int(price // step)


def _window(indexes: Sequence[int], view: LadderView, room: int) -> list[int]:
    """Return the rows to show, downwards: all, or `room` of them around the last price."""
    if not indexes:
        return []
    highest, lowest = indexes[0], indexes[-1]
    if highest - lowest >= room:
        last = view.last_price
        centre = (highest + lowest) // 2 if last is None else _index(last, view.row_size)
        highest = min(highest, max(centre + room // 2, lowest + room - 1))
        lowest = highest - room + 1
    return list(range(highest, lowest - 1, -1))


def _hidden(indexes: Sequence[int], lines: Sequence[int]) -> tuple[int, int]:
    if not lines:
        return 0, 0
    return max(0, indexes[0] - lines[0]), max(0, lines[-1] - indexes[-1])


def _notice(count: int, where: str, look: Look) -> Text:
    """Return the line at the edge of the rows: empty, or how many more there are."""
    if not count:
        return Text("")
    rows = "row" if count == 1 else "rows"
    return Text(f"{look.more} {count} more {rows} {where}", style=QUIET)


Columns = Sequence[tuple[BarView, Mapping[int, RowView]]]


def _line(index: int, view: LadderView, columns: Columns, grid: _Grid) -> Text:
    """Return one price row over all bars."""
    last = view.last_price
    is_last = last is not None and _index(last, grid.step) == index
    price = price_text(index * grid.step, grid.decimals)
    label = f"{grid.look.last if is_last else ''} {price}".rjust(grid.label - 1)
    line = Text(no_wrap=True)
    line.append(label, style=LAST if is_last else "")
    line.append(" ")
    reach = max((place for place, (_, table) in enumerate(columns) if index in table), default=-1)
    for bar, table in columns[: reach + 1]:
        line.append_text(_cell(index, bar, table.get(index), grid))
        line.append(" ")
    return line


def _cell(index: int, bar: BarView, row: RowView | None, grid: _Grid) -> Text:
    """Return one row of one bar: bracket, mark, sell x buy, mark, arrow; blank outside the bar."""
    cell = Text()
    if row is None:
        return cell.append(" " * grid.cell)
    look = grid.look
    heat = _heat(row.total, grid.heaviest, look)
    is_poc = bar.poc is not None and _index(bar.poc, grid.step) == index
    numbers = "bold" if is_poc else ""
    cell.append(_bracket(index, bar, grid), style=AREA)
    sold = _mark(row.sell_imbalance, row.sell_agree, (look.sell, look.sell_agreed))
    bought = _mark(row.buy_imbalance, row.buy_agree, (look.buy, look.buy_agreed))
    sell = grid.quantities.cell(row.sell, look.nothing)
    buy = grid.quantities.cell(row.buy, look.nothing).rjust(grid.digits)
    plain = f"{numbers} {heat}".strip()
    cell.append(f"{sold}{sell}".rjust(grid.digits + 1), style=_emphasis(plain, sold, SELL))
    cell.append(f" {look.times} ", style=heat)
    cell.append(f"{buy}{bought or ' '}", style=_emphasis(plain, bought, BUY))
    cell.append(look.poc if is_poc else " ", style=POC)
    padding = grid.cell - cell.cell_len
    return Text(" " * (padding // 2)).append_text(cell).append(" " * (padding - padding // 2))


def _mark(imbalance: bool | None, agreeing: int, signs: tuple[str, str]) -> str:
    """Return the sign of an imbalance: full, or open where venues have it each on their own."""
    if imbalance is None:
        return signs[1] if agreeing >= AGREEING else ""
    return signs[0] if imbalance else ""


def _emphasis(style: str, mark: str, colour: str) -> str:
    """Return the style of a number: bold in its side's colour where it is marked."""
    return f"bold {style.replace(ON_HEAT, '')} {colour}" if mark else style


def _heat(total: Decimal, heaviest: Decimal, look: Look) -> str:
    if not look.heat:
        return ""
    level = int(total * len(HEAT) / heaviest) if heaviest else 0
    return f"{ON_HEAT} on {HEAT[min(level, len(HEAT) - 1)]}"


def _bracket(index: int, bar: BarView, grid: _Grid) -> str:
    """Return the piece of the value area's bracket on this row; `vah` is an upper edge."""
    if bar.val is None or bar.vah is None:
        return " "
    lowest, highest = _index(bar.val, grid.step), _index(bar.vah, grid.step) - 1
    if not lowest <= index <= highest:
        return " "
    if lowest == highest:
        return grid.look.area_only
    if index == highest:
        return grid.look.area_top
    return grid.look.area_bottom if index == lowest else grid.look.area_side


def _clip(line: Text, width: int, look: Look) -> Text:
    """Cut a line that is too long, and show that it was cut."""
    if line.cell_len > width:
        line.truncate(max(0, width - len(look.more)))
        line.append(look.more[:width], style=QUIET)
    return line
