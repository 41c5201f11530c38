"""Setup 5: spot against perpetuals, and the weight of the others (definitions 5.13, 5.5)."""

import pytest

from processors.setups.conviction import leading, weight_of
from schemas.cvd_structure import Conviction, ConvictionState
from schemas.lineage import Status
from schemas.market import Scope
from schemas.setups import SetupKind, SetupRecord, SetupVariant
from tests.processors.known_levels import level
from tests.processors.setups.sent import conviction, structure
from tests.processors.setups.story import PRICE, Story, closes, minute_of, path, told

KIND = SetupKind.SPOT_PERP_CONVICTION
C = ConvictionState
BOTH = pytest.mark.parametrize("sign", [1, -1])


def said(sign: int, *states: Conviction | None) -> list[SetupRecord]:
    made = Story(sign)
    for minute, one in enumerate(states):
        if one is not None:
            made.told[minute * 60 + 59] = [structure(minute, convictions=(one,))]
    return told(made, made.until(len(states) - 1), kind=KIND)


@BOTH
def test_it_is_confirmed_on_its_side_and_ends_with_what_comes_then(sign: int) -> None:
    yes = conviction(C.CONFIRMED, 0.1 * sign)
    for after, state, reason in (
        (conviction(C.OPPOSED, 0.1), "invalidated", "opposed"),
        (conviction(C.FLAT, 0.0), "completed", "flat"),
        (conviction(C.PERP_ONLY, 0.1 * sign), "completed", "perp_only"),
        (conviction(C.CONFIRMED, -0.1 * sign), "completed", "confirmed"),
        (conviction(None), "suspended", "conviction_unknown"),
    ):
        first, last = said(sign, conviction(C.FLAT, 0.0), yes, yes, after)
        assert path([first, last]) == ["confirmed", state]
        assert (minute_of(first), minute_of(last), last.reason) == (2, 4, reason)
        assert (first.scope, first.variant) == (Scope.PERP, SetupVariant.ONE_MINUTE)
        assert first.values == {"perp_share": 0.1 * sign, "spot_share": 0.1 * sign}
        assert first.venues == ["binance:BTC-USDT-PERP", "spot0"]
        assert first.weight == 1
        assert first.level_low_ticks is None


@BOTH
def test_on_the_other_side_it_says_nothing(sign: int) -> None:
    assert said(sign, conviction(C.CONFIRMED, -0.1 * sign), conviction(C.OPPOSED, 0.1)) == []


def test_a_minute_without_a_record_is_unknown_after_the_next() -> None:
    yes = conviction(C.CONFIRMED, 0.1)
    first, last = said(1, yes, None, None)
    assert (last.state.value, minute_of(last)) == ("suspended", 3)
    assert last.previous_state is first.state


@pytest.mark.parametrize(
    ("state", "share", "weights"),
    [
        (C.CONFIRMED, 0.1, (1.0, 0.0)),
        (C.CONFIRMED, -0.1, (0.0, 1.0)),
        (C.OPPOSED, 0.1, (0.0, 0.0)),
        (C.PERP_ONLY, 0.1, (0.5, 0.5)),
        (C.SPOT_ONLY, 0.1, (0.5, 0.5)),
        (C.FLAT, 0.0, (0.5, 0.5)),
        (None, 0.0, (None, None)),
    ],
)
def test_the_weight_of_a_long_and_of_a_short(
    state: ConvictionState | None, share: float, weights: tuple[float | None, float | None]
) -> None:
    one = conviction(state, share)
    assert (weight_of(one, 1), weight_of(one, -1)) == weights


def test_the_quote_with_the_most_venues_counts() -> None:
    few, more = conviction(C.FLAT, quote="USD"), conviction(C.FLAT, quote="USDT", venues=2)
    same = conviction(C.FLAT, quote="USDC")
    assert leading([few, more]) is more
    assert leading([few, same]) is few
    assert leading([]) is None
    assert weight_of(None, 1) is None


@BOTH
def test_the_others_carry_the_weight_of_their_moment(sign: int) -> None:
    made = Story(sign)
    made.bars = {n: closes(PRICE if n in (1, 3) else PRICE + 20_000) for n in range(9)}
    flat, yes = conviction(C.FLAT), conviction(C.CONFIRMED, 0.1 * sign)
    for minute, one in ((0, flat), (1, yes), (2, flat)):
        made.told[minute * 60 + 59] = [structure(minute, convictions=(one,))]
    kind = SetupKind.ABSORPTION_AT_LEVEL
    seen = told(made, made.until(6), made.levels(level(PRICE)), kind=kind)
    assert path(seen) == ["armed", "expired", "armed", "expired"]
    assert [one.weight for one in seen] == [1.0, 0.5, 0.5, None]
    assert seen[-1].null_reasons == {"weight": "conviction_unknown"}
    assert seen[0].null_reasons == {}
    assert seen[0].status is Status.COMPLETE
