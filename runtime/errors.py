"""The one exception tree; what is done about an error is decided by its class.

PerptapeError
+-- ConfigurationError   the user must change something: one line, exit code 2
+-- TransportError       a connection or host failed: back off and try again
|    +-- RateLimited     the venue said when to come back
+-- RefusedError         a venue will not serve this (unknown symbol, geography): stop it, alert
+-- PayloadError         bytes that cannot be used: dead letter, count, go on
+-- BusError             the log is away or full: hold offsets, try again
+-- StoreError           the store is away or refuses: hold offsets, try again
+-- StoreRejected   the store refuses this very block: it will not get better by itself
"""


class PerptapeError(Exception):
    """The root of every error of ours."""


class ConfigurationError(PerptapeError):
    """A setting, argument or file is wrong; the message says which and what to change."""


class TransportError(PerptapeError):
    """A connection could not be made or broke; trying again is the cure."""


class RateLimited(TransportError):
    """A venue refused for now and may have said for how long.

    Args:
        message: what was refused.
        retry_after_seconds: the venue's own figure, or None where it gave none.
    """

    def __init__(self, message: str, retry_after_seconds: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class RefusedError(PerptapeError):
    """A venue answered that it will not serve this request; trying again does not help."""


class PayloadError(PerptapeError):
    """Bytes that cannot be used.

    Args:
        reason: a stable word for counting, e.g. `malformed_json`.
        detail: what was expected and what was there.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


class BusError(PerptapeError):
    """The log could not be read or written."""


class StoreError(PerptapeError):
    """The store was not reached or did not answer clearly; the same block may be sent again."""


class StoreRejected(StoreError):
    """The store refused this block for what is in it."""
