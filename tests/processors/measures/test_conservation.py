"""Each class of definitions 5.14, at its edges."""

from decimal import Decimal

import msgspec
import pytest

from processors.measures.conservation import compare
from schemas.reconciliations import Conservation, OwnTotals, Totals

THEIRS = Totals(
    start_us=0,
    total=Decimal(10_000),
    taker_buy=Decimal(4_000),
    high=Decimal(101),
    low=Decimal(99),
    trades=50,
)
OURS = OwnTotals(
    **msgspec.structs.asdict(THEIRS), excluded={}, unknown=Decimal(0), is_complete=True
)


def own(**changes: object) -> OwnTotals:
    return msgspec.structs.replace(OURS, **changes)


def judged(ours: OwnTotals | None, *, with_trades: bool = True) -> tuple[Conservation, str]:
    found = compare(THEIRS, ours, with_trades=with_trades)
    return found.conservation, found.cause


def test_equal_sums_are_exact() -> None:
    assert judged(OURS) == (Conservation.EXACT, "")


def test_fills_that_were_merged_are_not_counted_against() -> None:
    assert judged(own(trades=20), with_trades=False) == (Conservation.EXACT, "")
    assert judged(own(trades=20)) == (Conservation.BROKEN, "differs: trades")


EXCLUDED = {"adl": Decimal(3), "insurance": Decimal(20), "block": Decimal(500)}


@pytest.mark.parametrize(
    ("missing", "cause"),
    [
        (3, "left out: adl"),
        (503, "left out: adl, block"),
        (523, "left out: adl, block, insurance"),
    ],
)
def test_what_left_out_classes_add_up_to_is_explained(missing: int, cause: str) -> None:
    ours = own(total=Decimal(10_000 - missing), trades=45, high=Decimal(100), excluded=EXCLUDED)
    assert judged(ours) == (Conservation.EXPLAINED, cause)


def test_any_other_quantity_is_not_explained() -> None:
    ours = own(total=Decimal(10_000 - 4), excluded=EXCLUDED)
    assert judged(ours) == (Conservation.BROKEN, "differs: total")


def test_a_price_that_only_we_have_is_not_explained() -> None:
    ours = own(total=Decimal(9_997), high=Decimal(102), excluded=EXCLUDED)
    assert judged(ours)[0] is Conservation.BROKEN


def test_buys_of_unknown_side_are_explained() -> None:
    ours = own(taker_buy=Decimal(3_995), unknown=Decimal(5))
    assert judged(ours) == (Conservation.EXPLAINED, "buys among trades of unknown side")
    ours = own(taker_buy=Decimal(3_994), unknown=Decimal(5))
    assert judged(ours)[0] is Conservation.BROKEN


def test_a_hundredth_of_a_percent_needs_a_cause() -> None:
    assert judged(own(total=Decimal(9_999), is_complete=False)) == (
        Conservation.TOLERANCE,
        "the bar is not covered whole",
    )
    assert judged(own(total=Decimal(9_999)))[0] is Conservation.BROKEN
    more = own(total=Decimal("9998.999"), is_complete=False)
    assert judged(more) == (Conservation.BROKEN, "not covered whole; differs: total")


def test_a_bar_that_is_not_there_is_broken_unless_nothing_traded() -> None:
    assert judged(None) == (Conservation.BROKEN, "there is no bar")
    nothing = msgspec.structs.replace(THEIRS, total=Decimal(0), taker_buy=Decimal(0), trades=0)
    assert compare(nothing, None, with_trades=True).conservation is Conservation.EXACT
