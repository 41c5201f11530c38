"""The embedded store over the ClickHouse HTTP interface: read-only, on loopback.

The engine admits one process per directory; the one that has it serves it here to `perptape query`,
notebooks (clickhouse-connect) and Grafana (Altinity plugin). While the server runs, `server.json`
in the store's directory says where.

Credentials are not asked for and ignored: whoever can open a loopback port may read. A `Host` that
is not loopback is refused, so that no web page can reach the store through a name of its own.
"""

import asyncio
import contextlib
import json
import os
from pathlib import Path

from aiohttp import web

from runtime.errors import ConfigurationError
from sinks.clickhouse.client import QueryError, connect_embedded, one_line
from sinks.clickhouse.handles import Answer, Handles, ReadLimits
from sinks.clickhouse.request import BODY_LIMIT_BYTES, Request, read_request

ADDRESS_FILE = "server.json"

_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
_STATUS_BY_CODE = {
    46: 404,  # UNKNOWN_FUNCTION
    47: 404,  # UNKNOWN_IDENTIFIER
    60: 404,  # UNKNOWN_TABLE
    62: 400,  # SYNTAX_ERROR
    81: 404,  # UNKNOWN_DATABASE
    159: 408,  # TIMEOUT_EXCEEDED
    164: 403,  # READONLY
    202: 503,  # TOO_MANY_SIMULTANEOUS_QUERIES
    457: 400,  # BAD_QUERY_PARAMETER
}
_READONLY_CODE = 164
_BUSY = "Code: 202. DB::Exception: Too many simultaneous queries. (TOO_MANY_SIMULTANEOUS_QUERIES)"


class StoreServer:
    """Serves the directory that this process has open.

    Args:
        store: the store's directory.
        host: a loopback address.
        port: 0 lets the system choose.
        limits: what one query may take, and how many run and wait.
        writable: also takes inserts and DDL; for tests of HTTP clients.
    """

    def __init__(
        self,
        store: Path,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        limits: ReadLimits | None = None,
        writable: bool = False,
    ) -> None:
        self._store = store.resolve()
        self._host = host
        self._port = port
        self._limits = limits or ReadLimits()
        self._writable = writable
        self._runner: web.AppRunner | None = None
        self._handles: Handles | None = None
        self._waiting = 0
        self._announced = False

    @property
    def port(self) -> int:
        """The port that is served."""
        return self._port

    async def start(self) -> None:
        """Open the handles, serve, and write `server.json`.

        Raises:
            ConfigurationError: the address or the directory cannot be had.
        """
        if self._host not in ("127.0.0.1", "localhost", "::1"):
            raise ConfigurationError(f"the store is served on loopback only, not on {self._host}")
        connect = asyncio.to_thread(
            Handles, self._store, self._limits, writable=self._writable, connect=connect_embedded
        )
        self._handles = await connect
        app = web.Application(client_max_size=BODY_LIMIT_BYTES)
        app.router.add_get("/ping", _ping)
        app.router.add_route("GET", "/", self._answer)
        app.router.add_post("/", self._answer)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._host, self._port)
        try:
            await site.start()
        except OSError as error:
            await self.stop()
            raise ConfigurationError(
                f"the store cannot be served on {self._host}:{self._port}: {error.strerror}; "
                "choose another port"
            ) from error
        self._port = self._runner.addresses[0][1]
        self._write_address()

    async def stop(self) -> None:
        """Stop serving, remove `server.json` and close the handles."""
        if self._announced:
            self._announced = False
            with contextlib.suppress(FileNotFoundError):
                (self._store / ADDRESS_FILE).unlink()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
        if self._handles is not None:
            await asyncio.to_thread(self._handles.close)
            self._handles = None

    def _write_address(self) -> None:
        path = self._store / ADDRESS_FILE
        address = {"host": self._host, "port": self._port, "pid": os.getpid()}
        fresh = path.with_suffix(".json.new")
        fresh.write_text(json.dumps(address), encoding="ascii")
        fresh.replace(path)
        self._announced = True

    async def _answer(self, http: web.Request) -> web.Response:
        host = (http.host or "").rsplit(":", 1)[0] if not http.host.endswith("]") else http.host
        if host not in _LOOPBACK:
            return _refusal(f"Code: {_READONLY_CODE}. the host {host} is not served", 403)
        if self._handles is None or self._waiting >= self._limits.waiting:
            return _refusal(_BUSY, 503)
        self._waiting += 1
        try:
            request = read_request(
                http.method, http.query, http.headers, await http.read(), writable=self._writable
            )
            return _success(request, await self._handles.run(request))
        except QueryError as error:
            return _failure(error)
        except RuntimeError as error:
            return _failure(error)
        finally:
            self._waiting -= 1


async def _ping(_: web.Request) -> web.Response:
    return web.Response(text="Ok.\n")


def _success(request: Request, answer: Answer) -> web.Response:
    count = "written_rows" if request.data is not None else "read_rows"
    headers = {
        "X-ClickHouse-Format": request.format,
        "X-ClickHouse-Timezone": "UTC",
        "X-ClickHouse-Query-Id": request.query_id,
        "X-ClickHouse-Summary": json.dumps(
            {count: str(answer.rows), "elapsed_ns": str(answer.elapsed_ns)}
        ),
        "Content-Type": request.content_type,
    }
    if request.encoding and answer.body:
        headers["Content-Encoding"] = request.encoding
    return web.Response(body=answer.body, headers=headers)


def _failure(error: Exception) -> web.Response:
    message = one_line(error)
    code = message.removeprefix("Code: ").split(".", 1)[0]
    if not message.startswith("Code: ") or not code.isdigit():
        code = str(_READONLY_CODE)
        message = f"Code: {code}. DB::Exception: {message}. (READONLY)"
    return _refusal(message, _STATUS_BY_CODE.get(int(code), 500))


def _refusal(message: str, status: int) -> web.Response:
    code = message.removeprefix("Code: ").split(".", 1)[0]
    headers = {"X-ClickHouse-Exception-Code": code}
    return web.Response(text=f"{message}\n", status=status, headers=headers)
