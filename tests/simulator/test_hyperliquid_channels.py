"""What Hyperliquid sends, from events made by hand, against the shapes of the venue sheet."""

import json
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest

from schemas.market import Side
from simulator.catalogue import instrument, instruments
from simulator.dialects import make_dialect
from simulator.dialects.base import ABORT, Dialect, Reply, RestRequest, Session
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

BTC = instrument("hyperliquid.perp", "BTC")
ETH = instrument("hyperliquid.perp", "ETH")
SECOND = 1_000_000
START_MS = START_US // 1000
NEXT_HOUR_US = START_US - START_US % (3600 * SECOND) + 3600 * SECOND
OWNER_TAG = 0xABC
OWNER = "0x" + "0" * 37 + "abc"


class Everything:
    """Every stream is wanted."""

    def __contains__(self, key: object) -> bool:
        return True


def new_dialect() -> Dialect:
    return make_dialect("hyperliquid.perp", instruments("hyperliquid.perp"), {})


def sent(dialect: Dialect, *events: SimEvent) -> list[tuple[str, Any]]:
    frames = dialect.encode(events, Everything())
    for frame in frames:
        assert dialect.keys_of(frame.data) in ((frame.key,), ("explorerTxs",))
    return [(frame.key, json.loads(frame.data)) for frame in frames]


def of(key: str, messages: list[tuple[str, Any]]) -> list[Any]:
    return [message for name, message in messages if name == key]


def first(dialect: Dialect, key: str) -> Any:
    data = dialect.first_frame(key)
    assert data is not None
    return json.loads(data)


def update(
    number: int, bids: Levels, asks: Levels, time_us: int = START_US, item: SimInstrument = BTC
) -> SimBookUpdate:
    return SimBookUpdate(item, time_us, number, bids, asks)


def top(bid: tuple[int, int], ask: tuple[int, int], time_us: int = START_US) -> SimTop:
    return SimTop(BTC, time_us, 1, bid, ask)


def trade(
    number: int, fills: tuple[int, ...] = (100,), *, order_tag: int = 0, side: Side = Side.SELL
) -> SimTrade:
    return SimTrade(
        instrument=BTC,
        time_us=START_US + number * 1000,
        side=side,
        price_ticks=97_000,
        fills=fills,
        first_id=1000 + 10 * number,
        print_id=number,
        order_tag=order_tag or number + 1,
    )


def closing(order_tag: int, lots: int, *, long: bool = True) -> SimLiquidation:
    return SimLiquidation(BTC, START_US, long, lots, 97_000, 96_800, order_tag, OWNER_TAG)


def ticker(second: int, *, hours: int = 0) -> SimTicker:
    return SimTicker(
        instrument=BTC,
        time_us=START_US + second * SECOND,
        mark=Decimal(97_010),
        index=Decimal(97_000),
        funding_rate=Decimal("0.0000125"),
        settled_rate=Decimal(11 + hours).scaleb(-6),
        next_funding_us=NEXT_HOUR_US + hours * 3600 * SECOND,
        interval_hours=1,
        open_interest_lots=2_735_317_682,
    )


def session_of(path: str = "/ws") -> Session:
    opened = new_dialect().open(path, "")
    assert opened is not None
    return opened[0]


def say(session: Session, subscription: object, method: str = "subscribe") -> Reply:
    text = json.dumps({"method": method, "subscription": subscription})
    return session.on_client_message(text, 0)


def acknowledged(reply: Reply) -> Any:
    (message,) = (json.loads(message) for message in reply.messages)
    assert message["channel"] == "subscriptionResponse"
    return message["data"]["subscription"]


def ask(dialect: Dialect, **body: object) -> Any:
    reply = dialect.rest(RestRequest("POST", "/info", "", json.dumps(body).encode()))
    assert reply.status == 200
    return json.loads(reply.body)


def test_books_are_pushed_whole_at_two_paces_of_one_clock() -> None:
    dialect = new_dialect()
    dialect.encode(
        [
            update(1, ((97_000, 150),), ((97_001, 7),)),
            update(1, ((31_200, 5),), ((31_201, 6),), item=ETH),
        ],
        (),
    )
    messages = []
    for tenth in range(1, 120):
        change = update(tenth + 1, ((96_990 - tenth, tenth),), (), START_US + tenth * 100_000)
        messages += sent(dialect, change)
    slow, fast = of("l2Book:BTC", messages), of("l2BookFast:BTC", messages)
    for pushes, pace_ms in ((slow, 5400), (fast, 540)):
        times = [message["data"]["time"] for message in pushes]
        assert len(times) >= 2
        assert {after - before for before, after in pairwise(times)} == {pace_ms}
        assert all(time % pace_ms == 0 for time in times)
    assert [message["data"]["time"] for message in of("l2BookFast:ETH", messages)] == [
        message["data"]["time"] for message in fast
    ]
    assert all("fast" not in message["data"] for message in slow)
    assert all(message["data"]["fast"] is True for message in fast)
    bids, asks = slow[-1]["data"]["levels"]
    assert len(bids) == 20
    assert len(fast[-1]["data"]["levels"][0]) == 5
    assert bids[:5] == fast[-1]["data"]["levels"][0]
    assert [Decimal(level["px"]) for level in bids] == sorted(
        (Decimal(level["px"]) for level in bids), reverse=True
    )
    assert bids[0].keys() == {"px", "sz", "n"}
    assert (bids[0]["px"], bids[0]["sz"]) == ("97000.0", "0.0015")
    assert [(level["px"], level["sz"]) for level in asks] == [("97001.0", "0.00007")]


def test_unchanged_books_are_sent_again_with_a_new_time() -> None:
    dialect = new_dialect()
    dialect.encode([update(1, ((97_000, 150),), ((97_001, 7),))], ())
    messages = []
    for second in range(1, 5):
        messages += sent(dialect, ticker(second))
    pushes = [message["data"] for message in of("l2BookFast:BTC", messages)]
    assert len(pushes) == 4
    assert len({push["time"] for push in pushes}) == 4
    assert len({json.dumps(push["levels"]) for push in pushes}) == 1


def test_a_push_shows_the_book_as_its_updates_leave_it() -> None:
    dialect = new_dialect()
    bids = tuple((97_000 - number, 100 + number) for number in range(30))
    dialect.encode([update(1, bids, ((97_001, 7),))], ())
    dialect.encode([update(2, ((97_000, 0), (96_999, 5)), ((97_002, 9),))], ())
    book = first(dialect, "l2Book:BTC")["data"]
    assert [Decimal(level["px"]) for level in book["levels"][0]] == [
        96_999 - number for number in range(20)
    ]
    assert book["levels"][0][0]["sz"] == "0.00005"
    assert [level["px"] for level in book["levels"][1]] == ["97001.0", "97002.0"]
    assert dialect.first_frame("l2Book:ETH") is None
    rest = ask(dialect, type="l2Book", coin="BTC")
    assert rest["levels"] == book["levels"]
    assert (rest["coin"], rest["time"]) == ("BTC", START_MS)
    assert dialect.restart_books() == []
    assert dialect.maintenance_notice() is None


def test_best_prices_come_per_change_and_may_lack_a_side() -> None:
    dialect = new_dialect()
    messages = sent(
        dialect,
        top((97_000, 10), (97_001, 20)),
        top((97_000, 10), (97_001, 20), START_US + 70_000),
        top((97_000, 10), (97_002, 0), START_US + 140_000),
    )
    both, one_sided = of("bbo:BTC", messages)
    n = both["data"]["bbo"][0]["n"]
    assert n > 0
    assert both["data"]["bbo"][0] == {"px": "97000.0", "sz": "0.0001", "n": n}
    assert (both["data"]["coin"], both["data"]["time"]) == ("BTC", START_MS)
    assert one_sided["data"]["bbo"][1] is None
    assert one_sided["data"]["time"] == START_MS + 140
    assert first(dialect, "bbo:BTC") == one_sided


def test_a_context_has_texts_and_no_time() -> None:
    dialect = new_dialect()
    assert dialect.first_frame("activeAssetCtx:BTC") is None
    events = (trade(0, (100_000, 50_000)), top((97_000, 10), (97_001, 20)), ticker(0))
    (message,) = of("activeAssetCtx:BTC", sent(dialect, *events))
    assert message == {
        "channel": "activeAssetCtx",
        "data": {
            "coin": "BTC",
            "ctx": {
                "funding": "0.0000125",
                "openInterest": "27353.17682",
                "prevDayPx": "97010.0",
                "dayNtlVlm": "145500.0",
                "premium": "0.0001030928",
                "oraclePx": "97000.0",
                "markPx": "97010.0",
                "midPx": "97000.5",
                "impactPxs": ["97000.0", "97001.0"],
                "dayBaseVlm": "1.5",
            },
        },
    }
    assert len(of("activeAssetCtx:BTC", sent(dialect, ticker(1), ticker(2)))) == 2


def test_trades_of_one_block_are_one_frame_and_are_replayed() -> None:
    dialect = new_dialect()
    messages = sent(dialect, trade(0, (1, 2)), trade(0, (3,)), trade(200, (4, 5)))
    assert [len(message["data"]) for message in of("trades:BTC", messages)] == [3, 2]
    assert [row["sz"] for row in first(dialect, "trades:BTC")["data"]] == [
        "0.00001",
        "0.00002",
        "0.00003",
        "0.00004",
        "0.00005",
    ]
    newest_first = ask(dialect, type="recentTrades", coin="BTC")
    assert newest_first == list(reversed(first(dialect, "trades:BTC")["data"]))


def test_the_explorer_tells_a_closing_by_the_hash_of_its_trades() -> None:
    dialect = new_dialect()
    orders: list[list[SimEvent]] = [
        [trade(0, order_tag=9), closing(9, 100)],
        [closing(10, 100), trade(1, order_tag=10)],
    ]
    for order in orders:
        messages = sent(dialect, *order)
        (rows,) = (message["data"] for message in of("trades:BTC", messages))
        (transactions,) = of("explorerTxs", messages)
        assert isinstance(transactions, list)
        (closed,) = (item for item in transactions if item["action"]["type"] == "liquidate")
        assert closed["action"] == {
            "type": "liquidate",
            "user": OWNER,
            "isCross": True,
            "asset": 0,
            "isBuy": False,
        }
        assert set(closed) == {"action", "block", "error", "hash", "time", "user"}
        assert closed["time"] == START_MS
        assert closed["error"] is None
        assert {row["hash"] for row in rows} == {closed["hash"]}
        assert rows[0]["users"][1] == OWNER  # the taker sold
        others = [item for item in transactions if item is not closed]
        assert {item["action"]["type"] for item in others} == {"order"}
        assert closed["hash"] not in {item["hash"] for item in others}


def test_the_parts_of_one_closing_order_are_one_transaction() -> None:
    messages = sent(new_dialect(), closing(9, 100, long=False), closing(9, 50, long=False))
    (transactions,) = of("explorerTxs", messages)
    (closed,) = (item["action"] for item in transactions if item["action"]["type"] == "liquidate")
    assert closed["isBuy"] is True


def test_the_explorer_is_busy_with_orders() -> None:
    dialect = new_dialect()
    messages = []
    for second in range(11):
        messages += sent(dialect, ticker(second))
    frames = of("explorerTxs", messages)
    assert len(frames) == 10
    transactions = [item for frame in frames for item in frame]
    assert {item["action"]["type"] for item in transactions} == {"order"}
    assert len({item["hash"] for item in transactions}) == len(transactions) == 20
    assert {len(item["hash"]) for item in transactions} == {66}
    assert {len(item["user"]) for item in transactions} == {42}


def test_the_fills_of_an_owner_add_up_to_the_closed_position() -> None:
    dialect = new_dialect()
    sent(dialect, ticker(0), trade(0, (70, 20), order_tag=9), closing(9, 90), closing(9, 10))
    sent(dialect, trade(1, (10,), order_tag=9), trade(2, (500,), order_tag=11))
    fills = ask(dialect, type="userFillsByTime", user=OWNER.upper(), startTime=0)
    assert [Decimal(fill["sz"]) / BTC.lot for fill in fills] == [70, 20, 10]
    assert [Decimal(fill["startPosition"]) / BTC.lot for fill in fills] == [100, 30, 10]
    assert {fill["dir"] for fill in fills} == {"Liquidated Cross Long"}
    assert {(fill["side"], fill["crossed"]) for fill in fills} == {("A", True)}
    assert len({fill["oid"] for fill in fills}) == 1
    assert all(Decimal(fill["closedPnl"]) < 0 for fill in fills)
    told = {"liquidatedUser": OWNER, "markPx": "97010.0", "method": "market"}
    assert all(fill["liquidation"] == told for fill in fills)
    rows = first(dialect, "trades:BTC")["data"][:3]
    for key in ("hash", "tid", "px", "sz", "time"):
        assert [fill[key] for fill in fills] == [row[key] for row in rows]
    later = ask(dialect, type="userFillsByTime", user=OWNER, startTime=START_MS + 1)
    assert later == fills[2:]
    until = ask(dialect, type="userFillsByTime", user=OWNER, startTime=0, endTime=START_MS)
    assert until == fills[:2]
    assert ask(dialect, type="userFillsByTime", user="0x1", startTime=0) == []


def test_the_maker_of_a_closing_sees_it_too() -> None:
    dialect = new_dialect()
    messages = sent(
        dialect, closing(9, 60, long=False), trade(0, (60,), order_tag=9, side=Side.BUY)
    )
    ((row,),) = (message["data"] for message in of("trades:BTC", messages))
    assert row["users"][0] == OWNER
    (mine,) = ask(dialect, type="userFillsByTime", user=row["users"][1], startTime=0)
    (theirs,) = ask(dialect, type="userFillsByTime", user=OWNER, startTime=0)
    assert (mine["dir"], mine["side"], mine["crossed"]) == ("Open Short", "A", False)
    assert (theirs["dir"], theirs["side"], theirs["crossed"]) == (
        "Liquidated Cross Short",
        "B",
        True,
    )
    assert theirs["startPosition"] == "-0.0006"
    assert mine["liquidation"] == theirs["liquidation"]
    assert mine["tid"] == theirs["tid"] == row["tid"]


def test_acknowledgements_fill_the_defaults_in() -> None:
    session = session_of()
    assert acknowledged(say(session, {"type": "l2Book", "coin": "BTC"})) == {
        "type": "l2Book",
        "coin": "BTC",
        "nSigFigs": None,
        "mantissa": None,
        "fast": False,
    }
    fast = say(session, {"type": "l2Book", "coin": "BTC", "fast": True})
    assert acknowledged(fast)["fast"] is True
    assert fast.subscribed == ("l2BookFast:BTC",)
    for kind in ("bbo", "activeAssetCtx", "trades"):
        assert acknowledged(say(session, {"type": kind, "coin": "BTC"})) == {
            "type": kind,
            "coin": "BTC",
        }
    assert len(session.keys) == 5


def test_a_second_subscription_is_an_error_even_with_its_defaults_spelled_out() -> None:
    session = session_of()
    say(session, {"type": "l2Book", "coin": "BTC"})
    reply = say(session, {"type": "l2Book", "coin": "BTC", "fast": False, "nSigFigs": None})
    (message,) = (json.loads(message) for message in reply.messages)
    assert message["channel"] == "error"
    assert message["data"].startswith("Already subscribed")
    assert reply.close is None
    assert not reply.subscribed
    acknowledged(say(session, {"type": "l2Book", "coin": "BTC"}, "unsubscribe"))
    assert not session.keys


@pytest.mark.parametrize(
    "arguments",
    [
        {"coin": "btc"},
        {"coin": "XYZ:SP500"},
        {"coin": "BTC", "nSigFigs": 1},
        {"coin": "BTC", "nSigFigs": "5"},
        {"coin": "BTC", "mantissa": 2},
        {"coin": "BTC", "nSigFigs": 4, "mantissa": 2},
        {"coin": "BTC", "nSigFigs": 5, "mantissa": 3},
    ],
)
def test_wrong_coins_and_arguments_end_the_socket_without_a_word(
    arguments: dict[str, object],
) -> None:
    reply = say(session_of(), {"type": "l2Book"} | arguments)
    assert reply.close == ABORT
    assert not reply.messages


@pytest.mark.parametrize(
    "subscription",
    [
        {"type": "l2Book", "coin": ["BTC"]},
        {"type": "l2Book", "coin": "BTC", "fast": "yes"},
        {"type": "liquidations", "coin": "BTC"},
        {"type": ["l2Book"], "coin": "BTC"},
        {"type": "bbo"},
        {},
    ],
)
def test_what_cannot_be_read_is_an_error_and_the_socket_stays(subscription: object) -> None:
    reply = say(session_of(), subscription)
    (message,) = (json.loads(message) for message in reply.messages)
    assert message["data"].startswith("Error parsing JSON")
    assert reply.close is None


def test_the_explorer_has_an_address_of_its_own() -> None:
    session = session_of("/explorer/ws")
    reply = say(session, {"type": "explorerTxs"})
    assert acknowledged(reply) == {"type": "explorerTxs"}
    assert reply.subscribed == ("explorerTxs",)
    assert new_dialect().first_frame("explorerTxs") is None
    refused = say(session, {"type": "trades", "coin": "BTC"})
    assert b"Error parsing JSON" in refused.messages[0]
    assert json.loads(session.on_client_message('{"method":"ping"}', 0).messages[0]) == {
        "channel": "pong"
    }


def test_the_markets_address_takes_the_explorers_stream_and_sends_nothing_in_it() -> None:
    session = session_of()
    reply = say(session, {"type": "explorerTxs"})
    assert acknowledged(reply) == {"type": "explorerTxs"}
    (key,) = reply.subscribed
    assert first(new_dialect(), key) == []
    assert key not in {frame.key for frame in new_dialect().encode([closing(9, 1)], Everything())}


def test_a_delisted_coin_has_empty_books_one_old_trade_and_no_prices() -> None:
    dialect = new_dialect()
    for kind in ("trades", "l2Book", "activeAssetCtx"):
        acknowledged(say(session_of(), {"type": kind, "coin": "MATIC"}))
    assert first(dialect, "l2Book:MATIC")["data"]["levels"] == [[], []]
    (row,) = first(dialect, "trades:MATIC")["data"]
    assert row["time"] < 1_735_689_600_000  # 2025
    context = first(dialect, "activeAssetCtx:MATIC")["data"]["ctx"]
    assert (context["midPx"], context["openInterest"]) == (None, "0.0")
    messages = sent(dialect, ticker(0), ticker(1))
    (push,) = of("l2BookFast:MATIC", messages)
    assert push["data"]["levels"] == [[], []]


def test_a_wrong_clock_shifts_every_time_and_no_pace() -> None:
    dialect = new_dialect()
    dialect.clock_offset_us = -3 * SECOND
    events: tuple[SimEvent, ...] = (
        update(1, ((97_000, 1),), ((97_001, 1),)),
        top((97_000, 1), (97_001, 1)),
        trade(0, order_tag=9),
        closing(9, 100),
    )
    times = []
    for key, message in sent(dialect, *events):
        if key == "explorerTxs":
            times += [item["time"] for item in message]
        else:
            data = message["data"]
            times.append(data[0]["time"] if isinstance(data, list) else data["time"])
    assert len(times) == 4
    assert set(times) == {START_MS - 3000}
    dialect.clock_offset_us = -3600 * SECOND
    pushes = of("l2BookFast:BTC", sent(dialect, ticker(1)))
    assert [push["data"]["time"] // 1000 - START_MS // 1000 for push in pushes] == [-3600]


def test_contexts_are_aligned_with_the_universe() -> None:
    dialect = new_dialect()
    sent(dialect, ticker(0))
    meta, contexts = ask(dialect, type="metaAndAssetCtxs")
    assert meta == ask(dialect, type="meta")
    names = [item["name"] for item in meta["universe"]]
    assert len(contexts) == len(names)
    by_name = dict(zip(names, contexts, strict=True))
    assert by_name["BTC"] == first(dialect, "activeAssetCtx:BTC")["data"]["ctx"]
    assert by_name["MATIC"]["midPx"] is None
    other, others = ask(dialect, type="metaAndAssetCtxs", dex="xyz")
    assert len(other["universe"]) == len(others) == 1


def test_funding_history_has_a_row_for_each_settled_hour() -> None:
    dialect = new_dialect()
    sent(
        dialect,
        *(ticker(3600 * hour + second, hours=hour) for hour in range(3) for second in (0, 1)),
    )
    rows = ask(dialect, type="fundingHistory", coin="BTC", startTime=0)
    first_ms = NEXT_HOUR_US // 1000 - 3_600_000
    assert [row["time"] for row in rows] == [first_ms + 3_600_000 * hour for hour in range(3)]
    assert [row["fundingRate"] for row in rows] == ["0.000011", "0.000012", "0.000013"]
    assert rows[0].keys() == {"coin", "fundingRate", "premium", "time"}
    some = ask(
        dialect,
        type="fundingHistory",
        coin="BTC",
        startTime=first_ms + 1,
        endTime=first_ms + 3_600_000,
    )
    assert some == rows[1:2]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 422),
        (b'{"type":"nothing"}', 422),
        (b'{"type":"meta","dex":"nope"}', 422),
        (b'{"type":"metaAndAssetCtxs","dex":"nope"}', 422),
        (b'{"type":"fundingHistory","coin":"BTC"}', 422),
        (b'{"type":"fundingHistory","coin":"BTC","startTime":"0"}', 422),
        (b'{"type":"userFillsByTime","user":"0x1"}', 422),
        (b'{"type":"userFillsByTime","startTime":0}', 422),
        (b'{"type":"fundingHistory","coin":"NOPE","startTime":0}', 500),
        (b'{"type":"recentTrades","coin":"btc"}', 500),
        (b'{"type":"l2Book","coin":"NOPE"}', 500),
    ],
)
def test_info_refuses_what_it_does_not_know(body: bytes, status: int) -> None:
    assert new_dialect().rest(RestRequest("POST", "/info", "", body)).status == status


def test_recorded_answers_are_taken_for_metadata_only_where_they_are() -> None:
    dialect = new_dialect()
    meta = b'{"universe":[{"name":"BTC","szDecimals":5}]}'
    assert dialect.metadata_name(RestRequest("GET", "/info", "", meta)) == "meta"
    both = b"[" + meta + b",[]]"
    assert dialect.metadata_name(RestRequest("GET", "/info", "", both)) is None
    recorded = make_dialect("hyperliquid.perp", (), {"meta": meta})
    names, contexts = ask(recorded, type="metaAndAssetCtxs")
    assert names == json.loads(meta)
    assert len(contexts) == 1


@needs_captures
def test_scripted_data_have_the_fields_of_recorded_ones() -> None:
    dialect = new_dialect()
    dialect.encode([update(1, ((97_000, 1),), ((97_001, 1),))], ())
    events = (top((97_000, 1), (97_001, 1)), ticker(0), ticker(6), trade(6_000))
    scripted = {
        message["channel"]: message["data"]
        for key, message in sent(dialect, *events)
        if isinstance(message, dict) and key.endswith(":BTC")
    }
    found = set()
    lines = capture("hyperliquid/tardis_node_frames_hyperliquid.jsonl").read_text().splitlines()
    for line in lines:
        frame = json.loads(line)["frame"]
        channel, recorded = frame["channel"], frame["data"]
        if channel not in scripted:
            continue
        mine = scripted[channel]
        if isinstance(recorded, list):
            recorded, mine = recorded[0], mine[0]
        assert set(recorded) <= set(mine)
        assert set(recorded.get("ctx", ())) <= set(mine.get("ctx", ()))
        found.add(channel)
    assert found == {"trades", "l2Book", "bbo", "activeAssetCtx"}
