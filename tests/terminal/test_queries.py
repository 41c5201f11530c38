"""How the picture is read out of the store."""

from dataclasses import replace
from decimal import Decimal

import pytest

from runtime.errors import ConfigurationError, StoreError
from sinks.terminal.queries import Missing, read, select
from tests.terminal.stub import Answer, StubReader
from tests.terminal.views import MINUTE_US, doge_view, market_view, troubled_view, worked_view


@pytest.mark.parametrize("view", [worked_view(), market_view(), troubled_view()])
def test_what_the_store_holds_is_what_is_shown(view: object) -> None:
    reader = StubReader(view)  # type: ignore[arg-type]
    assert read(reader, select("btc", "perp", "", 60, None), 20) == view


def test_bars_come_oldest_first_and_no_more_than_asked() -> None:
    view = market_view()
    shown = read(StubReader(view), select("BTC", "perp", "", 60, None), 3)
    assert shown == replace(view, bars=view.bars[-3:])


def test_the_smallest_row_size_is_taken_by_its_value() -> None:
    reader = StubReader(worked_view(), row_sizes=("100", "20", "50"))
    shown = read(reader, select("BTC", "perp", "", 60, None), 5)
    assert not isinstance(shown, Missing)
    assert shown.row_size == 20
    assert reader.asked[1][1]["row_size"] == "20"


def test_a_row_size_is_found_in_any_spelling() -> None:
    reader = StubReader(worked_view(), row_sizes=("10", "20"))
    shown = read(reader, select("BTC", "perp", "", 60, "20.00"), 5)
    assert not isinstance(shown, Missing)
    assert reader.asked[1][1]["row_size"] == "20"


def test_an_absent_row_size_names_those_there_are() -> None:
    reader = StubReader(worked_view(), row_sizes=("100", "20"))
    shown = read(reader, select("BTC", "perp", "", 60, "25"), 5)
    assert shown == Missing("there are no rows of 25; row sizes in the store: 20, 100")


def test_an_empty_store_says_what_is_awaited() -> None:
    empty = StubReader(None)
    assert read(empty, select("eth", "perp", "", 300, None), 5) == Missing(
        "waiting for the first footprint of ETH: 5m bars over all perp venues"
    )
    assert read(empty, select("eth", "venue", "okx:ETH-USDT", 15, None), 5) == Missing(
        "waiting for the first footprint of ETH-USDT: 15s bars on okx"
    )


def test_of_several_symbols_the_busiest_perpetual_is_taken() -> None:
    view = doge_view()

    class Several(StubReader):
        def query(self, sql: str, parameters: dict[str, object] | None = None) -> Answer:
            if "GROUP BY" not in sql:
                return super().query(sql, parameters)
            start = view.bars[-1].bar_start_us
            return Answer(
                [
                    ["DOGE-USDT", "0.0001", start, 900],
                    ["DOGE-USDC-PERP", "0.0001", start, 100],
                    ["DOGE-USDT-PERP", "0.001", start, 200],
                    ["DOGE-USDT-PERP", "0.0001", start, 200],
                ]
            )

    reader = Several(view)
    shown = read(reader, select("doge", "venue", "bybit", 15, None), 5)
    assert not isinstance(shown, Missing)
    assert (shown.symbol, shown.row_size) == ("DOGE-USDT-PERP", Decimal("0.0001"))
    spot = read(reader, select("doge", "venue", "bybit:DOGE-USDT", 15, None), 5)
    assert not isinstance(spot, Missing)
    assert spot.symbol == "DOGE-USDT"


def test_only_the_window_that_is_shown_is_asked_for() -> None:
    view = market_view()
    reader = StubReader(view)
    newest = view.bars[-1].bar_start_us
    read(reader, select("BTC", "perp", "", 60, None), 4, since_us=newest)
    since = [parameters["since"] for _, parameters in reader.asked]
    assert since[:3] == [newest, newest - 3 * MINUTE_US, newest - 3 * MINUTE_US]
    assert all(moment == newest for moment in since[3:])


def test_aggregates_show_the_cvd_over_all_members_and_venues_their_own() -> None:
    perp, venue = StubReader(worked_view()), StubReader(doge_view())
    read(perp, select("BTC", "perp", "", 60, None), 4)
    read(venue, select("DOGE", "venue", "bybit", 15, None), 4)
    for reader, composition in ((perp, "all"), (venue, "")):
        asked = [p["composition"] for sql, p in reader.asked if "FROM cvd" in sql]
        assert asked == [composition]


def test_a_store_that_fails_is_an_error() -> None:
    with pytest.raises(StoreError, match="connection refused"):
        read(StubReader(worked_view(), failing=1), select("BTC", "perp", "", 60, None), 4)


@pytest.mark.parametrize(
    ("scope", "venue", "row_size", "message"),
    [
        ("all", "", None, "scope is venue, perp or spot"),
        ("venue", "", None, "needs a venue"),
        ("perp", "okx", None, "needs scope venue"),
        ("perp", "", "ten", "row size is a number above 0, was 'ten'"),
        ("perp", "", "nan", "row size is a number above 0, was 'nan'"),
        ("perp", "", "-5", "row size is a number above 0, was '-5'"),
    ],
)
def test_a_request_that_makes_no_sense_is_refused(
    scope: str, venue: str, row_size: str | None, message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        select("BTC", scope, venue, 60, row_size)
