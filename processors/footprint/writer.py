"""Say everything about a bar that is not in its trades: version, basis, previous close, inputs."""

from collections import deque
from collections.abc import Sequence
from math import lcm
from statistics import median_low
from typing import NamedTuple

from processors.bars import Bar
from processors.feeds import Feed, completeness
from processors.footprint.ledger import Ledger
from processors.footprint.record import Recorder, Stamp, Window
from processors.operator import Cause, Output
from processors.plain import Plain
from processors.scopes import ScopeKey, scope_key
from schemas.market import Scope
from schemas.topics import FOOTPRINTS

BASIS_BARS = 60
"""Over how many base bars the cross-venue basis is judged, be there one or not."""

Members = Sequence[Feed]


class Moment(NamedTuple):
    """When something is written: log time, and the record that led to it."""

    now_us: int
    cause: Cause


class Writer:
    """Turns the bars of a ledger into records, and remembers what the next ones refer to.

    `versions` are kept for bars that were corrected, as long as they can be corrected again. The
    close of a bar is kept for the ones after it until a gap, which leaves null.
    """

    def __init__(self, recorder: Recorder, ledger: Ledger, row_factors: tuple[int, ...]) -> None:
        self._recorder = recorder
        self._ledger = ledger
        self._row_factors = row_factors
        self._ref_close: dict[tuple[ScopeKey, int], int | None] = {}
        self._basis: dict[ScopeKey, deque[int | None]] = {}
        self._versions: dict[tuple[ScopeKey, int, int], int] = {}

    def provisional(
        self, window: Window, members: Members, bar: Bar, factors: tuple[int, ...], moment: Moment
    ) -> list[Output]:
        """Write a bar that has not closed yet."""
        return self._write(window, members, bar, factors, (0, "", moment))

    def final(self, window: Window, members: Members, bar: Bar, moment: Moment) -> list[Output]:
        """Write a bar that has closed just now, in all row sizes."""
        key, interval_us = window.key, window.interval_us
        if key.scope is not Scope.VENUE and interval_us == self._ledger.base_us:
            basis = self._basis.setdefault(key, deque(maxlen=BASIS_BARS))
            basis.append(self._basis_range(window, members))
        outputs = self._write(window, members, bar, self._row_factors, (1, "", moment))
        if not any(covered_us for covered_us, _ in bar.members.values()):
            if (key, interval_us) in self._ref_close:
                self._ref_close[key, interval_us] = None
        elif bar.last is not None:
            self._ref_close[key, interval_us] = bar.last[1]
        return outputs

    def corrected(
        self, window: Window, members: Members, bar: Bar, moment: Moment, *, in_advance: bool
    ) -> list[Output]:
        """Write a bar anew that was final, in all row sizes; in advance, it will come again."""
        name = (window.key, window.interval_us, window.start_us)
        version = self._versions.get(name, 1) + 1
        if not in_advance:
            self._versions[name] = version
        return self._write(window, members, bar, self._row_factors, (version, "late", moment))

    def forget(self, before_us: int) -> None:
        """Forget the versions of bars that cannot be corrected any more."""
        if any(name[2] < before_us for name in self._versions):
            self._versions = {n: v for n, v in self._versions.items() if n[2] >= before_us}

    def _write(
        self,
        window: Window,
        members: Members,
        bar: Bar,
        factors: tuple[int, ...],
        why: tuple[int, str, Moment],
    ) -> list[Output]:
        if not bar.members:
            return []
        version, reason, (now_us, cause) = why
        first_offset = cause.offset if bar.first_offset is None else bar.first_offset
        span = (window.start_us, window.end_us)
        name = (window.key, window.interval_us)
        ref_close = self._ref_close.get(name)
        stamp = Stamp(
            revision=cause.revision,
            version=version,
            reason=reason,
            log_time_us=now_us,
            inputs=cause.since(first_offset),
            completeness=completeness(members, span, now_us, bar.members),
            ref_close_ticks=ref_close if version < 2 else None,
            gap_before=name in self._ref_close and ref_close is None,
            venue_ticks=_common_tick(members, bar),
            basis_ticks=self._basis_of(window, members, bar),
        )
        outputs = []
        for factor in factors:
            agreeing = self._agreeing(window, members, factor)
            record = self._recorder.write(window._replace(factor=factor), bar, stamp, agreeing)
            outputs.append(Output(FOOTPRINTS.name, record.asset, record, window.start_us))
        return outputs

    def _basis_of(self, window: Window, members: Members, bar: Bar) -> int | None:
        """Return the rolling median of the cross-venue basis in ticks, over the bars that have one.

        Where none has, it is 0 for a bar in which fewer than two members traded, and otherwise
        that of the bar itself, of a wider one that of its first base bar; null without that.
        """
        if window.key.scope is Scope.VENUE:
            return 0
        ranges = [one for one in self._basis.get(window.key, ()) if one is not None]
        if ranges:
            return median_low(ranges)
        if sum(trades > 0 for _, trades in bar.members.values()) < 2:
            return 0
        return self._basis_range(window, members)

    def _basis_range(self, window: Window, members: Members) -> int | None:
        """Return how far apart, in ticks, the members' average prices of one base bar lie.

        Null unless two of them traded.
        """
        prices = []
        for feed in members:
            bar = self._ledger.base(feed.key, [feed], window.start_us)
            if bar.rows:
                prices.append(bar.notional // sum(bar.sums()[:3]))
        return max(prices) - min(prices) if len(prices) > 1 else None

    def _agreeing(self, window: Window, members: Members, factor: int) -> list[dict[int, int]]:
        """Return the marks of the members' own bars, for base bars of an aggregate."""
        if window.key.scope is Scope.VENUE or window.interval_us != self._ledger.base_us:
            return []
        bars = [self._ledger.base(feed.key, [feed], window.start_us) for feed in members]
        return [self._recorder.marks_of(bar, factor) for bar in bars if bar.rows]

    # --- state

    def dump(self) -> Plain:
        """Return everything as plain values."""
        return [
            [[*key, interval_us, price] for (key, interval_us), price in self._ref_close.items()],
            [[*key, list(ranges)] for key, ranges in self._basis.items()],
            [[*key, *window, version] for (key, *window), version in self._versions.items()],
        ]

    def load(self, state: Plain) -> None:
        """Take the values of `dump` back."""
        ref_close, basis, versions = state
        self._ref_close = {(scope_key(row), row[3]): row[4] for row in ref_close}
        self._basis = {scope_key(row): deque(row[3], maxlen=BASIS_BARS) for row in basis}
        self._versions = {(scope_key(row), row[3], row[4]): row[5] for row in versions}


def _common_tick(members: Members, bar: Bar) -> int:
    """Return the least height in which every member that traded in a bar has whole ticks."""
    return lcm(*(feed.tick for feed in members if bar.members.get(feed.name, (0, 0))[1]))
