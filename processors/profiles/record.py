"""Turn a profile into its record: rows laid out, measured and named (definitions 5.2)."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import NamedTuple

from processors.bars_by_trade.attendance import completeness
from processors.derived import derived
from processors.measures.nodes import nodes
from processors.measures.poc import poc
from processors.measures.rows import Ladder, coarsen, dense
from processors.measures.value_area import describe, value_area
from processors.profiles.params import SPANS_US, ProfileParams
from processors.profiles.profile import Profile
from processors.scopes import ScopeKey
from processors.seconds.second import Second
from processors.units import AssetUnits
from schemas.footprints import ValueArea
from schemas.lineage import Completeness, Status
from schemas.market import FeedState, Scope
from schemas.profiles import (
    CommonProfile,
    NakedPoc,
    PriorSession,
    ProfileRow,
    ProfileWindow,
    VolumeProfile,
)
from schemas.units import plain

METHOD = "profiles/1.1.0"

Members = Mapping[str, tuple[Profile, FeedState]]
"""The instruments behind a profile, by name: what each traded, and how its stream was last."""


class Window(NamedTuple):
    """Which window: its end is its beginning plus its length; it has come to `until_us`."""

    kind: ProfileWindow
    start_us: int
    until_us: int

    @property
    def end_us(self) -> int:
        """The first microsecond after it."""
        return self.start_us + SPANS_US[self.kind]


class Past(NamedTuple):
    """What a session says of those before it."""

    prior: PriorSession | None = None
    naked: Sequence[NakedPoc] = ()
    partial: bool = False


class _Measured(NamedTuple):
    """A profile laid out."""

    ladder: Ladder
    poc_ticks: int | None
    value_area: ValueArea | None


class Recorder:
    """Writes the profiles of one asset.

    Args:
        units: the asset's grids.
        params: of profiles.
        named: the hash of all parameters.
    """

    def __init__(self, units: AssetUnits, params: ProfileParams, named: str) -> None:
        self._units = units
        self._params = params
        self._named = named

    def write(
        self, key: ScopeKey, window: Window, members: Members, past: Past, second: Second
    ) -> VolumeProfile:
        """Return the record of a scope's profile, made of at least one instrument."""
        total = self._sum([profile for profile, _ in members.values()])
        span_us = window.until_us - window.start_us
        found = completeness(
            {name: profile.covered_us for name, (profile, _) in members.items()},
            {name: state for name, (_, state) in members.items()},
            span_us,
        )
        ladder, peak, area = self._measure(total)
        high_nodes, low_nodes = nodes(ladder, self._params.nodes)
        sell, buy, unknown = total.lots
        lots = sell + buy + unknown
        common = self._common(key, members, found)
        return VolumeProfile(
            **derived(second, METHOD, self._named),
            is_final=window.until_us >= window.end_us,
            scope=key.scope,
            venue=key.venue,
            symbol=key.symbol,
            window=window.kind,
            window_start_us=window.start_us,
            window_end_us=window.end_us,
            until_time_us=window.until_us,
            tick=self._units.tick,
            lot=self._units.lot,
            row_size=self._row_size(ladder.step),
            row_ticks=ladder.step,
            completeness=found,
            buy_lots=buy,
            sell_lots=sell,
            unknown_lots=unknown,
            trades=total.trades,
            vwap=total.notional / (lots * self._units.price_denominator) if lots else None,
            high_ticks=total.high,
            low_ticks=total.low,
            rows=_rows(ladder),
            poc_ticks=peak,
            value_area=area,
            high_nodes=high_nodes,
            low_nodes=low_nodes,
            common=common,
            prior=past.prior,
            naked_pocs=list(past.naked),
            null_reasons=_null_reasons(key, window, lots, found, common, past),
        )

    def _sum(self, profiles: Sequence[Profile]) -> Profile:
        if len(profiles) == 1:
            return profiles[0]
        total = Profile(self._units.row_ticks, self._params.max_rows)
        for profile in profiles:
            total.add(profile)
        return total

    def _measure(self, profile: Profile) -> _Measured:
        ladder = _ladder(profile, self._params.max_rows)
        peak = poc(ladder, profile.notional, sum(profile.lots))
        area = value_area(ladder, peak, self._params.method, self._params.share)
        return _Measured(
            ladder,
            None if peak is None else ladder.row(peak),
            None if area is None else describe(ladder, area),
        )

    def _row_size(self, step: int) -> str:
        return plain(Decimal(self._units.row_size) * (step // self._units.row_ticks))

    def _common(self, key: ScopeKey, members: Members, found: Completeness) -> CommonProfile | None:
        """Return the sums over complete members only, None where there is none."""
        if key.scope is Scope.VENUE or not found.venues_complete:
            return None
        total = self._sum([members[name][0] for name in found.venues_complete])
        _, peak, area = self._measure(total)
        sell, buy, unknown = total.lots
        return CommonProfile(
            venues=found.venues_complete,
            sell_lots=sell,
            buy_lots=buy,
            unknown_lots=unknown,
            poc_ticks=peak,
            value_area=area,
        )


def _ladder(profile: Profile, most: int) -> Ladder:
    """Lay a profile out in no more than so many rows from the lowest to the highest."""
    step, rows = profile.step, profile.rows
    if rows:
        low, high = min(rows), max(rows)
        while high // step - low // step >= most:
            step *= 2
    return dense(rows if step == profile.step else coarsen(rows, step), step)


def _rows(ladder: Ladder) -> list[ProfileRow]:
    low, step = ladder.low, ladder.step
    columns = zip(ladder.sell, ladder.buy, ladder.unknown, strict=True)
    return [
        ProfileRow(low + step * index, sell, buy, unknown)
        for index, (sell, buy, unknown) in enumerate(columns)
        if sell or buy or unknown
    ]


def _null_reasons(
    key: ScopeKey,
    window: Window,
    lots: int,
    found: Completeness,
    common: CommonProfile | None,
    past: Past,
) -> dict[str, str]:
    nulls = {}
    if not lots:
        nulls["prices"] = "gap" if found.status is Status.GAP else "no_trades"
    if key.scope is Scope.VENUE:
        nulls["common"] = "a_single_instrument"
    elif common is None:
        nulls["common"] = "no_venue_was_complete"
    if window.kind is not ProfileWindow.SESSION:
        nulls["prior"] = "with_sessions_alone"
    elif past.prior is None:
        nulls["prior"] = "earlier_session_partial" if past.partial else "no_earlier_session"
    return nulls
