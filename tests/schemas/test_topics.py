"""The topic registry, and the partitioner that every Kafka client shares."""

import re

import pytest
from aiokafka.partitioner import murmur2 as murmur2_of_aiokafka
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.topics import PARTITIONS, TOPICS, murmur2, partition_of

PUBLISHED = [
    # Source: Apache Kafka, clients/src/test/java/.../utils/UtilsTest.java, testMurmur2
    (b"21", -973932308),
    (b"foobar", -790332482),
    (b"a-little-bit-long-string", -985981536),
    (b"a-little-bit-longer-string", -1486304829),
    (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
    (b"abc", 479470107),
]


@pytest.mark.parametrize(("data", "signed"), PUBLISHED)
def test_murmur2_gives_the_published_values(data: bytes, signed: int) -> None:
    assert murmur2(data) == signed & 0xFFFFFFFF


@settings(deadline=None, derandomize=True)
@given(st.binary(max_size=100))
def test_murmur2_agrees_with_aiokafka(data: bytes) -> None:
    assert murmur2(data) == murmur2_of_aiokafka(data) & 0xFFFFFFFF


@settings(deadline=None, derandomize=True)
@given(st.binary(max_size=40), st.integers(1, 100))
def test_a_partition_is_inside_the_topic(key: bytes, partitions: int) -> None:
    assert 0 <= partition_of(key, partitions) < partitions


def test_every_topic_is_filed_under_its_own_well_formed_name() -> None:
    for name, topic in TOPICS.items():
        assert name == topic.name
        assert re.fullmatch(r"md\.(norm|ref|flow|ops)\.[a-z_]+\.v\d+", name)


def test_topics_keyed_by_asset_have_the_same_partition_count() -> None:
    by_asset = [topic for topic in TOPICS.values() if topic.key == "asset"]
    assert len(by_asset) >= 4
    assert {topic.partitions for topic in by_asset} == {PARTITIONS}


def test_a_topic_forgets_by_age_or_by_key_and_not_by_both() -> None:
    for topic in TOPICS.values():
        assert (topic.cleanup == "compact") == (topic.retention_seconds is None), topic.name
