"""What OKX sends beside trades, from events made by hand, against the shapes of the venue sheet."""

import json
from decimal import Decimal
from random import Random
from typing import Any

import pytest

from schemas.market import Side
from simulator.catalogue import instrument, instruments
from simulator.dialects import make_dialect
from simulator.dialects.base import Dialect, Reply, RestRequest, Session
from simulator.dialects.okx_books import SNAPSHOT_LEVELS
from simulator.dialects.okx_trades import KEPT_PRINTS
from simulator.model import (
    Levels,
    SimBookUpdate,
    SimEvent,
    SimInstrument,
    SimLiquidation,
    SimTicker,
    SimTop,
    SimTrade,
)
from tests.captures import capture, needs_captures
from tests.simulator.support import START_US

BTC = instrument("okx.swap", "BTC")
ETH = instrument("okx.swap", "ETH")
SYMBOL = "BTC-USDT-SWAP"
BOOKS = f"books:{SYMBOL}"
LIQUIDATIONS = "liquidation-orders:SWAP"
SECOND = 1_000_000
HOUR_MS = 3_600_000


class Everything:
    """Every stream is wanted."""

    def __contains__(self, key: object) -> bool:
        return True


def dialect_of(feed: str = "okx.swap") -> Dialect:
    return make_dialect(feed, instruments(feed), {})


def sent(dialect: Dialect, *events: SimEvent) -> list[Any]:
    return [json.loads(frame.data) for frame in dialect.encode(events, Everything())]


def first(dialect: Dialect, key: str) -> Any:
    data = dialect.first_frame(key)
    assert data is not None
    return json.loads(data)


def update(number: int, bids: Levels, asks: Levels, time_us: int = START_US) -> SimBookUpdate:
    return SimBookUpdate(BTC, time_us, number, bids, asks)


def trade(number: int, fills: tuple[int, ...] = (100,), item: SimInstrument = BTC) -> SimTrade:
    return SimTrade(
        instrument=item,
        time_us=START_US + number * 1000,
        side=Side.SELL,
        price_ticks=970_000,
        fills=fills,
        first_id=880_000_000 + 10 * number,
        print_id=71_200 + number,
        order_tag=number,
    )


def closing(order_tag: int, lots: int, *, long: bool = True, user_tag: int = 5) -> SimLiquidation:
    return SimLiquidation(BTC, START_US, long, lots, 969_990, 968_305, order_tag, user_tag)


def ticker(second: int, mark: str = "97001.5", index: str = "96990.1") -> SimTicker:
    return SimTicker(
        instrument=BTC,
        time_us=START_US + second * SECOND,
        mark=Decimal(mark),
        index=Decimal(index),
        funding_rate=Decimal("0.000081"),
        settled_rate=Decimal("0.000075"),
        next_funding_us=1_795_190_400_000_000,
        interval_hours=8,
        open_interest_lots=289_725_000,
    )


def session_of(path: str = "/ws/v5/public") -> Session:
    opened = dialect_of().open(path, "")
    assert opened is not None
    return opened[0]


def ask(session: Session, operation: str, *args: object) -> tuple[Reply, list[Any]]:
    text = json.dumps({"id": "a1", "op": operation, "args": args})
    reply = session.on_client_message(text, 0)
    return reply, [json.loads(message) for message in reply.messages]


def get(dialect: Dialect, path: str, query: str) -> Any:
    reply = dialect.rest(RestRequest("GET", path, query))
    assert reply.status == 200
    return json.loads(reply.body)


class Follower:
    """A book kept as the sheet tells clients to."""

    def __init__(self) -> None:
        self.sides: dict[str, dict[str, str]] = {}
        self.last = 0

    def take(self, message: Any) -> None:
        (row,) = message["data"]
        if message["action"] == "snapshot":
            assert row["prevSeqId"] == -1
            self.sides = {"asks": {}, "bids": {}}
        else:
            assert row["prevSeqId"] == self.last
        self.last = row["seqId"]
        for side, levels in self.sides.items():
            for price, size, dead, count in row[side]:
                assert dead == "0"
                assert (count == "0") == (size == "0")
                levels[price] = size
                if size == "0":
                    del levels[price]


def random_updates(count: int) -> list[SimBookUpdate]:
    random = Random(4)
    bids, asks = {970_000: 12_040}, {970_005: 7}
    updates = [update(1, tuple(bids.items()), tuple(asks.items()))]
    for number in range(2, count + 1):
        changes: list[Levels] = []
        for side, best, sign in ((bids, 970_000, -1), (asks, 970_005, 1)):
            ticks = best + sign * random.randrange(40)
            lots = random.choice((0, random.randrange(1, 50_000))) if ticks in side else 3
            side[ticks] = lots
            if not lots:
                del side[ticks]
            changes.append(((ticks, lots),))
        updates.append(update(number, changes[0], changes[1], START_US + number * 100_000))
    return updates


def test_a_snapshot_and_the_updates_after_it_are_the_book() -> None:
    updates = random_updates(300)
    dialect = dialect_of()
    dialect.encode(updates[:200], ())
    late, early = Follower(), Follower()
    late.take(first(dialect, BOOKS))
    early_bird = dialect_of()
    for message in sent(early_bird, *updates):
        early.take(message)
    for message in sent(dialect, *updates[200:]):
        assert message["data"][0]["seqId"] - late.last == 7
        late.take(message)
    assert late.last == early.last
    assert late.sides == early.sides
    book: dict[str, dict[int, int]] = {"bids": {}, "asks": {}}
    for item in updates:
        book["bids"].update(item.bids)
        book["asks"].update(item.asks)
    for side, levels in book.items():
        expected = {ticks: lots for ticks, lots in levels.items() if lots}
        assert expected
        assert {
            int(Decimal(price) / BTC.tick): int(Decimal(size) / BTC.lot)
            for price, size in late.sides[side].items()
        } == expected


def test_who_subscribed_before_there_was_a_book_gets_a_snapshot_first() -> None:
    dialect = dialect_of()
    assert dialect.first_frame(BOOKS) is None
    begun, followed = sent(
        dialect,
        update(1, ((970_000, 10),), ((970_005, 20),)),
        update(2, ((970_000, 0),), ()),
    )
    assert (begun["action"], followed["action"]) == ("snapshot", "update")
    assert followed["data"][0]["prevSeqId"] == begun["data"][0]["seqId"]


def test_an_update_has_the_shape_of_the_sheet() -> None:
    dialect = dialect_of()
    dialect.encode([update(1, ((969_999, 5),), ())], ())
    (message,) = sent(dialect, update(2, ((969_999, 0),), ((970_005, 12_040),), START_US + 300_000))
    count = message["data"][0]["asks"][0][3]
    assert int(count) > 0
    before = message["data"][0]["prevSeqId"]
    assert message == {
        "arg": {"channel": "books", "instId": SYMBOL},
        "action": "update",
        "data": [
            {
                "asks": [["97000.5", "120.4", "0", count]],
                "bids": [["96999.9", "0", "0", "0"]],
                "ts": str(START_US // 1000 + 300),
                "checksum": 0,
                "prevSeqId": before,
                "seqId": before + 7,
            }
        ],
    }


def test_a_snapshot_has_at_most_400_levels_a_side_best_first() -> None:
    dialect = dialect_of()
    bids = tuple((970_000 - number, 10) for number in range(500))
    dialect.encode([update(1, bids, ((970_005, 1),))], ())
    (row,) = first(dialect, BOOKS)["data"]
    assert len(row["bids"]) == SNAPSHOT_LEVELS == 400
    assert row["bids"][0][0] == "97000"
    assert row["bids"][-1][0] == "96960.1"
    assert len(row["asks"]) == 1


def test_a_book_without_changes_is_kept_alive_after_a_minute() -> None:
    dialect = dialect_of()
    (begun,) = sent(dialect, update(1, ((970_000, 10),), ()))
    last = begun["data"][0]["seqId"]
    found = []
    for second in range(1, 125):
        top = SimTop(ETH, START_US + second * SECOND, 1, (312_000, 5), (312_001, 5))
        found += [message for message in sent(dialect, top) if message["arg"]["channel"] == "books"]
    assert len(found) == 2
    for number, message in enumerate(found, 1):
        assert message["action"] == "update"
        assert message["data"] == [
            {
                "asks": [],
                "bids": [],
                "ts": str(START_US // 1000 + number * 60_000),
                "checksum": 0,
                "prevSeqId": last,
                "seqId": last,
            }
        ]


def test_after_a_restart_the_next_update_is_chained_to_a_higher_id() -> None:
    dialect = dialect_of()
    follower = Follower()
    for message in sent(dialect, *random_updates(20)):
        follower.take(message)
    for number in range(21, 27, 2):
        before = follower.last
        assert dialect.restart_books() == []
        assert first(dialect, BOOKS)["data"][0]["seqId"] == before
        for message in sent(dialect, update(number, ((960_000, number),), ())):
            follower.take(message)
        assert follower.last < before
        lowest = follower.last
        for message in sent(dialect, update(number + 1, ((960_000, 0),), ())):
            follower.take(message)
        assert follower.last == lowest + 7


def test_best_prices_come_whole_with_an_id_and_no_predecessor() -> None:
    dialect = dialect_of()
    dialect.encode([update(1, ((970_000, 10),), ((970_005, 20),))], ())
    tops = [SimTop(BTC, START_US + 10_000, 2, (970_000, 10), (970_005, lots)) for lots in (3, 0)]
    both, one_sided = sent(dialect, *tops)
    assert both["arg"] == {"channel": "bbo-tbt", "instId": SYMBOL}
    (row,) = both["data"]
    assert set(row) == {"asks", "bids", "ts", "seqId"}
    assert row["asks"][0][:3] == ["97000.5", "0.03", "0"]
    assert row["bids"][0][:3] == ["97000", "0.1", "0"]
    assert row["ts"] == str(START_US // 1000 + 10)
    assert one_sided["data"][0]["asks"] == []
    book_id = first(dialect, BOOKS)["data"][0]["seqId"]
    (after,) = sent(dialect, update(2, (), ((970_005, 0),)))
    ids = [book_id, row["seqId"], one_sided["data"][0]["seqId"], after["data"][0]["seqId"]]
    assert ids == sorted(set(ids))
    assert first(dialect, f"bbo-tbt:{SYMBOL}") == one_sided


def test_a_closing_shows_the_orders_side_and_the_positions() -> None:
    dialect = dialect_of()
    long, short, net = sent(
        dialect,
        closing(1, 8_400),
        closing(2, 855, long=False),
        closing(3, 100, user_tag=8),
    )
    assert long == {
        "arg": {"channel": "liquidation-orders", "instType": "SWAP"},
        "data": [
            {
                "instType": "SWAP",
                "instId": SYMBOL,
                "instFamily": "BTC-USDT",
                "uly": "BTC-USDT",
                "details": [
                    {
                        "side": "sell",
                        "posSide": "long",
                        "bkPx": "96830.5",
                        "sz": "84",
                        "bkLoss": "0",
                        "ccy": "",
                        "ts": str(START_US // 1000),
                    }
                ],
            }
        ],
    }
    (detail,) = short["data"][0]["details"]
    assert (detail["side"], detail["posSide"], detail["sz"]) == ("buy", "short", "8.55")
    (detail,) = net["data"][0]["details"]
    assert (detail["side"], detail["posSide"]) == ("sell", "net")


def test_the_parts_of_one_closed_position_are_one_row() -> None:
    whole, other = sent(
        dialect_of(), closing(1, 100), closing(1, 100), closing(1, 50), closing(2, 7)
    )
    assert [row["details"][0]["sz"] for row in whole["data"]] == ["2.5"]
    assert other["data"][0]["details"][0]["sz"] == "0.07"


def test_closings_begin_with_a_backlog_that_is_old_and_out_of_order() -> None:
    dialect = dialect_of()
    assert dialect.first_frame(LIQUIDATIONS) is None
    sent(dialect, trade(0), closing(1, 30))
    backlog = first(dialect, LIQUIDATIONS)
    times = [int(row["details"][0]["ts"]) for row in backlog["data"]]
    assert times != sorted(times)
    assert times != sorted(times, reverse=True)
    assert START_US // 1000 in times
    old = [time for time in times if time < START_US // 1000 - HOUR_MS]
    assert len(old) == 3
    sent(dialect, trade(1))
    assert first(dialect, LIQUIDATIONS) == backlog


def test_mark_and_index_are_pushed_on_change_and_now_and_then() -> None:
    dialect = dialect_of()
    marks, indices = [], []
    for second in range(25):
        mark = "97001.6" if second == 3 else "97001.5"
        for message in sent(dialect, ticker(second, mark=mark)):
            if message["arg"]["channel"] == "mark-price":
                marks.append((second, message))
            elif message["arg"]["channel"] == "index-tickers":
                indices.append((second, message))
    assert [second for second, _ in marks] == [0, 3, 4, 14, 24]
    assert marks[1][1] == {
        "arg": {"channel": "mark-price", "instId": SYMBOL},
        "data": [
            {
                "instType": "SWAP",
                "instId": SYMBOL,
                "markPx": "97001.6",
                "ts": str(START_US // 1000 + 3000),
            }
        ],
    }
    assert [second for second, _ in indices] == [0]
    assert indices[0][1]["arg"] == {"channel": "index-tickers", "instId": "BTC-USDT"}
    (higher,) = (
        message
        for message in sent(dialect, ticker(30, index="97100"))
        if message["arg"]["channel"] == "index-tickers"
    )
    (row,) = higher["data"]
    assert (row["instId"], row["idxPx"], row["high24h"]) == ("BTC-USDT", "97100", "97100")
    assert (row["low24h"], row["open24h"]) == ("96990.1", "96990.1")
    assert first(dialect, "index-tickers:BTC-USDT") == higher


def test_funding_has_both_settlements_and_an_empty_next_rate() -> None:
    dialect = dialect_of()
    found = []
    for second in range(150):
        found += [
            message
            for message in sent(dialect, ticker(second))
            if message["arg"]["channel"] == "funding-rate"
        ]
    assert 2 <= len(found) <= 5
    (row,) = found[0]["data"]
    assert row["fundingRate"] == "0.000081"
    assert row["settFundingRate"] == "0.000075"
    assert row["fundingTime"] == "1795190400000"
    assert row["nextFundingTime"] == "1795219200000"
    assert row["nextFundingRate"] == ""
    assert row["method"] == "current_period"
    assert all(isinstance(value, str) for value in row.values())
    (rest,) = get(dialect, "/api/v5/public/funding-rate", f"instId={SYMBOL}")["data"]
    assert set(rest) == set(row)


def test_open_interest_is_in_contracts_and_in_coins_every_three_seconds() -> None:
    dialect = dialect_of()
    found = []
    for second in range(10):
        found += [
            message
            for message in sent(dialect, ticker(second))
            if message["arg"]["channel"] == "open-interest"
        ]
    assert [int(message["data"][0]["ts"]) - START_US // 1000 for message in found] == [
        0,
        3000,
        6000,
        9000,
    ]
    (row,) = found[0]["data"]
    assert (row["oi"], row["oiCcy"]) == ("2897250", "28972.5")
    assert Decimal(row["oiUsd"]) == Decimal("28972.5") * Decimal("97001.5")
    rest = get(dialect, "/api/v5/public/open-interest", "instType=SWAP")
    assert [item["instId"] for item in rest["data"]] == [SYMBOL]
    assert first(dialect, f"open-interest:{SYMBOL}")["data"] == rest["data"]


def test_every_argument_is_acknowledged_by_itself() -> None:
    args = [
        {"channel": "books", "instId": SYMBOL},
        {"channel": "bbo-tbt", "instId": SYMBOL},
        {"channel": "liquidation-orders", "instType": "SWAP"},
        {"channel": "index-tickers", "instId": "BTC-USDT"},
        {"channel": "open-interest", "instId": SYMBOL},
        {"channel": "funding-rate", "instId": SYMBOL},
        {"channel": "mark-price", "instId": SYMBOL},
    ]
    session = session_of()
    reply, answers = ask(session, "subscribe", *args)
    assert [answer["arg"] for answer in answers] == args
    assert {(answer["id"], answer["event"]) for answer in answers} == {("a1", "subscribe")}
    assert len({answer["connId"] for answer in answers}) == 1
    assert len(reply.subscribed) == len(session.keys) == len(args)


@pytest.mark.parametrize(
    "arg",
    [
        {"channel": "liquidation-orders", "instType": "SWAP", "instId": SYMBOL},
        {"channel": "liquidation-orders", "instId": SYMBOL},
        {"channel": "liquidation-orders", "instType": "PERP"},
        {"channel": "index-tickers", "instId": SYMBOL},
        {"channel": "books", "instId": "NOPE-USDT-SWAP"},
        {"channel": "trades-all", "instId": SYMBOL},
        {"channel": "books"},
    ],
)
def test_what_does_not_exist_is_refused_with_60018(arg: dict[str, str]) -> None:
    session = session_of()
    reply, (answer,) = ask(session, "subscribe", arg)
    assert (answer["event"], answer["code"]) == ("error", "60018")
    assert not session.keys
    assert not reply.subscribed
    assert reply.close is None


def test_subscribing_again_asks_for_a_new_snapshot() -> None:
    session = session_of()
    arg = {"channel": "books", "instId": SYMBOL}
    reply, _ = ask(session, "subscribe", arg)
    assert reply.subscribed == (BOOKS,)
    reply, (answer,) = ask(session, "unsubscribe", arg)
    assert answer["event"] == "unsubscribe"
    assert not reply.subscribed
    assert not session.keys
    reply, _ = ask(session, "subscribe", arg)
    assert reply.subscribed == (BOOKS,)


def test_a_wrong_clock_shifts_every_time_and_no_pace() -> None:
    dialect = dialect_of()
    dialect.clock_offset_us = -3 * SECOND
    events: list[SimEvent] = [
        update(1, ((970_000, 10),), ((970_005, 20),)),
        SimTop(BTC, START_US, 2, (970_000, 10), (970_005, 20)),
        trade(0),
        closing(1, 30),
        ticker(0),
    ]
    times = []
    for message in sent(dialect, *events):
        (row,) = message["data"]
        times.append(row["ts"] if "ts" in row else row["details"][0]["ts"])
    assert len(times) == 9
    assert set(times) == {str(START_US // 1000 - 3000)}
    (fill,) = get(dialect, "/api/v5/market/trades", f"instId={SYMBOL}")["data"]
    assert fill["ts"] == str(START_US // 1000 - 3000)
    dialect.clock_offset_us = -3600 * SECOND
    channels = {message["arg"]["channel"] for message in sent(dialect, ticker(3))}
    assert channels == {"open-interest"}


def test_an_upgrade_is_announced_by_its_code() -> None:
    notice = dialect_of().maintenance_notice()
    assert notice is not None
    message = json.loads(notice)
    assert (message["event"], message["code"]) == ("notice", "64008")
    assert dialect_of().keys_of(notice) == ()


def test_rest_books_have_the_id_of_the_socket_and_as_many_levels_as_asked() -> None:
    dialect = dialect_of()
    for message in sent(dialect, *random_updates(100)):
        last = message["data"][0]["seqId"]
    path = "/api/v5/market/books"
    whole = get(dialect, path, f"instId={SYMBOL}&sz=400")
    (row,) = whole["data"]
    assert whole["code"] == "0"
    assert set(row) == {"asks", "bids", "ts", "seqId"}
    assert row["seqId"] == last
    (snapshot,) = first(dialect, BOOKS)["data"]
    assert (row["asks"], row["bids"]) == (snapshot["asks"], snapshot["bids"])
    (short,) = get(dialect, path, f"instId={SYMBOL}&sz=3")["data"]
    assert short["asks"] == row["asks"][:3]
    (best,) = get(dialect, path, f"instId={SYMBOL}")["data"]
    assert (len(best["asks"]), len(best["bids"])) == (1, 1)


def test_rest_trades_are_the_newest_fills_newest_first() -> None:
    dialect = dialect_of()
    prints = [trade(number, (100, 20, 3)) for number in range(300)]
    dialect.encode(prints, ())
    path = "/api/v5/market/trades"
    rows = get(dialect, path, f"instId={SYMBOL}&limit=1000")["data"]
    assert len(rows) == 500
    assert len(get(dialect, path, f"instId={SYMBOL}")["data"]) == 100
    newest = prints[-1]
    assert [row["tradeId"] for row in rows[:4]] == [
        str(newest.last_id),
        str(newest.last_id - 1),
        str(newest.first_id),
        str(prints[-2].last_id),
    ]
    assert rows[0] == {
        "instId": SYMBOL,
        "tradeId": str(newest.last_id),
        "px": "97000",
        "sz": "0.03",
        "side": "sell",
        "ts": str(newest.time_ms),
        "source": "0",
    }


def test_older_trades_are_paged_by_id_without_overlap_or_hole() -> None:
    dialect = dialect_of()
    prints = [trade(number, (100, 20, 3)) for number in range(120)]
    dialect.encode(prints, ())
    path, after, ids = "/api/v5/market/history-trades", prints[-1].first_id + 1, []
    for _ in range(5):
        query = f"instId={SYMBOL}&type=1&after={after}&limit=100"
        rows = get(dialect, path, query)["data"]
        if not rows:
            break
        ids += [int(row["tradeId"]) for row in rows]
        after = ids[-1]
    expected = [number for item in prints for number in range(item.first_id, item.last_id + 1)]
    assert ids == sorted(expected, reverse=True)[2:]
    newer = get(dialect, path, f"instId={SYMBOL}&before={prints[-2].last_id}")["data"]
    assert len(newer) == 3
    times = get(dialect, path, f"instId={SYMBOL}&type=2&after={prints[3].time_ms}")["data"]
    assert len(times) == 9
    assert times[0]["tradeId"] == str(prints[2].last_id)


def test_trades_beyond_what_is_kept_cannot_be_had() -> None:
    dialect = dialect_of()
    dialect.encode([trade(number) for number in range(KEPT_PRINTS + 10)], ())
    path = "/api/v5/market/history-trades"
    oldest = trade(10)
    query = f"instId={SYMBOL}&after={oldest.last_id + 1}"
    (row,) = get(dialect, path, query)["data"]
    assert row["tradeId"] == str(oldest.last_id)


@pytest.mark.parametrize(
    ("call", "code"),
    [
        ("market/books?instId=NOPE-USDT", "51001"),
        ("market/trades?", "51001"),
        ("market/history-trades?instId=BTC-USDT", "51001"),
        ("public/funding-rate?instId=NOPE", "51001"),
        ("public/open-interest?instType=SWAP&instId=NOPE", "51001"),
        ("public/open-interest?", "51000"),
        ("public/instruments?instType=PERP", "51000"),
        (f"market/books?instId={SYMBOL}&sz=many", "51000"),
        (f"market/books?instId={SYMBOL}&sz=0", "51000"),
        (f"market/trades?instId={SYMBOL}&limit={'9' * 5000}", "51000"),
        (f"market/history-trades?instId={SYMBOL}&after=-1", "51000"),
        (f"market/history-trades?instId={SYMBOL}&type=2&before=5", "51000"),
        (f"market/history-trades?instId={SYMBOL}&type=3", "51000"),
    ],
)
def test_rest_refuses_with_a_code_and_http_200(call: str, code: str) -> None:
    path, _, query = call.partition("?")
    answer = get(dialect_of(), f"/api/v5/{path}", query)
    assert answer["code"] == code
    assert answer["msg"]
    assert answer["data"] == []


def test_spot_has_books_in_coins_and_no_closings() -> None:
    dialect = dialect_of("okx.spot")
    item = instrument("okx.spot", "BTC")
    (message,) = sent(dialect, SimBookUpdate(item, START_US, 1, ((970_000, 17_615_457),), ()))
    assert message["arg"] == {"channel": "books", "instId": "BTC-USDT"}
    assert message["data"][0]["bids"][0][1] == "0.17615457"
    sent(dialect, trade(1, item=item))
    assert dialect.first_frame(LIQUIDATIONS) is None
    assert len(get(dialect, "/api/v5/market/trades", "instId=BTC-USDT")["data"]) == 1


@needs_captures
@pytest.mark.parametrize(
    "channel", ["mark-price", "index-tickers", "open-interest", "funding-rate", "bbo-tbt"]
)
def test_scripted_rows_have_the_fields_of_recorded_ones(channel: str) -> None:
    recorded: set[str] = set()
    for line in capture("okx/tardis_node_frames_okx_v5.jsonl").read_text().splitlines():
        frame = json.loads(line)["frame"]
        if frame["arg"]["channel"] == channel:
            recorded |= set(frame["data"][0])
    top = SimTop(BTC, START_US, 1, (970_000, 10), (970_005, 20))
    (row,) = (
        message["data"][0]
        for message in sent(dialect_of(), ticker(0), top)
        if message["arg"]["channel"] == channel
    )
    assert recorded
    assert recorded <= set(row)


@needs_captures
def test_a_scripted_closing_has_the_fields_of_a_recorded_one() -> None:
    lines = capture("cross-venue/liquidation_frames_2026-10-09.jsonl").read_text().splitlines()
    raws = [json.loads(line) for line in lines]
    recorded = [json.loads(item["raw"]) for item in raws if item["venue"] == "okx"]
    (scripted,) = sent(dialect_of(), closing(1, 30))
    assert len(recorded) == 2
    for message in recorded:
        assert set(message) == set(scripted)
        assert message["arg"] == scripted["arg"]
        assert list(message["data"][0]) == list(scripted["data"][0])
        assert list(message["data"][0]["details"][0]) == list(scripted["data"][0]["details"][0])
