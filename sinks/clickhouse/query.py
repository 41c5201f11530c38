"""One query over a store, as text for people and programs. Numbers are exact in every form."""

import csv
import io
from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any, Literal

import msgspec
from rich.console import Console
from rich.table import Table as Grid

from sinks.clickhouse.access import open_reader
from sinks.clickhouse.client import Table

Format = Literal["table", "json", "csv"]

_RIGHT_ALIGNED = ("Int", "UInt", "Decimal", "Float")
_TABLE_WIDTH_LIMIT = 10_000


def run_query(store: Path | str, sql: str, format: Format = "table") -> str:
    """Answer one query as text.

    Args:
        store: the store's folder, or the http(s) address of a server.
        sql: one query over the public views.
        format: `table` for the eye, `json` an array of objects, `csv` with a header line.

    Raises:
        QueryError: the query is refused; one line.
        ConfigurationError: there is no store.
        StoreError: the store is away, or went away.
    """
    reader = open_reader(store)
    try:
        table = reader.query(sql)
    finally:
        reader.close()
    return {"table": as_table, "json": as_json, "csv": as_csv}[format](table)


def as_json(table: Table) -> str:
    """Write an array of objects, decimals as numbers with all their digits."""
    rows = [dict(zip(table.column_names, map(_plain, row), strict=True)) for row in table.rows]
    lines = [_json.encode(row).decode() for row in rows]
    return "[" + ",\n ".join(lines) + "]\n"


def as_csv(table: Table) -> str:
    """Write a header and rows; null is empty, a list or map is JSON."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(table.column_names)
    writer.writerows([_cell(value, "") for value in row] for row in table.rows)
    return out.getvalue()


def as_table(table: Table) -> str:
    """Draw a table as wide as it needs to be."""
    grid = Grid(header_style="bold")
    for name, type_ in zip(table.column_names, table.column_types, strict=True):
        right = type_.removeprefix("Nullable(").startswith(_RIGHT_ALIGNED)
        grid.add_column(name, justify="right" if right else "left", no_wrap=True)
    for row in table.rows:
        grid.add_row(*(_cell(value, "-") for value in row))
    out = io.StringIO()
    console = Console(file=out, width=_TABLE_WIDTH_LIMIT, markup=False, highlight=False)
    console.print(grid)
    return out.getvalue() + f"{len(table.rows)} row{'' if len(table.rows) == 1 else 's'}\n"


def _cell(value: Any, null: str) -> str:
    value = _plain(value)
    if value is None:
        return null
    if isinstance(value, str):
        return value
    if isinstance(value, Decimal):
        return f"{value:f}"
    return _json.encode(value).decode()


def _plain(value: Any) -> Any:
    """Reduce a value to what JSON has, decimals without trailing zeros, times as RFC 3339."""
    if isinstance(value, Decimal):
        return _trimmed(value)
    if isinstance(value, datetime):
        aware = value if value.tzinfo else value.replace(tzinfo=UTC)
        return aware.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [_plain(item) for item in value]
    return value


def _trimmed(value: Decimal) -> Decimal:
    """Drop trailing zeros by text: arithmetic would round to 28 digits."""
    text = f"{value:f}"
    return Decimal(text.rstrip("0").rstrip(".") if "." in text else text)


_json = msgspec.json.Encoder(decimal_format="number", enc_hook=str)
