"""`python -m deploy.kafka`: Apache Kafka on loopback, until Ctrl-C or SIGTERM."""

import argparse
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from deploy.kafka.cluster import Cluster
from deploy.kafka.libraries import fetch_libraries, write_checksums
from deploy.kafka.ports import is_free
from runtime.errors import ConfigurationError, PerptapeError

DATA = Path("data/kafka")
PORT = 9092
FAILED, MISCONFIGURED = 1, 2
_LOOK_SECONDS = 1.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says; return the exit code."""
    options = _parser().parse_args(arguments)
    try:
        if options.write_checksums:
            _say(str(write_checksums()))
        elif options.libraries_only:
            _say(str(fetch_libraries()))
        else:
            serve(options.data, options.brokers, options.port)
    except PerptapeError as error:
        sys.stderr.write(f"kafka: {error}\n")
        return MISCONFIGURED if isinstance(error, ConfigurationError) else FAILED
    except KeyboardInterrupt:
        return 0  # the one way to end it
    return 0


def serve(data: Path, brokers: int, port: int) -> NoReturn:
    """Run a cluster until SIGINT or SIGTERM.

    Raises:
        ConfigurationError: a port is taken, or the machine or the folder will not do.
        BrokerError: a broker does not come up, or ends by itself.
    """
    for taken in (number for number in range(port, port + brokers) if port and not is_free(number)):
        raise ConfigurationError(
            f"port {taken} is taken; --port names another, and --port 0 takes any that is free"
        )
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    cluster = Cluster(data, brokers=brokers, port=port)
    try:
        cluster.start()
        _say(f"PERPTAPE_BUS=kafka://{cluster.bootstrap}")
        while True:
            time.sleep(_LOOK_SECONDS)
            cluster.check()
    finally:
        cluster.stop()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m deploy.kafka", description=__doc__)
    parser.add_argument("--brokers", type=int, default=1, help="how many, 1 to 3 (default: 1)")
    parser.add_argument("--data", type=Path, default=DATA, help=f"folder (default: {DATA})")
    parser.add_argument(
        "--port", type=int, default=PORT, help=f"of the first broker (default: {PORT}; 0: any)"
    )
    parser.add_argument(
        "--libraries-only", action="store_true", help="fetch and compare the jars, start nothing"
    )
    parser.add_argument(
        "--write-checksums", action="store_true", help="fetch the jars and list them anew"
    )
    return parser


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
