"""The page of metrics, served on a thread of its own."""

from dataclasses import dataclass
from threading import Thread
from wsgiref.simple_server import WSGIServer

from prometheus_client import start_http_server

from runtime.errors import ConfigurationError
from runtime.metrics.registry import Metrics


@dataclass(frozen=True, slots=True)
class MetricsServer:
    """A running metrics page; `port` is the one that was bound."""

    port: int
    _server: WSGIServer
    _thread: Thread

    def stop(self) -> None:
        """Stop serving and give the port back."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def serve_metrics(metrics: Metrics, port: int, host: str = "127.0.0.1") -> MetricsServer:
    """Serve `/metrics` on a thread of its own; port 0 lets the system choose.

    Raises:
        ConfigurationError: the address cannot be bound.
    """
    try:
        server, thread = start_http_server(port, host, metrics.registry)
    except OSError as error:
        raise ConfigurationError(
            f"metrics cannot be served on {host}:{port}: {error.strerror or error}; "
            "choose another port"
        ) from error
    return MetricsServer(server.server_port, server, thread)
