"""What a receiver's answer means: taken, to be tried again, or refused for good."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import NamedTuple

LONGEST_RETRY_AFTER_SECONDS = 300.0
"""However long a receiver wants to be left alone, it is asked again after this."""

_TRY_AGAIN = {408: "timeout", 425: "busy", 429: "busy"}


class Result(StrEnum):
    """How a post ended."""

    DELIVERED = "delivered"
    BUSY = "busy"
    SERVER_ERROR = "server_error"
    TIMEOUT = "timeout"
    UNREACHABLE = "unreachable"
    REFUSED = "refused"


class Answer(NamedTuple):
    """The end of one attempt; `wait_seconds` is what the receiver asked for, if it did."""

    result: Result
    detail: str = ""
    wait_seconds: float | None = None

    @property
    def try_again(self) -> bool:
        """Whether another attempt may do better."""
        return self.result not in (Result.DELIVERED, Result.REFUSED)


def answer_of(status: int, retry_after: str, now_seconds: float) -> Answer:
    """Judge a status.

    A redirect is a refusal: a signed post goes where the settings say and nowhere else.

    Args:
        status: of the HTTP answer.
        retry_after: its header of that name, or empty.
        now_seconds: since 1970.
    """
    if 200 <= status < 300:
        return Answer(Result.DELIVERED)
    detail = f"HTTP {status}"
    if status in _TRY_AGAIN or status >= 500:
        result = Result(_TRY_AGAIN.get(status, Result.SERVER_ERROR))
        return Answer(result, detail, _wait_seconds(retry_after, now_seconds))
    return Answer(Result.REFUSED, detail)


def _wait_seconds(retry_after: str, now_seconds: float) -> float | None:
    """Read `Retry-After`, seconds or a date, within bounds; None where it says neither."""
    text = retry_after.strip()
    if text.isascii() and text.isdigit():
        seconds = float(text[:12])
    else:
        try:
            moment = parsedate_to_datetime(text)
        except ValueError:
            return None
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        seconds = (moment - datetime.fromtimestamp(now_seconds, UTC)).total_seconds()
    return min(max(seconds, 0.0), LONGEST_RETRY_AFTER_SECONDS)
