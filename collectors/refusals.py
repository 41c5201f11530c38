"""What an HTTP answer that is no success says against us: the same for REST and for handshakes."""

from collections.abc import Sequence

from runtime.errors import RateLimited, RefusedError

LEAST_PAUSE_SECONDS = 1.0
MAX_PAUSE_SECONDS = 3 * 86_400.0

RATE_SECONDS = {418: 120.0, 429: 30.0}
"""How long to stay away after too many requests (418: banned for them), where nobody says; after
429 shorter than the repair of a gap may take."""

REFUSALS = {
    401: "access denied",
    403: "access denied, by rate or by location",
    451: "not served to this location (geo-block)",
}


def refusal(
    venue: str, status: int, retry_after: Sequence[str]
) -> RateLimited | RefusedError | None:
    """Return the error of a status that is about us, None for any other.

    Args:
        venue: who answered.
        status: of the answer.
        retry_after: its headers of that name; the longest wait counts, within bounds.
    """
    if status in RATE_SECONDS:
        asked = [float(text) for text in retry_after if text.isascii() and text.isdigit()]
        seconds = max(asked, default=RATE_SECONDS[status])
        seconds = min(max(seconds, LEAST_PAUSE_SECONDS), MAX_PAUSE_SECONDS)
        what = "banned for a while" if status == 418 else "too many requests"
        return RateLimited(f"{venue}: {what} (HTTP {status})", seconds)
    if status in REFUSALS:
        return RefusedError(f"{venue}: {REFUSALS[status]} (HTTP {status})")
    return None
