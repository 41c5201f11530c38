"""What can be exported: the store's tables that have assets and days, and how one is asked."""

import hashlib
import re
from dataclasses import dataclass
from enum import Enum
from functools import cached_property

from runtime.errors import ConfigurationError, StoreError
from sinks.clickhouse.access import Reader
from sinks.clickhouse.client import DATABASE
from sinks.clickhouse.cluster import LOCAL

SUFFIX = "_log"

# On a cluster it is the table of the shard that has keys.
_TABLES = f"""
SELECT replaceRegexpOne(name, '{LOCAL}$', '') AS dataset, partition_key, sorting_key,
       engine_full
FROM system.tables
WHERE database = '{DATABASE}' AND match(name, '{SUFFIX}({LOCAL})?$') AND engine != 'Distributed'
ORDER BY dataset
"""  # noqa: S608  # our own
_COLUMNS = f"""
SELECT table, name, type FROM system.columns
WHERE database = '{DATABASE}' AND endsWith(table, '{SUFFIX}') ORDER BY table, position
"""  # noqa: S608  # our own
_ENUM = re.compile(r"Enum(?:8|16)\((?:'(?:[^'\\]|\\.)*' = -?\d+(?:, )?)+\)")
_SECONDS = re.compile(r"\bDateTime\(")
_TIME = re.compile(r"to(?:Date|YYYYMM)\((\w+)\)")
_STORE = f"SELECT toString(uuid) FROM system.databases WHERE name = '{DATABASE}'"  # noqa: S608
_LAYOUT = 1
"""Another number has every file written again."""


class Reach(Enum):
    """Inside of what the revisions of a row stay."""

    HOUR = 1
    DAY = 2
    MONTH = 3


@dataclass(frozen=True)
class Dataset:
    """A table whose rows have an asset and a time.

    Args:
        name: the table's, without `_log`.
        time: the column that says the day.
        key: the columns that tell rows apart, in the table's order.
        columns: names and types, in the table's order.
        by_venue: each row is of one venue. Rows with a scope may be of all of them.
        expires: the store drops old rows by itself.
    """

    name: str
    time: str
    key: str
    columns: tuple[tuple[str, str], ...]
    by_venue: bool
    expires: bool

    @property
    def table(self) -> str:
        """The table's name, with its database."""
        return f"{DATABASE}.{self.name}{SUFFIX}"

    @property
    def has_lists(self) -> bool:
        """Say whether a row may be long."""
        return any(type_.startswith(("Array", "Map")) for _, type_ in self.columns)

    @property
    def partition(self) -> str:
        """The columns that, next to the day, say in which file a row is."""
        return "asset, venue" if self.by_venue else "asset"

    @property
    def selected(self) -> str:
        """Every column under its name, as a type that Arrow has too."""
        return ", ".join(_exported(name, type_) for name, type_ in self.columns)

    @property
    def reach(self) -> Reach:
        """How far from its time an earlier revision of a row may be, by what the key has of it."""
        key = self.key.split(", ")
        if self.time in key:
            return Reach.HOUR
        return Reach.DAY if f"toDate({self.time})" in key else Reach.MONTH

    @cached_property
    def form(self) -> str:
        """What the form of a file depends on, shortened: columns, their types, and the layout."""
        text = f"{_LAYOUT} {self.selected} {self.columns}"
        return hashlib.blake2b(text.encode(), digest_size=6).hexdigest()


def find_dataset(reader: Reader, name: str) -> Dataset:
    """Return a dataset by its name.

    Raises:
        ConfigurationError: the store has no such table.
        StoreError: the store is away.
    """
    datasets = find_datasets(reader)
    if name not in datasets:
        raise ConfigurationError(f"no dataset {name!r}; there are: {', '.join(datasets) or 'none'}")
    return datasets[name]


def find_datasets(reader: Reader) -> dict[str, Dataset]:
    """Return all that can be exported, by name.

    Raises:
        StoreError: the store is away.
    """
    columns: dict[str, list[tuple[str, str]]] = {}
    for table, column, type_ in reader.query(_COLUMNS).rows:
        columns.setdefault(table, []).append((column, type_))
    datasets = {}
    for table, partition_key, key, engine in reader.query(_TABLES).rows:
        time = _TIME.fullmatch(partition_key)
        names = {column for column, _ in columns[table]}
        if time is not None and "asset" in names:
            found = Dataset(
                name=table.removesuffix(SUFFIX),
                time=time[1],
                key=key,
                columns=tuple(columns[table]),
                by_venue="venue" in names and "scope" not in names,
                expires=" TTL " in engine,
            )
            datasets[found.name] = found
    return datasets


def store_of(reader: Reader) -> str:
    """Return what tells this store from others: tables that are made anew are another one.

    Raises:
        StoreError: the store is away, or has no tables yet.
    """
    rows = reader.query(_STORE).rows
    if not rows:
        raise StoreError("the store has no tables yet")
    return str(rows[0][0])


def _exported(name: str, type_: str) -> str:
    """Keep what an Arrow stream would turn into a number: names of values, and times in seconds."""
    wanted = _SECONDS.sub("DateTime64(3, ", _ENUM.sub("String", type_))
    return f"`{name}`" if wanted == type_ else f"CAST(`{name}` AS {wanted}) AS `{name}`"
