"""What the toolkit says of the recordings, in figures.

python -m tests.golden.figures
"""

import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from statistics import median

from schemas.bars import TradeBar
from schemas.cascades import Cascade
from schemas.context import MarketContext
from schemas.cvd_structure import CvdStructure
from schemas.events import FlowEvent
from schemas.imbalance import ImbalanceStep
from schemas.liquidation_flow import LiquidationFlow
from schemas.profiles import ProfileWindow, VolumeProfile
from tests.golden.played import Worked
from tests.golden.toolkit_runs import runs


def figures(run: Worked) -> Iterator[str]:
    """Yield lines that sum up what operators over seconds have sent."""
    yield from _counted("events", (_event(one) for one in run.of(FlowEvent)))
    yield from _counted("cascades", (_cascade(one) for one in run.of(Cascade)))
    yield from _counted("bars", (_bar(one) for one in run.of(TradeBar)))
    yield from _profiles(run)
    yield from _books(run)
    yield from _convictions(run)
    yield from _context(run)
    yield from _liquidations(run)


def _counted(name: str, words: Iterable[str]) -> Iterator[str]:
    for word, count in sorted(Counter(words).items()):
        if word:
            yield f"{name:<12}{word:<52}{count:>7,}"


def _event(one: object) -> str:
    assert isinstance(one, FlowEvent)
    scope = f"{one.venue}:{one.symbol}" if one.venue else one.scope.value
    return f"{one.kind.value} {one.form} {one.state.value}, {scope}"


def _cascade(one: object) -> str:
    assert isinstance(one, Cascade)
    return f"{one.liquidated_side.name.lower()} {one.state.value} ({one.reason})"


def _bar(one: object) -> str:
    assert isinstance(one, TradeBar)
    place = f"{one.venue}:{one.symbol}" if one.venue else one.scope.value
    return f"{one.rule.value} {one.threshold}, {place}" if one.is_final else ""


def _profiles(run: Worked) -> Iterator[str]:
    newest: dict[tuple[str, ...], VolumeProfile] = {}
    for one in run.of(VolumeProfile):
        assert isinstance(one, VolumeProfile)
        if one.trades and one.window is ProfileWindow.ROLLING_24H:
            newest[one.window.value, one.scope.value, one.venue, one.symbol] = one
    for place, one in sorted(newest.items()):
        area, tick, lot = one.value_area, float(one.tick), float(one.lot)
        if area is None or one.poc_ticks is None or one.vwap is None:
            continue
        volume = (one.buy_lots + one.sell_lots + one.unknown_lots) * lot
        yield (
            f"profile     {' '.join(place):<46} {volume:,.3f} in {one.trades:,} trades, VWAP "
            f"{one.vwap:,.2f}, POC {one.poc_ticks * tick:,.2f}, value area "
            f"{area.val_ticks * tick:,.2f} to {area.vah_ticks * tick:,.2f}, "
            f"{len(one.high_nodes)} high and {len(one.low_nodes)} low nodes"
        )


def _books(run: Worked) -> Iterator[str]:
    found: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for step in run.of(ImbalanceStep):
        assert isinstance(step, ImbalanceStep)
        for one in step.instruments if step.step_start_us < run.until_us else ():
            values = found[f"{one.venue}:{one.symbol}"]
            if one.best_bid_ticks is None or one.best_ask_ticks is None or one.mid_ticks is None:
                values["without a book"].append(1)
                continue
            values["spread bp"].append(
                (one.best_ask_ticks - one.best_bid_ticks) / one.mid_ticks * 10_000
            )
            shown = [
                (f"OBI top {top.levels}", top.obi) for top in one.tops if top.levels in (1, 10)
            ]
            shown += [(f"OBI {band.half_width_bp} bp", band.obi) for band in one.bands]
            shown += [("OBI weighted", one.weighted_obi), ("OFI over depth", one.ofi_normalised)]
            for name, value in shown:
                if value is not None:
                    values[name].append(value)
    for place, values in sorted(found.items()):
        for name, of in values.items():
            reach = f"{min(of):+.3f} to {max(of):+.3f}, n {len(of)}"
            yield f"book        {place:<32}{name:<16}median {median(of):+.3f}, {reach}"


def _convictions(run: Worked) -> Iterator[str]:
    minutes: dict[str, list[str]] = defaultdict(list)
    states: Counter[str] = Counter()
    for one in run.of(CvdStructure):
        assert isinstance(one, CvdStructure)
        for each in one.convictions:
            state = each.state.value if each.state else f"null ({each.null_reasons['state']})"
            states[f"{each.quote} over {each.window_seconds} s: {state}"] += 1
        for series in one.series:
            if not series.venue and series.composition == "all" and series.minute is not None:
                lot = float(one.lot)
                delta, volume = series.minute.delta_lots * lot, series.minute.volume_lots * lot
                if volume:
                    minutes[series.scope.value].append(f"{delta:+,.3f} of {volume:,.3f}")
    yield from (f"conviction  {state:<52}{count:>7,}" for state, count in sorted(states.items()))
    for scope, of in minutes.items():
        yield f"minutes     {scope} delta {'; '.join(of[:8])}{' ...' if len(of) > 8 else ''}"


def _context(run: Worked) -> Iterator[str]:
    finals = [one for one in run.of(MarketContext) if isinstance(one, MarketContext)]
    for one in finals[-1:]:
        for each in one.instruments:
            rate = each.predicted.rate_interval if each.predicted else None
            interest = each.open_interest
            coins = None if interest is None else round(interest.lots * float(one.lot), 3)
            basis = None if each.basis_bp is None else round(each.basis_bp, 3)
            yield (
                f"context     {each.venue}:{each.symbol} funding {rate}, mark {each.mark_price}, "
                f"index {each.index_price}, basis {basis} bp, open interest {coins}"
            )


def _liquidations(run: Worked) -> Iterator[str]:
    cents = count = minutes = 0
    largest = 0
    for one in run.of(LiquidationFlow):
        assert isinstance(one, LiquidationFlow)
        if one.interval_seconds != 60:
            continue
        for series in one.series:
            if series.venue:
                for side in (series.long, series.short):
                    cents += side.obs_usd_cents if side else 0
                    count += side.count if side else 0
                    largest = max(largest, side.obs_usd_cents if side else 0)
        minutes += 1
    if count:
        yield (
            f"liquidated  {cents / 100:,.2f} USD in {count:,} reports, {minutes} minutes, the "
            f"largest minute {largest / 100:,.2f}"
        )


def main() -> None:
    """Print the figures of every recording."""
    for name, run in runs():
        sys.stdout.write(f"\n{name}: {len(run.records):,} records\n")
        sys.stdout.writelines(line + "\n" for line in figures(run))


if __name__ == "__main__":
    main()
