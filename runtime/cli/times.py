"""Times as users write them."""

from datetime import UTC, datetime, timedelta

from runtime.errors import ConfigurationError

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def moment_us(text: str) -> int:
    """Read a time, UTC where it does not say otherwise; microseconds since 1970.

    Raises:
        ConfigurationError: it is none.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise ConfigurationError(f"expected a time like 2026-11-20T14:30, was {text!r}") from error
    aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    return (aware - _EPOCH) // timedelta(microseconds=1)
