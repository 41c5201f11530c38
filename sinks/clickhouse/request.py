"""Reading a request of the ClickHouse HTTP interface. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from sinks.clickhouse.client import DATABASE, QueryError
from sinks.clickhouse.encodings import chosen_encoding, unpacked
from sinks.clickhouse.guard import check_readable

BODY_LIMIT_BYTES = 64 * 2**20
TRAILING_FORMAT = re.compile(r"\bFORMAT\s+(\w+)\s*;?\s*\Z", re.IGNORECASE)
_INSERT = re.compile(rb"\s*INSERT\s", re.IGNORECASE)
# No more than the line's end: the data may begin with a byte that is a space in a text.
_INSERT_DATA = re.compile(rb"\bFORMAT\s+(\w+)(?:[ \t]*\r?\n|[ \t])?", re.IGNORECASE)
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)

_CONTENT_TYPES = {
    "JSON": "application/json; charset=UTF-8",
    "JSONCompact": "application/json; charset=UTF-8",
    "JSONEachRow": "application/x-ndjson; charset=UTF-8",
    "CSV": "text/csv; charset=UTF-8",
    "CSVWithNames": "text/csv; charset=UTF-8; header=present",
    "TabSeparated": "text/tab-separated-values; charset=UTF-8",
    "TabSeparatedWithNames": "text/tab-separated-values; charset=UTF-8",
}

_TRANSPORT = frozenset(
    [
        "query",
        "database",
        "default_format",
        "user",
        "password",
        "query_id",
        "quota_key",
        "role",
        "session_id",
        "session_timeout",
        "session_check",
        "compress",
        "decompress",
        "buffer_size",
        "wait_end_of_query",
        "client_protocol_version",
        "send_progress_in_http_headers",
        "http_headers_progress_interval_ms",
        "enable_http_compression",
        "add_http_cors_header",
        "cancel_http_readonly_queries_on_client_close",
        "log_comment",
        "stacktrace",
    ]
)
"""Arguments that concern the transport: understood or without meaning here, never a setting."""

_PRESET = frozenset(
    [
        "output_format_json_quote_64bit_integers",
        "readonly",
        "max_execution_time",
        "max_result_rows",
        "max_result_bytes",
        "result_overflow_mode",
        "max_memory_usage",
    ]
)
"""Settings that clients send and that are already decided: ignored."""


@dataclass(frozen=True, slots=True)
class Request:
    """What is to be run: SQL with typed parameters; for an insert also its data and settings.

    The answer is packed in `encoding`, where it names one.
    """

    sql: str
    database: str
    format: str
    parameters: dict[str, str]
    query_id: str
    encoding: str = ""
    data: bytes | None = None
    settings: tuple[tuple[str, str], ...] = ()

    @property
    def content_type(self) -> str:
        """The media type of the answer."""
        return _CONTENT_TYPES.get(self.format, "application/octet-stream")


def read_request(
    method: str,
    query: Mapping[str, str],
    headers: Mapping[str, str],
    body: bytes,
    *,
    writable: bool,
) -> Request:
    """Read the parts of a request.

    The query is the argument `query`, the body, or both one after the other.

    Raises:
        QueryError: not something that is answered here.
    """
    if "1" in (query.get("compress"), query.get("decompress")):
        raise QueryError("blocks of the native protocol are not available here: use encodings")
    body = unpacked(body, headers.get("Content-Encoding", ""), BODY_LIMIT_BYTES)
    if headers.get("Content-Type", "").startswith("multipart/"):
        raise QueryError("forms are not available here")
    settings = _settings(query, writable=writable)
    whole = query.get("query", "").encode() + (b"\n" if query.get("query") else b"") + body
    if writable and _INSERT.match(whole):
        return _insert(whole, query, headers, settings)
    try:
        sql = whole.decode()
    except UnicodeDecodeError as error:
        raise QueryError("the query is not UTF-8 text") from error
    if not writable or method == "GET":
        check_readable(sql)
    found = TRAILING_FORMAT.search(sql)
    default = query.get("default_format") or headers.get("X-ClickHouse-Format") or "TabSeparated"
    return Request(
        sql=sql,
        database=_database(query, headers, writable=writable),
        format=found[1] if found else _name(default),
        parameters={
            name.removeprefix("param_"): value
            for name, value in query.items()
            if name.startswith("param_")
        },
        query_id=query.get("query_id", "")[:100],
        encoding=chosen_encoding(query, headers),
    )


def _insert(
    whole: bytes,
    query: Mapping[str, str],
    headers: Mapping[str, str],
    settings: tuple[tuple[str, str], ...],
) -> Request:
    found = _INSERT_DATA.search(whole)
    if found is None:
        raise QueryError("an insert needs FORMAT and data")
    return Request(
        sql=whole[: found.start()].decode(),
        database=_database(query, headers, writable=True),
        format=found[1].decode(),
        parameters={},
        query_id=query.get("query_id", "")[:100],
        data=whole[found.end() :],
        settings=settings,
    )


def _settings(query: Mapping[str, str], *, writable: bool) -> tuple[tuple[str, str], ...]:
    wanted = tuple(
        (_name(name), value)
        for name, value in query.items()
        if name not in _TRANSPORT and name not in _PRESET and not name.startswith("param_")
    )
    if wanted and not writable:
        raise QueryError(f"the setting {wanted[0][0]} cannot be changed here")
    return wanted


def _database(query: Mapping[str, str], headers: Mapping[str, str], *, writable: bool) -> str:
    """Return where unqualified names are looked up; there is a `perptape` where one reads only."""
    name = query.get("database") or headers.get("X-ClickHouse-Database") or "default"
    if name in ("default", "__default__"):
        return "default" if writable else DATABASE
    return _name(name)


def _name(text: str) -> str:
    if not _NAME.fullmatch(text):
        raise QueryError(f"{text[:40]!r} is not a name")
    return text
