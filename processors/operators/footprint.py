"""Footprint bars of one asset: per instrument, over all perpetuals and over all spot.

Base bars (1 minute) are made from trades; wider bars and coarser rows are exact merges of them.
A bar is provisional while open (at most once a second; wide bars and coarse rows more slowly, see
`pace_us`), final once the watermark of every expected feed has passed its end by two seconds or
thirty seconds have gone by, and corrected when a trade comes later still. Source: definitions 5.0
(finality, completeness), 5.1 to 5.3.
"""

import hashlib
from collections import deque
from collections.abc import Iterator
from statistics import median_low

import msgspec

from processors.bars import Bar
from processors.feeds import LATENESS_US, Accepted, Feed, Feeds, ScopeKey, completeness
from processors.footprint.archive import Archive
from processors.footprint.minute import Minute
from processors.footprint.record import Recorder, Stamp, Window
from processors.footprint.wide import WideBars
from processors.measures.imbalance import ImbalanceParams
from processors.operator import Cause, Output, State
from processors.plain import Plain
from processors.units import AssetUnits
from schemas.market import Scope
from schemas.topics import FOOTPRINTS
from schemas.units import US_PER_DAY, US_PER_MINUTE, US_PER_SECOND

HELD_US = US_PER_MINUTE
"""How long after a bar's end its trades are held, so that a late one is put in its place."""

BASIS_BARS = 60
"""Over how many bars the cross-venue basis is judged."""


class FootprintParams(msgspec.Struct, frozen=True, kw_only=True):
    """What decides the numbers: base interval, wider ones, coarser rows, imbalance rules."""

    interval_seconds: int = 60
    wide_seconds: tuple[int, ...] = (300, 900, 3600, 14_400, 86_400)
    row_factors: tuple[int, ...] = (1, 5, 25)
    imbalance: ImbalanceParams = ImbalanceParams()


def params_hash(*structs: msgspec.Struct) -> str:
    """Name a set of parameters by the beginning of its hash."""
    return hashlib.blake2b(msgspec.json.encode(structs), digest_size=6).hexdigest()


def pace_us(interval_us: int, factor: int) -> int:
    """Return how often a provisional bar is sent at most.

    A second for the base bar; a sixtieth of the interval for wider ones, between 5 seconds and a
    minute; 5 seconds for the base bar in coarser rows.
    """
    base = 5 if interval_us > US_PER_MINUTE or factor > 1 else 1
    return min(max(interval_us // 60, base * US_PER_SECOND), US_PER_MINUTE)


class FootprintOperator:
    """All footprint bars of one asset."""

    name = "footprint"

    def __init__(self, asset: str, units: AssetUnits, params: FootprintParams) -> None:
        self._asset = asset
        self._params = params
        self._base_us = params.interval_seconds * US_PER_SECOND
        self._row_ticks = units.row_ticks
        self._recorder = Recorder(asset, units, params.imbalance, params_hash(units, params))
        self._minutes: dict[int, Minute] = {}
        self._archive = Archive()
        self._wide = [
            WideBars(seconds * US_PER_SECOND, self._base_us, self._closed_bar)
            for seconds in params.wide_seconds
        ]
        self._next_close: dict[ScopeKey, int] = {}
        self._ref_close: dict[ScopeKey, int | None] = {}
        self._basis: dict[ScopeKey, deque[int]] = {}
        self._versions: dict[tuple[ScopeKey, int, int], int] = {}
        self._dirty: set[tuple[ScopeKey, int]] = set()
        self._late: set[tuple[ScopeKey, int]] = set()
        self._pending: dict[tuple[int, int], set[tuple[ScopeKey, int]]] = {}
        self._due_us: dict[tuple[int, int], int] = {}
        self._earliest_close = 0
        self._feeds: Feeds | None = None

    # --- trades in

    def on_batch(self, batch: Accepted, cause: Cause) -> list[Output]:
        """Take the new trades of one batch into their bars; nothing is sent before time moves."""
        if batch.trades or batch.excluded:
            for start_us, part in self._by_bar(batch):
                self._take(start_us, part, cause)
        return []

    def _by_bar(self, batch: Accepted) -> Iterator[tuple[int, Accepted]]:
        base_us = self._base_us
        times = [row[0] for row in batch.trades] + [row[0] for row in batch.excluded]
        first = min(times)
        first -= first % base_us
        if max(times) < first + base_us:
            yield first, batch
            return
        for start in sorted({time - time % base_us for time in times}):
            end = start + base_us
            yield (
                start,
                batch._replace(
                    trades=[row for row in batch.trades if start <= row[0] < end],
                    excluded=[row for row in batch.excluded if start <= row[0] < end],
                ),
            )

    def _take(self, start_us: int, batch: Accepted, cause: Cause) -> None:
        if start_us < self._archive.until_us:
            taken = self._archive.take_late(start_us, batch, self._row_ticks)
            if not taken:
                return
        else:
            minute = self._minutes.get(start_us)
            if minute is None:
                minute = self._minutes[start_us] = Minute(start_us, cause.offset)
            member = minute.member(batch.member)
            if batch.trades:
                member.take(batch.trades, self._row_ticks)
            for _, order_class, qty in batch.excluded:
                member.bar.exclude(order_class, qty)
        for key in (batch.key, batch.aggregate):
            closed = start_us < self._next_close.get(key, 0)
            (self._late if closed else self._dirty).add((key, start_us))

    # --- time moves on

    def on_time(self, feeds: Feeds, cause: Cause) -> list[Output]:
        """Close the bars that are over; send provisional and corrected ones that are due."""
        self._feeds = feeds
        outputs: list[Output] = []
        new_scope = len(feeds.scopes()) > len(self._next_close)
        if new_scope or feeds.newest_us - LATENESS_US >= self._earliest_close:
            outputs += self._close_due(feeds, cause)
        outputs += self._provisional(feeds, cause)
        return outputs

    def _close_due(self, feeds: Feeds, cause: Cause) -> list[Output]:
        outputs: list[Output] = []
        for key, members in feeds.scopes():
            frontier_us = feeds.frontier_us(members)
            start_us = self._next_close.get(key)
            if start_us is None:
                start_us = self._first_bar(members)
            self._next_close[key] = start_us = max(start_us, self._floor(frontier_us - US_PER_DAY))
            while start_us + self._base_us <= frontier_us:
                outputs += self._close(key, members, start_us, cause)
                start_us = self._next_close[key] = start_us + self._base_us
        self._archive_minutes(feeds)
        self._earliest_close = min(self._next_close.values(), default=0) + self._base_us
        return outputs

    def _floor(self, time_us: int) -> int:
        return time_us - time_us % self._base_us

    def _first_bar(self, members: list[Feed]) -> int:
        names = {feed.name for feed in members}
        starts = [start for start, minute in self._minutes.items() if names & set(minute.members)]
        return min([self._floor(feed.watermark_us) for feed in members] + starts)

    def _close(
        self, key: ScopeKey, members: list[Feed], start_us: int, cause: Cause
    ) -> list[Output]:
        bar = self._bar(key, members, start_us)
        if key.scope is not Scope.VENUE:
            self._basis.setdefault(key, deque(maxlen=BASIS_BARS)).append(
                self._basis_range(members, start_us)
            )
        self._dirty.discard((key, start_us))
        outputs = self._write(key, members, (self._base_us, start_us), bar, (1, "", cause))
        if bar.last is not None:
            self._ref_close[key] = bar.last[1]
        for wide in self._wide:
            wide_start = wide.start_of(start_us)
            if wide_start + wide.interval_us == start_us + self._base_us:
                whole = wide.closed_until(key, start_us).copy()
                whole.then(bar)
                window = (wide.interval_us, wide_start)
                outputs += self._write(key, members, window, whole, (1, "", cause))
            for factor in self._params.row_factors:
                self._pending.setdefault((wide.interval_us, factor), set()).discard(
                    (key, wide_start)
                )
        return outputs

    def _bar(self, key: ScopeKey, members: list[Feed], start_us: int) -> Bar:
        """Return a base bar whose trades are still held, with its coverage as known now."""
        minute = self._minutes.get(start_us)
        if minute is None:
            bar = Bar()
        elif key.scope is Scope.VENUE:
            bar = minute.bar_of(members[0].name)
        else:
            frontier_us = self._feeds.frontier_us(members) if self._feeds else 0
            bar = minute.bar_over(key.scope, (feed.name for feed in members), frontier_us)
        end_us = start_us + self._base_us
        bar.covered = {feed.name: feed.coverage.within(start_us, end_us) for feed in members}
        return bar

    def _members(self, key: ScopeKey) -> list[Feed]:
        if self._feeds is None:
            return []
        return next((feeds for scope, feeds in self._feeds.scopes() if scope == key), [])

    def _closed_bar(self, key: ScopeKey, start_us: int) -> Bar | None:
        if start_us < self._archive.until_us:
            return self._archive.get(key, start_us)
        return self._bar(key, self._members(key), start_us)

    def _basis_range(self, members: list[Feed], start_us: int) -> int:
        """Return how far apart, in ticks, the members' average prices of one base bar lie."""
        minute = self._minutes.get(start_us)
        prices = []
        for feed in members:
            member = minute.members.get(feed.name) if minute else None
            if member is not None and member.bar.rows:
                sums = member.bar.sums()
                prices.append(member.bar.notional // (sums[0] + sums[1] + sums[2]))
        return max(prices) - min(prices) if prices else 0

    def _archive_minutes(self, feeds: Feeds) -> None:
        closed_us = min(self._next_close.values(), default=0)
        horizon_us = min(closed_us, feeds.now_us - HELD_US)
        while self._minutes:
            start_us = min(self._minutes)
            if start_us + self._base_us > horizon_us:
                break
            bars = {key: self._bar(key, members, start_us) for key, members in feeds.scopes()}
            self._archive.put(start_us, self._base_us, bars)
            del self._minutes[start_us]
        oldest = feeds.now_us - 2 * US_PER_DAY
        if any(name[2] < oldest for name in self._versions):
            self._versions = {n: v for n, v in self._versions.items() if n[2] >= oldest}

    # --- provisional and corrected bars

    def _provisional(self, feeds: Feeds, cause: Cause) -> list[Output]:
        outputs: list[Output] = []
        if feeds.now_us >= self._due_us.get((self._base_us, 1), 0):
            outputs += self._send_base(feeds, cause)
        for pace, windows in sorted(self._pending.items()):
            if windows and feeds.now_us >= self._due_us.get(pace, 0):
                self._set_due(pace, feeds.now_us)
                self._pending[pace] = set()
                for key, start_us in sorted(windows):
                    outputs += self._send_slow(pace, key, start_us, cause)
        return outputs

    def _set_due(self, pace: tuple[int, int], now_us: int) -> None:
        step = pace_us(*pace)
        self._due_us[pace] = now_us - now_us % step + step

    def _send_base(self, feeds: Feeds, cause: Cause) -> list[Output]:
        outputs: list[Output] = []
        self._set_due((self._base_us, 1), feeds.now_us)
        dirty, self._dirty = self._dirty, set()
        late, self._late = self._late, set()
        for key, start_us in sorted(dirty):
            members = self._members(key)
            if not members:
                continue
            bar = self._bar(key, members, start_us)
            window = (self._base_us, start_us)
            outputs += self._write(key, members, window, bar, (0, "", cause), factors=(1,))
            self._later(key, start_us)
        for key, start_us in sorted(late):
            outputs += self._correct(key, start_us, cause)
        return outputs

    def _later(self, key: ScopeKey, start_us: int) -> None:
        """Remember the coarser rows and wider bars that a changed base bar is part of."""
        for factor in self._params.row_factors:
            if factor > 1:
                self._pending.setdefault((self._base_us, factor), set()).add((key, start_us))
            for wide in self._wide:
                window = (key, wide.start_of(start_us))
                self._pending.setdefault((wide.interval_us, factor), set()).add(window)

    def _correct(self, key: ScopeKey, start_us: int, cause: Cause) -> list[Output]:
        members = self._members(key)
        bar = self._closed_bar(key, start_us)
        if bar is None or not members:
            return []
        for wide in self._wide:
            wide_start = wide.start_of(start_us)
            wide.forget(key, wide_start)
            for factor in self._params.row_factors:
                window = (key, wide_start)
                self._pending.setdefault((wide.interval_us, factor), set()).add(window)
        version = self._next_version(key, (self._base_us, start_us))
        window_of = (self._base_us, start_us)
        return self._write(key, members, window_of, bar, (version, "late", cause))

    def _next_version(self, key: ScopeKey, window: tuple[int, int]) -> int:
        name = (key, *window)
        version = self._versions[name] = self._versions.get(name, 1) + 1
        return version

    def _send_slow(
        self, pace: tuple[int, int], key: ScopeKey, start_us: int, cause: Cause
    ) -> list[Output]:
        interval_us, factor = pace
        members = self._members(key)
        next_close = self._next_close.get(key, 0)
        if not members:
            return []
        window = (interval_us, start_us)
        if interval_us == self._base_us:
            if start_us < next_close:
                return []
            bar = self._bar(key, members, start_us)
            return self._write(key, members, window, bar, (0, "", cause), factors=(factor,))
        wide = next(wide for wide in self._wide if wide.interval_us == interval_us)
        if start_us + interval_us <= next_close:
            bar = wide.whole(key, start_us)
            version = self._versions.get((key, *window), 1)
            if factor == self._params.row_factors[0]:
                version = self._next_version(key, window)
            return self._write(key, members, window, bar, (version, "late", cause), (factor,))
        bar = Bar()
        if start_us < next_close:
            bar = wide.closed_until(key, next_close).copy()
        for base_us in sorted(self._minutes):
            if max(start_us, next_close) <= base_us < start_us + interval_us:
                bar.then(self._bar(key, members, base_us))
        return self._write(key, members, window, bar, (0, "", cause), factors=(factor,))

    # --- records out

    def _write(
        self,
        key: ScopeKey,
        members: list[Feed],
        window: tuple[int, int],
        bar: Bar,
        why: tuple[int, str, Cause],
        factors: tuple[int, ...] | None = None,
    ) -> list[Output]:
        interval_us, start_us = window
        version, reason, cause = why
        now_us = self._feeds.now_us if self._feeds else 0
        span = (start_us, start_us + interval_us)
        complete = completeness(members, span, now_us, bar.covered)
        minute = self._minutes.get(start_us)
        first_offset = minute.first_offset if minute else cause.offset
        basis = self._basis_of(key, members, start_us)
        outputs = []
        for factor in factors or self._params.row_factors:
            stamp = Stamp(
                revision=cause.revision,
                version=version,
                reason=reason,
                log_time_us=now_us,
                inputs=cause.since(min(first_offset, cause.offset)),
                completeness=complete,
                ref_close_ticks=self._ref_close.get(key) if version < 2 else None,
                imbalances_valid=self._row_ticks * factor >= 2 * basis,
            )
            agreeing = self._agreeing(key, members, window, factor)
            record = self._recorder.write(
                Window(key, interval_us, start_us, factor), bar, stamp, agreeing
            )
            outputs.append(Output(FOOTPRINTS.name, self._asset, record, start_us))
        return outputs

    def _basis_of(self, key: ScopeKey, members: list[Feed], start_us: int) -> int:
        """Return the rolling median of the cross-venue basis, of this very bar when first."""
        if key.scope is Scope.VENUE:
            return 0
        basis = self._basis.get(key)
        return median_low(basis) if basis else self._basis_range(members, start_us)

    def _agreeing(
        self, key: ScopeKey, members: list[Feed], window: tuple[int, int], factor: int
    ) -> list[dict[int, int]]:
        """Return the members' own marks, for base bars of an aggregate whose trades are held."""
        minute = self._minutes.get(window[1])
        if key.scope is Scope.VENUE or window[0] != self._base_us or minute is None:
            return []
        return [
            self._recorder.marks_of(minute.members[feed.name].bar, factor)
            for feed in members
            if feed.name in minute.members
        ]

    # --- state

    def snapshot(self) -> State:
        """Return the open bars with their trades; archived bars go out as parts."""
        head = {
            "minutes": [minute.dump() for _, minute in sorted(self._minutes.items())],
            "archive": self._archive.dump(),
            "next_close": [[*key, start] for key, start in sorted(self._next_close.items())],
            "ref_close": [[*key, price] for key, price in sorted(self._ref_close.items())],
            "basis": [[*key, list(ranges)] for key, ranges in sorted(self._basis.items())],
            "versions": [[*n[0], n[1], n[2], v] for n, v in sorted(self._versions.items())],
            "dirty": [[*key, start] for key, start in sorted(self._dirty)],
            "late": [[*key, start] for key, start in sorted(self._late)],
            "pending": [
                [*pace, [[*key, start] for key, start in sorted(windows)]]
                for pace, windows in sorted(self._pending.items())
            ],
            "due_us": [[*pace, due] for pace, due in sorted(self._due_us.items())],
        }
        return State(head, self._archive.take_parts())

    def restore(self, head: Plain, parts: dict[str, bytes]) -> None:
        """Continue from a snapshot."""
        for values in head["minutes"]:
            minute = Minute.load(values, self._row_ticks)
            self._minutes[minute.start_us] = minute
        self._archive.load(head["archive"], parts, self._row_ticks)
        self._next_close = {_key(row): row[3] for row in head["next_close"]}
        self._ref_close = {_key(row): row[3] for row in head["ref_close"]}
        self._basis = {_key(row): deque(row[3], maxlen=BASIS_BARS) for row in head["basis"]}
        self._versions = {(_key(row), row[3], row[4]): row[5] for row in head["versions"]}
        self._dirty = {(_key(row), row[3]) for row in head["dirty"]}
        self._late = {(_key(row), row[3]) for row in head["late"]}
        self._pending = {
            (interval, factor): {(_key(row), row[3]) for row in windows}
            for interval, factor, windows in head["pending"]
        }
        self._due_us = {(interval, factor): due for interval, factor, due in head["due_us"]}

    def keeps(self, part: str) -> bool:
        """Say whether an archived bar is still needed."""
        return self._archive.keeps(part)


def _key(row: Plain) -> ScopeKey:
    return ScopeKey(Scope(row[0]), row[1], row[2])
