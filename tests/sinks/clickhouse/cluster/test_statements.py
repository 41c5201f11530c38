"""What one statement becomes on a cluster, beside texts written by hand and the engine's parser."""

import re
from collections.abc import Iterator

import pytest

from runtime.errors import ConfigurationError
from schemas.migrations import load
from sinks.clickhouse.client import Store, open_store
from sinks.clickhouse.cluster import clustered, clustered_bookkeeping, clustered_database

STEPS = [
    pytest.param(step, id=f"{migration.name}-{number}")
    for migration in load()
    for number, step in enumerate(migration.steps)
]
FILES = """CREATE TABLE IF NOT EXISTS backfills_log
(
    file String CODEC(ZSTD(1)),
    revision UInt64 CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree(revision)
ORDER BY (file, size_bytes, sha256)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1"""
PATH = "'/clickhouse/tables/{database}/{table}/{shard}'"
TRADES_TAIL = f"""
    CONSTRAINT grids_above_zero CHECK tick > 0 AND lot > 0
)
ENGINE = ReplicatedReplacingMergeTree({PATH}, '{{replica}}', revision)
PARTITION BY toDate(event_time)
ORDER BY (asset, venue, kind, symbol, event_time, trade_id)
SETTINGS replicated_deduplication_window = 1000, fsync_after_insert = 1, """
TRADES_TAIL += "fsync_part_directory = 1"


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    opened = open_store(tmp_path_factory.mktemp("parser") / "store")
    yield opened
    opened.close()


def named(start: str) -> str:
    (step,) = (step.values[0] for step in STEPS if str(step.values[0]).startswith(start))
    return str(step)


def test_a_table_is_replicated_within_its_shard_and_spread_by_asset() -> None:
    step = named("CREATE TABLE IF NOT EXISTS trades_log\n")

    local, whole = clustered(step, "tape")

    head = "CREATE TABLE IF NOT EXISTS trades_log_local ON CLUSTER 'tape'\n(\n    asset LowCard"
    assert local.startswith(head)
    assert local.endswith(TRADES_TAIL)
    columns = re.compile(r"^    \w+ .*", re.MULTILINE)
    assert columns.findall(local) == columns.findall(step)
    assert whole == (
        "CREATE TABLE IF NOT EXISTS trades_log ON CLUSTER 'tape' AS perptape.trades_log_local\n"
        "ENGINE = Distributed('tape', 'perptape', 'trades_log_local', cityHash64(asset))"
    )


def test_a_table_without_an_asset_is_spread_by_a_part_of_its_key() -> None:
    local, whole = clustered(FILES, "{cluster}")

    assert local == (
        "CREATE TABLE IF NOT EXISTS backfills_log_local ON CLUSTER '{cluster}'\n"
        "(\n    file String CODEC(ZSTD(1)),\n    revision UInt64 CODEC(ZSTD(1))\n)\n"
        "ENGINE = ReplicatedReplacingMergeTree("
        "'/clickhouse/tables/{database}/{table}/{shard}', '{replica}', revision)\n"
        "ORDER BY (file, size_bytes, sha256)\n"
        "SETTINGS replicated_deduplication_window = 1000, fsync_after_insert = 1"
    )
    assert whole.endswith(
        "Distributed('{cluster}', 'perptape', 'backfills_log_local', cityHash64(file))"
    )


def test_a_view_is_made_on_every_server_over_the_whole_tables() -> None:
    step = named("CREATE OR REPLACE VIEW tickers AS")

    (view,) = clustered(step, "tape")

    first, _, rest = view.partition("\n")
    assert first == "CREATE OR REPLACE VIEW tickers ON CLUSTER 'tape' AS"
    assert rest == step.partition("\n")[2]
    assert rest.endswith("FROM tickers_log AS told FINAL")


def test_columns_change_in_the_shards_first_and_then_in_the_whole() -> None:
    step = "ALTER TABLE a_log\n    ADD COLUMN IF NOT EXISTS b Int8 AFTER a,\n    DROP COLUMN c"

    changes = "ADD COLUMN IF NOT EXISTS b Int8 AFTER a,\n    DROP COLUMN c"
    assert clustered(step, "tape") == [
        f"ALTER TABLE a_log_local ON CLUSTER 'tape' {changes}",
        f"ALTER TABLE a_log ON CLUSTER 'tape' {changes}",
    ]


def test_the_database_and_the_applied_files_are_on_every_server() -> None:
    made = "CREATE TABLE IF NOT EXISTS perptape.schema_migrations\n(\n    name String\n)\n"

    assert clustered_database("tape").endswith("perptape ON CLUSTER 'tape' ENGINE = Atomic")
    assert clustered_bookkeeping(
        f"\n{made}ENGINE = ReplacingMergeTree\nORDER BY name\n", "tape"
    ) == (
        "CREATE TABLE IF NOT EXISTS perptape.schema_migrations ON CLUSTER 'tape'\n"
        "(\n    name String\n)\nENGINE = ReplicatedReplacingMergeTree("
        "'/clickhouse/tables/{database}/{table}/all', '{shard}-{replica}')\nORDER BY name\n"
        "COMMENT 'the cluster tape'"
    )


@pytest.mark.parametrize("step", STEPS)
def test_the_engine_reads_every_statement(engine: Store, step: str) -> None:
    statements = clustered(step, "tape")

    assert len(statements) == (1 if "VIEW" in step[:30] else 2)
    for statement in statements:
        sql = "SELECT formatQuerySingleLine({statement:String})"
        ((read,),) = engine.query(sql, {"statement": statement}).rows
        assert " ON CLUSTER tape" in read


@pytest.mark.parametrize(
    ("step", "named"),
    [
        (FILES.replace("backfills_log", "others_log"), "others_log has no asset in its key"),
        (FILES.replace("non_replicated_deduplication_window = 1000, ", ""), "blocks it knows"),
        ("CREATE MATERIALIZED VIEW a_log TO b_log AS SELECT 1", "no rule"),
        ("CREATE TABLE IF NOT EXISTS a_log (a Int8) ENGINE = Memory", "no rule"),
        ("ALTER TABLE a_log ADD INDEX i b TYPE minmax", "no rule"),
        ("ALTER TABLE a_log ADD COLUMN b Int8, MODIFY TTL b", "no rule"),
        ("DROP TABLE a_log", "no rule"),
    ],
)
def test_a_statement_without_a_rule_is_named(step: str, named: str) -> None:
    with pytest.raises(ConfigurationError, match=named):
        clustered(step, "tape")


@pytest.mark.parametrize("name", ["", "a'b", "a b", "{a}{b}", "tape'; DROP TABLE a"])
def test_what_is_no_name_is_refused(name: str) -> None:
    for make in (clustered_database, lambda name: clustered(FILES, name)):
        with pytest.raises(ConfigurationError, match="is not the name of a cluster"):
            make(name)
