"""What is wrong with a file is said with its line, whatever way it is wrong."""

import hashlib
from pathlib import Path

import pytest
import zstandard

from collectors.dumps.errors import DumpError
from collectors.dumps.held import identity_of
from tests.collectors.dumps.files import AGGREGATES, held, put

NAME = "BTCUSDT-aggTrades-2025-06-21"


def broken(path: Path) -> str:
    with pytest.raises(DumpError) as raised:
        held(path)
    assert str(path) in str(raised.value)
    return str(raised.value)


@pytest.mark.parametrize(
    ("old", "new", "line", "says"),
    [
        ("1750464000250", "1750464000250000", 3, "in microseconds, the lines before"),
        ("1750464000000", "1750464000", 2, "in seconds, expected milliseconds or micro"),
        ("1750464000250", "1750464000250000000", 3, "in nanoseconds, expected"),
        ("1750464000250", "1750464000000.5", 3, "time"),
        ("1750464000250", "1750550400000", 3, "not in the span that the file's name gives"),
        ("104000.2,", "104k,", 3, "price: expected a plain decimal number, was '104k'"),
        ("104000.2,", "-1,", 3, "price: expected a plain decimal"),
        ("104000.2,", "nan,", 3, "price: expected a plain decimal"),
        (",1,13", ",1e3,13", 3, "quantity: expected a plain decimal"),
        ("false", "maybe", 3, "side: was 'maybe'"),
        ("9,103", "x,103", 4, "trade id: expected a whole number, was 'x'"),
        ("9,103999.90,", "9,", 4, "expected 7 columns, there are 6"),
        ("8,104000.2,1,", "8,104000.2,1,1,", 3, "expected 7 columns, there are 8"),
        ("1750464061000", "1750463999000", 4, "not in the span"),
        ("1750464000000", "1750464099000", 3, "goes back by 98750000 us: sort the file"),
    ],
)
def test_a_wrong_value_is_said_with_its_line(
    tmp_path: Path, old: str, new: str, line: int, says: str
) -> None:
    assert old in AGGREGATES
    message = broken(put(tmp_path, f"{NAME}.zip", AGGREGATES.replace(old, new, 1)))
    assert f"line {line}: " in message
    assert says in message


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    text = AGGREGATES.replace("price", "cost", 1)
    message = broken(put(tmp_path, f"{NAME}.csv", text))
    assert "line 1: no column for the price (price) in a binance.aggTrades file" in message
    assert "cost" in message


def test_columns_without_names_of_the_wrong_number_are_refused(tmp_path: Path) -> None:
    assert "3 columns without names" in broken(put(tmp_path, f"{NAME}.csv", "1,2,3\n"))


def test_an_unknown_file_says_what_to_do(tmp_path: Path) -> None:
    assert "say --format" in broken(put(tmp_path, "some.csv", "1,2,3\n"))


@pytest.mark.parametrize("ending", [".zip", ".csv.gz"])
@pytest.mark.parametrize("kept", [0.2, 0.5, 0.9])
def test_a_container_that_was_cut_is_an_error(tmp_path: Path, ending: str, kept: float) -> None:
    path = put(tmp_path, NAME + ending, AGGREGATES)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * kept)])
    assert "cut off or broken" in broken(path)


def test_a_zip_with_a_wrong_byte_is_an_error(tmp_path: Path) -> None:
    path = put(tmp_path, f"{NAME}.zip", AGGREGATES)
    data = bytearray(path.read_bytes())
    data[90] ^= 0xFF
    path.write_bytes(data)
    assert "cut off or broken" in broken(path)


def test_a_zstd_file_that_was_cut_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / f"{NAME}.csv.zst"
    data = zstandard.ZstdCompressor().compress(AGGREGATES.encode())
    path.write_bytes(data)
    assert held(path).trades == 3
    path.write_bytes(data[:-3])
    assert "does not end" in broken(path)


def test_a_plain_file_that_ends_inside_a_line_is_an_error(tmp_path: Path) -> None:
    message = broken(put(tmp_path, f"{NAME}.csv", AGGREGATES[:-2]))
    assert "line 4: the file ends inside a line" in message


def test_a_file_without_trades_is_an_error(tmp_path: Path) -> None:
    assert "no trade in it" in broken(
        put(tmp_path, f"{NAME}.csv", AGGREGATES.split("\n")[0] + "\n")
    )
    assert "empty" in broken(put(tmp_path, f"{NAME}.csv", ""))


def test_a_file_that_is_not_what_its_checksum_says_is_an_error(tmp_path: Path) -> None:
    path = put(tmp_path, f"{NAME}.csv", AGGREGATES)
    beside = tmp_path / f"{NAME}.csv.CHECKSUM"
    beside.write_text(f"{hashlib.sha256(AGGREGATES.encode()).hexdigest()}  {path.name}\n")
    assert identity_of(path).size_bytes == len(AGGREGATES)
    beside.write_text(f"{'0' * 64}  {path.name}\n")
    with pytest.raises(DumpError, match="CHECKSUM says"):
        identity_of(path)
