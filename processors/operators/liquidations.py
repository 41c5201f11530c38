"""Liquidations of one asset per second and per minute, with their bounds, and their clusters.

Per instrument and over all perpetuals, by liquidated side: what was told (a lower bound, and exact
only where the feed tells all), what aggressors took in the closing direction of the same venue, or
on an unknown side, and what insurance or ADL took over (an upper bound), and an estimate for
throttled feeds. Over venues bounds are added, estimates are not. Where the bounds contradict each
other, only what was told is published.

State: one minute of sums (at most 60 sizes a side and instrument) and one open cluster a side; some
kilobytes an asset. Source: definitions 5.9.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from processors.derived import derived
from processors.liquidation.cluster import Clusters, Row
from processors.liquidation.params import DEFAULT, LiquidationParams
from processors.liquidation.tally import (
    SIDES,
    Tally,
    of_instrument,
    over_venues,
)
from processors.operator import Output
from processors.operators.footprint import params_hash
from processors.plain import Plain
from processors.scopes import PERP, ScopeKey
from processors.seconds.presence import Window, members_of, stream_of
from processors.seconds.second import MemberSecond, Second
from processors.state import State
from processors.units import AssetUnits
from schemas.lineage import Completeness, Status
from schemas.liquidation_flow import (
    LIQUIDATION_FLOW_TOPIC,
    LiquidationCluster,
    LiquidationFlow,
    LiquidationSeries,
    LiquidationSums,
)
from schemas.liquidations import BACKLOG, LiquidatedSide
from schemas.market import Scope
from schemas.units import US_PER_MINUTE, US_PER_SECOND

METHOD = "liquidations/1.1.0"


class _Span(NamedTuple):
    """One window that is being filled: sums by instrument, and who was there."""

    start_us: int
    tallies: dict[str, Tally]
    told: Window
    traded: Window

    @classmethod
    def at(cls, start_us: int) -> "_Span":
        """Begin an empty one."""
        return cls(start_us, {}, Window("liquidation_stream"), Window("trade_stream"))

    def dump(self) -> Plain:
        """Return everything as plain values for a snapshot."""
        tallies = {name: tally.dump() for name, tally in self.tallies.items()}
        return [self.start_us, tallies, self.told.dump(), self.traded.dump()]

    @classmethod
    def load(cls, state: Plain) -> "_Span":
        """Take the values of `dump` back."""
        tallies = {name: Tally(one) for name, one in state[1].items()}
        told, traded = Window("liquidation_stream", state[2]), Window("trade_stream", state[3])
        return cls(state[0], tallies, told, traded)


class LiquidationOperator:
    """All liquidation windows and clusters of one asset."""

    name = "liquidations"

    def __init__(self, asset: str, units: AssetUnits, params: LiquidationParams = DEFAULT) -> None:
        self._asset, self._lot, self._per_cent = asset, units.lot, units.notional_per_cent
        self._params = params
        self._hash = params_hash(units, params)
        self._clusters = {side: Clusters(asset, side, params, self._per_cent) for side in SIDES}
        self._minute: _Span | None = None

    def on_second(self, second: Second) -> list[Output]:
        """Take one second in; return its own record, and that of a minute that is over."""
        members = members_of(second, Scope.PERP, "liquidation_stream")
        outputs = self._begin(second)
        minute = self._minute = self._minute or self._opened(second)
        minute.told.skip((second.start_us - minute.start_us) // US_PER_SECOND - minute.told.seconds)
        minute.traded.skip(minute.told.seconds - minute.traded.seconds)
        any_row = False
        for member in members:
            tally = minute.tallies.get(member.name)
            if tally is None:
                tally = minute.tallies[member.name] = Tally()
            any_row |= tally.take_rows(member.liquidations, member.sampling)
            tally.take_trades(member.columns.aggressor_notional, member.sideless)
        minute.told.add(second)
        minute.traded.add(second)
        clusters = self._clustered(second, members)
        if any_row or clusters:
            outputs.append(self._of_second(second, members, clusters))
        if second.end_us % US_PER_MINUTE == 0:
            outputs += self._end(second)
        return outputs

    def _opened(self, second: Second) -> _Span:
        return _Span.at(second.start_us - second.start_us % US_PER_MINUTE)

    def _begin(self, second: Second) -> list[Output]:
        """Close the minute that a jump in time has left open."""
        if self._minute is None or second.start_us < self._minute.start_us + US_PER_MINUTE:
            return []
        for window in (self._minute.told, self._minute.traded):
            window.skip(US_PER_MINUTE // US_PER_SECOND - window.seconds)
        return self._end(second)

    def _end(self, second: Second) -> list[Output]:
        minute, self._minute = self._minute, None
        if minute is None:
            return []
        completeness = minute.told.record(minute.tallies)
        if completeness.status is Status.GAP and not any(map(_told, minute.tallies.values())):
            return []
        keys = {name: _key(name) for name in minute.tallies}
        return [self._record(second, minute, keys, completeness, [])]

    def _clustered(
        self, second: Second, members: Sequence[MemberSecond]
    ) -> list[LiquidationCluster]:
        rows: list[Row] = [
            (member.name, row)
            for member in members
            if member.liquidations
            for row in member.liquidations
            if not row.flags & BACKLOG
        ]
        rows.sort(key=lambda one: (one[1].time_us, one[0]))
        missing = [one.name for one in members if not _complete(one)]
        return [
            cluster
            for side, clusters in self._clusters.items()
            for cluster in clusters.take(
                second,
                [one for one in rows if one[1].side == side],
                missing,
                anybody=len(missing) < len(members),
            )
        ]

    def _of_second(
        self,
        second: Second,
        members: Sequence[MemberSecond],
        clusters: list[LiquidationCluster],
    ) -> Output:
        span = _Span.at(second.start_us)
        span.told.add(second)
        span.traded.add(second)
        for member in members:
            tally = span.tallies[member.name] = Tally()
            tally.take_rows(member.liquidations, member.sampling)
            tally.take_trades(member.columns.aggressor_notional, member.sideless)
        keys = {member.name: member.key for member in members}
        completeness = span.told.record(span.tallies)
        return self._record(second, span, keys, completeness, clusters)

    # --- records out

    def _record(
        self,
        second: Second,
        span: _Span,
        keys: dict[str, ScopeKey],
        completeness: Completeness,
        clusters: list[LiquidationCluster],
    ) -> Output:
        seconds = span.told.seconds
        record = LiquidationFlow(
            **derived(second, METHOD, self._hash),
            interval_seconds=seconds,
            window_start_us=span.start_us,
            window_end_us=span.start_us + seconds * US_PER_SECOND,
            lot=self._lot,
            completeness=completeness,
            series=list(self._series(span, keys, completeness)),
            clusters=clusters,
        )
        return Output(LIQUIDATION_FLOW_TOPIC, self._asset, record, record.window_end_us)

    def _series(
        self, span: _Span, keys: dict[str, ScopeKey], completeness: Completeness
    ) -> Iterator[LiquidationSeries]:
        complete = completeness.venues_complete
        there = [
            name
            for name, tally in sorted(span.tallies.items())
            if name in complete or name in completeness.venues_partial or _told(tally)
        ]
        traded = set(span.traded.record(span.tallies).venues_complete)
        sums = {
            (name, side): of_instrument(
                span.tallies[name],
                side,
                span.told.seconds,
                self._per_cent,
                told=name in complete,
                traded=name in traded,
            )
            for name in there
            for side in SIDES
        }
        for name in sorted(span.tallies):
            status = Status.COMPLETE if name in complete else Status.GAP
            status = Status.PARTIAL if name in there and name not in complete else status
            behind = [name] if name in there else []
            yield _one_series((keys[name], "", status), behind, span.tallies, sums)
        status = completeness.status
        if there and status is Status.GAP:
            status = Status.PARTIAL
        yield _one_series((PERP, "all", status), there, span.tallies, sums)
        common = [name for name in there if name in complete]
        status = Status.COMPLETE if common else Status.GAP
        yield _one_series((PERP, "common", status), common, span.tallies, sums)

    # --- state

    def snapshot(self) -> State:
        """Return the open minute and the open clusters."""
        clusters = [self._clusters[side].dump() for side in SIDES]
        return State([None if self._minute is None else self._minute.dump(), clusters], {})

    def restore(self, head: Plain, parts: dict[str, bytes]) -> None:
        """Continue from a snapshot."""
        minute, clusters = head
        self._minute = None if minute is None else _Span.load(minute)
        for side, state in zip(SIDES, clusters, strict=True):
            self._clusters[side] = Clusters(self._asset, side, self._params, self._per_cent, state)

    def keeps(self, part: str) -> bool:
        """Return False: there are no parts."""
        return False


def _key(name: str) -> ScopeKey:
    venue, _, symbol = name.partition(":")
    return ScopeKey(Scope.VENUE, venue, symbol)


def _complete(member: MemberSecond) -> bool:
    stream = stream_of(member, "liquidation_stream")
    return stream is not None and stream.complete


def _told(tally: Tally) -> bool:
    """Say whether any row came: then its feed was there, whatever its coverage says."""
    return bool(tally.backlog) or any(one.count for one in tally.sides.values())


def _one_series(
    what: tuple[ScopeKey, str, Status],
    behind: Sequence[str],
    tallies: dict[str, Tally],
    sums: dict[tuple[str, LiquidatedSide], LiquidationSums],
) -> LiquidationSeries:
    key, composition, status = what
    samplings = {tallies[name].sampling for name in behind}
    kinds = {tallies[name].price_kind for name in behind if tallies[name].price_kinds}
    by_side: list[LiquidationSums | None] = [None, None]
    if behind and not composition:
        by_side = [sums[behind[0], side] for side in SIDES]
    elif behind:
        by_side = [
            over_venues((tallies[name], sums[name, side]) for name in behind) for side in SIDES
        ]
    return LiquidationSeries(
        scope=key.scope,
        venue=key.venue,
        symbol=key.symbol,
        composition=composition,
        status=status,
        venues=list(behind),
        sampling=samplings.pop() if len(samplings) == 1 else None,
        price_kind=kinds.pop() if len(kinds) == 1 else None,
        long=by_side[0],
        short=by_side[1],
        backlog_count=sum(tallies[name].backlog for name in behind),
    )
