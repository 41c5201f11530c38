"""DuckDB and Polars read what is exported, in an environment of their own: `make tools`."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from sinks.clickhouse.access import Reader
from sinks.clickhouse.client import Store
from sinks.parquet.plan import Asked
from tests.sinks.parquet.rows import exported

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


@pytest.mark.parametrize("program", [DUCKDB, POLARS], ids=["duckdb", "polars"])
def test_others_read_the_rows_and_values_of_the_tables(
    filled: Store, reader: Reader, tmp_path: Path, program: str
) -> None:
    found, counts = _read(program, reader, tmp_path)

    assert sorted(map(tuple, found)) == sorted(filled.query(TRADES).rows)
    assert counts == {
        name: filled.query(f"SELECT count() FROM {name}_log FINAL").rows[0][0] for name in TABLES
    }


def _read(program: str, reader: Reader, out: Path) -> Any:
    python = shutil.which(PYTHON)
    if python is None:
        pytest.skip("DuckDB and Polars are not installed: `make tools`")
    for name in TABLES:
        exported(reader, name, out, Asked())
    arguments = [str(python), "-I", "-c", program, str(out), *TABLES]
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    answer: Any = json.loads(done.stdout)
    return answer
