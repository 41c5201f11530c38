"""What may be asked of a store, and what an engine in read-only mode would still have done."""

import pytest

from sinks.clickhouse.client import QueryError
from sinks.clickhouse.guard import check_readable


@pytest.mark.parametrize(
    "sql",
    [
        "select 1",
        "SELECT 'into outfile; file(' -- ;\n;",
        "(SELECT 1) UNION ALL (SELECT 2)",
        "WITH a AS (SELECT 1) SELECT * FROM a",
        '/* why */ SELECT `a b`, "c" FROM t WHERE x = {x:String} // end',
        "DESCRIBE TABLE perptape.trades",
        "DESCRIBE (SELECT 1)",
        "EXPLAIN indexes = 1 SELECT 1",
        "SHOW TABLES",
        "SELECT profile(1), file FROM t",
        "SELECT 'it''s', 'a\\'b', 'é\u2019'",
    ],
)
def test_a_query_passes(sql: str) -> None:
    check_readable(sql)


@pytest.mark.parametrize(
    "sql",
    [
        "",
        " ; ",
        "SELECT 1; SELECT 2",
        "SET readonly = 0",
        "USE system",
        "KILL QUERY WHERE 1",
        "INSERT INTO t VALUES (1)",
        "BACKUP TABLE t TO File('/tmp/x')",
        "SELECT 1 INTO /* */ OUTFILE '/tmp/x'",
        "SELECT file('/etc/passwd')",
        "SELECT File /* */ ('/etc/passwd')",
        "SELECT `file`('/etc/passwd')",
        "SELECT \"file\"('/etc/passwd')",
        "SELECT `\\x66ile`('/etc/passwd')",
        "DESC TABLE url('http://127.0.0.1')",
        "DESCRIBE s3('http://127.0.0.1')",
        "EXPLAIN SELECT * FROM eval('SELECT 1')",
        "SELECT 1 /* /* ' */ */, file('x') -- '",
        "SELECT 1 // '\n, file('x') -- '",
        "SELECT 1 AS x$a$, file('x') AS y$a$",
        "SELECT \u2018 ' \u2018, file('x') -- '",
        "SELECT 'open",
        "SELECT 1 /* open",
        "SELECT '" + "x" * 70_000 + "'",
    ],
)
def test_anything_else_is_refused(sql: str) -> None:
    with pytest.raises(QueryError):
        check_readable(sql)
