"""The words around the ladder: who and what above, sums and state below, the key at the bottom."""

from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal

from rich.text import Text

from sinks.terminal.look import BUY, LABEL, LIVE, QUIET, SELL, WARNING, Look
from sinks.terminal.model import BarView, LadderView
from sinks.terminal.numbers import (
    Quantities,
    bar_time,
    exact_text,
    headline,
    interval_text,
    moment,
)

_COVERING = {"live", "quiet"}
Caption = Callable[[BarView], tuple[str, str]]
"""What stands under one bar, and its style."""

_SCOPES = {"perp": "perpetuals, all venues", "spot": "spot, all venues"}


def header(view: LadderView, look: Look, quantities: Quantities) -> list[Text]:
    """Return what is shown, the newest price and cumulative deltas, and the venues behind it."""
    return [_title(view, quantities), _now(view), _venues(view, look)]


def _title(view: LadderView, quantities: Quantities) -> Text:
    name = view.symbol or view.asset
    whose = f"{view.venue}" if view.venue else _SCOPES.get(view.scope, view.scope)
    unit = f"{quantities.word} {view.asset}".strip()
    line = Text(name, style="bold", no_wrap=True)
    line.append(f"  {whose}", style="not bold")
    line.append(
        f"  {interval_text(view.interval_seconds)} bars, rows of {exact_text(view.row_size)},"
        f" in {unit}",
        style=f"not bold {QUIET}",
    )
    return line


def _now(view: LadderView) -> Text:
    line = Text(no_wrap=True)
    last = view.last_price
    if last is not None:
        line.append("last ", style=LABEL).append(exact_text(last), style="bold")
    if view.cvd is not None:
        for word, value in (("CVD day", view.cvd.day), ("1h", view.cvd.hour)):
            line.append(f"   {word} ", style=LABEL)
            unit = "" if value is None else f" {view.asset}"
            line.append(f"{headline(value)}{unit}", style=_sign_style(value))
        line.append(f"   {moment(view.cvd.end_us)}", style=QUIET)
    elif view.bars:
        line.append(f"   bar of {moment(view.bars[-1].bar_start_us)}", style=QUIET)
    return line


def _venues(view: LadderView, look: Look) -> Text:
    """Return the venues: what their feeds do now, else what they gave to the newest final bar."""
    line = Text("venues ", style=LABEL, no_wrap=True)
    names = view.bars[-1].venues_expected if view.bars else ()
    settled = next((bar for bar in reversed(view.bars) if bar.is_final), None)
    short = [name.partition(":")[0] for name in names]
    for name, venue in zip(names, short, strict=True):
        mark, word, style = _standing(name, view, settled, look)
        shown = venue if short.count(venue) == 1 else name
        line.append(f" {shown} {mark} {word}".rstrip() + " ", style=style)
    line.rstrip()
    return line


def _standing(
    name: str, view: LadderView, settled: BarView | None, look: Look
) -> tuple[str, str, str]:
    """Return mark, word and style of one venue."""
    feed = view.feeds.get(name, "")
    if feed and feed not in _COVERING:
        return look.missing, feed.replace("_", " "), WARNING
    if settled is not None and name not in settled.venues_complete:
        if name in settled.venues_partial:
            return look.partial, "partial", WARNING
        return look.missing, "missing", WARNING
    return look.complete, "quiet" if feed == "quiet" else "", ""


def footer(
    bars: Sequence[BarView],
    interval_seconds: int,
    quantities: Quantities,
    widths: tuple[int, int],
    look: Look,
) -> Iterator[Text]:
    """Yield the lines under the bars: a rule, time, delta and its path, volume, state."""

    def signed(bar: BarView, value: Decimal | None) -> str:
        return quantities.signed(None if bar.is_gap else value)

    def plain(bar: BarView, value: Decimal | None) -> str:
        return quantities.plain(None if bar.is_gap else value)

    entries: list[tuple[str, Caption]] = [
        ("", lambda bar: ((look.rule if bar.is_final else look.open_rule) * widths[1], QUIET)),
        ("UTC", lambda bar: (bar_time(bar.bar_start_us, interval_seconds), "")),
        (look.delta, lambda bar: (signed(bar, bar.delta), f"bold {_sign_style(bar.delta)}")),
        (f"{look.delta} max", lambda bar: (signed(bar, bar.delta_max), QUIET)),
        (f"{look.delta} min", lambda bar: (signed(bar, bar.delta_min), QUIET)),
        ("volume", lambda bar: (plain(bar, bar.total), "")),
    ]
    if any(bar.unknown for bar in bars):
        entries.append(("no side", lambda bar: (plain(bar, bar.unknown), QUIET)))
    entries.append(("state", state))
    for name, caption in entries:
        yield _footer_line(name, [caption(bar) for bar in bars], widths)


def _footer_line(name: str, texts: Sequence[tuple[str, str]], widths: tuple[int, int]) -> Text:
    label, cell = widths
    line = Text(name.rjust(label - 1) + " ", style=LABEL, no_wrap=True)
    for text, style in texts:
        line.append(f"{text:>{cell - 2}}".ljust(cell + 1), style=f"default {style}".strip())
    line.rstrip()
    return line


def state(bar: BarView) -> tuple[str, str]:
    """Return how much a bar can be relied on: `live`, `final`, `final 2/3` of its venues, `gap`."""
    if not bar.is_final:
        return "live", LIVE
    if bar.status == "gap":
        return "gap", WARNING
    if bar.status == "complete":
        return "final", QUIET
    return f"final {len(bar.venues_complete)}/{len(bar.venues_expected)}", WARNING


def legend(bars: Sequence[BarView], look: Look) -> Text:
    """Return the key to the marks that these bars can have."""
    line = Text(no_wrap=True, style=QUIET)
    line.append(f"sell {look.times} buy   ")
    if any(row.buy_imbalance is None for bar in bars for row in bar.rows):
        line.append(look.buy_agreed, style=BUY).append(" buy  ")
        line.append(look.sell_agreed, style=SELL).append(" sell imbalance at 2+ venues   ")
    else:
        line.append(look.buy, style=BUY).append(" buy  ")
        line.append(look.sell, style=SELL).append(" sell imbalance   ")
    line.append(f"{look.poc} POC   ")
    line.append(f"{look.area_top}{look.area_side}{look.area_bottom} value area")
    return line


def _sign_style(value: Decimal | None) -> str:
    if not value:
        return ""
    return BUY if value > 0 else SELL
