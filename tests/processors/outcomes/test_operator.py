"""Outcomes end to end: what is followed, what is said of it, worth, state (5.10, 5.13)."""

import json
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import msgspec
import pytest

from processors.operator import Output
from processors.operators.outcomes import OutcomeParams, OutcomesOperator
from processors.outcomes.chance import is_random_time
from processors.outcomes.record import KINDS
from processors.seconds.second import Second
from schemas.cascades import CascadeState
from schemas.footprints import FootprintBar
from schemas.lineage import Status
from schemas.outcomes import HORIZONS_MINUTES, OUTCOMES_TOPIC, OutcomeOf, OutcomeRecord
from schemas.setups import SetupKind, SetupRecord, SetupSide, SetupState, SetupVariant
from schemas.units import US_PER_DAY, US_PER_MINUTE
from tests.processors.operators.footprint_bars import NOON_US, PRICE, bar
from tests.processors.seconds.builders import (
    ASSET,
    BINANCE,
    BYBIT,
    UNITS,
    member,
    run,
    run_with_restarts,
    second,
)
from tests.processors.setups.sent import cascade
from tests.processors.setups.story import NAME

Price = Callable[[int], int]
FEW = OutcomeParams(most_outcomes=30, random_every_minutes=20, random_per_hour=12)
BOTH = pytest.mark.parametrize("sign", [1, -1])


def triggered(
    minute: int,
    sign: int = 1,
    *,
    state: SetupState = SetupState.TRIGGERED,
    kind: SetupKind = SetupKind.DELTA_DIVERGENCE,
    variant: SetupVariant = SetupVariant.ONE_MINUTE,
    provisional: bool = False,
    at_us: int = 0,
) -> SetupRecord:
    """Return a state of a setup, reached when so many minutes have gone by since noon."""
    venue, symbol = BINANCE
    return SetupRecord(
        asset=ASSET,
        revision=1,
        is_final=not provisional,
        method="m",
        params="p",
        inputs=[],
        id=f"setup:{minute}:{sign}",
        setup=kind,
        side=SetupSide.LONG if sign > 0 else SetupSide.SHORT,
        variant=variant,
        state=state,
        previous_state=None,
        reason="",
        provisional=provisional,
        scope=member(BINANCE).key.scope,
        venue=venue,
        symbol=symbol,
        tick="0.01",
        lot="0.001",
        event_time_us=NOON_US + minute * US_PER_MINUTE + at_us,
        armed_time_us=0,
        triggered_time_us=0,
        price_ticks=None,
        level_low_ticks=None,
        level_high_ticks=None,
        limit_ticks=None,
        weight=None,
        experimental=True,
        status=Status.COMPLETE,
        venues_expected=[],
        venues=[],
        values={},
        evidence=[],
        null_reasons={},
    )


def ends(
    count: int,
    price: Price = lambda _: PRICE,
    told: Mapping[int, Sequence[msgspec.Struct]] | None = None,
    *,
    partial: Callable[[int], bool] = lambda _: False,
    first: int = 0,
) -> list[Second]:
    """Return the last second of each minute: all that outcomes look at but for events."""
    made = []
    for minute in range(first, first + count):
        bars = [_bar(minute, price(minute), partial(minute))]
        one = second(60 * minute + 59, member(BINANCE))
        one.events += [
            Output("", ASSET, record, one.end_us) for record in (told or {}).get(minute, [])
        ]
        made.append(replace(one, bars=bars))
    return made


def _bar(minute: int, price: int, partial: bool) -> FootprintBar:
    return bar(
        minute,
        ohlc=(price, price + 60, price - 30, price),
        status=Status.PARTIAL if partial else Status.COMPLETE,
        buy_usd_cents=5,
    )


def records(outputs: Sequence[Output]) -> list[OutcomeRecord]:
    found = []
    for output in outputs:
        assert (output.topic, output.key) == (OUTCOMES_TOPIC, ASSET)
        record = output.record
        assert isinstance(record, OutcomeRecord)
        assert msgspec.json.decode(msgspec.json.encode(record), type=OutcomeRecord) == record
        assert (record.outcome is None) != (record.worth is None)
        found.append(record)
    return found


def outcomes(seconds: Sequence[Second], params: OutcomeParams | None = None) -> list[OutcomeRecord]:
    found = records(run(OutcomesOperator(ASSET, UNITS, params), seconds))
    return [one for one in found if one.outcome is not None]


@BOTH
def test_a_setup_is_followed_over_a_day_and_told_at_every_horizon(sign: int) -> None:
    """It triggers with minute 9, whose close is the entry; each minute has one tick more."""
    seen = outcomes(ends(1460, lambda minute: PRICE + minute, {9: [triggered(10, sign)]}))
    assert [one.event_time_us - NOON_US for one in seen] == [
        (10 + horizon) * US_PER_MINUTE for horizon in HORIZONS_MINUTES
    ]
    assert [one.is_final for one in seen] == [False] * 5 + [True]
    assert {one.id for one in seen} == {f"outcome:setup:10:{sign}"}
    last = seen[-1]
    assert last.outcome is not None
    assert (last.of, last.variant) == (OutcomeOf.DELTA_DIVERGENCE, SetupVariant.ONE_MINUTE)
    assert (last.venue, last.symbol, last.side) == (*BINANCE, "long" if sign > 0 else "short")
    entry = PRICE + 9
    assert last.outcome.entry_ticks == entry
    assert last.outcome.entry_time_us == NOON_US + 10 * US_PER_MINUTE
    for at, horizon in zip(last.outcome.at, HORIZONS_MINUTES, strict=True):
        assert at.return_bp == round(sign * 1e6 * horizon / entry) / 100
        down, up = 29, horizon + 60  # the first low, the last high
        against, along = (down, up) if sign > 0 else (up, down)
        assert (at.adverse_bp, at.favourable_bp) == (
            round(1e6 * against / entry) / 100,
            round(1e6 * along / entry) / 100,
        )
    assert last.status is Status.COMPLETE


def test_an_event_inside_a_minute_is_entered_at_its_close() -> None:
    seconds = ends(20, lambda minute: PRICE + minute)
    inside = second(5 * 60 + 7, member(BINANCE))
    event = cascade(5 * 60 + 7, 1, CascadeState.FAILED)
    inside.events.append(Output("", ASSET, event, inside.end_us))
    seen = outcomes([*seconds[:5], inside, *seconds[5:]])
    assert seen[0].outcome is not None
    assert seen[0].outcome.entry_ticks == PRICE + 5
    assert seen[0].outcome.event_time_us == inside.end_us
    assert seen[0].outcome.entry_time_us == NOON_US + 6 * US_PER_MINUTE
    assert (seen[0].of, seen[0].side) == (OutcomeOf.CASCADE_FAILED, SetupSide.LONG)


def test_what_is_followed_and_what_is_not() -> None:
    for record, followed in (
        (triggered(3), True),
        (triggered(3, variant=SetupVariant.FIVE_MINUTES), True),
        (triggered(3, provisional=True), False),
        (triggered(3, state=SetupState.CONFIRMED), False),
        (triggered(3, state=SetupState.ARMED), False),
        (cascade(179, 1, CascadeState.RECLAIMED), True),
        (cascade(179, -1, CascadeState.FADED), True),
        (cascade(179, 1, CascadeState.RECLAIMED, previous=None), False),
        (cascade(179, 1, CascadeState.FADED, previous=CascadeState.SUSPENDED), False),
        (cascade(179, 1, CascadeState.EXHAUSTED), False),
        (cascade(179, 1, CascadeState.COOLDOWN), False),
    ):
        assert bool(outcomes(ends(6, told={2: [record]}))) == followed
    conviction = triggered(3, kind=SetupKind.SPOT_PERP_CONVICTION, state=SetupState.CONFIRMED)
    assert outcomes(ends(6, told={2: [conviction]})) == []


def test_the_instrument_that_is_away_leaves_nulls_with_reasons() -> None:
    seen = outcomes(ends(30, told={2: [triggered(3)]}, partial=lambda minute: minute in (4, 7)))
    assert seen[-1].outcome is not None
    assert [one.reason for one in seen[-1].outcome.at] == ["", "price_missing", "gap"]
    assert [one.status for one in seen] == [Status.COMPLETE, Status.PARTIAL, Status.PARTIAL]
    [never] = outcomes(ends(30, told={2: [triggered(3)]}, partial=lambda minute: minute == 2))
    assert (never.status, never.is_final) == (Status.GAP, True)
    assert never.outcome is not None
    assert never.outcome.entry_ticks is None
    elsewhere = cascade(179, 1, CascadeState.FADED, reference="okx:BTC-PERP")
    [absent] = outcomes(ends(30, told={2: [elsewhere]}))
    assert absent.status is Status.GAP


def test_a_hole_in_time_is_a_gap() -> None:
    made = ends(40, told={2: [triggered(3)]})
    seen = outcomes(made[:5] + made[12:])
    assert seen[-1].outcome is not None
    assert [one.reason for one in seen[-1].outcome.at] == ["", "price_missing", "gap"]


def test_too_many_at_a_time_give_the_oldest_up() -> None:
    params = OutcomeParams(most_open=2, random_every_minutes=10**9)
    told = {minute: [triggered(minute + 1)] for minute in range(3)}
    given_up = [one for one in outcomes(ends(6, told=told), params) if one.is_final]
    assert [one.id for one in given_up] == ["outcome:setup:1:1"]
    assert given_up[0].outcome is not None
    assert given_up[0].outcome.at[-1].reason == "too_many_open"


# --- worth


def month(seed: int, days: int) -> list[Second]:
    """Return days in which setups and cascades happen at random times, with holes."""
    chance = random.Random(seed)
    price, prices = PRICE, []
    told: dict[int, list[msgspec.Struct]] = {}
    for minute in range(days * 1440):
        price += chance.randrange(-900, 901)
        prices.append(price)
        if chance.random() < 0.01:
            told.setdefault(minute, []).append(triggered(minute + 1, chance.choice([1, -1])))
        if chance.random() < 0.002:
            state = chance.choice([CascadeState.RECLAIMED, CascadeState.FADED])
            told.setdefault(minute, []).append(cascade(minute * 60 + 59, 1, state, of=minute))
    made = ends(
        days * 1440, lambda minute: prices[minute], told, partial=lambda _: chance.random() < 1e-4
    )
    return [one for one in made if chance.random() > 2e-5]


def test_worth_is_summed_up_once_a_day_from_what_is_over() -> None:
    """Oracle: the outcomes that were sent, by plain means."""
    made = records(run(OutcomesOperator(ASSET, UNITS, FEW), month(4, 7)))
    of = OutcomeOf.DELTA_DIVERGENCE
    worths = [one for one in made if one.worth is not None and (one.of, one.side) == (of, "short")]
    assert len(worths) >= 4
    midnight_us = [one.event_time_us % US_PER_DAY // US_PER_MINUTE for one in worths]
    place = next(
        n for n, kind in enumerate(KINDS) if (kind.of, kind.seconds, kind.sign) == (of, 60, -1)
    )
    assert set(midnight_us) == {place}
    assert len({one.id for one in worths}) == len(worths)
    for record in worths:
        assert record.worth is not None
        over = [
            one.outcome
            for one in made
            if one.outcome is not None
            and one.is_final
            and one.outcome.entry_ticks is not None
            and (one.of, one.side) == (of, "short")
            and one.event_time_us <= record.event_time_us
        ][-FEW.most_outcomes :]
        for place, one in enumerate(record.worth):
            gains = [o.at[place].return_bp for o in over if o.at[place].return_bp is not None]
            assert one.n == len(gains)
            assert one.mean_bp == pytest.approx(sum(gains) / len(gains))  # type: ignore[arg-type]
            assert one.positive_share == sum(gain > 0 for gain in gains) / len(gains)  # type: ignore[operator]
            assert one.baseline_n <= 24 * FEW.random_per_hour
    last = worths[-1].worth
    assert last is not None
    assert last[0].difference_low_bp is not None
    assert {one.worth is None for one in made if one.side == "long" and one.of == of} == {
        *(True, False)
    }


def test_the_baseline_is_of_the_random_times_of_the_leading_perpetual() -> None:
    """A price that gains a tick a minute: every random time gains as much as the setups."""
    told = {minute: [triggered(minute + 1)] for minute in range(0, 1440, 60)}
    made = records(
        run(OutcomesOperator(ASSET, UNITS, FEW), ends(4 * 1440, lambda m: PRICE + m, told))
    )
    last = [one for one in made if one.worth is not None][-1]
    assert last.worth is not None
    for one in last.worth:
        assert one.matched_n == one.n == 24
        assert one.difference_bp == pytest.approx(0, abs=one.horizon_minutes * 0.003)
    times = [m for m in range(10**5) if is_random_time(ASSET, m, FEW.random_every_minutes)]
    assert len(times) > 10**5 / FEW.random_every_minutes * 0.9


def test_another_perpetual_that_trades_more_is_the_baseline() -> None:
    made = []
    for minute, one in enumerate(ends(3 * 1440, told={5: [triggered(6)]})):
        moving = PRICE + minute * 600  # a basis point a minute, about
        more = bar(minute, ohlc=(moving,) * 4, instrument=BYBIT, buy_usd_cents=9)
        both = {name: member(i) for name, i in ((NAME, BINANCE), (":".join(BYBIT), BYBIT))}
        made.append(replace(one, members=both, bars=[*one.bars, more]))
    worth = [one.worth for one in records(run(OutcomesOperator(ASSET, UNITS, FEW), made))]
    last = [one for one in worth if one is not None][-1]
    assert last[0].mean_bp == 0
    assert last[-1].baseline_mean_bp is None or last[-1].baseline_mean_bp > 1000
    assert last[0].matched_n in (0, 1)


def test_restarts_change_nothing() -> None:
    seconds = month(6, 7)
    expected = run(OutcomesOperator(ASSET, UNITS, FEW), seconds)
    assert {one.of for one in records(expected)} >= {
        *(OutcomeOf.DELTA_DIVERGENCE, OutcomeOf.CASCADE_FADED)
    }
    restarted = run_with_restarts(lambda: OutcomesOperator(ASSET, UNITS, FEW), seconds[:1500])
    assert restarted == expected[: len(restarted)]
    assert seldom(seconds) == expected


def seldom(seconds: Sequence[Second]) -> list[Output]:
    """Restart about once an hour: often enough for parts of weeks, and faster."""
    chance, stored, outputs = random.Random(1), dict[str, bytes](), []
    held = OutcomesOperator(ASSET, UNITS, FEW)
    for one in seconds:
        outputs += held.on_second(one)
        if chance.random() < 0.004:
            state = held.snapshot()
            stored |= state.parts
            held = OutcomesOperator(ASSET, UNITS, FEW)
            held.restore(json.loads(json.dumps(state.head)), dict(stored))
            stored = {name: part for name, part in stored.items() if held.keeps(name)}
    assert stored
    return outputs


def test_state_is_flat_once_everything_is_full() -> None:
    held, stored, sizes = OutcomesOperator(ASSET, UNITS, FEW), dict[str, bytes](), []
    for number, one in enumerate(month(7, 22)):
        held.on_second(one)
        if number % 1440 == 1439:
            state = held.snapshot()
            stored |= state.parts
            stored = {name: part for name, part in stored.items() if held.keeps(name)}
            sizes.append(len(json.dumps(state.head)) + sum(map(len, stored.values())))
    assert max(sizes[15:]) < 1.3 * max(sizes[7:14])


def test_enough_compared_outcomes_end_the_experiment() -> None:
    held = OutcomesOperator(ASSET, UNITS)
    asked = ("delta_divergence", SetupVariant.ONE_MINUTE, SetupSide.LONG)
    told = {minute: [triggered(minute + 1)] for minute in range(0, 4 * 1440, 12)}
    answers = []
    for one in ends(6 * 1440, lambda minute: PRICE + minute % 77, told):
        held.on_second(one)
        answers.append(held.enough(*asked))
    assert answers[2 * 1440] is False
    assert answers[-1] is True
    assert not held.enough("delta_divergence", SetupVariant.ONE_MINUTE, SetupSide.SHORT)
    assert not held.enough("spot_perp_conviction", SetupVariant.ONE_MINUTE, SetupSide.LONG)
    again = OutcomesOperator(ASSET, UNITS)
    state = held.snapshot()
    again.restore(json.loads(json.dumps(state.head)), state.parts)
    assert again.enough(*asked)


def test_each_kind_has_a_minute_of_its_own() -> None:
    assert len(set(KINDS)) == len(KINDS) == 22


def test_parameters_that_mean_nothing_are_refused() -> None:
    with pytest.raises(ValueError, match="1 or more"):
        OutcomeParams(most_open=0)
