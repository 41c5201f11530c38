"""Cumulative volume delta of one asset in one-second steps (definitions 5.5).

One record a second carries every instrument and, for perpetuals and spot each, the sum over all
members (`all`) and over those that were complete over the whole window of the measure (`common`).
A member that was not there at any time of a window is none of it: without one the measure is null.
The newest second goes out provisionally as soon as log time has passed it; each second is final
once the watermark of every expected feed has passed its end by two seconds, or thirty seconds have
gone by. Seconds in which no feed was there and nothing traded are counted but not sent.
"""

from collections.abc import Sequence
from typing import NamedTuple

from processors.cvd.member import DAY, MemberCvd, Sums, add_into, trade_sums
from processors.feed_clock import LATENESS_US
from processors.feeds import Accepted, Feeds
from processors.operator import Cause, Output
from processors.plain import Plain
from processors.scopes import ScopeKey
from processors.state import State, own_parts
from processors.trades import Block
from processors.units import AssetUnits
from schemas.cvd import WINDOWS, Cumulative, CvdAdjust, CvdSeries, CvdStep
from schemas.lineage import Status
from schemas.market import COVERING_STATES
from schemas.topics import CVD
from schemas.units import US_PER_MINUTE, US_PER_SECOND, round_half_even

METHOD = "cvd/1.1.0"


class _Measure(NamedTuple):
    """The values of a member at one second, before rounding; `present` as in `MemberCvd`."""

    present: int
    step: Sums
    day: Sums
    anchored: Sums
    rolling: list[Sums]


class CvdOperator:
    """All CVD series of one asset."""

    name = "cvd"

    def __init__(self, asset: str, units: AssetUnits, params: str) -> None:
        self._asset = asset
        self._lot = units.lot
        self._per_cent = units.notional_per_cent
        self._params = params
        self._members: dict[str, MemberCvd] = {}
        self._next_second = 0
        self._anchor_second = 0
        self._due_second = 0
        self._adjust: dict[tuple[str, int], list[int]] = {}
        self._offsets: dict[int, int] = {}

    def on_batch(self, batch: Accepted, cause: Cause) -> list[Output]:
        """Take the new trades of one batch into their seconds."""
        if batch.block is None:
            return []
        member = self._member(batch.member, batch.key)
        for second, sums in trade_sums(batch.block).items():
            if second > member.last_second:
                member.take(second, sums)
                self._offsets.setdefault(second, cause.offset)
            elif sums[2]:
                member.late(second, sums)
                self._adjust_by(batch.member, second, sums, batch.block)
        return []

    def _adjust_by(self, member: str, second: int, sums: Sums, block: Block) -> None:
        bar_start_us = second * US_PER_SECOND - second * US_PER_SECOND % US_PER_MINUTE
        adjust = self._adjust.setdefault((member, bar_start_us), [0, 0, 0, 0, 0])
        add_into(adjust, sums)
        adjust[4] += sum(1 for t in block.trades if t[0] // US_PER_SECOND == second and t[5])

    def on_time(self, feeds: Feeds, cause: Cause) -> list[Output]:
        """Close the seconds that are over, then show the newest one."""
        if len(feeds.members) > len(self._members) or not self._next_second:
            for feed in feeds.members.values():
                self._member(feed.name, feed.key)
            if not self._next_second and not self._start(feeds):
                return []
        outputs: list[Output] = []
        if self._next_second < (feeds.newest_us - LATENESS_US) // US_PER_SECOND:
            outputs += self._close_due(feeds, cause)
        newest = feeds.now_us // US_PER_SECOND - 1
        if newest >= self._due_second:
            self._due_second = newest + 1
            if newest >= self._next_second:
                outputs.append(self._provisional(newest, feeds, cause))
        return outputs

    def waiting(self, feeds: Feeds, cause: Cause) -> list[Output]:
        """Return nothing: a second is sent when it is over."""
        return []

    def _close_due(self, feeds: Feeds, cause: Cause) -> list[Output]:
        outputs = []
        frontier = feeds.frontier_us(feeds.members.values()) // US_PER_SECOND
        while self._next_second < frontier:
            if self._is_empty() and not self._is_covered(self._next_second, frontier, feeds):
                self._jump(frontier)
                break
            second = self._next_second
            traded = self._close(second, feeds)
            self._next_second = second + 1
            if traded or self._adjust or self._is_covered(second, second + 1, feeds):
                outputs.append(self._final(second, feeds, cause))
        return outputs

    def _is_empty(self) -> bool:
        """Say whether nothing is open and no window holds anything: time may then jump."""
        return not any(member.open or member.rolling[-1][2] for member in self._members.values())

    def _member(self, name: str, key: ScopeKey) -> MemberCvd:
        member = self._members.get(name)
        if member is None:
            member = self._members[name] = MemberCvd(key)
            member.last_second = max(0, self._next_second - 1)
        return member

    def _start(self, feeds: Feeds) -> bool:
        """Begin at the first trade or watermark, but not more than a day back.

        Waits for a while, since what was sent before the first record may still come.
        """
        began_us = min(feed.began_us for feed in feeds.members.values())
        if feeds.newest_us < began_us + 2 * LATENESS_US:
            return False
        seconds = [second for member in self._members.values() for second in member.open]
        first = min(began_us // US_PER_SECOND, *seconds) if seconds else began_us // US_PER_SECOND
        first = max(1, first, feeds.now_us // US_PER_SECOND - DAY)
        self._next_second = self._anchor_second = first
        for member in self._members.values():
            member.last_second = first - 1
        return True

    def _close(self, second: int, feeds: Feeds) -> bool:
        start_us = second * US_PER_SECOND
        traded = False
        for name, member in self._members.items():
            traded = traded or second in member.open
            covered = feeds.members[name].coverage.within(start_us, start_us + US_PER_SECOND)
            member.close(second, covered)
        return traded

    def _is_covered(self, first: int, end: int, feeds: Feeds) -> bool:
        """Say whether any feed was there at any time of the seconds `[first, end)`."""
        span = (first * US_PER_SECOND, end * US_PER_SECOND)
        return any(feed.coverage.within(*span) for feed in feeds.members.values())

    def _jump(self, second: int) -> None:
        """Pass over seconds in which nobody was there and no window changes."""
        for member in self._members.values():
            member.pass_over(second - 1)
        self._next_second = second

    # --- records out

    def _final(self, second: int, feeds: Feeds, cause: Cause) -> Output:
        measures = {
            name: _Measure(member.present, member.step, member.day, member.anchored, member.rolling)
            for name, member in self._members.items()
        }
        states = {name: member.complete for name, member in self._members.items()}
        adjust, self._adjust = self._adjust, {}
        adjustments = [
            CvdAdjust(
                venue=self._members[name].key.venue,
                symbol=self._members[name].key.symbol,
                bar_start_us=bar_start_us,
                delta_lots=sums[0],
                delta_usd_cents=self._cents(sums[1]),
                volume_lots=sums[2],
                volume_usd_cents=self._cents(sums[3]),
                trades=sums[4],
            )
            for (name, bar_start_us), sums in sorted(adjust.items())
        ]
        output = self._record(second, (measures, states, adjustments), True, feeds, cause)
        self._offsets.pop(second, None)
        return output

    def _provisional(self, second: int, feeds: Feeds, cause: Cause) -> Output:
        day_start = second // DAY * DAY
        states = {
            name: feed.state_at(feeds.now_us) in COVERING_STATES
            for name, feed in feeds.members.items()
        }
        measures = {}
        for name, member in self._members.items():
            closed_today = member.last_second >= day_start
            measures[name] = _Measure(
                second if states[name] else member.present_at(second),
                member.open.get(second, [0, 0, 0, 0]),
                member.since(member.day if closed_today else [0] * 4, day_start, second),
                member.since(member.anchored, 0, second),
                [member.window_at(index, second) for index in range(len(WINDOWS))],
            )
        return self._record(second, (measures, states, []), False, feeds, cause)

    def _record(
        self,
        second: int,
        values: tuple[dict[str, _Measure], dict[str, bool], list[CvdAdjust]],
        is_final: bool,
        feeds: Feeds,
        cause: Cause,
    ) -> Output:
        measures, states, adjustments = values
        series: list[CvdSeries] = []
        for key, members in feeds.scopes():
            names = [f.name for f in members if f.listed or any(measures[f.name].rolling[-1])]
            if not names:
                continue
            complete = [name for name in names if states[name]]
            if key.venue:
                series.append(self._series((key, ""), second, measures, (names, complete)))
            else:
                series.append(self._series((key, "all"), second, measures, (names, complete)))
                series.append(self._series((key, "common"), second, measures, (names, complete)))
        first_offset = self._offsets.get(second, cause.offset)
        record = CvdStep(
            asset=self._asset,
            step_start_us=second * US_PER_SECOND,
            lot=self._lot,
            anchor_us=self._anchor_second * US_PER_SECOND,
            revision=cause.revision,
            is_final=is_final,
            method=METHOD,
            params=self._params,
            inputs=cause.since(first_offset),
            log_time_us=feeds.now_us,
            series=series,
            adjustments=adjustments,
        )
        return Output(CVD.name, self._asset, record, record.step_start_us)

    def _series(
        self,
        what: tuple[ScopeKey, str],
        second: int,
        measures: dict[str, _Measure],
        membership: tuple[list[str], list[str]],
    ) -> CvdSeries:
        key, composition = what
        names, complete = membership
        of, common = self._members, composition == "common"

        def over(first: int) -> list[str]:
            if common:
                return [n for n in complete if of[n].common_over(first)]
            return [n for n in names if measures[n].present >= first]

        rolling, counts = [], []
        for index, window in enumerate(WINDOWS):
            behind = over(second - window + 1)
            rolling.append(self._sum([measures[name].rolling[index] for name in behind]))
            counts.append(len(behind))
        for_day = over(second // DAY * DAY)
        if common:
            since = [n for n in complete if of[n].incomplete < of[n].anchor]
            behind = complete
        else:
            since = [n for n in names if measures[n].present]
            behind = [n for n in names if n in complete or any(measures[n].step)]
        return CvdSeries(
            scope=key.scope,
            venue=key.venue,
            symbol=key.symbol,
            composition=composition,
            status=_status(len(names), len(complete), bool(behind)),
            step=self._sum([measures[name].step for name in behind]),
            day=self._sum([measures[name].day for name in for_day]),
            anchored=self._sum([measures[name].anchored for name in since]),
            rolling=rolling,
            venues=behind,
            rolling_venues=counts,
        )

    def _sum(self, parts: Sequence[Sums]) -> Cumulative | None:
        if not parts:
            return None
        total = [sum(column) for column in zip(*parts, strict=True)]
        return Cumulative(total[0], self._cents(total[1]), total[2], self._cents(total[3]))

    def _cents(self, notional: int) -> int:
        return round_half_even(notional, self._per_cent)

    # --- state

    def snapshot(self) -> State:
        """Return sums and open seconds; closed minutes go out as parts."""
        parts = {
            f"{name}/{part}": content
            for name, member in sorted(self._members.items())
            for part, content in member.take_parts().items()
        }
        head = {
            "members": [[name, member.dump()] for name, member in self._members.items()],
            "next_second": self._next_second,
            "anchor_second": self._anchor_second,
            "due_second": self._due_second,
            "offsets": list(self._offsets.items()),
            "adjust": [[*name, sums] for name, sums in sorted(self._adjust.items())],
        }
        return State(head, parts)

    def restore(self, head: Plain, parts: dict[str, bytes]) -> None:
        """Continue from a snapshot."""
        by_member = own_parts(parts)
        for name, values in head["members"]:
            self._members[name] = MemberCvd.load(values, by_member.get(name, {}))
        self._offsets = dict(head["offsets"])
        self._next_second = head["next_second"]
        self._anchor_second = head["anchor_second"]
        self._due_second = head["due_second"]
        self._adjust = {(name, start): sums for name, start, sums in head["adjust"]}

    def keeps(self, part: str) -> bool:
        """Say whether a closed minute is still inside the longest window."""
        name, _, minute = part.rpartition("/")
        member = self._members.get(name)
        return member is None or member.keeps(minute)


def _status(expected: int, complete: int, any_there: bool) -> Status:
    if complete == expected:
        return Status.COMPLETE
    return Status.PARTIAL if complete or any_there else Status.GAP
