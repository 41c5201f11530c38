"""Records that rules look at, as operators would have sent them at the end of a second."""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from processors.alerts.rules import AlertParams, AlertRule
from processors.operator import Output
from processors.operators.alerts import AlertOperator
from processors.seconds.second import Second
from schemas.alerts import Alert
from schemas.cascades import (
    Attribution,
    Cascade,
    CascadeEvidence,
    CascadeState,
    ConfidenceClass,
)
from schemas.context import (
    BookFlowQuadrant,
    FundingRate,
    InstrumentContext,
    MarketContext,
)
from schemas.events import EventKind, EventSide, EventState, FlowEvent
from schemas.lineage import Completeness, InputRange, Status
from schemas.liquidation_flow import (
    LargestLiquidation,
    LiquidationCluster,
    LiquidationFlow,
    LiquidationSeries,
    LiquidationSums,
)
from schemas.liquidations import LiquidatedSide, PriceKind, SamplingClass
from schemas.market import FeedState, Scope
from schemas.units import US_PER_SECOND
from tests.processors.seconds.builders import (
    ASSET,
    BINANCE,
    BYBIT,
    DOWN,
    LIVE,
    NOON_SECOND,
    UNITS,
    member,
    second,
)

NOON_US = NOON_SECOND * US_PER_SECOND
HEAD: dict[str, Any] = {
    "asset": ASSET,
    "revision": 7,
    "params": "p",
    "inputs": [InputRange("md.norm.trades.v1", 0, 1, 2)],
}
NAMES = [":".join(BINANCE), ":".join(BYBIT)]
SYMBOLS = dict(zip(NAMES, (BINANCE, BYBIT), strict=True))


def completeness(missing: Iterable[str] = (), *, names: Sequence[str] = NAMES) -> Completeness:
    """Say that all were there for a minute but for those missing, which had half of it."""
    gone = sorted(missing)
    there = [name for name in names if name not in gone]
    status = Status.COMPLETE if not gone else Status.PARTIAL
    return Completeness(
        status=status,
        venues_expected=list(names),
        venues_complete=there,
        venues_partial=gone,
        coverage_ms={name: 60_000 if name in there else 30_000 for name in names},
        feed_states={n: FeedState.LIVE if n in there else FeedState.DOWN for n in names},
    )


def flow_event(**changes: Any) -> FlowEvent:
    """Return a large print of 1.2 million dollars on Binance."""
    fields: dict[str, Any] = {
        **HEAD,
        "method": "large_print/1.1.0",
        "id": "large_print:BTC:1",
        "kind": EventKind.LARGE_PRINT,
        "form": "usd_100000",
        "state": EventState.OBSERVED,
        "side": EventSide.BUY,
        "scope": Scope.VENUE,
        "venue": BINANCE[0],
        "symbol": BINANCE[1],
        "tick": UNITS.tick,
        "lot": UNITS.lot,
        "start_us": NOON_US,
        "end_us": NOON_US + 1000,
        "event_time_us": NOON_US + US_PER_SECOND,
        "low_ticks": 6_000_050,
        "high_ticks": 6_001_000,
        "status": Status.COMPLETE,
        "venues_expected": [NAMES[0]],
        "venues": [NAMES[0]],
        "values": {"usd_cents": 120_000_000, "levels": 4, "unknown": None},
        "evidence": ["trades:binance:BTC-USDT-PERP:1-9"],
        "null_reasons": {},
    }
    return FlowEvent(**{**fields, **changes})


def cascade(state: CascadeState, **changes: Any) -> Cascade:
    """Return one side of a cascade in this state."""
    fields: dict[str, Any] = {
        **HEAD,
        "method": "cascade/1.0.0",
        "id": f"cascade:BTC:{NOON_US}:long",
        "liquidated_side": LiquidatedSide.LONG,
        "state": state,
        "previous_state": None,
        "reason": "minute",
        "time_us": NOON_US + US_PER_SECOND,
        "start_us": NOON_US,
        "measured_from_us": NOON_US,
        "tick": UNITS.tick,
        "lot": UNITS.lot,
        "move_bp": -84.25,
        "depth_band_bp": 20,
        "confidence_class": ConfidenceClass.MULTI_VENUE,
        "attribution": Attribution.UNKNOWN,
        "completeness": completeness(),
        "evidence": CascadeEvidence(
            l10_usd_cents=0,
            l60_usd_cents=521_040_049,
            episodes60=9,
            threshold_usd_cents=1,
            p99_usd_cents=None,
            floor_usd_cents=1,
            max_l10_usd_cents=None,
            high_ticks=None,
            low_ticks=None,
            last_ticks=6_351_240,
            atr_ticks=None,
            flow60_usd_cents=0,
            flow60_peak_usd_cents=None,
            interest_lots={},
            interest_age_us={},
            bar=None,
            liquidation_states={},
            price_state=None,
        ),
        **{name: [] for name in ("interest_venues", "depth_venues", "venues")},
        "null_reasons": {},
    }
    absent = {field.name: None for field in msgspec.structs.fields(Cascade) if field.required}
    return Cascade(**{**absent, **fields, **changes})


def sums(usd_cents: int) -> LiquidationSums:
    """Return the sums of one side."""
    return LiquidationSums(
        count=1,
        qty_lots=1,
        obs_usd_cents=usd_cents,
        order_price_count=0,
        ub_usd_cents=None,
        report_seconds=None,
        est_count=None,
        est_usd_cents=None,
        est_count_limit=None,
        all_share=None,
        bounds_inconsistent=False,
        null_reasons={},
    )


def liquidations(
    usd_cents: int | None, *, interval: int = 60, common: int = 0, missing: Iterable[str] = ()
) -> LiquidationFlow:
    """Return a window with what was told of longs over `all`, and over `common`."""
    said = completeness(missing)
    series = [
        LiquidationSeries(
            scope=Scope.PERP,
            venue="",
            symbol="",
            composition=composition,
            status=said.status,
            venues=NAMES,
            sampling=SamplingClass.ALL,
            price_kind=None,
            long=None if usd is None else sums(usd),
            short=sums(0),
            backlog_count=0,
        )
        for composition, usd in (("all", usd_cents), ("common", common))
    ]
    return LiquidationFlow(
        **HEAD,
        method="liquidations/1.0.0",
        interval_seconds=interval,
        window_start_us=NOON_US,
        window_end_us=NOON_US + interval * US_PER_SECOND,
        lot=UNITS.lot,
        completeness=said,
        series=series,
        clusters=[],
    )


def cluster(number: int, usd_cents: int, partial: Sequence[str] = ()) -> LiquidationFlow:
    """Return a second with which one cluster has ended."""
    found = LiquidationCluster(
        id=f"cluster:{number}",
        liquidated_side=LiquidatedSide.SHORT,
        start_us=NOON_US,
        end_us=NOON_US,
        count=12,
        qty_lots=1,
        obs_usd_cents=usd_cents,
        low_price="1",
        high_price="2",
        largest=LargestLiquidation(
            member=NAMES[0],
            event_time_us=NOON_US,
            price="1",
            price_kind=PriceKind.BANKRUPTCY,
            qty_lots=1,
            usd_cents=1,
        ),
        venues_usd_cents={},
        partial_venues=list(partial),
        end_reason="gap",
    )
    return msgspec.structs.replace(liquidations(0, interval=1), clusters=[found])


def context(
    rates: dict[str, float | None], *, final: bool = True, missing: Iterable[str] = ()
) -> MarketContext:
    """Return the context of instruments with these funding rates."""
    instruments = []
    for name, rate in rates.items():
        venue, symbol = SYMBOLS[name]
        known = FundingRate(
            rate_interval="0",
            interval_h=8.0,
            rate_8h=rate,
            rate_annual=None,
            settlement_time_us=None,
            age_us=None,
        )
        absent: dict[str, Any] = dict.fromkeys(InstrumentContext.__struct_fields__)
        fields = {
            "venue": venue,
            "symbol": symbol,
            "predicted": known if rate is not None else None,
        }
        instruments.append(
            InstrumentContext(
                **{
                    **absent,
                    **{"changes": [], "quadrants": [], "refused": {}, "null_reasons": {}},
                    **fields,
                }
            )
        )
    return MarketContext(
        **HEAD,
        is_final=final,
        method="context/1.0.0",
        minute_start_us=NOON_US,
        as_of_us=NOON_US + US_PER_SECOND,
        tick=UNITS.tick,
        lot=UNITS.lot,
        completeness=completeness(missing),
        instruments=instruments,
        perp=[],
        book_flow=BookFlowQuadrant(
            quadrant=None,
            obi=None,
            obi_weights={},
            cvd_lots=None,
            cvd_p95_lots=None,
            cvd_normalised=None,
            cvd_samples=0,
            cvd_venues=[],
            null_reasons={},
        ),
    )


def rule(**fields: Any) -> AlertRule:
    """Return a rule on all events, without a cooldown."""
    return AlertRule(**{"name": "r", "source": "event", "cooldown_seconds": 0, **fields})


def operator(*rules: AlertRule) -> AlertOperator:
    """Return a new operator."""
    return AlertOperator(ASSET, UNITS, AlertParams(rules=rules))


def at(number: int, *records: msgspec.Struct, down: Sequence[tuple[str, str]] = ()) -> Second:
    """Return a second in which these records were sent before the alerts are asked for."""
    members = [member(one, there=DOWN if one in down else LIVE) for one in (BINANCE, BYBIT)]
    made = second(number, *members)
    made.events = [Output("", ASSET, record, made.end_us) for record in records]
    return made


def alerts(outputs: Iterable[Output]) -> list[Alert]:
    """Return the alerts among outputs."""
    return [output.record for output in outputs if isinstance(output.record, Alert)]
