"""A store of every earlier version, with rows in it, becomes one that was made from nothing.

Rows are random values of each column's type, written at the earliest version that has their table;
a column that a later version adds is not compared.
"""

import re
from collections.abc import Iterator, Sequence

import pytest

from schemas.migrations import Migration, load
from sinks.clickhouse.client import Store, open_store
from sinks.clickhouse.migrate import apply

FILES = load()
ROWS = 3
COUNTS = range(1, len(FILES))
QUICK = (4, len(FILES) - 1)
"""Versions that are tried at once each time: before a table was changed, and the last but one. In
steps it is every version each time."""

FIXED = {"tick": "1", "lot": "1", "row_size": "1", "stored_time": "now()"}
"""What the table's constraints ask for, and what keeps a row from being too old to stay."""

TABLE = re.compile(r"CREATE TABLE IF NOT EXISTS (\w+)\n")
VIEW = re.compile(r"CREATE OR REPLACE VIEW (\w+) AS")

Schema = dict[str, str]
Kept = dict[str, tuple[str, list[str]]]


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    store = open_store(tmp_path_factory.mktemp("versions") / "store")
    yield store
    store.close()


@pytest.fixture(scope="module")
def newest(opened: Store) -> Schema:
    apply(opened)
    made = schema(opened)
    opened.command("DROP DATABASE perptape SYNC")
    return made


@pytest.fixture
def engine(opened: Store, newest: Schema) -> Iterator[Store]:
    yield opened
    opened.command("DROP DATABASE IF EXISTS perptape SYNC")


def schema(store: Store) -> Schema:
    sql = "SELECT name, create_table_query FROM system.tables WHERE database = 'perptape'"
    return dict(store.query(sql).rows)


def fill(store: Store, tables: set[str]) -> Kept:
    """Write rows into tables; return how they are asked for, and the answers."""
    kept = {}
    for table in sorted(tables):
        columns = store.query(f"SELECT name, type FROM system.columns WHERE table = '{table}'").rows
        names = [name for name, _ in columns]
        fixed = ", ".join(f"{FIXED[name]} AS {name}" for name in names if name in FIXED)
        types = ", ".join(f"{name} {type_}" for name, type_ in columns).replace("'", "\\'")
        store.command(
            f"INSERT INTO {table} SELECT *{f' REPLACE ({fixed})' if fixed else ''}"
            f" FROM generateRandom('{types}', 7, 4, 2) LIMIT {ROWS}"
        )
        question = f"SELECT toString(({', '.join(names)})) AS row FROM {table} FINAL ORDER BY row"
        kept[table] = (question, answer(store, question))
    return kept


def tables_of(files: Sequence[Migration]) -> set[str]:
    steps = "\n".join(step for migration in files for step in migration.steps)
    return set(TABLE.findall(steps))


def answer(store: Store, question: str) -> list[str]:
    return [row for (row,) in store.query(question).rows]


def test_a_store_goes_through_every_version_and_keeps_the_rows_of_each(
    engine: Store, newest: Schema
) -> None:
    kept: Kept = {}
    for count, file in enumerate(FILES, start=1):
        assert apply(engine, FILES[:count]) == [file.name]
        kept |= fill(engine, tables_of([file]))

    assert schema(engine) == newest
    assert kept.keys() == tables_of(FILES)
    for table, (question, rows) in kept.items():
        assert len(rows) == ROWS, table
        assert answer(engine, question) == rows, table


@pytest.mark.parametrize(
    "count", [pytest.param(n, marks=() if n in QUICK else pytest.mark.long) for n in COUNTS]
)
def test_a_store_of_an_earlier_version_becomes_the_newest_at_once(
    engine: Store, newest: Schema, count: int
) -> None:
    assert len(apply(engine, FILES[:count])) == count
    kept = fill(engine, tables_of(FILES[:count]))

    assert apply(engine) == [migration.name for migration in FILES[count:]]

    assert schema(engine) == newest
    assert all(answer(engine, question) == rows for question, rows in kept.values())


def test_what_is_compared_is_every_table_and_view(newest: Schema) -> None:
    views = {name for file in FILES for step in file.steps for name in VIEW.findall(step)}

    assert newest.keys() == tables_of(FILES) | views | {"schema_migrations"}
    assert len(newest) > 90
    assert "gap_permanent" in newest["quality_log"]
    assert "first_id" in newest["quality"]
