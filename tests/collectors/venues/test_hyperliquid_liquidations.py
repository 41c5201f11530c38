"""The explorer's transactions find their trades, in whatever order the two come."""

import json
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest

from collectors.messages import Alive, LiquidationItem, Liquidations, Message, Trades
from collectors.venue import Parser
from collectors.venues.hyperliquid import PERP, liquidations
from collectors.venues.hyperliquid.liquidations import Join
from schemas.instruments import Instrument, make_instrument
from schemas.market import Kind

T = 1_795_168_800_000
LONG, SHORT = 1, -1
FORCED = "0x" + "cd" * 32
OTHER = "0x" + "ce" * 32
ORDINARY = "0x" + "01" * 32
ZEROS = "0x" + "00" * 32


def coin(name: str, asset: str, multiplier: int = 1) -> Instrument:
    scale = "0.000001" if multiplier > 1 else "0.1"
    return make_instrument(
        venue="hyperliquid",
        kind=Kind.LINEAR_PERPETUAL,
        venue_symbol=name,
        asset=asset,
        quote="USDC",
        venue_tick=scale,
        venue_lot="1" if multiplier > 1 else "0.00001",
        multiplier=Decimal(multiplier),
    )


class Run:
    """The connections of one run: one of each coin, and the explorer's."""

    def __init__(self) -> None:
        streams = PERP.streams([coin("BTC", "BTC"), coin("kPEPE", "PEPE", 1_000)])
        self.memory = PERP.memory()
        assert isinstance(self.memory, Join)
        self._market = self.connect("BTC"), self.connect("kPEPE")
        self._explorer = PERP.parser(streams[-1:], self.memory)

    def connect(self, name: str) -> Parser:
        streams = PERP.streams([coin("BTC", "BTC"), coin("kPEPE", "PEPE", 1_000)])
        mine = [one for one in streams if one.name.endswith(f":{name}")]
        return PERP.parser(mine, self.memory)

    def trades(self, *rows: dict[str, object], indent: int | None = None) -> None:
        frame = json.dumps(
            {"channel": "trades", "data": rows},
            indent=indent,
            separators=None if indent else (",", ":"),
        )
        messages = self._market[rows[0]["coin"] != "BTC"].parse(frame.encode())
        assert all(isinstance(one, Trades) for one in messages)

    def explorer(self, *transactions: dict[str, object]) -> Sequence[Message]:
        return self._explorer.parse(json.dumps(transactions, separators=(",", ":")).encode())

    def found(self, *transactions: dict[str, object]) -> dict[str, list[LiquidationItem]]:
        """Return what a frame of the explorer brought, by symbol."""
        messages = self.explorer(*transactions)
        found = {}
        for message in messages:
            if isinstance(message, Liquidations):
                assert message.stream.name == "explorerTxs"
                found[message.instrument.symbol] = list(message.rows)
            else:
                assert isinstance(message, Alive)
                assert len(messages) == 1
        return found


def trade(
    number: int, transaction: str = FORCED, *, side: str = "A", after_ms: int = 0, name: str = "BTC"
) -> dict[str, object]:
    price, quantity = ("84143.0", "0.0125") if name == "BTC" else ("0.009123", "12.0")
    row = {"coin": name, "side": side, "px": price, "sz": quantity, "time": T + after_ms}
    return row | {"hash": transaction, "tid": number, "users": ["0x" + "11" * 20] * 2}


def order(after_ms: int = 0) -> dict[str, object]:
    action = {"type": "order", "orders": [], "grouping": "na"}
    return {"action": action, "block": 1, "error": None, "hash": ORDINARY, "time": T + after_ms}


def closing(transaction: str = FORCED, after_ms: int = 0, **more: Any) -> dict[str, object]:
    action = {"type": "liquidate", "user": "0x" + "bb" * 20, **more}
    return order(after_ms) | {"action": action, "hash": transaction}


BTC_ROW = (T * 1_000, "84143", 1_250, LONG, 0)


def test_trades_that_came_before_their_transaction() -> None:
    run = Run()
    run.trades(trade(1), trade(2, ORDINARY))
    assert run.found(order()) == {}
    assert run.found(order(), closing()) == {"BTC-USDC-PERP": [BTC_ROW]}


def test_trades_that_came_after_their_transaction() -> None:
    run = Run()
    assert run.found(closing()) == {}
    run.trades(trade(1), trade(2, ORDINARY))
    assert run.found(order()) == {"BTC-USDC-PERP": [BTC_ROW]}


def test_trades_on_both_sides_of_their_transaction_are_told_once_each() -> None:
    run = Run()
    run.trades(trade(1), trade(2))
    assert run.found(closing()) == {"BTC-USDC-PERP": [BTC_ROW, BTC_ROW]}
    run.trades(trade(3, after_ms=1))
    assert run.found(order()) == {"BTC-USDC-PERP": [((T + 1) * 1_000, *BTC_ROW[1:])]}
    assert run.found(order()) == {}
    assert run.found(closing()) == {}


def test_a_trade_that_is_repeated_by_a_new_subscription_is_told_once() -> None:
    run = Run()
    run.trades(trade(1))
    assert run.found(closing())
    run.trades(trade(1), trade(4, ORDINARY))
    assert run.found(order()) == {}
    run.trades(trade(1), trade(5))
    assert run.found(order()) == {"BTC-USDC-PERP": [BTC_ROW]}


def test_who_bought_by_force_was_short_and_thousands_are_coins() -> None:
    run = Run()
    run.trades(trade(1, side="B", name="kPEPE"))
    assert run.found(closing()) == {"PEPE-USDC-PERP": [(T * 1_000, "0.000009123", 12, SHORT, 0)]}


def test_one_transaction_may_close_positions_in_several_coins() -> None:
    run = Run()
    run.trades(trade(1, name="kPEPE"))
    run.trades(trade(2))
    found = run.found(closing(requests=[{"Cross": {"assets": [0, 3]}}]))
    assert sorted(found) == ["BTC-USDC-PERP", "PEPE-USDC-PERP"]


def test_two_transactions_of_one_frame() -> None:
    run = Run()
    run.trades(trade(1), trade(2, OTHER, after_ms=1))
    found = run.found(closing(OTHER), closing())
    assert [one[0] for one in found["BTC-USDC-PERP"]] == [T * 1_000, (T + 1) * 1_000]


@pytest.mark.parametrize(
    "more",
    [
        {"isCross": True, "asset": 0, "isBuy": False},
        {"request": {"Isolated": {"asset": 0}}},
        {"request": {"Cross": {}}, "defaultLiquidator": "0x" + "dd" * 20},
        {"requests": [{"Isolated": {"asset": 0}}, {"Cross": {}}]},
        {},
    ],
)
def test_a_liquidation_in_any_shape_of_its_request(more: dict[str, Any]) -> None:
    run = Run()
    run.trades(trade(1))
    assert run.found(closing(**more)) == {"BTC-USDC-PERP": [BTC_ROW]}


def test_a_frame_of_trades_that_was_read_carefully_is_found_too() -> None:
    run = Run()
    run.trades(trade(1), indent=2)
    assert run.found(closing()) == {"BTC-USDC-PERP": [BTC_ROW]}


def test_a_slice_without_a_transaction_is_never_a_liquidation() -> None:
    run = Run()
    run.trades(trade(1, ZEROS))
    (message,) = run.explorer(closing(ZEROS))
    assert getattr(message, "reason", None) == "unexpected_shape"
    assert run.found(order()) == {}


def test_a_bad_transaction_leaves_the_others() -> None:
    run = Run()
    run.trades(trade(1))
    found, rejected = run.explorer(closing("0x1"), closing())
    assert isinstance(found, Liquidations)
    assert getattr(rejected, "reason", None) == "unexpected_shape"


@pytest.mark.parametrize(("seconds", "is_found"), [(59, True), (60, True), (61, False)])
def test_trades_are_kept_for_a_minute_of_the_venues_time(seconds: int, is_found: bool) -> None:
    run = Run()
    run.trades(trade(1))
    run.found(order())
    run.trades(trade(2, ORDINARY, after_ms=seconds * 1_000))
    assert bool(run.found(closing(after_ms=seconds * 1_000))) is is_found


@pytest.mark.parametrize(("seconds", "is_found"), [(59, True), (60, True), (61, False)])
def test_a_hash_is_looked_for_for_a_minute_of_the_venues_time(seconds: int, is_found: bool) -> None:
    run = Run()
    run.found(closing())
    run.trades(trade(1, after_ms=seconds * 1_000))
    assert bool(run.found(order())) is is_found


def test_old_trades_of_a_new_subscription_push_nothing_out() -> None:
    run = Run()
    run.trades(trade(1))
    run.found(order())
    run.trades(trade(2, ORDINARY, after_ms=-80_000_000_000))
    run.found(order())
    run.trades(trade(3, ORDINARY))
    assert run.found(closing()) == {"BTC-USDC-PERP": [BTC_ROW]}


def test_what_is_kept_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(liquidations, "KEPT_BYTES", 20_000)
    monkeypatch.setattr(liquidations, "OPEN_TRANSACTIONS", 10)
    monkeypatch.setattr(liquidations, "TOLD_TRADES", 10)
    run = Run()
    for number in range(200):
        run.trades(trade(number, f"0x{number + 1:064x}"))
        run.found(closing(f"0x{number + 500:064x}"))
    assert isinstance(run.memory, Join)
    assert sum(chunk.size for chunk in run.memory._chunks) <= 20_000
    assert len(run.memory._open) == 10
    assert run.found(closing(f"0x{1:064x}")) == {}
    assert run.found(closing(f"0x{200:064x}")) == {"BTC-USDC-PERP": [BTC_ROW]}
    run.trades(*(trade(number) for number in range(50)))
    assert len(run.found(closing())["BTC-USDC-PERP"]) == 50
    assert len(run.memory._told) == 10


def test_while_the_explorer_is_away_only_the_newest_frames_wait(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(liquidations, "WAITING_FRAMES", 5)
    run = Run()
    for number in range(20):
        run.trades(trade(number, f"0x{number + 1:064x}"))
    assert run.found(closing(f"0x{15:064x}")) == {}
    assert run.found(closing(f"0x{16:064x}")) == {"BTC-USDC-PERP": [BTC_ROW]}
