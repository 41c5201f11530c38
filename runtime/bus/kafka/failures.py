"""What an error of the client library means for us."""

from collections.abc import Iterator
from contextlib import contextmanager

from aiokafka import errors

from runtime.errors import BusError, ConfigurationError, PayloadError, PerptapeError

DENIED = (
    errors.AuthenticationFailedError,
    errors.AuthenticationMethodNotSupported,
    errors.UnsupportedSaslMechanismError,
    errors.SaslAuthenticationFailed,
    errors.IllegalSaslStateError,
    errors.TopicAuthorizationFailedError,
    errors.GroupAuthorizationFailedError,
    errors.ClusterAuthorizationFailedError,
)
UNFIT = (
    errors.MessageSizeTooLargeError,
    errors.RecordListTooLargeError,
    errors.InvalidTimestampError,
)
SPENT = (
    errors.OutOfOrderSequenceNumber,
    errors.InvalidProducerEpoch,
    errors.ProducerFenced,
    errors.ProducerClosed,
    errors.UnknownProducerId,
)
"""After one of these a producer never sends again: it must be replaced."""


def explain(error: BaseException, where: str) -> PerptapeError:
    """Return an error of the client library as one of ours.

    Args:
        error: what was raised.
        where: the brokers, and what was tried.
    """
    text = f"{where}: {type(error).__name__}: {error}"
    if isinstance(error, DENIED):
        return ConfigurationError(f"{text}; see the settings kafka.*")
    if isinstance(error, UNFIT):
        return PayloadError("refused_by_log", text)
    return BusError(text)


@contextmanager
def explained(where: str) -> Iterator[None]:
    """Raise errors of the client library as ours.

    Raises:
        BusError: the log is away or slow.
        ConfigurationError: it will not have us.
        PayloadError: it will not have this record.
    """
    try:
        yield
    except (errors.KafkaError, errors.ConsumerStoppedError, OSError, TimeoutError) as error:
        raise explain(error, where) from error
