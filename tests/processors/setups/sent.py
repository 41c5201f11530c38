"""What the operators before setups send, as far as setups look at it."""

from processors.events.writer import SIDES, Event, EventWriter
from processors.scopes import PERP, ScopeKey
from schemas.cascades import Attribution, Cascade, CascadeEvidence, CascadeLevel, CascadeState
from schemas.cvd_structure import (
    Conviction,
    ConvictionState,
    CvdShare,
    CvdStructure,
    CvdStructureSeries,
)
from schemas.events import EventKind, EventState, FlowEvent
from schemas.lineage import Status
from schemas.liquidations import LiquidatedSide
from schemas.units import US_PER_MINUTE, US_PER_SECOND
from tests.processors.operators.footprint_bars import NOON_US, PRICE, completeness
from tests.processors.seconds.builders import ASSET, UNITS, second
from tests.processors.setups.story import KEY, NAME

WIDTH = 1_200
"""2 bp of 60,000.00."""


def event(
    number: int,
    kind: EventKind,
    state: EventState,
    sign: int,
    key: ScopeKey = KEY,
    *,
    of: int = 0,
    form: str = "",
    band: tuple[int, int] = (PRICE, PRICE + 1),
    values: dict[str, int | float | None] | None = None,
    evidence: tuple[str, ...] = (),
) -> FlowEvent:
    """Return an event that is against a long (sign 1): about sells."""
    made = Event(
        id=f"{kind.value}:{of}:{sign}",
        kind=kind,
        form=form,
        state=state,
        side=SIDES[-sign],
        key=key,
        span=(0, 1),
        band=band,
        values=values or {},
        evidence=evidence,
    )
    record = EventWriter(UNITS, "test/1.0.0", "p").write(second(number), made).record
    assert isinstance(record, FlowEvent)
    return record


def candidate(
    number: int, sign: int, extreme: int, *, rate_usd_cents: int = 60_000, level: int | None = None
) -> FlowEvent:
    """Return a candidate of absorption, at a level of one tick if it says one."""
    width = max(100 * 10_000, 2 * extreme)
    width = -(-width // 10_000)
    band = (extreme, extreme + width) if sign > 0 else (extreme - width + 1, extreme + 1)
    values: dict[str, int | float | None] = {
        "usd_cents": 5,
        "rate_usd_cents": rate_usd_cents,
        "level_low_ticks": level,
        "level_high_ticks": None if level is None else level + 1,
    }
    named = () if level is None else ("level:prior_poc:p",)
    return event(
        number,
        EventKind.ABSORPTION,
        EventState.CANDIDATE,
        sign,
        of=number,
        band=band,
        values=values,
        evidence=named,
    )


def divergence(
    number: int,
    sign: int,
    state: EventState = EventState.CONFIRMED,
    *,
    agree: int = 2,
    strong: int = 0,
    key: ScopeKey = PERP,
) -> FlowEvent:
    """Return a divergence of lows (sign 1), always the same one."""
    values: dict[str, int | float | None] = {
        "venues_agree": agree,
        "strong": strong,
        "cvd_change_lots": 7 * sign,
    }
    return event(number, EventKind.DELTA_DIVERGENCE, state, sign, key, values=values)


def exhaustion(number: int, sign: int, form: str = "sequence", key: ScopeKey = PERP) -> FlowEvent:
    """Return an exhaustion of sells (sign 1)."""
    kind, state = EventKind.EXHAUSTION, EventState.OBSERVED
    return event(number, kind, state, sign, key, of=number, form=form)


def cascade(
    number: int,
    sign: int,
    state: CascadeState,
    *,
    swept: int | None = None,
    extreme: int | None = None,
    interest: float | None = None,
    outcome: CascadeState | None = None,
    of: int = 1,
    reference: str = NAME,
    previous: CascadeState | None = CascadeState.IDLE,
) -> Cascade:
    """Return a cascade of longs (sign 1), whose extreme was in the second `extreme`."""
    side = LiquidatedSide(sign)
    end_us = NOON_US + (number + 1) * US_PER_SECOND
    return Cascade(
        asset=ASSET,
        revision=1,
        method="cascade/1.2.0",
        params="p",
        inputs=[],
        id=f"cascade:{of}:{sign}",
        liquidated_side=side,
        state=state,
        previous_state=previous,
        reason="minute",
        time_us=end_us,
        start_us=NOON_US + of,
        measured_from_us=None,
        tick=UNITS.tick,
        lot=UNITS.lot,
        reference=reference,
        start_ticks=PRICE,
        extreme_ticks=PRICE,
        extreme_us=None if extreme is None else NOON_US + (extreme + 1) * US_PER_SECOND,
        move_bp=None,
        peak_l60_usd_cents=None,
        peak_us=None,
        baseline_multiple=None,
        interest_change=interest,
        interest_venues=[],
        depth_change=None,
        depth_venues=[],
        depth_band_bp=50,
        swept_level=None if swept is None else CascadeLevel("pivot", swept, 0),
        oi_confirmed=None,
        outcome=outcome,
        outcome_us=None,
        obs_usd_cents=None,
        ub_usd_cents=None,
        all_share=None,
        confidence_class=None,
        attribution=Attribution.UNKNOWN,
        venues=[],
        completeness=completeness([NAME]),
        evidence=CascadeEvidence(
            l10_usd_cents=0,
            l60_usd_cents=0,
            episodes60=0,
            threshold_usd_cents=1,
            p99_usd_cents=None,
            floor_usd_cents=1,
            max_l10_usd_cents=None,
            high_ticks=None,
            low_ticks=None,
            last_ticks=None,
            atr_ticks=None,
            flow60_usd_cents=0,
            flow60_peak_usd_cents=None,
            interest_lots={},
            interest_age_us={},
            bar=None,
            liquidation_states={},
            price_state=None,
        ),
        null_reasons={},
    )


def conviction(
    state: ConvictionState | None, share: float = 0.1, quote: str = "USDT", venues: int = 1
) -> Conviction:
    """Return a conviction; of perpetuals that take `share`."""
    known = None if state is None else share
    return Conviction(
        quote=quote,
        window_seconds=3600,
        state=state,
        spot_share=known,
        perp_share=known,
        spot_venues=[f"spot{n}" for n in range(venues)],
        perp_venues=[NAME],
        null_reasons={},
    )


def structure(
    minute: int, cvd: int | None = None, convictions: tuple[Conviction, ...] = ()
) -> CvdStructure:
    """Return the structure of the minute that begins so many minutes after noon.

    Its only perpetual has `cvd` over 15 minutes, or was not there all the time.
    """
    start_us = NOON_US + minute * US_PER_MINUTE
    venues = [] if cvd is None else [NAME]
    return CvdStructure(
        asset=ASSET,
        revision=1,
        method="cvd_structure/1.0.0",
        params="p",
        inputs=[],
        bar_start_us=start_us,
        bar_end_us=start_us + US_PER_MINUTE,
        lot=UNITS.lot,
        series=[
            _series(KEY, "", cvd, venues),
            _series(PERP, "all", 5, [NAME]),
            _series(PERP, "common", cvd, venues),
        ],
        convictions=list(convictions),
    )


def _series(
    key: ScopeKey, composition: str, cvd: int | None, venues: list[str]
) -> CvdStructureSeries:
    return CvdStructureSeries(
        scope=key.scope,
        venue=key.venue,
        symbol=key.symbol,
        composition=composition,
        completeness=completeness([NAME], Status.COMPLETE),
        path_resolution_us=0,
        minute=None,
        candles=[],
        sizes=None,
        sizes_day=None,
        shares=[CvdShare(window_seconds=900, delta_lots=cvd, share=None, venues=venues)],
        normalised=None,
        null_reasons={},
    )
