"""What answers mean, and how a post is signed."""

import hashlib

import pytest

from runtime.errors import ConfigurationError
from sinks.webhook.answers import LONGEST_RETRY_AFTER_SECONDS, Result, answer_of
from sinks.webhook.client import Receiver
from sinks.webhook.signature import headers_of
from tests.sinks.webhook.receiver import SECRET, TOKEN

NOW = 1_795_269_243.0  # Sat, 21 Nov 2026 13:14:03 GMT


@pytest.mark.parametrize(
    ("status", "result", "again"),
    [
        (200, Result.DELIVERED, False),
        (202, Result.DELIVERED, False),
        (299, Result.DELIVERED, False),
        (301, Result.REFUSED, False),
        (307, Result.REFUSED, False),
        (400, Result.REFUSED, False),
        (401, Result.REFUSED, False),
        (404, Result.REFUSED, False),
        (410, Result.REFUSED, False),
        (408, Result.TIMEOUT, True),
        (425, Result.BUSY, True),
        (429, Result.BUSY, True),
        (500, Result.SERVER_ERROR, True),
        (503, Result.SERVER_ERROR, True),
        (599, Result.SERVER_ERROR, True),
    ],
)
def test_a_status_is_taken_tried_again_or_refused(status: int, result: Result, again: bool) -> None:
    answer = answer_of(status, "", NOW)
    assert (answer.result, answer.try_again, answer.wait_seconds) == (result, again, None)


@pytest.mark.parametrize(
    ("retry_after", "seconds"),
    [
        ("7", 7),
        (" 0 ", 0),
        ("86400", LONGEST_RETRY_AFTER_SECONDS),
        ("9" * 400, LONGEST_RETRY_AFTER_SECONDS),
        ("Sat, 21 Nov 2026 13:55:03 GMT", 60),
        ("Sat, 21 Nov 2026 13:55:03 -0000", 60),
        ("Sat, 21 Nov 2026 13:00:00 GMT", 0),
        ("Tue, 21 Nov 2028 13:00:00 GMT", LONGEST_RETRY_AFTER_SECONDS),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("", None),
    ],
)
def test_retry_after_is_seconds_or_a_date_within_bounds(
    retry_after: str, seconds: float | None
) -> None:
    assert answer_of(429, retry_after, NOW).wait_seconds == seconds
    assert answer_of(503, retry_after, NOW).wait_seconds == seconds


def by_rfc_2104(secret: bytes, message: bytes) -> str:
    """Return HMAC-SHA256 as RFC 2104 writes it: H(K ^ opad, H(K ^ ipad, text))."""
    key = secret if len(secret) <= 64 else hashlib.sha256(secret).digest()
    padded = key.ljust(64, b"\0")
    inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in padded) + message).digest()
    return hashlib.sha256(bytes(byte ^ 0x5C for byte in padded) + inner).hexdigest()


@pytest.mark.parametrize("secret", [b"0123456789abcdef", b"\xc3\xa9" * 50])
@pytest.mark.parametrize("body", [b"", b'{"key":"a"}'])
def test_the_signature_is_over_timestamp_and_body(secret: bytes, body: bytes) -> None:
    headers = headers_of(body, "k", secret=secret, sent_seconds=1_795_269_243)
    wanted = by_rfc_2104(secret, b"1795269243." + body)
    assert headers == {
        "Content-Type": "application/json",
        "Perptape-Timestamp": "1795269243",
        "Perptape-Signature": f"v1={wanted}",
        "Perptape-Key": "k",
    }


def test_a_key_of_any_letters_fits_in_a_header() -> None:
    key = "r|okx:币安人生-USDT-PERP|series[composition=all].x:1|at\r\nX: y"
    headers = headers_of(b"", key, secret=b"s", sent_seconds=0, skipped=3)
    assert headers["Perptape-Key"] == (
        "r|okx:%E5%B8%81%E5%AE%89%E4%BA%BA%E7%94%9F-USDT-PERP|series[composition=all].x:1"
        "|at%0D%0AX:%20y"
    )
    assert headers["Perptape-Skipped"] == "3"


@pytest.mark.parametrize(
    ("url", "secret", "named"),
    [
        ("", SECRET, "alert_webhook_url"),
        ("desk.example/hook", SECRET, "alert_webhook_url"),
        ("ftp://desk.example/hook", SECRET, "alert_webhook_url"),
        ("https:///hook", SECRET, "alert_webhook_url"),
        (f"https://desk.example:port/{TOKEN}", SECRET, "alert_webhook_url"),
        (f"https://desk.example/{TOKEN}", "", "alert_webhook_secret"),
        (f"https://desk.example/{TOKEN}", "short-secret", "alert_webhook_secret"),
    ],
)
def test_a_receiver_that_cannot_be_is_refused_without_showing_it(
    url: str, secret: str, named: str
) -> None:
    with pytest.raises(ConfigurationError, match=f"setting {named}") as failure:
        Receiver(url, secret)
    assert TOKEN not in str(failure.value)
    assert "short-secret" not in str(failure.value)


def test_a_receiver_shows_its_host_alone() -> None:
    receiver = Receiver(f"https://user:{SECRET}@desk.example:8443/{TOKEN}", SECRET)
    assert receiver.host == "desk.example:8443"
    assert SECRET not in repr(receiver)
    assert TOKEN not in repr(receiver)
