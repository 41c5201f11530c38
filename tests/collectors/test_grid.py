"""Decimal text to integers, with the memo and without."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collectors.grid import MEMO_ENTRIES, Steps, brief, lanes, read_row, shown, unscaled
from collectors.messages import Rejected
from collectors.venue import Channel, Stream
from schemas.instruments import make_instrument
from schemas.market import OFF_GRID, Kind, OrderClass, Side
from schemas.units import to_steps

STEPS = ["1", "10", "0.1", "0.5", "0.00000001", "0.025", "250", "0.000000000001"]
REFUSED = [
    "", " ", ".", "1.", ".5", "-1", "+1", "1e3", "1_000", "0x1", "inf", "nan", "1,0", " 1", "1 ",
    "\u0661", "1.0.0", "0", "0.0", "9" * 400, "1." + "0" * 400, "99999999999999999999",
    "1\x00", "\ud800",
]  # fmt: skip


def stream(tick: str = "0.1", lot: str = "0.001", symbol: str = "X") -> Stream:
    instrument = make_instrument(
        venue="v",
        kind=Kind.SPOT,
        venue_symbol=symbol,
        asset=symbol,
        quote="Q",
        venue_tick=tick,
        venue_lot=lot,
    )
    return Stream(f"{symbol}", Channel.TRADES, instrument)


@settings(max_examples=500, deadline=None, derandomize=True)
@given(
    step=st.sampled_from(STEPS),
    text=st.from_regex(r"\d{1,22}(\.\d{1,20})?", fullmatch=True)
    | st.text("0123456789.-+e_ ", max_size=8)
    | st.sampled_from(REFUSED),
)
def test_steps_are_those_of_the_exact_conversion_or_none(step: str, text: str) -> None:
    try:
        expected = to_steps(text, Decimal(step))
        usable = 0 < expected < 2**63
    except ValueError:
        usable = False
    steps = Steps(step)
    if not usable:
        with pytest.raises(ValueError, match=r"expected|off the grid"):
            steps[text]
        assert not steps
    else:
        assert steps[text] == steps[text] == expected


@settings(max_examples=200, deadline=None, derandomize=True)
@given(step=st.sampled_from(STEPS), count=st.integers(1, 10**9), zeros=st.integers(0, 4))
def test_every_number_on_the_grid_is_counted_whatever_its_trailing_zeros(
    step: str, count: int, zeros: int
) -> None:
    text = f"{Decimal(step) * count:f}"
    text = text + "0" * zeros if "." in text else text
    assert Steps(step)[text] == count


def test_the_memo_is_emptied_when_it_is_full() -> None:
    steps = Steps("1")
    for number in range(1, MEMO_ENTRIES + 1):
        steps[str(number)]
    assert len(steps) == MEMO_ENTRIES
    assert steps["70000"] == 70_000
    assert len(steps) == 1


def test_streams_on_one_grid_share_a_memo() -> None:
    found = lanes([stream(), stream("0.1", "0.1", "Y"), stream("0.2", "1", "Z")])
    assert found["X"][1] is found["Y"][1] is found["Y"][2]
    assert found["Z"][1] is not found["X"][1]


def row(**changes: Any) -> Any:
    given_row: dict[str, Any] = {
        "time_us": 1_795_132_800_003_000,
        "price": "1.5",
        "quantity": "0.002",
        "side": Side.SELL,
        "trade_id": 7,
    }
    found = read_row(lanes([stream()]), "X", **(given_row | changes))
    return found[1] if isinstance(found, tuple) else found


def test_a_trade_of_a_symbol_without_a_lane_is_rejected() -> None:
    found = read_row({}, "X", time_us=0, price="", quantity="", side=None, trade_id=0)
    assert isinstance(found, Rejected)
    assert found.reason == "unknown_symbol"


def test_a_good_trade_is_a_row() -> None:
    assert row() == (1_795_132_800_003_000, 15, 2, -1, 7, 0)


@pytest.mark.parametrize("order_class", list(OrderClass))
def test_only_what_no_aggressor_took_may_be_off_the_grid(order_class: OrderClass) -> None:
    found = row(price="1.59", order_class=order_class)
    if order_class in (OrderClass.ADL, OrderClass.INSURANCE, OrderClass.BLOCK):
        assert found[1] == 15
        assert found[5] == order_class | OFF_GRID
    else:
        assert found.reason == "invalid_price"
    assert row(order_class=order_class)[5] == order_class


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        *(({"price": text}, "invalid_price") for text in REFUSED),
        *(({"quantity": text}, "invalid_quantity") for text in REFUSED),
        *(({"price": text, "order_class": OrderClass.ADL}, "invalid_price") for text in REFUSED),
        ({"price": "0.09", "order_class": OrderClass.BLOCK}, "invalid_price"),
        ({"quantity": "0.0021", "order_class": OrderClass.ADL}, "invalid_quantity"),
        ({"time_us": 1_230_767_999_999_999}, "invalid_time"),
        ({"time_us": 4_102_444_800_000_000}, "invalid_time"),
        ({"time_us": -1}, "invalid_time"),
        ({"time_us": 10**400}, "invalid_time"),
        ({"side": None}, "invalid_side"),
        ({"trade_id": -1}, "unexpected_shape"),
        ({"trade_id": 2**63}, "unexpected_shape"),
        ({"trade_id": ""}, "unexpected_shape"),
        ({"trade_id": "x" * 65}, "unexpected_shape"),
        ({"trade_id": "\ud800"}, "unexpected_shape"),
        ({"trade_id": "a\n"}, "unexpected_shape"),
    ],
)
def test_a_bad_trade_is_rejected_with_its_reason(changes: dict[str, Any], reason: str) -> None:
    found = row(**changes)
    assert isinstance(found, Rejected)
    assert found.reason == reason
    assert len(found.detail.encode()) < 300


@pytest.mark.parametrize(
    ("name", "asset", "factor"),
    [
        ("1000PEPE", "PEPE", 1_000),
        ("10000SATS", "SATS", 10_000),
        ("1000000MOG", "MOG", 1_000_000),
        ("1MBABYDOGE", "BABYDOGE", 1_000_000),
        ("SHIB1000", "SHIB", 1_000),
        ("1000NEIROCTO", "NEIROCTO", 1_000),
        ("1INCH", "1INCH", 1),
        ("0G", "0G", 1),
        ("2Z", "2Z", 1),
        ("4", "4", 1),
        ("1000", "1000", 1),
        ("1000X", "1000X", 1),
        ("100X", "100X", 1),
        ("BTC", "BTC", 1),
        ("币安人生", "币安人生", 1),
    ],
)
def test_a_scaled_coin_is_known_by_its_name(name: str, asset: str, factor: int) -> None:
    assert unscaled(name) == (asset, Decimal(factor))


def test_foreign_values_are_quoted_short_and_in_ascii() -> None:
    for value in ("é" * 10_000, b"\xff" * 10_000, {"k": "\ud800" * 10_000}, 7):
        assert shown(value).isascii()
        assert len(shown(value)) < 1_000
        assert brief(value).isascii()
        assert len(brief(value)) < 1_000
