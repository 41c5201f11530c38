"""What an error of the client library means for us."""

from collections.abc import Iterator
from contextlib import contextmanager

from aiokafka import errors

from runtime.errors import BusError, ConfigurationError, PerptapeError

APPLY = "perptape topics apply"
"""The command that makes the topics what the registry says."""

DENIED = (
    errors.AuthenticationFailedError,
    errors.AuthenticationMethodNotSupported,
    errors.UnsupportedSaslMechanismError,
    errors.SaslAuthenticationFailed,
    errors.IllegalSaslStateError,
    errors.TopicAuthorizationFailedError,
    errors.GroupAuthorizationFailedError,
    errors.ClusterAuthorizationFailedError,
    errors.TransactionalIdAuthorizationFailed,
    errors.InvalidReplicationFactorError,
    errors.InvalidConfigurationError,
    errors.InvalidPartitionsError,
    errors.InvalidSessionTimeoutError,
    errors.InvalidGroupIdError,
    errors.PolicyViolationError,
    errors.IncompatibleBrokerVersion,
    errors.UnsupportedVersionError,
)
"""The cluster will not have us, or not this: it is the settings that must change."""

MISFIT = (
    errors.MessageSizeTooLargeError,
    errors.RecordListTooLargeError,
    errors.InvalidTimestampError,
)
"""A record that the registry allows is refused: the topic is not what the registry says."""

RAISED = (errors.KafkaError, errors.ConsumerStoppedError, OSError, TimeoutError)
"""Everything that the client library raises where it is not used wrongly."""


def in_words(error: BaseException) -> str:
    """Return one line about an error, which says of what kind it is."""
    words = " ".join(str(error).split())
    if isinstance(error, TimeoutError) and not words:
        return "no answer in time"
    kind = type(error).__name__
    return words if kind in words else f"{kind}: {words}".rstrip(": ")


def explain(error: BaseException, where: str) -> PerptapeError:
    """Return an error of the client library as one of ours.

    A record that is refused is no `PayloadError`: it was measured before it was sent, others may
    have been appended with it, and it will be taken once the topic is mended.

    Args:
        error: what was raised.
        where: the brokers, or what was tried.
    """
    text = f"{where}: {in_words(error)}"
    if isinstance(error, DENIED):
        return ConfigurationError(f"{text}; see the settings kafka.*")
    if isinstance(error, MISFIT):
        return BusError(f"{text}; the topic differs from the registry, run: {APPLY}")
    return BusError(text)


@contextmanager
def explained(where: str) -> Iterator[None]:
    """Raise errors of the client library as ours.

    Raises:
        BusError: the log is away or slow.
        ConfigurationError: it will not have us.
    """
    try:
        yield
    except RAISED as error:
        raise explain(error, where) from error
