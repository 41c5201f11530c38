"""The record of a cascade: what the state machine decided, from what, and what is known of it."""

from collections.abc import Mapping

from processors.cascade.context import change, depth_of
from processors.cascade.machine import Event, Transition
from processors.cascade.params import CascadeParams
from processors.cascade.side import CascadeSide, Scene, Seen
from processors.cascade.venues import totals_of
from processors.derived import derived
from processors.operators.footprint import params_hash
from processors.units import AssetUnits
from schemas.cascades import (
    Cascade,
    CascadeEvidence,
    CascadeState,
)
from schemas.units import US_PER_MINUTE, round_half_even

METHOD = "cascade/1.2.0"


class CascadeRecorder:
    """Makes the records of one asset."""

    def __init__(self, asset: str, units: AssetUnits, params: CascadeParams) -> None:
        self._asset, self._units, self._params = asset, units, params
        self._hash = params_hash(units, params)

    def record(
        self, side: CascadeSide, scene: Scene, seen: Seen, transition: Transition | None
    ) -> Cascade:
        """Make the record of a second.

        Args:
            side: after the second.
            scene: the second.
            seen: what the side made of it.
            transition: what it changed, None for the record of a minute.
        """
        machine, second = side.machine, scene.second
        event = machine.event if transition is None else transition.event
        start_us = machine.start_us if transition is None else transition.start_us
        totals = totals_of(side.parts, scene.watch.samplings, self._units.notional_per_cent)
        interest, interest_venues = change(event.interest if event else {}, seen.inputs.interest)
        band_bp = self._params.depth_band_bp
        depth, depth_venues = change(side.depth, depth_of(scene.perps, side.sign, band_bp))
        word = side.side.name.lower()
        record = Cascade(
            **derived(second, METHOD, self._hash),
            id=f"cascade:{self._asset}:{start_us}:{word}",
            liquidated_side=side.side,
            state=machine.state,
            previous_state=None if transition is None else transition.previous,
            reason="minute" if transition is None else transition.reason,
            time_us=second.end_us,
            start_us=start_us,
            measured_from_us=None if event is None else start_us - US_PER_MINUTE,
            tick=self._units.tick,
            lot=self._units.lot,
            reference=scene.reference,
            start_ticks=None if event is None else event.start,
            extreme_ticks=None if event is None else event.extreme,
            extreme_us=None if event is None else event.extreme_us,
            move_bp=None if event is None else (event.extreme - event.start) * 10_000 / event.start,
            peak_l60_usd_cents=None if event is None else event.peak_l60,
            peak_us=None if event is None else event.peak_us,
            baseline_multiple=None if event is None else event.peak_l60 / event.threshold,
            interest_change=interest,
            interest_venues=interest_venues,
            depth_change=depth,
            depth_venues=depth_venues,
            depth_band_bp=band_bp,
            swept_level=None if event is None else event.swept,
            oi_confirmed=None if event is None else event.oi_confirmed,
            outcome=None if event is None else event.outcome,
            outcome_us=None if event is None else event.outcome_us,
            obs_usd_cents=None if event is None else totals.usd_cents,
            ub_usd_cents=totals.upper_usd_cents,
            all_share=totals.all_share,
            confidence_class=totals.confidence,
            attribution=totals.attribution,
            venues=totals.venues,
            completeness=side.told.record(scene.watch.states),
            evidence=self._evidence(side, scene, seen, event),
            null_reasons={},
        )
        record.null_reasons.update(_reasons(record, event))
        return record

    def _evidence(
        self, side: CascadeSide, scene: Scene, seen: Seen, event: Event | None
    ) -> CascadeEvidence:
        inputs, reference = seen.inputs, scene.reference
        true_ranges = inputs.true_ranges if event is None else event.true_ranges
        return CascadeEvidence(
            l10_usd_cents=inputs.l10,
            l60_usd_cents=inputs.l60,
            episodes60=inputs.episodes60,
            threshold_usd_cents=inputs.threshold if event is None else event.threshold,
            p99_usd_cents=seen.p99,
            floor_usd_cents=side.floor,
            max_l10_usd_cents=None if event is None else event.max_l10,
            high_ticks=inputs.high,
            low_ticks=inputs.low,
            last_ticks=inputs.last,
            atr_ticks=None if true_ranges is None else true_ranges / self._params.atr_bars,
            flow60_usd_cents=None if reference is None else self._cents(inputs.flow60),
            flow60_peak_usd_cents=None if event is None else self._cents(event.peak_flow60),
            interest_lots=dict(inputs.interest),
            interest_age_us=dict(seen.ages),
            bar=inputs.bar,
            liquidation_states=dict(sorted(scene.watch.states.items())),
            price_state=None if reference is None else scene.watch.price_states.get(reference),
        )

    def _cents(self, notional: int) -> int:
        return round_half_even(notional, self._units.notional_per_cent)


def _reasons(record: Cascade, event: Event | None) -> Mapping[str, str]:
    """Say why what is null is not known."""
    if event is None:
        return {"cascade": "none_is_on"}
    why = {
        "interest_change": "no_venue_known_both_times",
        "depth_change": "no_venue_known_both_times",
        "swept_level": "none_crossed",
        "oi_confirmed": "not_exhausted",
        "outcome": "not_ended",
        "outcome_us": "not_ended",
        "ub_usd_cents": "member_without",
        "all_share": "nothing_told",
        "confidence_class": "nothing_told",
    }
    found = {name: reason for name, reason in why.items() if getattr(record, name) is None}
    if event.outcome is None and record.state is CascadeState.IDLE:
        found["outcome"] = found["outcome_us"] = "none_reached"
    if record.evidence.p99_usd_cents is None:
        found["p99_usd_cents"] = "too_few_blocks"
    if record.evidence.atr_ticks is None:
        found["atr_ticks"] = "too_few_bars"
    for venue in record.venues:
        if venue.onset_us is None:
            known = venue.p99_usd_cents is not None
            found[f"onset_us.{venue.venue}:{venue.symbol}"] = (
                "not_passed" if known else "too_few_blocks"
            )
        if venue.ub_usd_cents is None:
            reason = "bounds_inconsistent" if venue.bounds_inconsistent else "trades_incomplete"
            found[f"ub_usd_cents.{venue.venue}:{venue.symbol}"] = reason
    return found
