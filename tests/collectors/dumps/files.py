"""Small files of every format, with the same three trades where the format can say them."""

import gzip
import zipfile
from pathlib import Path

from collectors.dumps.batches import job_batches
from collectors.dumps.held import Held, hold, identity_of
from collectors.dumps.market import Asked, Contracts
from schemas.trades import TradeBatch, TradeRow

DAY_US = 1_750_464_000_000_000
"""2025-06-21T00:00:00Z."""

AGGREGATES = (
    "agg_trade_id,price,quantity,first_trade_id,last_trade_id,transact_time,is_buyer_maker\n"
    "7,104000.10,0.250,11,12,1750464000000,true\n"
    "8,104000.2,1,13,13,1750464000250,false\n"
    "9,103999.90,0.003,14,16,1750464061000,true\n"
)


def put(folder: Path, name: str, text: str) -> Path:
    """Write a file, packed as its name says."""
    path = folder / name
    if name.endswith(".zip"):
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(name.removesuffix(".zip") + ".csv", text)
    elif name.endswith(".gz"):
        path.write_bytes(gzip.compress(text.encode()))
    else:
        path.write_text(text)
    return path


def held(path: Path, asked: Asked | None = None, contracts: Contracts | None = None) -> Held:
    """Read a file whole."""
    store = path.parent / f"{path.name}.columns"
    return hold(path, identity_of(path), asked or Asked(), contracts or {}, store)


def rows(one: Held) -> list[TradeRow]:
    """Return all trades of a file."""
    return [row for chunk in one.rows() for row in chunk]


def batches(*files: Held) -> list[TradeBatch]:
    """Return the batches of one job."""
    return list(job_batches(files))
