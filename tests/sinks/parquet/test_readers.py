"""DuckDB and Polars read what the sink makes, in an environment of their own: `make tools`.

An export makes the same files (test_follow), and ClickHouse reads them in every test beside this.
"""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from sinks.clickhouse.access import Reader
from sinks.clickhouse.client import Store
from sinks.parquet.follow import Follower
from tests.sinks.parquet.rows import followed, same_as_tables

PYTHON = Path(__file__).parents[3] / "build" / "readers" / "bin" / "python"
TABLES = ("trades", "footprints", "cascades", "profiles", "liquidation_levels", "books")

DUCKDB = """
import duckdb, json, sys
found = duckdb.sql(f'''
    SELECT date::VARCHAR, asset, venue, trade_id, revision, epoch_us(event_time),
           (price_ticks * tick)::VARCHAR, lot::VARCHAR, side
    FROM read_parquet('{sys.argv[1]}/trades/**/*.parquet') ORDER BY ALL''').fetchall()
counts = {
    name: duckdb.sql(f"SELECT count(*), count(COLUMNS(*)) FROM "
                     f"read_parquet('{sys.argv[1]}/{name}/**/*.parquet')").fetchall()[0][0]
    for name in sys.argv[2:]
}
print(json.dumps([found, counts]))
"""
POLARS = """
import json, sys
import polars as pl
frame = pl.scan_parquet(f"{sys.argv[1]}/trades/**/*.parquet", hive_partitioning=True)
found = frame.select(
    pl.col("date").cast(pl.String), "asset", "venue", "trade_id", "revision",
    pl.col("event_time").dt.epoch("us"),
    (pl.col("price_ticks") * pl.col("tick")).cast(pl.String), pl.col("lot").cast(pl.String), "side",
).collect().rows()
counts = {
    name: pl.read_parquet(f"{sys.argv[1]}/{name}/**/*.parquet").height for name in sys.argv[2:]
}
print(json.dumps([sorted(found), counts]))
"""
TRADES = """
SELECT toString(toDate(event_time)), asset, venue, trade_id, revision,
       toUnixTimestamp64Micro(event_time), toDecimalString(price_ticks * tick, 18),
       toDecimalString(lot, 18), toString(side)
FROM trades_log FINAL ORDER BY ALL
"""


@pytest.fixture(scope="module")
def folder(reader: Reader, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the sink makes of every table."""
    out = tmp_path_factory.mktemp("files")
    followed(Follower(out), reader)
    return out


@pytest.mark.parametrize("program", [DUCKDB, POLARS], ids=["duckdb", "polars"])
def test_others_read_the_rows_and_values_of_the_tables(
    filled: Store, folder: Path, program: str
) -> None:
    found, counts = _read(program, folder)

    assert sorted(map(tuple, found)) == sorted(filled.query(TRADES).rows)
    assert counts == {
        name: filled.query(f"SELECT count() FROM {name}_log FINAL").rows[0][0] for name in TABLES
    }


def test_clickhouse_reads_every_row_and_value_of_every_table(
    filled: Store, reader: Reader, folder: Path
) -> None:
    assert same_as_tables(filled, reader, folder) > 100


def _read(program: str, out: Path) -> Any:
    python = shutil.which(PYTHON)
    if python is None:
        pytest.skip("DuckDB and Polars are not installed: `make tools`")
    arguments = [str(python), "-I", "-c", program, str(out), *TABLES]
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    answer: Any = json.loads(done.stdout)
    return answer
