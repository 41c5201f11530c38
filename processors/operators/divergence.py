"""Delta divergence: price makes a new extreme and delta does not follow (definitions 5.5).

Consecutive pivots A and B of one-minute bars, 5 to 60 bars apart: price B beyond A by a tick and
half a basis point, CVD of B behind that of A by a quarter of a bar's standard deviation times the
root of the bars between. It is `confirmed` when B is, three bars later, and not before (trap 15).
It is `invalidated` by the close of a bar in which price reached B again with CVD beyond that of A.

How the definition is read
- Bars are made of the instruments that were complete in all of them: of an aggregate, those whose
  unbroken run is as long as the longest but for one bar (streams begin together, not at once), or
  covers 67 bars, all that a pair can touch. The reference price is theirs together: the highest
  high, the lowest low.
- CVD is that of mode `day`, at the close of a bar; a pair across midnight is none (trap 9), and
  nothing is counted beyond it.
- With `at_extreme` CVD of a pivot is the greatest (of lows the least) in its bar. Over venues the
  bars are then those of the aggregate itself, from when its instruments last changed on: the path
  of a sum is not known from the paths.
- The deviation is over the bars of the same run, 100 at most and 30 at least, and not a sample's.
- The tick is the asset's, finer than any venue's: the half basis point decides.
- `venues_agree` counts the instruments whose own CVD, with their own deviation, fell behind between
  the same two bars; `strong` is 1 where all do and they are 3 or more.
- It is followed for 60 bars or to the end of the day (`expired`), or until one of its instruments
  has a break (`suspended`), also where that reaches beyond the end.
- One that was invalid already when B was confirmed is not sent.

A bar whose delta and direction have opposite signs is a `bar_delta_mismatch` by itself; of an
aggregate, where all were complete.

Values of a divergence: `first_price_ticks`, `second_price_ticks`, `first_bar_us`, `second_bar_us`
(starts of the pivots' bars), `bars_between`, `cvd_change_lots` (B less A), `sigma_lots`,
`venues_agree`, `venues_complete`, `strong`; later `cvd_since_lots` (now less A). Of a mismatch
`delta_lots` and `move_ticks`.

State: 100 bars an instrument or aggregate (8 kB), and what is followed: at most one a bar and side.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field

from processors.divergence.pair import (
    DivergenceParams,
    Pair,
    change,
    extends,
    find_pair,
    is_over,
    lags,
    prices_of,
    sigma,
    since,
)
from processors.divergence.runs import Bar, Runs
from processors.events.bars import base_bars, key_of, whole
from processors.events.writer import (
    SIDES,
    Event,
    EventWriter,
    bar_name,
    event_id,
    name_of_bar,
    scope_name,
)
from processors.operator import Output
from processors.operators.footprint import params_hash
from processors.plain import Plain
from processors.scopes import ScopeKey, scope_key
from processors.seconds.presence import stream_of
from processors.seconds.second import Second
from processors.state import State
from processors.units import AssetUnits
from schemas.events import EventKind, EventState
from schemas.footprints import FootprintBar
from schemas.lineage import Status
from schemas.units import US_PER_DAY

METHOD = "delta_divergence/1.0.0"


@dataclass(slots=True, kw_only=True)
class _Watched:
    """A divergence that is followed. `cvd` counts from the first pivot, `next_us` is the next bar.

    `level` is the second pivot's price, `names` are the instruments that it was seen on.
    """

    id: str
    key: ScopeKey
    sign: int
    names: list[str]
    expected: list[str]
    level: int
    cvd: int
    next_us: int
    until_us: int
    span: tuple[int, int]
    band: tuple[int, int]
    values: dict[str, int | float | None] = field(default_factory=dict)
    evidence: list[str] = field(default_factory=list)


class DivergenceOperator:
    """All delta divergences of one asset."""

    name = "divergence"

    def __init__(self, units: AssetUnits, params: DivergenceParams | None = None) -> None:
        self._given = params or DivergenceParams()
        self._runs = Runs(self._given.sigma_bars, self._given.span)
        self._watched: list[_Watched] = []
        self._writer = EventWriter(units, METHOD, params_hash(units, self._given))

    def on_second(self, second: Second) -> list[Output]:
        """Take the bars that end with a second; return what they confirm and what they end."""
        bars = base_bars(second) if second.bars else []
        if not bars:
            return []
        for bar in bars:
            self._runs.add(bar)
        outputs = [output for bar in bars if whole(bar) for output in self._mismatch(second, bar)]
        outputs += self._follow(second, bars[0].bar_start_us)
        scopes = _scopes(second)
        for bar in bars:
            outputs += self._find(second, key_of(bar), scopes.get(key_of(bar), []), bar.bar_end_us)
        return outputs

    def _mismatch(self, second: Second, bar: FootprintBar) -> Iterator[Output]:
        if bar.open_ticks is None or bar.close_ticks is None:
            return
        move, delta = bar.close_ticks - bar.open_ticks, bar.delta_lots
        if move * delta >= 0:
            return
        kind, side, key = EventKind.BAR_DELTA_MISMATCH, SIDES[1 if delta > 0 else -1], key_of(bar)
        event = Event(
            id=event_id(kind, second.asset, key, bar.bar_start_us, side),
            kind=kind,
            state=EventState.OBSERVED,
            side=side,
            key=key,
            span=(bar.bar_start_us, bar.bar_end_us),
            band=_band(bar.open_ticks, bar.close_ticks),
            venues_expected=bar.completeness.venues_expected,
            venues=bar.completeness.venues_complete,
            values={"delta_lots": delta, "move_ticks": move},
            evidence=[bar_name(bar)],
        )
        yield self._writer.write(second, event)

    # --- new ones

    def _find(
        self, second: Second, key: ScopeKey, names: list[str], end_us: int
    ) -> Iterator[Output]:
        common, bars = self._bars(key, names, end_us)
        if len(bars) < self._given.min_samples:
            return
        for sign in (1, -1):
            pair = find_pair(bars, sign, self._given)
            if pair is not None and self._diverges(bars, pair, sign):
                yield self._begin(second, (key, names, common), bars, pair, sign)

    def _bars(self, key: ScopeKey, names: list[str], end_us: int) -> tuple[list[str], list[Bar]]:
        """Return the bars of a scope, and the instruments behind them."""
        if self._given.at_extreme:
            return self._runs.own(scope_name(key), end_us)
        common = self._runs.common(names, end_us)
        return common, self._runs.joined(common) if common else []

    def _diverges(self, bars: list[Bar], pair: Pair, sign: int) -> bool:
        first, last = bars[pair.first], bars[pair.second]
        if self._given.reset_daily and _day(first.start_us) != _day(last.start_us):
            return False
        return (
            extends(bars, pair, sign)
            and lags(bars, pair, sign, self._given)
            and not is_over(self._counted(bars, pair), pair, sign, self._given)
        )

    def _counted(self, bars: list[Bar], pair: Pair) -> list[Bar]:
        """Return the bars that are not beyond the day of the second pivot."""
        if not self._given.reset_daily:
            return bars
        day = _day(bars[pair.second].start_us)
        return [bar for bar in bars if _day(bar.start_us) <= day]

    def _begin(
        self,
        second: Second,
        who: tuple[ScopeKey, list[str], list[str]],
        bars: list[Bar],
        pair: Pair,
        sign: int,
    ) -> Output:
        key, names, common = who
        first, last = bars[pair.first], bars[pair.second]
        before, level = (prices_of(bars, sign)[index] for index in pair)
        minute_us = last.end_us - last.start_us
        until_us = bars[-1].end_us + self._given.watch_bars * minute_us
        if self._given.reset_daily:
            until_us = min(until_us, (_day(last.start_us) + 1) * US_PER_DAY)
        watched = _Watched(
            id=event_id(EventKind.DELTA_DIVERGENCE, second.asset, key, last.start_us, SIDES[sign]),
            key=key,
            sign=sign,
            names=common,
            expected=names,
            level=level,
            cvd=since(self._counted(bars, pair), pair.first, sign, self._given),
            next_us=bars[-1].end_us,
            until_us=until_us,
            span=(first.start_us, last.end_us),
            band=_band(before, level),
            values=self._values(bars, pair, sign, common),
            evidence=[name_of_bar(key, bar.start_us) for bar in (first, last)],
        )
        self._watched.append(watched)
        return self._write(second, watched, EventState.CONFIRMED)

    def _values(
        self, bars: list[Bar], pair: Pair, sign: int, common: list[str]
    ) -> dict[str, int | float | None]:
        first, last = bars[pair.first], bars[pair.second]
        prices = prices_of(bars, sign)
        agree = self._agreeing(common, len(bars), pair, sign)
        strong = agree == len(common) >= self._given.strong_venues
        return {
            "first_price_ticks": prices[pair.first],
            "second_price_ticks": prices[pair.second],
            "first_bar_us": first.start_us,
            "second_bar_us": last.start_us,
            "bars_between": pair.second - pair.first,
            "cvd_change_lots": change(bars, pair, sign, self._given),
            "sigma_lots": sigma(bars),
            "venues_agree": agree,
            "venues_complete": len(common),
            "strong": int(strong),
        }

    def _agreeing(self, names: list[str], length: int, pair: Pair, sign: int) -> int:
        """Count the instruments whose own CVD fell behind between the same two bars."""
        return sum(
            lags(self._runs.joined([name])[-length:], pair, sign, self._given) for name in names
        )

    # --- those that are followed

    def _follow(self, second: Second, start_us: int) -> Iterator[Output]:
        kept = []
        for watched in self._watched:
            state = self._next_state(watched, start_us)
            if state is None:
                kept.append(watched)
            else:
                yield self._write(second, watched, state)
        self._watched = kept

    def _next_state(self, watched: _Watched, start_us: int) -> EventState | None:
        """Let the newest bar come; return the state that ends what is followed, if it does."""
        if watched.next_us >= watched.until_us:  # its day was over before it was known
            return EventState.EXPIRED
        bar = self._runs.newest(watched.names, start_us)
        if bar is None or start_us != watched.next_us:
            return EventState.SUSPENDED
        sign = watched.sign
        watched.next_us = bar.end_us
        watched.cvd += bar.delta
        price = bar.high if sign > 0 else bar.low
        if watched.cvd * sign > 0 and (price - watched.level) * sign >= 0:
            return EventState.INVALIDATED
        return EventState.EXPIRED if bar.end_us >= watched.until_us else None

    def _write(self, second: Second, watched: _Watched, state: EventState) -> Output:
        suspended = state is EventState.SUSPENDED
        values = watched.values | {"cvd_since_lots": None if suspended else watched.cvd}
        whole_scope = not suspended and watched.names == watched.expected
        event = Event(
            id=watched.id,
            kind=EventKind.DELTA_DIVERGENCE,
            state=state,
            side=SIDES[watched.sign],
            key=watched.key,
            span=watched.span,
            band=watched.band,
            status=Status.COMPLETE if whole_scope else Status.PARTIAL,
            venues_expected=watched.expected,
            venues=watched.names,
            values=values,
            evidence=watched.evidence,
            null_reasons={"cvd_since_lots": "gap"} if suspended else {},
        )
        return self._writer.write(second, event)

    # --- state

    def snapshot(self) -> State:
        """Return bars and what is followed."""
        return State([self._runs.dump(), [asdict(watched) for watched in self._watched]], {})

    def restore(self, head: Plain, parts: dict[str, bytes]) -> None:
        """Continue from a snapshot."""
        runs, rows = head
        self._runs.load(runs)
        for row in rows:
            pairs = {name: tuple(row[name]) for name in ("span", "band")}
            self._watched.append(_Watched(**row | pairs | {"key": scope_key(row["key"])}))

    def keeps(self, part: str) -> bool:
        """Say that there are no parts."""
        return False


def _scopes(second: Second) -> dict[ScopeKey, list[str]]:
    """Return the instruments of every scope, by name."""
    found: dict[ScopeKey, list[str]] = {}
    for name, member in second.members.items():
        if stream_of(member, "trade_stream") is not None:
            found[member.key] = [scope_name(member.key)]
            found.setdefault(member.aggregate, []).append(name)
    return {key: sorted(names) for key, names in found.items()}


def _day(time_us: int) -> int:
    return time_us // US_PER_DAY


def _band(one: int, other: int) -> tuple[int, int]:
    return min(one, other), max(one, other) + 1
