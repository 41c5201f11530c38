"""What bodies are packed in, byte by byte, and what is refused."""

import gzip
import zlib
from collections.abc import Callable

import aiohttp
import lz4.frame
import pytest
import zstandard

from sinks.clickhouse.client import QueryError
from sinks.clickhouse.encodings import chosen_encoding, packed, unpacked
from sinks.clickhouse.request import read_request
from tests.sinks.clickhouse.http.conftest import Path

SQL = "SELECT number FROM numbers(5000) FORMAT TabSeparated"
ANSWER = b"".join(b"%d\n" % number for number in range(5000))
PACK: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "zstd": zstandard.ZstdCompressor().compress,
    "lz4": lz4.frame.compress,
}
UNPACK: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.decompress,
    "deflate": zlib.decompress,
    "zstd": zstandard.ZstdDecompressor().decompress,
    "lz4": lz4.frame.decompress,
}
LIMIT_BYTES = 10_000


@pytest.mark.parametrize("encoding", PACK)
async def test_both_ways_are_packed_as_the_headers_say(path: Path, encoding: str) -> None:
    headers = {"Content-Encoding": encoding, "Accept-Encoding": encoding}
    async with (
        aiohttp.ClientSession(auto_decompress=False) as session,
        session.post(
            path.address,
            params={"enable_http_compression": "1"},
            data=PACK[encoding](SQL.encode()),
            headers=headers,
        ) as response,
    ):
        body = await response.read()

    assert response.headers["Content-Encoding"] == encoding
    assert len(body) < len(ANSWER)
    assert UNPACK[encoding](body) == ANSWER


async def test_an_answer_is_not_packed_unless_that_is_asked_for_twice(path: Path) -> None:
    async with (
        aiohttp.ClientSession(auto_decompress=False) as session,
        session.get(path.address, params={"query": SQL}) as response,
    ):
        assert "gzip" in response.request_info.headers["Accept-Encoding"]
        assert "Content-Encoding" not in response.headers
        assert await response.read() == ANSWER


@pytest.mark.parametrize(
    ("accepted", "chosen"),
    [
        ("gzip, deflate, br, zstd", "zstd"),
        ("lz4,zstd,gzip,deflate", "zstd"),
        ("LZ4", "lz4"),
        ("gzip;q=0.5, deflate", "gzip"),
        ("gzip;q=0, deflate", "deflate"),
        ("br, identity", ""),
        ("", ""),
    ],
)
def test_the_encoding_is_one_that_is_accepted(accepted: str, chosen: str) -> None:
    headers = {"Accept-Encoding": accepted}

    assert chosen_encoding({"enable_http_compression": "1"}, headers) == chosen
    assert chosen_encoding({"enable_http_compression": "0"}, headers) == ""
    assert packed(b"", chosen) == b""


def test_frames_of_lz4_come_one_after_the_other() -> None:
    frames = lz4.frame.compress(b"a" * 4000) + lz4.frame.compress(b"b" * 6000)

    assert unpacked(frames, "lz4", LIMIT_BYTES) == b"a" * 4000 + b"b" * 6000


@pytest.mark.parametrize(
    ("body", "encoding", "says"),
    [
        (lz4.frame.compress(b"a" * 10_001), "lz4", "longer than 10000 bytes"),
        (lz4.frame.compress(b"a" * 6000) * 2, "lz4", "longer than 10000 bytes"),
        (lz4.frame.compress(b"a" * 100)[:-6], "lz4", "its end is missing"),
        (b"not packed at all", "lz4", "is not lz4"),
        (b"", "br", "the content encoding br"),
    ],
)
def test_what_cannot_be_unpacked_is_refused(body: bytes, encoding: str, says: str) -> None:
    with pytest.raises(QueryError, match=says):
        unpacked(body, encoding, LIMIT_BYTES)


@pytest.mark.parametrize("argument", ["compress", "decompress"])
def test_blocks_of_the_native_protocol_are_refused_and_not_passed_over(argument: str) -> None:
    with pytest.raises(QueryError, match="native protocol"):
        read_request("POST", {argument: "1"}, {}, b"SELECT 1", writable=True)
    assert read_request("POST", {argument: "0"}, {}, b"SELECT 1", writable=True).sql == "SELECT 1"


@pytest.mark.parametrize("first", [b"\t", b"\n", b"\x0b", b"\x0c", b"\r", b" ", b"\r\n"])
@pytest.mark.parametrize("query", ["", "INSERT INTO t FORMAT Native"])
def test_data_that_begins_like_a_space_stays_whole(query: str, first: bytes) -> None:
    statement = b"" if query else b"INSERT INTO t FORMAT Native\n"
    data = first + b"FORMAT x\n"

    request = read_request("POST", {"query": query}, {}, statement + data, writable=True)

    assert (request.sql, request.format, request.data) == ("INSERT INTO t ", "Native", data)
