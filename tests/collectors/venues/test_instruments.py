"""What listing instruments does when a venue does not answer as it should."""

import json
from typing import Any

import pytest

from collectors.venue import Request
from runtime.errors import PayloadError
from tests.contract.venue_cases import FEEDS, drive


def page(cursor: str) -> bytes:
    row = {
        "symbol": f"C{cursor}USDT",
        "status": "Trading",
        "contractType": "LinearPerpetual",
        "baseCoin": f"C{cursor}",
        "quoteCoin": "USDT",
        "priceFilter": {"tickSize": "0.1"},
        "lotSizeFilter": {"qtyStep": "1"},
    }
    answer = {"retCode": 0, "result": {"list": [row], "nextPageCursor": cursor}}
    return json.dumps(answer).encode()


def test_bybit_pages_without_end_are_a_payload_error() -> None:
    asked: list[Request] = []

    def answer(request: Any) -> bytes:
        asked.append(request)
        return page(str(len(asked)))

    with pytest.raises(PayloadError):
        drive(FEEDS["bybit.linear"], answer)
    assert len(asked) == 50


def test_bybit_pages_that_repeat_their_cursor_are_over() -> None:
    found = drive(FEEDS["bybit.linear"], lambda _: page("same"))
    assert [one.asset for one in found] == ["Csame"]


def test_a_cursor_that_is_not_encoded_is_sent_encoded() -> None:
    asked: list[str] = []

    def answer(request: Any) -> bytes:
        asked.append(request.path)
        return page("a=b&c%3Dd" if len(asked) == 1 else "")

    drive(FEEDS["bybit.linear"], answer)
    assert asked[1].endswith("&cursor=a%3Db%26c%3Dd")


@pytest.mark.parametrize(
    ("name", "body", "said"),
    [
        ("okx.swap", b'{"code":"50011","msg":"Too Many Requests","data":[]}', "50011: Too Many"),
        ("bybit.spot", b'{"retCode":10009,"retMsg":"region"}', "10009: region"),
    ],
)
def test_a_refusal_is_passed_on_in_the_venues_words(name: str, body: bytes, said: str) -> None:
    with pytest.raises(PayloadError, match=said):
        drive(FEEDS[name], lambda _: body)
