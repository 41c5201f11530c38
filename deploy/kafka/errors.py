"""What can go wrong with brokers of our own, sorted by what is to be done about it."""

from runtime.errors import ConfigurationError, PerptapeError


class KafkaUnavailable(ConfigurationError):
    """The machine lacks what a broker needs: Java, or the jars and a way to fetch them."""


class LibraryError(ConfigurationError):
    """A jar is not the one that `libraries.sha256` lists; the message names it."""


class BrokerError(PerptapeError):
    """A broker did not come up or ended by itself; the message ends with the tail of its log."""
