"""Context and positioning of one asset: open interest, funding, basis and two quadrants.

Every 10 s the newest values go out, at the end of each minute the final ones. All instruments are
perpetuals, also those without a tape. Open interest is compared in base coin at its own times: a
value counts for two of its venue's intervals and is null beyond (see `Polls`; prices, too).
Source: definitions 5.12, traps 16 to 19.

Settled here, where 5.12 leaves it open:
- the ATR of the price's dead zone is that of bars as long as the window: a move of 4 h is nearly
  always above a quarter of a one-minute range, and would never be neutral;
- the price of an aggregate is that of its greatest member (see `quadrant_of`);
- venue weights of the book imbalance are capped again and again until none is above a half, so two
  venues count the same (see `capped_shares`);
- the final records are the trail of the last 24 h: one carries one point, not 1440;
- `premium` is not in the tickers, so it is not in here.

State: `history` (points of 4 h), 30 days of one integer a minute, and a few hundred numbers per
instrument. An instrument that is not listed any more at the end of a step is forgotten; until then
its running totals go on, since differences are taken between them.
"""

from processors.context.book_flow import book_flow_of, rolling_cvd
from processors.context.history import History
from processors.context.instrument import Instrument
from processors.context.moment import Moment
from processors.context.params import ContextParams
from processors.context.records import aggregate_of, instrument_of
from processors.derived import derived
from processors.measures.percentile import TrailingPercentile
from processors.operator import Output
from processors.operators.footprint import params_hash
from processors.plain import Plain
from processors.seconds.presence import MinuteWindow, Presence, StreamName, stream_of
from processors.seconds.second import MemberSecond, Second
from processors.state import State, own_parts
from processors.units import AssetUnits
from schemas.context import CONTEXT_TOPIC, MarketContext
from schemas.market import Scope
from schemas.units import US_PER_DAY, US_PER_MINUTE, US_PER_SECOND

METHOD = "context/1.1.0"

_USUAL_PART_US = 240 * US_PER_MINUTE
_STREAMS: tuple[StreamName, ...] = ("ticker_stream", "trade_stream")


class ContextOperator:
    """Context and positioning of one asset."""

    name = "context"

    def __init__(self, asset: str, units: AssetUnits, params: ContextParams | None = None) -> None:
        params = params or ContextParams()
        self._asset = asset
        self._units = units
        self._params = params
        self._hash = params_hash(units, params)
        self._step_us = params.step_seconds * US_PER_SECOND
        self._instruments: dict[str, Instrument] = {}
        self._minute = MinuteWindow("ticker_stream")
        self._tickers = Presence("ticker_stream")
        self._trades = Presence("trade_stream")
        self._history = History(max(params.windows) * US_PER_SECOND)
        self._usual = TrailingPercentile(
            params.usual_days * US_PER_DAY,
            (params.usual_percent, 100),
            params.usual_least_minutes,
            _USUAL_PART_US,
        )

    def on_second(self, second: Second) -> list[Output]:
        """Take one second in; each step of ten seconds sends a record, final at minute ends."""
        for presence in (self._minute, self._tickers, self._trades):
            presence.take(second)
        for member in _perps(second):
            known = self._instruments.get(member.name)
            if known is None:
                known = self._instruments[member.name] = Instrument(
                    member.key.venue, member.key.symbol, self._units.lot, self._params
                )
            known.take(second, member)
        if second.end_us % self._step_us:
            return []
        return [self._step(second)]

    def _step(self, second: Second) -> Output:
        end_us = second.end_us
        names = sorted(one.name for one in _perps(second))
        for name in [name for name in self._instruments if name not in names]:
            if name in second.members:
                del self._instruments[name]
        instruments = {name: self._instruments[name] for name in names}
        self._history.put(end_us, {name: one.point(end_us) for name, one in instruments.items()})
        moment = Moment(
            end_us,
            instruments,
            self._history,
            self._tickers,
            self._trades,
            self._units,
            self._params,
        )
        is_final = end_us % US_PER_MINUTE == 0
        cvd = rolling_cvd(moment)
        if is_final and cvd[0] is not None:
            self._usual.add(end_us, abs(cvd[0]))
        size = self._usual.at(end_us)
        record = MarketContext(
            **derived(second, METHOD, self._hash),
            is_final=is_final,
            minute_start_us=(end_us - 1) // US_PER_MINUTE * US_PER_MINUTE,
            as_of_us=end_us,
            tick=self._units.tick,
            lot=self._units.lot,
            completeness=self._minute.record(names),
            instruments=[instrument_of(one, moment) for one in instruments.values()],
            perp=[aggregate_of(composition, moment) for composition in ("all", "common")],
            book_flow=book_flow_of(moment, cvd, (size, self._usual.samples)),
        )
        return Output(CONTEXT_TOPIC, self._asset, record, end_us)

    # --- state

    def snapshot(self) -> State:
        """Return what changes; blocks of points and of sizes that are over go out as parts."""
        parts = {f"history/{name}": part for name, part in self._history.take_parts().items()}
        parts |= {f"usual/{name}": part for name, part in self._usual.take_parts().items()}
        head = {
            "minute": self._minute.dump(),
            "tickers": self._tickers.dump(),
            "trades": self._trades.dump(),
            "history": self._history.dump(),
            "usual": self._usual.dump(),
            "instruments": [
                [one.venue, one.symbol, one.dump()] for one in self._instruments.values()
            ],
        }
        return State(head, parts)

    def restore(self, head: Plain, parts: dict[str, bytes]) -> None:
        """Continue from a snapshot."""
        owned = own_parts(parts)
        self._minute = MinuteWindow("ticker_stream", head["minute"])
        self._tickers = Presence("ticker_stream", head["tickers"])
        self._trades = Presence("trade_stream", head["trades"])
        self._history.load(head["history"], owned.get("history", {}))
        self._usual.load(head["usual"], owned.get("usual", {}))
        for venue, symbol, state in head["instruments"]:
            one = Instrument(venue, symbol, self._units.lot, self._params, state)
            self._instruments[one.name] = one

    def keeps(self, part: str) -> bool:
        """Say whether a part written earlier is still needed."""
        owner, _, name = part.rpartition("/")
        return self._history.keeps(name) if owner == "history" else self._usual.keeps(name)


def _perps(second: Second) -> list[MemberSecond]:
    """Return the perpetuals that have a ticker or trades, by name."""
    return [
        member
        for member in second.members.values()
        if member.aggregate.scope is Scope.PERP
        and any(stream_of(member, name) is not None for name in _STREAMS)
    ]
