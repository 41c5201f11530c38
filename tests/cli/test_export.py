"""`perptape export` as a user meets it."""

from pathlib import Path

import pytest

from schemas.topics import TRADES
from sinks.clickhouse.client import open_store
from sinks.clickhouse.migrate import apply
from tests.cli.program import run
from tests.sinks.clickhouse.published import put
from tests.sinks.clickhouse.records import batch, trade

FILE = "out/trades/date=2026-09-21/asset=BTC/venue=binance/part-00.parquet"


@pytest.fixture
async def folder(tmp_path: Path) -> Path:
    store = open_store(tmp_path / "data" / "store")
    try:
        apply(store)
        await put(store, TRADES, batch("BTC", [trade(1), trade(2)]))
    finally:
        store.close()
    return tmp_path


def export(folder: Path, *more: str, **environment: str) -> tuple[int, str]:
    done = run(folder, "export", *more, "--out", "out", "--store", "data/store", **environment)
    return done.returncode, done.stdout + done.stderr


def test_an_export_says_what_it_wrote(folder: Path) -> None:
    code, said = export(folder, "trades", "--from", "2026-09-21", "--until", "2026-09-22")

    size = (folder / FILE).stat().st_size
    assert code == 0
    assert f"2 rows of trades in 1 files, {size:,} bytes" in said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["candles"], "perptape: no dataset 'candles'; there are: alerts, bars, books"),
        (["trades", "--from", "21.09.2026"], "perptape: --from is no day (YYYY-MM-DD)"),
        (["trades", "--until", "2026-02-30"], "perptape: --until is no day (YYYY-MM-DD)"),
        (
            ["trades", "--from", "2026-09-21", "--until", "2026-09-21"],
            "perptape: --until 2026-09-21 must be after --from 2026-09-21",
        ),
    ],
)
def test_what_is_wrong_is_one_line_and_exit_code_2(
    folder: Path, arguments: list[str], said: str
) -> None:
    code, message = export(folder, *arguments)

    assert code == 2
    assert message.startswith(said)
    assert message.count("\n") == 1
    assert not (folder / "out").exists()


def test_a_killed_export_leaves_no_half_file_and_the_next_one_makes_it(folder: Path) -> None:
    code, _ = export(folder, "trades", PERPTAPE_FAILPOINT="export_before_rename")

    assert code == -9
    assert not list(folder.rglob("*.parquet"))
    assert export(folder, "trades")[0] == 0
    assert [path for path in (folder / "out").rglob("*") if path.is_file()] == [folder / FILE]
