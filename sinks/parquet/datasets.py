"""What can be exported: the store's tables that have assets and days, and how one is asked."""

import re
from dataclasses import dataclass

from runtime.errors import ConfigurationError
from sinks.clickhouse.access import Reader
from sinks.clickhouse.client import DATABASE
from sinks.clickhouse.cluster import LOCAL

SUFFIX = "_log"

# On a cluster it is the table of the shard that has keys.
_TABLES = f"""
SELECT replaceRegexpOne(name, '{LOCAL}$', '') AS dataset, partition_key, sorting_key
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


@dataclass(frozen=True, slots=True)
class Dataset:
    """A table whose rows have an asset and a time.

    Args:
        name: the table's, without `_log`.
        time: the column that says the day.
        key: the columns that tell rows apart, in the table's order.
        columns: names and types, in the table's order.
        by_venue: each row is of one venue. Rows with a scope may be of all of them.
    """

    name: str
    time: str
    key: str
    columns: tuple[tuple[str, str], ...]
    by_venue: bool

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


def find_dataset(reader: Reader, name: str) -> Dataset:
    """Return a dataset by its name.

    Raises:
        ConfigurationError: the store has no such table.
        StoreError: the store is away.
    """
    columns: dict[str, list[tuple[str, str]]] = {}
    for table, column, type_ in reader.query(_COLUMNS).rows:
        columns.setdefault(table, []).append((column, type_))
    datasets = {}
    for table, partition_key, key in reader.query(_TABLES).rows:
        time = _TIME.fullmatch(partition_key)
        names = {column for column, _ in columns[table]}
        if time is not None and "asset" in names:
            of_venues = "venue" in names and "scope" not in names
            found = Dataset(
                table.removesuffix(SUFFIX), time[1], key, tuple(columns[table]), of_venues
            )
            datasets[found.name] = found
    if name not in datasets:
        raise ConfigurationError(f"no dataset {name!r}; there are: {', '.join(datasets) or 'none'}")
    return datasets[name]


def _exported(name: str, type_: str) -> str:
    """Keep what an Arrow stream would turn into a number: names of values, and times in seconds."""
    wanted = _SECONDS.sub("DateTime64(3, ", _ENUM.sub("String", type_))
    return f"`{name}`" if wanted == type_ else f"CAST(`{name}` AS {wanted}) AS `{name}`"
