"""A store per test module: the engine admits one directory at a time in a process."""

from collections.abc import Iterator

import pytest

from sinks.clickhouse.client import Store, open_store
from sinks.clickhouse.migrate import apply


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    opened = open_store(tmp_path_factory.mktemp("store"))
    apply(opened)
    yield opened
    opened.close()
